"""An evaluation run, checked and indexed once, so that no check has to scan it again.

A run that contradicts itself is refused as a whole, never averaged over: a trial planned twice or not at
all, a score for a trial that nobody planned, two scores where there can be one, a score by another scorer
or of another trajectory than the run says, a count that cannot be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from assay.registry.errors import NotMeasuredError, nearest
from assay.registry.slices import SliceError, select
from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import MetricSpec, Result, Score, ScoreRecord

__all__ = ["Evidence", "TrialKey", "read_evidence"]

TrialKey = tuple[str, int]
_SHOWN = 5


@dataclass(frozen=True)
class Evidence:
    """A run that does not contradict itself. `units` are sorted by case and trial."""

    run: EvalRun
    units: tuple[PlannedUnit, ...]
    metrics: dict[str, MetricSpec]
    results: dict[str, dict[TrialKey, Result]]
    """By metric, then by (case, trial)."""
    _scopes: dict[str, tuple[PlannedUnit, ...]] = field(default_factory=dict[str, tuple[PlannedUnit, ...]], repr=False)

    def spec(self, metric: str) -> MetricSpec:
        """The declaration of a metric.

        Raises:
            NotMeasuredError: no scorer of the run measures it; names the nearest that one does.
        """
        if metric not in self.metrics:
            raise NotMeasuredError(f"no scorer of the run measures {metric!r}.{nearest(metric, self.metrics)}")
        return self.metrics[metric]

    def scope(self, slice_text: str) -> tuple[PlannedUnit, ...]:
        """The planned trials of a slice, sorted; all of them for the empty slice.

        Raises:
            NotMeasuredError: the slice is ill-formed, names something that is not there, or selects no planned case.
        """
        if not slice_text:
            return self.units
        if slice_text not in self._scopes:
            self._scopes[slice_text] = self._find(slice_text)
        return self._scopes[slice_text]

    def attributes(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Case id to the attributes of the case, sorted by id."""
        return {unit.case_id: unit.attributes for unit in self.units}

    def case_digests(self) -> dict[str, str]:
        """Case id to the digest of the case."""
        return {unit.case_id: unit.case_digest for unit in self.units}

    def _find(self, text: str) -> tuple[PlannedUnit, ...]:
        try:
            found = set(select(text, self.attributes()))
        except SliceError as error:
            raise NotMeasuredError(str(error)) from None
        return tuple(unit for unit in self.units if unit.case_id in found)


def read_evidence(run: EvalRun) -> Evidence:
    """Check and index a run.

    Raises:
        NotMeasuredError: nothing was planned, or the run contradicts itself; names the first few contradictions.
    """
    problems = [*_plan_problems(run), *_metric_problems(run)]
    units = {(unit.case_id, unit.trial): unit for unit in run.planned}
    results: dict[str, dict[TrialKey, Result]] = {name: {} for name in run.metric_names()}
    scorers = {scorer.name: scorer.digest for scorer in run.scorers}
    specs = {(scorer.name, metric.name): metric for scorer in run.scorers for metric in scorer.metrics}
    for record in run.scores:
        key = (record.case_id, record.trial)
        problem = _record_problem(record, units.get(key), specs.get((record.scorer, record.metric)), scorers)
        if problem or key in results[record.metric]:
            problems.append(f"{_place(record)}: {problem or 'scored twice'}")
        else:
            results[record.metric][key] = record.result
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        shown = "; ".join(sorted(problems)[:_SHOWN])
        raise NotMeasuredError(f"the run {run.run_id} contradicts itself: {shown}{more}")
    metrics = {metric.name: metric for scorer in run.scorers for metric in scorer.metrics}
    return Evidence(run, tuple(units[key] for key in sorted(units)), metrics, results)


def _plan_problems(run: EvalRun) -> Iterator[str]:
    if not run.planned:
        yield "no trial was planned"
    trials: dict[str, list[int]] = {}
    cases: dict[str, PlannedUnit] = {}
    for unit in run.planned:
        trials.setdefault(unit.case_id, []).append(unit.trial)
        first = cases.setdefault(unit.case_id, unit)
        if (first.case_digest, first.attributes) != (unit.case_digest, unit.attributes):
            yield f"case {unit.case_id!r} is planned with two different contents"
    for case_id, planned in trials.items():
        if sorted(planned) != list(range(run.trials)):
            yield f"case {case_id!r} has the trials {sorted(planned)} planned, not each of 0 to {run.trials - 1} once"


def _metric_problems(run: EvalRun) -> Iterator[str]:
    for kind, names in (("scorer", [s.name for s in run.scorers]), ("metric", list(run.metric_names()))):
        for name, times in Counter(names).items():
            if times > 1:
                yield f"{kind} {name!r} is declared {times} times"


def _record_problem(
    record: ScoreRecord, unit: PlannedUnit | None, spec: MetricSpec | None, scorers: dict[str, str]
) -> str:
    """What is wrong with a record, or nothing."""
    if unit is None:
        return "scored, but never planned"
    if spec is None:
        return f"the scorer {record.scorer!r} of the run does not measure {record.metric!r}"
    if record.scorer_digest != scorers[record.scorer]:
        return f"scored by another version of {record.scorer!r} than the run names"
    if record.trajectory != unit.trajectory:
        return "the score is of another trajectory than the trial's"
    return _value_problem(record.result, spec) if isinstance(record.result, Score) else ""


def _value_problem(score: Score, spec: MetricSpec) -> str:
    if not math.isfinite(score.value):
        return f"{score.value} is not a number"
    if spec.kind == "mean":
        least, most = spec.extent
        if not least <= score.value <= most:
            return f"{score.value:g} lies outside {least:g} to {most:g}"
        return "" if score.of == 1 else f"a mean is one number, not {score.value:g} of {score.of}"
    if not score.value.is_integer() or not 0 <= score.value <= score.of:
        return f"{score.value:g} of {score.of} is not a proportion"
    return ""


def _place(record: ScoreRecord) -> str:
    return f"case {record.case_id!r}, trial {record.trial}, {record.metric}"
