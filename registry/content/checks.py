"""A dataset against what every dataset has to keep and what it promises itself, with Great Expectations.

The tables of a dataset are validated by a checkpoint: one expectation suite for its cases, one for its documents. An
expectation that could not be evaluated has failed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.registry.content.datasets import EXPECTATIONS_NAME, DatasetReader, promised
from assay.registry.content.expectations import TableName, Wanted, wanted_of
from assay.registry.content.frame import Table, case_table, document_table, text_table
from assay.registry.content.validation import Outcome, validate
from assay.registry.digest import digest_of
from assay.registry.errors import ContentError, NotMeasuredError, nearest
from assay.registry.slices import SliceError, check_attributes
from assay.registry.strict import parse_yaml
from assay.registry.types.case import Dataset
from assay.registry.types.datacheck import DataCheckReport, DataExpectations, ExpectationResult, Place

__all__ = [
    "DatasetCheck",
    "check_dataset",
    "load_expectations",
    "parse_expectations",
    "tables_of",
    "wanted_by",
]


CHECKS_VERSION = 4
"""Goes up whenever the same dataset could get another report."""

_SHOWN_CASES = 5


def load_expectations(folder: Path) -> DataExpectations | None:
    """The `expectations.yaml` of a dataset's folder, or None where it has none.

    Raises:
        ContentError: it is ill-formed, or a slice in it is; names the nearest attribute.
    """
    text = promised(folder)
    return None if text is None else parse_expectations(text, folder / EXPECTATIONS_NAME)


def parse_expectations(text: str, file: Path | str = EXPECTATIONS_NAME) -> DataExpectations:
    """Expectations from the text of an `expectations.yaml`. Raises as `load_expectations` does."""
    expectations = parse_yaml(text, DataExpectations, file=file)
    for name in expectations.slices:
        try:
            check_attributes(name)
        except SliceError as error:
            raise ContentError(error.problem, file=file, line=_line_with(text, name), key="slices") from None
    return expectations


@dataclass(frozen=True)
class DatasetCheck:
    """All that a check of a dataset is told.

    `training` are (where it stands, utterance) of what models are trained on; no case may say the same. `others` are
    the folders of datasets that must not hold the same cases.
    """

    folder: Path
    expectations: DataExpectations
    training: tuple[tuple[str, str], ...] = ()
    others: tuple[Path, ...] = ()

    def identity(self) -> str:
        """Digest of everything that a report rests on besides the dataset."""
        return digest_of(
            {
                "version": CHECKS_VERSION,
                "expectations": self.expectations,
                "training": [list(pair) for pair in self.training],
                "others": [_content(folder) for folder in self.others],
            }
        )


def check_dataset(check: DatasetCheck, *, dataset: Dataset | None = None) -> tuple[DataCheckReport, str]:
    """Check the dataset in a folder, reading its cases one by one.

    A report is never read back from a file: whoever can write the file could write a better report.

    Args:
        check: the folder, and what it is held against.
        dataset: what was loaded from the folder, where it was; the report is then about exactly that.

    Returns:
        The report, and Great Expectations' own validation results as JSON, by table.

    Raises:
        ContentError: the dataset or an expectation is ill-formed, or `expectations.yaml` names an intent that the
            dataset does not declare.
        NotMeasuredError: the folder no longer holds the dataset that was loaded.
    """
    identity = check.identity()
    report, validation = _evaluate(check, identity)
    if dataset is not None and report.dataset_digest != dataset.digest:
        raise NotMeasuredError(f"{check.folder} changed after the dataset was loaded: load it again")
    return report, json.dumps(validation)


def tables_of(check: DatasetCheck) -> tuple[DatasetReader, dict[TableName, Table]]:
    """The tables that are checked, and the reader that read the dataset to its end. Raises as `check_dataset` does."""
    reader = DatasetReader(check.folder)
    _check_intents(check, reader)
    others = [DatasetReader(folder) for folder in check.others]
    cases = case_table(reader, check.expectations, check.training, others)
    return reader, {"cases": cases, "documents": document_table(reader), "texts": text_table(reader)}


def wanted_by(check: DatasetCheck, reader: DatasetReader) -> list[Wanted]:
    """Everything that the tables have to meet.

    Raises:
        ContentError: one of the dataset's own expectations has the name of another one.
    """
    wanted = wanted_of(
        check.expectations,
        reader.info.intents,
        with_documents=bool(reader.knowledge),
        with_texts=bool(reader.knowledge or reader.wording),
    )
    counts = Counter(w.name for w in wanted)
    for name, count in counts.items():
        if count > 1:
            path = check.folder / EXPECTATIONS_NAME
            raise ContentError("an expectation of this name is checked already", file=path, key=name)
    return wanted


def _evaluate(check: DatasetCheck, identity: str) -> tuple[DataCheckReport, dict[str, object]]:
    reader, tables = tables_of(check)
    wanted = wanted_by(check, reader)
    outcomes, validation = validate(tables, wanted, check.folder / EXPECTATIONS_NAME)
    results = tuple(_result(w, outcomes[w.name], tables[w.table]) for w in wanted)
    report = DataCheckReport(
        dataset=reader.info.name,
        dataset_digest=reader.digest,
        expectations_digest=identity,
        file=reader.path.name,
        cases=len(tables["cases"]),
        success=all(result.success for result in results if result.severity == "critical"),
        expectations=results,
    )
    return report, validation


def _check_intents(check: DatasetCheck, reader: DatasetReader) -> None:
    known = reader.info.intents
    named = [("knowledge_intents", name) for name in check.expectations.knowledge_intents]
    for text in check.expectations.slices:
        named += [("slices", value) for attribute, value in check_attributes(text) if attribute == "intent"]
    for key, name in named:
        if name not in known:
            path = check.folder / EXPECTATIONS_NAME
            line = _line_with(reader.expectations, name)
            hint = nearest(name, known)
            raise ContentError(f"no intent named {name!r} in dataset.yaml.{hint}", file=path, line=line, key=key)


def _result(wanted: Wanted, outcome: Outcome, table: Table) -> ExpectationResult:
    """What came of an expectation, in words that name the cases and lines that break it."""
    if outcome.success:
        return ExpectationResult(name=wanted.name, success=True, severity=wanted.severity, message=wanted.text)
    places = tuple(
        Place(case=case, line=line, detail=table.details.get((wanted.column, case), ""))
        for case, line in outcome.broken_by
    )
    named = [f"{name}: {text}" for (column, name), text in table.details.items() if column == wanted.column]
    detail = outcome.problem or _told(places) or "; ".join([_found(outcome), *named[:_SHOWN_CASES]]).strip("; ")
    return ExpectationResult(
        name=wanted.name,
        success=False,
        severity=wanted.severity,
        places=places,
        message=f"{wanted.text}: {detail or 'it does not hold'}",
    )


def _found(outcome: Outcome) -> str:
    return "" if outcome.observed is None else f"found {outcome.observed:g}"


def _told(places: Sequence[Place]) -> str:
    if not places:
        return ""
    shown = [
        f"{place.case} (line {place.line}{f': {place.detail}' if place.detail else ''})"
        for place in places[:_SHOWN_CASES]
    ]
    more = f", and {len(places) - _SHOWN_CASES} more" if len(places) > _SHOWN_CASES else ""
    many = "1 case breaks it" if len(places) == 1 else f"{len(places)} cases break it"
    return f"{many}: {', '.join(shown)}{more}"


def _content(folder: Path) -> Mapping[str, str]:
    """The text of another dataset's cases: what it is compared by."""
    reader = DatasetReader(folder)
    return {"name": reader.info.name, "cases": digest_of(sorted(read.digest for read in reader.cases()))}


def _line_with(text: str, words: str) -> int | None:
    return next((number for number, line in enumerate(text.splitlines(), start=1) if words in line), None)
