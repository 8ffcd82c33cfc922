"""From imported cases to the folder of a dataset: `dataset.yaml`, `cases.jsonl`, a data card, and where asked for
the knowledge, the approved wording and the promises of a dataset that the new one is to be like.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from assay.registry.content.datasets import EXPECTATIONS_NAME, load_dataset
from assay.registry.content.references import unknown_names
from assay.registry.digest import digest_of
from assay.registry.errors import ContentError
from assay.registry.strict import read_text, validation_problems
from assay.registry.types.base import Frozen, Name
from assay.registry.types.case import Case, Dataset, DatasetInfo
from assay.runner.importers.folder import publish
from assay.runner.importers.import_card import data_card
from assay.runner.importers.labels import NEEDS_LABELS
from assay.runner.importers.problems import Problems

__all__ = ["DatasetReport", "Imported", "Target", "publish_dataset"]


@dataclass(frozen=True)
class Target:
    """Where and as what a dataset is to be written.

    Args:
        name: the dataset's name.
        out: the folder to write.
        licence: what `dataset.yaml` says; by default that of `like`, or `unknown`.
        like: the folder of a dataset whose names, knowledge, wording and expectations the new one takes over.
        overwrite: replace a folder that holds another import.
    """

    name: str
    out: Path
    licence: str | None = None
    like: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Imported:
    """One case with its place in the source, and the labels that a default supplied or that nobody gave."""

    case: Case
    line: int | None = None
    defaulted: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()


class DatasetReport(Frozen):
    """What an import made."""

    folder: str
    written: bool
    """False where the folder already held exactly this."""
    dataset: Name
    cases: int
    turns: int
    needs_labels: int
    """Cases of which a label rests on a default."""
    remarks: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """The report for people."""
        made = f"{_count(self.cases, 'case')}, {_count(self.turns, 'customer turn')}"
        first = f"{self.folder}: {made}" if self.written else f"{self.folder} already holds this: {made}"
        return (first, *self.remarks)


def publish_dataset(
    target: Target,
    imported: Sequence[Imported],
    problems: Problems,
    *,
    source: str,
    command: str,
    remarks: Sequence[str],
) -> DatasetReport:
    """Write the dataset, whole or not at all. The same cases always give the same bytes.

    Args:
        problems: those noted so far; what is wrong with names and ids is added, and nothing is written where
            there is any.
        source: what the cases were made from, for the data card.
        command: the command that makes it.
        remarks: what people have to know about this import.

    Raises:
        ContentError: there are problems or no cases, the name is none, or `out` is something else.
        OSError: the folder cannot be written to.
    """
    base = load_dataset(target.like) if target.like else None
    _check_ids(imported, problems)
    info = _info(target, [item.case for item in imported], base)
    _check_names(imported, info, base, problems)
    problems.refuse()
    if not imported:
        raise ContentError("holds no conversation: there is nothing to import", file=problems.file)
    said = (*remarks, *_said_about_labels(imported))
    cases = [item.case for item in imported]
    files = {
        "dataset.yaml": yaml.safe_dump(info.model_dump(mode="json", exclude_none=True), sort_keys=False),
        "cases.jsonl": "".join(f"{_line(case)}\n" for case in cases),
        "README.md": data_card(info, cases, source=source, command=command, remarks=said),
        **(_borrowed(target.like, base.info) if target.like and base else {}),
    }
    return DatasetReport(
        folder=str(target.out),
        written=publish(files, target.out, overwrite=target.overwrite),
        dataset=info.name,
        cases=len(cases),
        turns=sum(len(case.turns) for case in cases),
        needs_labels=sum(bool(item.defaulted) for item in imported),
        remarks=said,
    )


def _check_ids(imported: Sequence[Imported], problems: Problems) -> None:
    first: dict[str, int | None] = {}
    for item in imported:
        if item.case.id in first:
            line = first[item.case.id]
            before = f" on line {line}" if line is not None else ""
            problems.add(f"the case id {item.case.id!r} stands{before} already", line=item.line, key="id")
        first.setdefault(item.case.id, item.line)


def _check_names(imported: Sequence[Imported], info: DatasetInfo, base: Dataset | None, problems: Problems) -> None:
    """Without a dataset to be like, only documents can be unknown: everything else is declared from use."""
    hint = f" {base.info.name!r} declares the names, since the new dataset is to be like it." if base else (
        " An import brings no documents of its own: give --like DATASET to take over another dataset's knowledge."
    )  # fmt: skip
    for item in imported:
        for key, problem in unknown_names(item.case, info, base.documents if base else ()):
            problems.add(f"{problem}{hint}", line=item.line, key=f"case {item.case.id!r}, {key}")


def _info(target: Target, cases: Sequence[Case], base: Dataset | None) -> DatasetInfo:
    values: dict[str, object] = {
        "name": target.name,
        "version": digest_of([case.model_dump(mode="json") for case in cases])[:12],
        "description": f"{_count(len(cases), 'imported golden conversation')}",
        "licence": target.licence or (base.info.licence if base else "unknown"),
    }
    if base:
        kept = base.info.model_dump(include={"knowledge", "wording", "intents", "tools", "queues"})
    else:
        kept = {
            "intents": sorted({name for case in cases for name in _intents(case)}) or ["none"],
            "tools": sorted({name for case in cases for name in _tools(case)}),
            "queues": sorted({q for case in cases if (q := case.expect.escalation.queue) is not None}),
        }
    try:
        return DatasetInfo.model_validate({**kept, **values})
    except ValidationError as error:
        told = "; ".join(f"{key}: {why}" for key, why in validation_problems(error, DatasetInfo))
        raise ContentError(told) from None


def _intents(case: Case) -> Iterable[str]:
    handoff = case.expect.handoff
    return (case.intent, *((handoff.intent,) if handoff and handoff.intent else ()))


def _tools(case: Case) -> Iterable[str]:
    yield from (fixture.name for fixture in case.tools)
    for turn in case.turns:
        yield from (call.name for call in turn.expect.tool_calls)
        yield from turn.expect.forbidden_tools
    if case.expect.handoff:
        yield from case.expect.handoff.prior_actions


def _borrowed(folder: Path, info: DatasetInfo) -> dict[str, str]:
    """The files beside the cases of the dataset in `folder`, by their path below it."""
    paths = [folder / EXPECTATIONS_NAME] if (folder / EXPECTATIONS_NAME).exists() else []
    if info.wording:
        paths.append(folder / info.wording)
    if info.knowledge:
        paths += sorted((folder / info.knowledge).glob("*.md"))
    root = folder.resolve()
    return {path.resolve().relative_to(root).as_posix(): read_text(path) for path in paths}


def _said_about_labels(imported: Sequence[Imported]) -> list[str]:
    lines: list[str] = []
    defaulted = Counter(key for item in imported for key in item.defaulted)
    if defaulted:
        uses = ", ".join(f"{key} ({count})" for key, count in defaulted.items())
        marked = _count(sum(bool(item.defaulted) for item in imported), "case")
        lines.append(f"labels from a default, in so many cases: {uses}; {marked} tagged {NEEDS_LABELS}")
    unsaid = Counter(key for item in imported for key in item.unsaid)
    if unsaid:
        fields = Case.model_fields
        uses = ", ".join(f"{key} = {fields[key].default} ({count})" for key, count in unsaid.items())
        lines.append(f"not said by the source, so as in any case that does not say it: {uses}")
    queueless = sum(
        item.case.expect.escalation.required and item.case.expect.escalation.queue is None for item in imported
    )
    if queueless:
        lines.append(
            f"{_count(queueless, 'escalation')} without a queue: which queue an agent picks is not judged there"
        )
    return lines


def _line(case: Case) -> str:
    return json.dumps(case.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
