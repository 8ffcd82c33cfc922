"""Checks of a candidate against the champion on the same cases: non-inferiority and superiority."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from assay.gates.checks import NonInferiorityCheck, SuperiorityCheck
from assay.gates.evidence import Evidence
from assay.gates.explain import breakdown, figures, percent, slice_figures, title, worst_cases
from assay.gates.limits import Ruling, cut_short, more_cases, too_few, unmeasured
from assay.gates.metrics import Sample, collect, estimate_sample
from assay.gates.paired import (
    Counts,
    Linearised,
    continuity,
    effective_counts,
    linearised_difference,
    tango_bounds,
    tango_z,
)
from assay.gates.pairing import Pair, Pairs, pair_samples
from assay.gates.policy import GatePolicy
from assay.gates.quantiles import normal_quantile
from assay.gates.statistics import Bounds
from assay.registry.errors import NotMeasuredError
from assay.registry.types.decision import Interval, Verdict
from assay.registry.types.score import MetricKind

__all__ = ["judge_comparison", "required_difference"]

ComparisonCheck = NonInferiorityCheck | SuperiorityCheck
_TINY = 1e-12
_LEAST_CLUSTERED = 30
"""With fewer cases the variance over cases is not trusted: one case won can widen an interval more than it moves it."""


def required_difference(check: ComparisonCheck) -> float:
    """The difference that the lower bound has to exceed: minus the margin, or the gain asked for."""
    return -check.margin if isinstance(check, NonInferiorityCheck) else check.by


@dataclass(frozen=True)
class _Comparison:
    """Two paired samples, and the difference that is asked for."""

    paired: Pairs
    kind: MetricKind
    required: float
    alpha: float

    @property
    def pairs(self) -> dict[str, Pair]:
        return self.paired.cases

    @property
    def binary(self) -> bool:
        return self.paired.binary

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.paired.counts

    @property
    def doubtful(self) -> int:
        return len(self.paired.doubtful)

    @cached_property
    def linearised(self) -> Linearised:
        """Raises ValueError where a side has no results, or there is one case only."""
        return linearised_difference(self.paired.clusters, abs(self.required))

    @cached_property
    def independent(self) -> Counts:
        """The counts that Tango's test takes: those of the cases, or what clustered ones are worth."""
        return self.counts if self.binary else effective_counts(self.paired.clusters, self.alpha)

    @property
    def completed_cases(self) -> int:
        return sum(pair.completed for pair in self.pairs.values())

    @property
    def method(self) -> str:
        if self.kind == "mean":
            return "linearised paired t"
        return "Tango score" if self.binary else "Tango score, effective n"

    @cached_property
    def difference(self) -> float:
        gained, lost, n = self.counts
        return (gained - lost) / n if self.binary else self.linearised.difference

    @cached_property
    def bounds(self) -> Bounds:
        if self.kind == "mean":
            return self.linearised.bounds(self.alpha)
        return tango_bounds(*self.independent, self.alpha, continuity(self.required))

    def shown(self, scale: float = 1.0) -> bool:
        """Whether the difference is shown to exceed what is required, with `scale` times as many such cases."""
        if self.kind == "mean":
            return self.linearised.bounds(self.alpha, scale)[0] > self.required
        gained, lost, n = (scale * count for count in self.independent)
        return tango_z(gained, lost, n, self.required, continuity(self.required)) > normal_quantile(1 - self.alpha)


def judge_comparison(check: ComparisonCheck, candidate: Evidence, champion: Evidence, policy: GatePolicy) -> Ruling:
    """PASS if the lower bound of the paired difference exceeds what is required, FAIL if the difference misses it.

    Raises:
        NotMeasuredError: unknown metric or slice in either run, or the two measure the metric differently.
    """
    new, old = (collect(evidence, check.metric, check.slice) for evidence in (candidate, champion))
    if new.spec != old.spec:
        raise NotMeasuredError(f"the two runs declare {check.metric} differently")
    name = title(check.metric, check.slice)
    ours, theirs = (estimate_sample(sample, policy.confidence) for sample in (new, old))
    for sample, whose in ((new, ""), (old, " of the champion")):
        if problem := cut_short(sample):
            return Ruling(Verdict.INCONCLUSIVE, f"{name}{whose} is not known: {problem}", ours, theirs)
        if problem := unmeasured(sample, policy.max_failure_share):
            return Ruling(Verdict.ERROR, f"{name}{whose} was not measured: {problem}", ours, theirs)
    comparison = _compare(new, old, required_difference(check), 1 - policy.confidence)
    verdict, reason = _with_failures(check, comparison, new, old, policy)
    return Ruling(
        verdict,
        f"{name}: {reason}",
        ours,
        theirs,
        _interval(comparison, policy.confidence),
        worst_cases({case_id: pair.lost for case_id, pair in comparison.pairs.items()}),
        () if verdict is Verdict.PASS else _where_lost(candidate, comparison, new, old),
    )


