"""What two runs have to share, so that a difference between them is one between the agents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assay.registry.types.run import EvalRun

__all__ = ["Difference", "differences"]

_SAME = {
    "agent": "another agent",
    "dataset": "another dataset",
    "dataset_digest": "another dataset content",
    "suite": "another suite",
    "suite_digest": "another suite content",
    "trials": "another number of trials",
}
"""What a run has to share with another to be compared with it, and what is said where it does not."""


@dataclass(frozen=True)
class Difference:
    """A field in which two runs differ, and what is to be said of the other run: `has another dataset`."""

    field: str
    words: str


def differences(run: EvalRun, other: EvalRun) -> Iterator[Difference]:
    """All that keeps `other` from being compared with `run`, the gravest first."""
    for field, words in _SAME.items():
        if getattr(other, field) != getattr(run, field):
            yield Difference(field, f"has {words}")
    mine, theirs = ({unit.case_id: unit.case_digest for unit in r.planned} for r in (run, other))
    if different := sorted(c for c in {*mine, *theirs} if mine.get(c) != theirs.get(c)):
        yield Difference("cases", f"does not cover the same cases (e.g. {different[0]!r})")
