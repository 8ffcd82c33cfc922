"""A dataset against its own expectations, with Great Expectations.

Great Expectations takes seconds to import, so a report is kept under the digests of what it rests on: the
dataset, its `expectations.yaml`, and the version of the checks here. An expectation that could not be
evaluated has failed.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.registry.content.datasets import EXPECTATIONS_NAME
from assay.registry.content.expectations import Wanted, wanted_of
from assay.registry.content.frame import Cell, case_rows
from assay.registry.digest import digest_of
from assay.registry.errors import ContentError, NotMeasuredError, nearest
from assay.registry.retrieval.documents import load_knowledge
from assay.registry.strict import load_yaml, parse_json
from assay.registry.types.case import Dataset
from assay.registry.types.datacheck import DataCheckReport, DataExpectations, ExpectationResult

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuite

__all__ = ["EXPECTATIONS_NAME", "check_dataset"]


CHECKS_VERSION = 1
"""Goes up whenever the same dataset could get another report."""

_SHOWN_CASES = 8


def check_dataset(dataset: Dataset, folder: Path, cache: Path | None = None) -> DataCheckReport | None:
    """Check a dataset that was loaded from `folder`; None where there is no `expectations.yaml` in it.

    `cache` is a folder in which reports are kept; without it every call evaluates anew.

    Raises:
        ContentError: `expectations.yaml` is ill-formed or names an intent that the dataset does not declare.
        NotMeasuredError: the knowledge in the folder is no longer the knowledge the dataset was loaded with.
    """
    path = folder / EXPECTATIONS_NAME
    if not path.is_file():
        return None
    expectations = load_yaml(path, DataExpectations)
    _check_intents(expectations, dataset, path)
    identity = digest_of({"version": CHECKS_VERSION, "expectations": expectations})
    kept = None if cache is None else cache / f"{dataset.info.name}-{dataset.digest[:16]}-{identity[:16]}.json"
    found = _read(kept, dataset.digest, identity)
    if found is None:
        found = _evaluate(dataset, folder, expectations, identity)
        _keep(found, kept)
    return found


def _check_intents(expectations: DataExpectations, dataset: Dataset, path: Path) -> None:
    known = dataset.info.intents
    for key, names in (("intents", expectations.intents), ("knowledge_intents", expectations.knowledge_intents)):
        for name in names:
            if name not in known:
                raise ContentError(
                    f"no intent named {name!r} in dataset.yaml.{nearest(name, known)}", file=path, key=key
                )


def _evaluate(dataset: Dataset, folder: Path, expectations: DataExpectations, identity: str) -> DataCheckReport:
    documents = load_knowledge(folder / dataset.info.knowledge) if dataset.info.knowledge else ()
    if {document.id: digest_of(document) for document in documents} != dataset.documents:
        raise NotMeasuredError(f"the knowledge in {folder} changed after the dataset was loaded: load it again")
    rows = case_rows(dataset.cases, {document.id: document for document in documents}, expectations)
    wanted = wanted_of(expectations, dataset.info.intents)
    results = _run(rows, wanted)
    return DataCheckReport(
        dataset_digest=dataset.digest,
        expectations_digest=identity,
        success=all(result.success for result in results),
        expectations=results,
    )


def _run(rows: Sequence[Mapping[str, Cell]], wanted: Sequence[Wanted]) -> tuple[ExpectationResult, ...]:
    """Evaluate in a context that leaves nothing behind: no files, no telemetry, no progress bars."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("cases").add_dataframe_asset("cases")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.DataFrame(rows)})
    validation = batch.validate(
        _suite(wanted), result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]}
    )
    by_name = {_name_of(result.expectation_config): result for result in validation.results}
    return tuple(_result(w, by_name.get(w.name)) for w in wanted)


def _name_of(configuration: Any) -> str:
    return "" if configuration is None else configuration.meta["name"]


def _suite(wanted: Iterable[Wanted]) -> ExpectationSuite:
    import great_expectations as gx
    import great_expectations.expectations as gxe

    return gx.ExpectationSuite(
        name="cases",
        expectations=[getattr(gxe, w.kind)(**w.settings, meta={"name": w.name}) for w in wanted],
    )


def _result(wanted: Wanted, validation: Any) -> ExpectationResult:
    """One result of Great Expectations, in our words; `None` is an expectation that has no result."""
    if validation is None:
        return ExpectationResult(name=wanted.name, success=False, message=f"{wanted.text}: was not evaluated")
    raised = _exception(validation.exception_info)
    if raised:
        return ExpectationResult(name=wanted.name, success=False, message=f"{wanted.text}: {raised}")
    found: dict[str, Any] = validation.result
    cases = tuple(dict.fromkeys(str(place["id"]) for place in found.get("unexpected_index_list") or ()))
    if validation.success is True:
        return ExpectationResult(name=wanted.name, success=True, message=wanted.text)
    if "observed_value" in found:
        detail = f"found {float(found['observed_value']):g}"
    else:
        more = "" if len(cases) <= _SHOWN_CASES else ", ..."
        detail = f"{len(cases)} cases break it: {', '.join(cases[:_SHOWN_CASES])}{more}"
    return ExpectationResult(name=wanted.name, success=False, cases=cases, message=f"{wanted.text}: {detail}")


def _exception(info: Mapping[str, Any] | None) -> str:
    """The message of an expectation that raised; the library nests it by metric in some cases."""
    entries = [info or {}, *(entry for entry in (info or {}).values() if isinstance(entry, Mapping))]
    raised = [str(entry.get("exception_message")) for entry in entries if entry.get("raised_exception")]
    return f"could not be evaluated: {raised[0]}" if raised else ""


def _read(path: Path | None, dataset_digest: str, identity: str) -> DataCheckReport | None:
    """A report that was kept; None where there is none, or where it is damaged or of other data."""
    if path is None or not path.is_file():
        return None
    try:
        report = parse_json(path.read_bytes(), DataCheckReport, file=path)
    except (ContentError, OSError):
        return None
    same = (report.dataset_digest, report.expectations_digest) == (dataset_digest, identity)
    consistent = report.success == all(result.success for result in report.expectations)
    return report if same and consistent else None


def _keep(report: DataCheckReport, path: Path | None) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
        file.write(report.model_dump_json(indent=2) + "\n")
    Path(file.name).replace(path)