def _with_failures(
    check: ComparisonCheck, comparison: _Comparison, new: Sample, old: Sample, policy: GatePolicy
) -> tuple[Verdict, str]:
    """The verdict on what was scored; a PASS has to hold with every scorer failure counted against the candidate."""
    verdict, reason = _against_champion(check, comparison, policy)
    if comparison.doubtful:
        reason += f" Conversations with trials that did not complete count as lost: {comparison.doubtful}."
    failures = len(new.failed) + len(old.failed)
    if verdict is Verdict.PASS and failures:
        ours, theirs = new.with_failures_at_worst(), old.with_failures_at_worst()
        strict = _compare(ours, theirs, comparison.required, comparison.alpha)
        if _against_champion(check, strict, policy)[0] is not Verdict.PASS:
            verdict = Verdict.INCONCLUSIVE
            reason += f" But {failures} trials could not be scored; were they all against it, it would not hold."
    return verdict, reason


def _compare(new: Sample, old: Sample, required: float, alpha: float) -> _Comparison:
    return _Comparison(pair_samples(new, old), new.spec.kind, required, alpha)


def _against_champion(check: ComparisonCheck, comparison: _Comparison, policy: GatePolicy) -> tuple[Verdict, str]:
    if not comparison.binary and len(comparison.pairs) < 2:
        return Verdict.INCONCLUSIVE, "one conversation shows nothing."
    difference, required = comparison.difference, comparison.required
    strictly = isinstance(check, SuperiorityCheck)
    text = _worded(check, comparison, policy)
    if difference < required - _TINY or (strictly and difference <= required + _TINY):
        return Verdict.FAIL, f"{text}: missed. {_noise(comparison, policy)}".rstrip()
    least = check.min_n if comparison.binary else max(check.min_n, _LEAST_CLUSTERED)
    if comparison.completed_cases < least:
        return Verdict.INCONCLUSIVE, f"{text}: not shown. {too_few(comparison.completed_cases, least)}"
    if comparison.shown():
        return Verdict.PASS, f"{text}: shown."
    more = more_cases(len(comparison.pairs), comparison.shown)
    return Verdict.INCONCLUSIVE, f"{text}: not shown. {more}"


def _noise(comparison: _Comparison, policy: GatePolicy) -> str:
    """Whether a step back is more than chance alone would make of two equal agents, as a sentence; else nothing."""
    if comparison.difference >= -_TINY:
        return ""
    high = comparison.bounds[1]
    bound = f"{percent(policy.confidence)} upper bound of the difference {figures(high, 0.0, least=3)[0]}"
    if high < 0:
        return f"It has regressed: {bound}."
    return f"That may be noise, of a size that equal agents show too: {bound}."


def _worded(check: ComparisonCheck, comparison: _Comparison, policy: GatePolicy) -> str:
    difference, required = comparison.difference, comparison.required
    shown, low, limit = figures(abs(difference), comparison.bounds[0], abs(required), least=3)
    standing = "as good as" if abs(difference) < _TINY else f"{shown} {'better' if difference > 0 else 'worse'} than"
    gained, lost, n = comparison.counts
    asked = f"margin {limit}" if isinstance(check, NonInferiorityCheck) else f"required gain {limit}"
    return (
        f"{standing} the champion (better in {gained} and worse in {lost} of {n} conversations), "
        f"{percent(policy.confidence)} lower bound of the difference {low}, {asked}"
    )


def _interval(comparison: _Comparison, confidence: float) -> Interval | None:
    if not comparison.binary and len(comparison.pairs) < 2:
        return None
    low, high = comparison.bounds
    return Interval(low=low, high=high, confidence=confidence, sided="one", method=comparison.method)


def _where_lost(evidence: Evidence, comparison: _Comparison, new: Sample, old: Sample) -> tuple[str, ...]:
    ours, theirs = slice_figures(new), slice_figures(old)
    loads = {case_id: (pair.lost, 1) for case_id, pair in comparison.pairs.items()}
    return breakdown(evidence, loads, lambda case_ids: f"{ours(case_ids)}, champion {theirs(case_ids)}")
