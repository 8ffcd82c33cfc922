"""From score records to estimates: every planned trial is accounted for, whatever became of it.

A trial without a trajectory or without a record is `missing`; a scorer failure is `failed` and never a
number; a trial that did not complete counts at the worst value, whatever its record says. `Skipped`
is the scorer's word that a metric has nothing to say about a case, and is believed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from assay.gates.bootstrap import bca_mean, bootstrap_method
from assay.gates.evidence import Evidence, read_evidence
from assay.gates.statistics import (
    Bounds,
    Cluster,
    clopper_pearson,
    clustered_mean,
    design_effect,
    effective_n,
    guarded_mean,
    wilson,
)
from assay.registry.errors import NotMeasuredError, nearest
from assay.registry.slices import parse
from assay.registry.types.decision import Estimate, Interval
from assay.registry.types.run import EvalRun
from assay.registry.types.score import MetricSpec, Score, Skipped
from assay.registry.types.trajectory import Outcome

__all__ = [
    "CaseScore",
    "IntervalMethod",
    "Sample",
    "collect",
    "estimate",
    "estimate_sample",
    "sample_bounds",
    "summarise",
    "summarise_by",
]

IntervalMethod = Literal["clopper_pearson", "wilson", "clustered_t", "bca"]
"""The first two are for proportions, the others for means; where one does not apply, the first of its kind is taken."""
_COMPLETED = Outcome.COMPLETED


class CaseScore(NamedTuple):
    """All that one case adds to a metric, over its trials. `completed`: at least one completed trial was scored."""

    case_id: str
    value: float
    of: int
    completed: bool
    errored: bool

    def plus(self, other: CaseScore) -> CaseScore:
        """Both together, for two trials of one case."""
        return CaseScore(
            self.case_id,
            self.value + other.value,
            self.of + other.of,
            self.completed or other.completed,
            self.errored or other.errored,
        )


@dataclass(frozen=True)
class Sample:
    """A metric over a slice, case by case, with what stands behind it. `cases` is sorted and has units only."""

    spec: MetricSpec
    slice: str
    cases: tuple[CaseScore, ...]
    planned: int
    skipped: int
    errored: int
    missing: tuple[str, ...]
    """Case ids, one for each missing trial."""
    failed: tuple[str, ...]
    """Case ids, one for each trial that a scorer could not score."""
    typical: int = 1
    """Units of one trial, as completed ones have them on average, rounded up: what a trial weighs that has no score."""
    stopped: str = ""
    """Why trials are missing, where a spent budget accounts for all that are; nothing went wrong with those."""

    @property
    def higher_is_better(self) -> bool:
        return self.spec.direction == "higher_is_better"

    @cached_property
    def clusters(self) -> list[Cluster]:
        return [(case.value, case.of) for case in self.cases]

    @cached_property
    def units(self) -> int:
        return sum(case.of for case in self.cases)

    @cached_property
    def total(self) -> float:
        return math.fsum(case.value for case in self.cases)

    @property
    def doubtful(self) -> bool:
        """Whether a trial could not be scored, or a mean rests on a conversation that did not complete."""
        return bool(self.failed) or (self.spec.kind == "mean" and self.errored > 0)

    @property
    def value(self) -> float | None:
        return self.total / self.units if self.cases else None

    @cached_property
    def completed_cases(self) -> int:
        """Conversations that carry evidence: those of which a trial completed and was scored."""
        return sum(case.completed for case in self.cases)

    @cached_property
    def clustered(self) -> bool:
        """Whether a conversation contributes more than one unit."""
        return any(case.of > 1 for case in self.cases)

    @cached_property
    def measured(self) -> list[Cluster]:
        """The conversations that carry evidence about others."""
        return [(case.value, case.of) for case in self.cases if case.completed]

    @cached_property
    def design_effect(self) -> float:
        """See `statistics.design_effect`; of clustered proportions only."""
        return design_effect(self.measured, 0 if self.higher_is_better else 1)

    def shortfall(self, case: CaseScore) -> float:
        """What a case lacks: failing units of a proportion; for a mean, how far it is on the worse side of the mean."""
        if self.spec.kind == "proportion":
            return case.of - case.value if self.higher_is_better else case.value
        sign = 1 if self.higher_is_better else -1
        return max(0.0, sign * ((self.value or 0.0) - case.value / case.of) * case.of)

    def with_failures_at_worst(self) -> Sample:
        """The sample as it would be if each trial that could not be scored had the worst value in all of its units.

        For a mean that is the end of its range, or the worst value of any case where it has none; a case with a trial
        that did not complete has it as a whole, since its record was measured on half a conversation.
        """
        cases = {case.case_id: case for case in self.cases}
        worst = 0.0 if self.higher_is_better else 1.0
        if self.spec.kind == "mean" and self.cases:
            seen = (min if self.higher_is_better else max)(case.value / case.of for case in self.cases)
            end = self.spec.extent[0 if self.higher_is_better else 1]
            worst = end if math.isfinite(end) else seen
            cases |= {c.case_id: c._replace(value=worst * c.of) for c in self.cases if c.errored}
        for case_id in self.failed:
            old = cases.get(case_id, CaseScore(case_id, 0.0, 0, completed=False, errored=True))
            value, of = old.value + worst * self.typical, old.of + self.typical
            cases[case_id] = old._replace(value=value, of=of, errored=True)
        return replace(self, cases=tuple(cases[case_id] for case_id in sorted(cases)), failed=())


def collect(
    evidence: Evidence, metric: str, slice_text: str = "", passes: Callable[[Score], bool] | None = None
) -> Sample:
    """Gather a metric over a slice.

    Args:
        passes: read each trial as one that passes or does not: the sample is then the share of trials that pass.

    Raises:
        NotMeasuredError: the run does not measure the metric, or the slice names nothing.
    """
    spec, scope = evidence.spec(metric), evidence.scope(slice_text)
    if passes is not None:
        changes = {"kind": "proportion", "direction": "higher_is_better", "unit": "conversation", "range": None}
        spec = spec.model_copy(update=changes)
    results = evidence.results[metric]
    cases: dict[str, CaseScore] = {}
    missing: list[str] = []
    failed: list[str] = []
    skipped = errored = left_out = 0
    sizes: list[int] = []
    crashed: list[tuple[str, int]] = []
    for unit in scope:
        case_id = unit.case_id
        completed = unit.outcome is _COMPLETED
        result = results.get((case_id, unit.trial))
        if result is None or unit.outcome is None or unit.trajectory is None:
            missing.append(case_id)
            left_out += unit.outcome is None
        elif isinstance(result, Score):
            errored += not completed
            result = result if passes is None else Score(value=float(passes(result)))
            (sizes.append(result.of) if completed else crashed.append((case_id, result.of)))
            score = _trial_score(case_id, result, spec, completed=completed)
            cases[case_id] = cases[case_id].plus(score) if case_id in cases else score
        elif isinstance(result, Skipped):
            skipped += 1
        else:
            failed.append(case_id)
    typical = -(-sum(sizes) // len(sizes)) if sizes else 1
    for case_id, of in crashed:
        cases[case_id] = _weighed(cases[case_id], typical - of, spec)
    stopped = (evidence.run.stopped or "") if left_out == len(missing) else ""
    counts = (len(scope), skipped, errored)
    return Sample(spec, slice_text, tuple(cases.values()), *counts, tuple(missing), tuple(failed), typical, stopped)


def _weighed(case: CaseScore, missing: int, spec: MetricSpec) -> CaseScore:
    """The case with so many failing units more: a crash leaves none of the turns or claims that it had to come to."""
    if missing <= 0 or spec.kind == "mean":
        return case
    bad = 0 if spec.direction == "higher_is_better" else missing
    return case._replace(value=case.value + bad, of=case.of + missing)


def estimate(
    run: EvalRun,
    metric: str,
    slice: str = "",
    confidence: float = 0.95,
    interval: IntervalMethod = "clopper_pearson",
    side: Literal["one", "two"] = "one",
) -> Estimate:
    """A metric of a run over a slice, with its interval.

    Args:
        interval: for proportions with one unit a conversation; others take the Korn-Graubard interval.
        side: `one`: each end of the interval is by itself a bound with this confidence; `two`: both together.

    Raises:
        NotMeasuredError: the run contradicts itself, does not measure the metric, or the slice names nothing.
    """
    return estimate_sample(collect(read_evidence(run), metric, slice), confidence, interval, side)


def summarise(run: EvalRun, confidence: float = 0.95) -> dict[str, Estimate]:
    """Every metric of a run, overall and over the run's slices, with two-sided Wilson intervals for display.

    Keys are `metric` and `metric/attribute:value`, sorted, with further terms joined by `/`: names that MLflow takes.

    Raises:
        NotMeasuredError: the run contradicts itself, or one of its slices names nothing.
    """
    evidence = read_evidence(run)
    wanted = {(metric, part) for metric in evidence.metrics for part in ("", *run.slices)}
    return {
        _key(metric, part): estimate_sample(collect(evidence, metric, part), confidence, "wilson", "two")
        for metric, part in sorted(wanted)
    }


def summarise_by(run: EvalRun, attribute: str, metrics: Sequence[str], confidence: float = 0.95) -> list[Estimate]:
    """Each of the metrics over each value that the cases have for one attribute, sorted, as `summarise` estimates it.

    Metrics that every case of a value skips are left out.

    Raises:
        NotMeasuredError: the run contradicts itself, or no case has the attribute; names the nearest one.
    """
    evidence = read_evidence(run)
    values = sorted({value for unit in evidence.units for value in unit.attributes.get(attribute, ())})
    if not values:
        known = sorted({name for unit in evidence.units for name, given in unit.attributes.items() if given})
        raise NotMeasuredError(f"no case has a value for {attribute!r}.{nearest(attribute, known)}")
    wanted = [(metric, f"{attribute}={value}") for metric in sorted(metrics) for value in values]
    samples = (collect(evidence, metric, part) for metric, part in wanted)
    return [estimate_sample(s, confidence, "wilson", "two") for s in samples if s.cases or s.failed or s.missing]


def estimate_sample(
    sample: Sample, confidence: float, interval: IntervalMethod = "clopper_pearson", side: Literal["one", "two"] = "one"
) -> Estimate:
    """The estimate of a sample. `interval` is None where there is nothing, or one conversation only, to go by."""
    bounds = sample_bounds(sample, (1 - confidence) / (1 if side == "one" else 2), interval)
    return Estimate(
        metric=sample.spec.name,
        slice=sample.slice,
        value=sample.value,
        interval=None
        if bounds is None
        else Interval(
            low=bounds[0], high=bounds[1], confidence=confidence, sided=side, method=_method(sample, interval)
        ),
        events=sample.total if sample.cases else None,
        units=sample.units,
        cases=len(sample.cases),
        skipped=sample.skipped,
        failed=len(sample.failed),
        missing=len(sample.missing),
        errored=sample.errored,
    )


def sample_bounds(sample: Sample, alpha: float, interval: IntervalMethod, scale: float = 1.0) -> Bounds | None:
    """Bounds of a sample's value, each end at `alpha`; None where they cannot be told.

    Clustered conversations that did not complete raise the rate of failures but not the number of independent
    units it is taken to rest on: a crash is no evidence about the others, and must never narrow a bound.

    Args:
        scale: as if there were so many times as many cases with the same rates.
    """
    if not sample.cases:
        return None
    if sample.spec.kind == "proportion" and not sample.clustered:
        exact = wilson if interval == "wilson" else clopper_pearson
        return exact(sample.total * scale, sample.units * scale, alpha)
    if len(sample.measured) < 2:
        return None
    if sample.spec.kind == "mean":
        return _mean_bounds(sample, alpha, interval, scale)
    n = scale * effective_n(sample.measured, sample.design_effect, alpha)
    return clopper_pearson(sample.total / sample.units * n, n, alpha)


def _mean_bounds(sample: Sample, alpha: float, interval: IntervalMethod, scale: float) -> Bounds:
    """Bounds of a mean, with one more conversation at the end of the metric's range, else at the worst value seen."""
    least, most = sample.spec.extent
    rates = [value / of for value, of in sample.clusters]
    end, seen = (least, min(rates)) if sample.higher_is_better else (most, max(rates))
    method = bca_mean if interval == "bca" else clustered_mean
    bounds = guarded_mean(sample.clusters, end if math.isfinite(end) else seen, alpha, method)
    mean = sample.total / sample.units
    low, high = (mean + (bound - mean) / math.sqrt(scale) for bound in bounds)
    return max(least, low), min(most, high)


def _key(metric: str, slice_text: str) -> str:
    return "/".join(
        [metric, *(f"{attribute}:{value}" for attribute, value in parse(slice_text))] if slice_text else [metric]
    )


def _method(sample: Sample, interval: IntervalMethod) -> str:
    if sample.spec.kind == "mean":
        return bootstrap_method(len(sample.cases)) if interval == "bca" else "clustered t"
    if sample.clustered:
        return "Korn-Graubard"
    return "Wilson" if interval == "wilson" else "Clopper-Pearson"


def _trial_score(case_id: str, score: Score, spec: MetricSpec, *, completed: bool) -> CaseScore:
    """What one trial adds. A trial that did not complete counts as worst, even where its record says otherwise."""
    value = score.value
    if not completed and spec.kind == "proportion":
        value = 0.0 if spec.direction == "higher_is_better" else float(score.of)
    return CaseScore(case_id, value, score.of, completed, not completed)
