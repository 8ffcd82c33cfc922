"""Checks of one run by itself: a rate or a mean against a limit, and zero tolerance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from assay.gates.checks import LimitCheck, MeanCheck, QuantileCheck, ZeroToleranceCheck
from assay.gates.evidence import Evidence
from assay.gates.explain import counted, figures, listed, percent, sample_breakdown, title, worst_cases
from assay.gates.metrics import IntervalMethod, Sample, collect, estimate_sample, sample_bounds
from assay.gates.policy import GatePolicy
from assay.gates.statistics import cases_needed
from assay.registry.errors import NotMeasuredError
from assay.registry.types.decision import CheckResult, Estimate, Interval, Verdict
from assay.registry.types.score import MetricSpec

__all__ = [
    "Rule",
    "Ruling",
    "best_bound",
    "cut_short",
    "judge_limit",
    "judge_mean",
    "judge_zero_tolerance",
    "more_cases",
    "more_for_share",
    "refuse_wrong_side",
    "rule_on",
    "share_bound",
    "too_few",
    "unmeasured",
]


@dataclass(frozen=True)
class Ruling:
    """A verdict on one check, with what it rests on."""

    verdict: Verdict
    reason: str
    estimate: Estimate | None = None
    baseline: Estimate | None = None
    difference: Interval | None = None
    worst_cases: tuple[str, ...] = ()
    breakdown: tuple[str, ...] = ()
    applicable: bool = True
    members: tuple[CheckResult, ...] = ()


Rule = Callable[[Sample], tuple[Verdict, str]]
"""What a check makes of a sample that can be judged: a verdict, and why."""


def judge_limit(check: LimitCheck, evidence: Evidence, policy: GatePolicy) -> Ruling:
    """PASS if the bound meets the limit; FAIL if the value itself misses it; else INCONCLUSIVE.

    Raises:
        NotMeasuredError: unknown metric or slice, a limit on the wrong side of the metric, or the metric is a mean.
    """
    sample = collect(evidence, check.metric, check.slice)
    if sample.spec.kind == "mean":
        raise NotMeasuredError(f"{check.metric} is a mean, not a rate: use kind 'mean' or 'quantile'")
    return _against_its_limit(check, evidence, sample, policy)


def judge_mean(check: MeanCheck, evidence: Evidence, policy: GatePolicy) -> Ruling:
    """As `judge_limit`, for a mean.

    Raises:
        NotMeasuredError: unknown metric or slice, a limit on the wrong side of the metric, or the metric is a rate.
    """
    sample = collect(evidence, check.metric, check.slice)
    if sample.spec.kind != "mean":
        raise NotMeasuredError(f"{check.metric} is a rate, not a mean: use kind 'limit'")
    return _against_its_limit(check, evidence, sample, policy)


def judge_zero_tolerance(check: ZeroToleranceCheck, evidence: Evidence, policy: GatePolicy) -> Ruling:
    """FAIL on more than `max_events` events, however many cases; PASS on no more in enough conversations.

    Raises:
        NotMeasuredError: unknown metric or slice, or the metric does not count events where fewer are better.
    """
    sample = collect(evidence, check.metric, check.slice)
    if sample.higher_is_better or sample.spec.kind == "mean":
        raise NotMeasuredError(f"{check.metric} does not count events of which there should be none")

    def rule(given: Sample) -> tuple[Verdict, str]:
        return _against_events(check, given, policy)

    return rule_on(evidence, sample, policy, estimate_sample(sample, policy.confidence), rule)


def refuse_wrong_side(check: LimitCheck | MeanCheck | QuantileCheck, spec: MetricSpec) -> None:
    """Raises NotMeasuredError where the limit stands on the side on which the metric is better anyway."""
    higher = spec.direction == "higher_is_better"
    if higher != (check.at_least is not None):
        right, wrong = ("at_least", "higher") if higher else ("at_most", "lower")
        raise NotMeasuredError(f"{check.metric} is better when it is {wrong}: its limit has to be {right!r}")


def cut_short(sample: Sample) -> str:
    """What to say of a sample that a budget cut short, or nothing: too little is known, and nothing is broken."""
    if not (sample.missing and sample.stopped):
        return ""
    return (
        f"{len(sample.missing)} of {sample.planned} planned trials were not run: {sample.stopped}. "
        "Run the suite again with a larger budget: what is done is not repeated."
    )


def unmeasured(sample: Sample, max_failure_share: float, judge: str = "the policy") -> str:
    """Why a sample cannot be judged at all, or nothing. `judge` is who allows that share of scorer failures."""
    if sample.missing:
        return (
            f"{len(sample.missing)} of {sample.planned} planned trials have no trajectory or no score "
            f"({listed(sample.missing)}). Run the suite again: what is done is not repeated."
        )
    scored = sample.planned - sample.skipped - len(sample.failed)
    if sample.failed and len(sample.failed) > max_failure_share * (scored + len(sample.failed)):
        return (
            f"{len(sample.failed)} of {scored + len(sample.failed)} trials could not be scored "
            f"({listed(sample.failed)}); {judge} allows a share of {max_failure_share:g}."
        )
    if not sample.cases:
        return f"nothing was measured: the metric does not apply to any of the {sample.planned} trials."
    return ""


def too_few(sample_size: int, min_n: int) -> str:
    """The sentence for a check that rests on too few conversations."""
    were = "conversation was" if sample_size == 1 else "conversations were"
    return f"Only {sample_size} {were} completed and measured; at least {min_n} are needed."


def more_cases(n: int, shown_at: Callable[[float], bool]) -> str:
    """How many more cases at the same rates would show it, as a sentence."""
    needed = cases_needed(n, shown_at)
    if needed is None:
        return "At this rate no practical number of cases would show it."
    return f"About {needed - n:,} more case{'' if needed - n == 1 else 's'} at this rate would show it."


def share_bound(sample: Sample, alpha: float, scale: float = 1.0) -> float | None:
    """The lower bound of a share; None where none can be told."""
    bounds = sample_bounds(sample, alpha, "clopper_pearson", scale)
    return None if bounds is None else bounds[0]


def more_for_share(sample: Sample, alpha: float, needed: float) -> str:
    """How many more cases at the same rates would bring the bound of a share to what is needed, as a sentence."""

    def shown_at(scale: float) -> bool:
        bound = share_bound(sample, alpha, scale)
        return bound is not None and bound >= needed

    return more_cases(len(sample.cases), shown_at)


def best_bound(
    sample: Sample, alpha: float, scale: float = 1.0, interval: IntervalMethod = "clopper_pearson"
) -> float | None:
    """The bound that a rate would have if not a single unit of the sample had failed; None where none can be told."""
    good = 1.0 if sample.higher_is_better else 0.0
    cases = tuple(case._replace(value=good * case.of, completed=True, errored=False) for case in sample.cases)
    bounds = sample_bounds(replace(sample, cases=cases), alpha, interval, scale)
    return None if bounds is None else bounds[0 if sample.higher_is_better else 1]


def rule_on(
    evidence: Evidence,
    sample: Sample,
    policy: GatePolicy,
    estimate: Estimate,
    rule: Rule,
    worst: Sample | None = None,
) -> Ruling:
    """ERROR where the sample was not measured, INCONCLUSIVE where a budget cut it short; else what the rule says.

    A PASS has to hold at the worst as well.

    Args:
        worst: the sample with every trial that could not be scored against the agent, where that is not simply
            `sample.with_failures_at_worst()`.
    """
    if problem := cut_short(sample):
        reason = f"{title(sample.spec.name, sample.slice)} is not known: {problem}"
        return Ruling(Verdict.INCONCLUSIVE, reason, estimate, worst_cases=_first_ids(sample))
    if problem := unmeasured(sample, policy.max_failure_share):
        reason = f"{title(sample.spec.name, sample.slice)} was not measured: {problem}"
        return Ruling(Verdict.ERROR, reason, estimate, worst_cases=_first_ids(sample))
    verdict, reason = rule(sample)
    doubted = verdict is Verdict.PASS and sample.doubtful
    if doubted and rule(worst or sample.with_failures_at_worst())[0] is not Verdict.PASS:
        verdict = Verdict.INCONCLUSIVE
        doubtful = len(sample.failed) or sample.errored
        reason += f" But {doubtful} trials could not be scored as a whole; were they all failures, it would not hold."
    if sample.errored:
        reason += f" {sample.errored} trial{'' if sample.errored == 1 else 's'} did not complete and count against it."
    shortfalls = {case.case_id: sample.shortfall(case) for case in sample.cases}
    where = () if verdict is Verdict.PASS else sample_breakdown(evidence, sample)
    return Ruling(verdict, reason, estimate, worst_cases=worst_cases(shortfalls), breakdown=where)


def _against_its_limit(check: LimitCheck | MeanCheck, evidence: Evidence, sample: Sample, policy: GatePolicy) -> Ruling:
    refuse_wrong_side(check, sample.spec)

    def rule(given: Sample) -> tuple[Verdict, str]:
        return _against_limit(check, given, policy)

    return rule_on(evidence, sample, policy, estimate_sample(sample, policy.confidence, check.interval), rule)


def _against_limit(check: LimitCheck | MeanCheck, sample: Sample, policy: GatePolicy) -> tuple[Verdict, str]:
    value = sample.total / sample.units
    name = title(check.metric, check.slice)
    if check.misses(value):
        shown, limit_text = figures(value, check.limit)
        return Verdict.FAIL, f"{name} {shown} ({counted(sample)}) misses the limit {limit_text}."
    alpha = 1 - policy.confidence
    bound = _bound(check, sample, alpha)
    if bound is None:
        return (
            Verdict.INCONCLUSIVE,
            f"{name} {value:.3f} ({counted(sample)}): one completed conversation shows nothing.",
        )
    shown, bound_text, limit_text = figures(value, bound, check.limit)
    side = "lower" if check.at_least is not None else "upper"
    text = (
        f"{name} {shown} ({counted(sample)}), "
        f"{percent(policy.confidence)} {side} bound {bound_text}, limit {limit_text}"
    )
    if sample.completed_cases < check.min_n:
        return Verdict.INCONCLUSIVE, f"{text}: not shown. {too_few(sample.completed_cases, check.min_n)}"
    if not check.misses(bound):
        return Verdict.PASS, f"{text}: shown."

    def shown_at(scale: float) -> bool:
        scaled = _bound(check, sample, alpha, scale)
        return scaled is not None and not check.misses(scaled)

    text += f": not shown. {more_cases(len(sample.cases), shown_at)}"
    return Verdict.INCONCLUSIVE, text + _hopeless(check, sample, alpha)


def _hopeless(check: LimitCheck | MeanCheck, sample: Sample, alpha: float) -> str:
    """A sentence for a rate that these cases could not show even without one failure, or nothing."""
    best = best_bound(sample, alpha, 1.0, check.interval) if sample.spec.kind == "proportion" else None
    if best is None or not check.misses(best):
        return ""
    return f" These {len(sample.cases)} cannot show it at all: without a single failure the bound would be {best:.3f}."


def _bound(check: LimitCheck | MeanCheck, sample: Sample, alpha: float, scale: float = 1.0) -> float | None:
    bounds = sample_bounds(sample, alpha, check.interval, scale)
    if bounds is None:
        return None
    return bounds[0] if check.at_least is not None else bounds[1]


def _against_events(check: ZeroToleranceCheck, sample: Sample, policy: GatePolicy) -> tuple[Verdict, str]:
    name, alpha = title(check.metric, check.slice), 1 - policy.confidence
    if sample.total > check.max_events:
        return Verdict.FAIL, f"{name}: {counted(sample)}; at most {check.max_events} tolerated."
    bounds = sample_bounds(sample, alpha, "clopper_pearson")
    text = f"{name}: {counted(sample)}."
    if bounds is not None:
        text += f" A true rate of up to {bounds[1]:.3f} cannot be ruled out ({percent(policy.confidence)} upper bound)."
    if sample.completed_cases < check.min_n:
        return Verdict.INCONCLUSIVE, f"{text} {too_few(sample.completed_cases, check.min_n)}"
    rate = check.rules_out
    if rate is None or (bounds is not None and bounds[1] <= rate):
        return Verdict.PASS, text

    def shown_at(scale: float) -> bool:
        scaled = sample_bounds(sample, alpha, "clopper_pearson", scale)
        return scaled is not None and scaled[1] <= rate

    return Verdict.INCONCLUSIVE, f"{text} The policy has {rate:g} ruled out. {more_cases(len(sample.cases), shown_at)}"


def _first_ids(sample: Sample) -> tuple[str, ...]:
    return tuple(sorted({*sample.missing, *sample.failed})[:50])
