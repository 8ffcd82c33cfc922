"""What differs between two datasets: cases that came, went or say something else, and what they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case, Dataset

__all__ = ["CaseChange", "DatasetDiff", "ValueChange", "diff_datasets"]

ChangeKind = Literal["relabelled", "reworded", "back office"]
"""An expectation or attribute; the customer's or the golden words; tool fixtures and the customer's record."""

_LABELS = ("intent", "risk_tier", "autonomy", "channel", "language", "tags", "labels")


@dataclass(frozen=True)
class ValueChange:
    """A value of a case, by its dotted key; None where it is absent."""

    key: str
    old: JsonValue
    new: JsonValue
    kind: ChangeKind


@dataclass(frozen=True)
class CaseChange:
    """A case that both datasets have, with everything that is different in it."""

    case: str
    changes: tuple[ValueChange, ...]

    @property
    def kinds(self) -> tuple[ChangeKind, ...]:
        """What kinds of change there are, each once, in order."""
        return tuple(dict.fromkeys(change.kind for change in self.changes))


@dataclass(frozen=True)
class DatasetDiff:
    """`settings` are the keys of `dataset.yaml` that differ; `renamed` are cases that changed nothing but their id."""

    old: str
    new: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    changed: tuple[CaseChange, ...]
    documents_added: tuple[str, ...]
    documents_removed: tuple[str, ...]
    documents_changed: tuple[str, ...]
    settings: tuple[str, ...]
    wording_changed: bool
    expectations_changed: bool

    @property
    def same(self) -> bool:
        """Whether the two have the same content."""
        return not (
            self.added
            or self.removed
            or self.renamed
            or self.changed
            or self.documents_added
            or self.documents_removed
            or self.documents_changed
            or self.settings
            or self.wording_changed
            or self.expectations_changed
        )

    @property
    def relabelled(self) -> tuple[CaseChange, ...]:
        """The cases of which an expectation or attribute changed."""
        return tuple(change for change in self.changed if "relabelled" in change.kinds)


def diff_datasets(old: Dataset, new: Dataset, *, labels: tuple[str, str] | None = None) -> DatasetDiff:
    """Compare two datasets, case by case. `labels` are what to call them; by default their names and versions."""
    before, after = ({case.id: case for case in dataset.cases} for dataset in (old, new))
    added, removed = [c for c in after if c not in before], [c for c in before if c not in after]
    renamed = _renamed(removed, added, before, after)
    changed = [_case_change(before[name], after[name]) for name in before if name in after]
    names = labels or (f"{old.info.name} {old.info.version}", f"{new.info.name} {new.info.version}")
    return DatasetDiff(
        old=f"{names[0]} ({old.digest[:12]})",
        new=f"{names[1]} ({new.digest[:12]})",
        added=tuple(c for c in added if c not in {to for _, to in renamed}),
        removed=tuple(c for c in removed if c not in {was for was, _ in renamed}),
        renamed=renamed,
        changed=tuple(change for change in changed if change.changes),
        documents_added=tuple(sorted(new.documents.keys() - old.documents.keys())),
        documents_removed=tuple(sorted(old.documents.keys() - new.documents.keys())),
        documents_changed=tuple(
            sorted(d for d in old.documents.keys() & new.documents.keys() if old.documents[d] != new.documents[d])
        ),
        settings=tuple(key for key, a, b in _pairs(old.info.model_dump(), new.info.model_dump()) if a != b),
        wording_changed=old.wording != new.wording,
        expectations_changed=old.expectations != new.expectations,
    )


def _renamed(
    removed: Sequence[str], added: Sequence[str], before: Mapping[str, Case], after: Mapping[str, Case]
) -> tuple[tuple[str, str], ...]:
    """Cases that went under one id and came under another, all else equal."""
    found: list[tuple[str, str]] = []
    free = list(added)
    for was in removed:
        match = next((to for to in free if before[was].model_copy(update={"id": to}) == after[to]), None)
        if match is not None:
            free.remove(match)
            found.append((was, match))
    return tuple(found)


def _case_change(old: Case, new: Case) -> CaseChange:
    found = _differences("", old.model_dump(mode="json"), new.model_dump(mode="json"))
    return CaseChange(old.id, tuple(ValueChange(key, a, b, _kind(key)) for key, a, b in found))


def _differences(key: str, old: JsonValue, new: JsonValue) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Dotted key, old and new value of every difference; lists of plain values and of phrases are compared whole."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name, a, b in _pairs(old, new):
            yield from _differences(f"{key}.{name}" if key else name, a, b)
    elif key == "turns" and isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            a, b = (turns[index] if index < len(turns) else None for turns in (old, new))
            yield from _differences(f"turns.{index + 1}", a, b)
    else:
        yield key, old, new


def _pairs(old: Mapping[str, JsonValue], new: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    for name in dict.fromkeys((*old, *new)):
        yield name, old.get(name), new.get(name)


def _kind(key: str) -> ChangeKind:
    parts = key.split(".")
    if parts[0] in ("expect", *_LABELS) or "expect" in parts[1:]:
        return "relabelled"
    return "reworded" if parts[0] in ("turns", "date") else "back office"
