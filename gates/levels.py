"""Quantiles against a limit, e.g. the 95th percentile of reply times.

"The 95th percentile is at most 4 s" says that at least 95 % of trials are within 4 s, so it is judged as that share:
the exact bound of the share is the order-statistic interval of the quantile (Conover 1999, section 3.2), and its
Korn-Graubard bound is the same for trials that come together in cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from assay.gates.checks import QuantileCheck
from assay.gates.evidence import Evidence
from assay.gates.explain import figures, percent, title
from assay.gates.limits import Ruling, best_bound, more_for_share, refuse_wrong_side, rule_on, share_bound, too_few
from assay.gates.metrics import CaseScore, Sample, collect, sample_bounds
from assay.gates.policy import GatePolicy
from assay.gates.statistics import Bounds
from assay.registry.errors import NotMeasuredError
from assay.registry.types.decision import Estimate, Interval, Verdict
from assay.registry.types.score import Score
from assay.registry.types.trajectory import Outcome

__all__ = ["judge_quantile"]

Trial = tuple[str, float]
"""A case id and what one trial of it scored; infinitely bad where the trial did not complete."""


def judge_quantile(check: QuantileCheck, evidence: Evidence, policy: GatePolicy) -> Ruling:
    """PASS if the bound of the quantile meets the limit; FAIL if the quantile itself misses it; else INCONCLUSIVE.

    Raises:
        NotMeasuredError: unknown metric or slice, the metric is a rate, or the limit is on the wrong side.
    """
    spec = evidence.spec(check.metric)
    if spec.kind != "mean":
        raise NotMeasuredError(f"{check.metric} is a rate, and has no quantiles: use kind 'limit'")
    higher = spec.direction == "higher_is_better"
    refuse_wrong_side(check, spec)
    within = collect(evidence, check.metric, check.slice, lambda score: not check.misses(score.value))
    needed = 1 - check.quantile if higher else check.quantile
    trials = _trials(evidence, check.metric, check.slice, worst=-math.inf if higher else math.inf)
    estimate = _estimate(within, trials, check, policy.confidence)

    def rule(given: Sample) -> tuple[Verdict, str]:
        return _against(check, given, needed, estimate, policy)

    return rule_on(evidence, within, policy, estimate, rule)


def _against(
    check: QuantileCheck, sample: Sample, needed: float, estimate: Estimate, policy: GatePolicy
) -> tuple[Verdict, str]:
    alpha, share = 1 - policy.confidence, sample.total / sample.units
    side = "under" if check.at_least is not None else "over"
    outside = sample.units - sample.total
    value = "beyond all" if estimate.value is None else figures(estimate.value, check.limit)[0]
    name = title(check.metric, check.slice)
    text = f"{name}: {check.quantile:g} quantile {value} ({outside:g} of {sample.units} trials {side} {check.limit:g})"
    if share < needed:
        return Verdict.FAIL, f"{text} misses the limit {check.limit:g}."
    bound = share_bound(sample, alpha)
    if bound is None:
        return Verdict.INCONCLUSIVE, f"{text}: one completed conversation shows nothing."
    text += (
        f", limit {check.limit:g}; of all trials at least {bound:.3f} keep to it ({percent(policy.confidence)} bound)"
    )
    if sample.completed_cases < check.min_n:
        return Verdict.INCONCLUSIVE, f"{text}: not shown. {too_few(sample.completed_cases, check.min_n)}"
    if bound >= needed:
        return Verdict.PASS, f"{text}, as {needed:g} have to: shown."

    best = best_bound(sample, alpha)
    hopeless = best is not None and best < needed
    end = " These cannot show it at all, were every one within the limit." if hopeless else ""
    return (
        Verdict.INCONCLUSIVE,
        f"{text}, and {needed:g} have to: not shown. {more_for_share(sample, alpha, needed)}{end}",
    )


def _trials(evidence: Evidence, metric: str, slice_text: str, worst: float) -> list[Trial]:
    """What each scored trial of the slice holds, sorted by value."""
    results = evidence.results[metric]
    found: list[Trial] = []
    for unit in evidence.scope(slice_text):
        result = results.get((unit.case_id, unit.trial))
        if isinstance(result, Score):
            found.append((unit.case_id, result.value if unit.outcome is Outcome.COMPLETED else worst))
    return sorted(found, key=lambda trial: (trial[1], trial[0]))


def _estimate(sample: Sample, trials: Sequence[Trial], check: QuantileCheck, confidence: float) -> Estimate:
    """The quantile with its order-statistic interval; a side that lies beyond all trials cannot be told."""
    alpha = 1 - confidence
    value = trials[max(0, math.ceil(check.quantile * len(trials) - 1e-9) - 1)][1] if trials else math.inf
    low = _edge(sample, trials, lambda share: share[1] > check.quantile, alpha)
    high = _edge(sample, trials, lambda share: share[0] >= check.quantile, alpha)
    interval = None
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        method = "order statistic" + (", Korn-Graubard" if sample.clustered else "")
        interval = Interval(low=low, high=high, confidence=confidence, sided="one", method=method)
    return Estimate(
        metric=check.metric,
        slice=check.slice,
        value=value if math.isfinite(value) else None,
        interval=interval,
        units=sample.units,
        cases=len(sample.cases),
        skipped=sample.skipped,
        failed=len(sample.failed),
        missing=len(sample.missing),
        errored=sample.errored,
    )


def _edge(sample: Sample, trials: Sequence[Trial], reached: Callable[[Bounds], bool], alpha: float) -> float | None:
    """The smallest value at which the bounds of the share of trials up to it fulfil `reached`, by bisection."""
    values = sorted({value for _, value in trials})
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        bounds = sample_bounds(_up_to(sample, trials, values[middle]), alpha, "clopper_pearson")
        if bounds is not None and reached(bounds):
            high = middle
        else:
            low = middle + 1
    return values[low] if low < len(values) else None


def _up_to(sample: Sample, trials: Sequence[Trial], value: float) -> Sample:
    counts: dict[str, int] = {}
    for case_id, found in trials:
        if found <= value:
            counts[case_id] = counts.get(case_id, 0) + 1
    cases = (CaseScore(c.case_id, float(counts.get(c.case_id, 0)), c.of, c.completed, c.errored) for c in sample.cases)
    return replace(sample, cases=tuple(cases))
