"""What differs between two datasets: cases that came, went or say something else, and what they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assay.registry.digest import canonical_json, digest_of
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
    """`settings` are the keys of `dataset.yaml` that differ; `renamed` are cases that changed nothing but their id.

    `same` is whether the two have one digest, which is whether they have the same content.
    """

    old: str
    new: str
    same: bool
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
        same=old.digest == new.digest,
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
        renamed = {to: digest_of(before[was].model_copy(update={"id": to})) for to in free}
        match = next((to for to in free if renamed[to] == digest_of(after[to])), None)
        if match is not None:
            free.remove(match)
            found.append((was, match))
    return tuple(found)


def _case_change(old: Case, new: Case) -> CaseChange:
    found = _differences("", old.model_dump(mode="json"), new.model_dump(mode="json"))
    return CaseChange(old.id, tuple(c for key, a, b in found for c in _changes(key, a, b)))


def _changes(key: str, old: JsonValue, new: JsonValue) -> Iterator[ValueChange]:
    """One change, or two for a turn that came or went with expectations: other words, and another label."""
    yield ValueChange(key, old, new, _kind(key))
    turn = new if old is None else old
    if new is None or old is None:
        expect = turn.get("expect") if isinstance(turn, dict) and key.startswith("turns.") else None
        if isinstance(expect, dict) and any(expect.values()):
            was, now = (None, expect) if old is None else (expect, None)
            yield ValueChange(f"{key}.expect", was, now, "relabelled")


def _differences(key: str, old: JsonValue, new: JsonValue) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Dotted key, old and new value of every difference; lists of plain values and of phrases are compared whole."""
    if canonical_json(old) == canonical_json(new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name, a, b in _pairs(old, new):
            place = f"{key}.{name}" if key else name
            yield from [(place, a, b)] if (name in old) != (name in new) else _differences(place, a, b)
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
    if parts[0] in ("expect", "date", *_LABELS) or "expect" in parts[1:]:
        return "relabelled"
    return "reworded" if parts[0] == "turns" else "back office"
