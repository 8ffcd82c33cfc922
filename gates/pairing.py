"""Two agents' results on the same cases, side by side: the candidate's and the champion's.

Differences are candidate minus champion with the sign turned so that positive is always better. Where
a trial of either side did not complete or could not be scored, the candidate gets the worst value and the
champion the best: neither an agent's crash nor a broken champion's run may make the comparison easier.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from assay.gates.metrics import Sample
from assay.gates.statistics import Cluster

__all__ = ["Pair", "Pairs", "pair_samples"]


@dataclass(frozen=True)
class Pair:
    """One case: sum of good values and units, of the candidate and of the champion."""

    new: Cluster
    old: Cluster
    completed: bool

    @property
    def lost(self) -> float:
        """By how much the champion's rate is better in this case."""
        if not self.new[1] or not self.old[1]:
            return 0.0
        return self.old[0] / self.old[1] - self.new[0] / self.new[1]


@dataclass(frozen=True)
class Pairs:
    """Two samples, paired by case, in terms of goodness."""

    cases: dict[str, Pair]
    binary: bool
    """Whether each case is one yes or no on both sides."""
    doubtful: frozenset[str]
    """Cases of which a trial of either side did not complete."""

    @cached_property
    def counts(self) -> tuple[int, int, int]:
        """Cases in which the candidate is better, in which the champion is, and all."""
        gained = sum(pair.lost < 0 for pair in self.cases.values())
        lost = sum(pair.lost > 0 for pair in self.cases.values())
        return gained, lost, len(self.cases)

    @property
    def clusters(self) -> list[tuple[Cluster, Cluster]]:
        """(candidate's, champion's) of every case."""
        return [(pair.new, pair.old) for pair in self.cases.values()]


def pair_samples(new: Sample, old: Sample) -> Pairs:
    """The candidate's sample and the champion's, case by case and sorted by case id."""
    ours, theirs = _goodness(new), _goodness(old)
    doubtful = frozenset(case.case_id for case in (*new.cases, *old.cases) if case.errored)
    complete = {c.case_id for c in new.cases if c.completed} & {c.case_id for c in old.cases if c.completed}
    best = 1.0
    if new.spec.kind == "mean":
        best = max((value / of for value, of in (*ours.values(), *theirs.values())), default=1.0)
    pairs: dict[str, Pair] = {}
    for case_id in sorted({*ours, *theirs}):
        before = theirs.get(case_id, (0.0, 0))
        if case_id in doubtful:
            units = max(before[1], 1)
            before = (best * units, units)
        pairs[case_id] = Pair(ours.get(case_id, (0.0, 0)), before, case_id in complete)
    single = all(pair.new[1] == pair.old[1] == 1 for pair in pairs.values())
    return Pairs(pairs, single and new.spec.kind == "proportion", doubtful)


def _goodness(sample: Sample) -> dict[str, Cluster]:
    """By case, the sum of values and the units, turned so that more is better."""
    if sample.higher_is_better:
        return {case.case_id: (case.value, case.of) for case in sample.cases}
    if sample.spec.kind == "proportion":
        return {case.case_id: (case.of - case.value, case.of) for case in sample.cases}
    return {case.case_id: (-case.value, case.of) for case in sample.cases}
