"""Before a run, or before the next one: what each check of a policy needs, and what the cases there are can show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from assay.gates.checks import (
    Check,
    CoverageCheck,
    EveryCaseCheck,
    GroupCheck,
    LimitCheck,
    MeanCheck,
    NonInferiorityCheck,
    PassKCheck,
    QuantileCheck,
    SimpleCheck,
    SuperiorityCheck,
    ZeroToleranceCheck,
)
from assay.gates.comparisons import required_difference
from assay.gates.evidence import Evidence
from assay.gates.limits import best_bound
from assay.gates.metrics import IntervalMethod, Sample, collect
from assay.gates.policy import GatePolicy
from assay.gates.power import (
    cases_for_difference,
    cases_for_mean,
    cases_for_rate,
    power_of_difference,
    power_of_rate,
)
from assay.gates.quantiles import binomial_cdf, normal_probability, normal_quantile
from assay.gates.repeats import repeated_sample
from assay.gates.rules import Bench, NoBaseline, judge
from assay.gates.statistics import cases_needed, clopper_pearson, effective_n, first_enough, ratio_variance
from assay.gates.wording import requirement
from assay.registry.errors import AssayError, NotMeasuredError, nearest
from assay.registry.types.decision import Verdict

__all__ = ["DISCORDANT", "UNTOLD", "PlanRow", "cannot_pass", "plan"]

DISCORDANT = 0.1
"""Share of cases on which two agents are taken to differ, where nothing else is known of them."""

UNTOLD = "neither a truth nor a run tells what the agent has"


@dataclass(frozen=True)
class PlanRow:
    """What one check takes. None: not known, or does not apply."""

    check: str
    requires: str
    metric: str
    slice: str
    blocking: bool
    truth: float | None = None
    """The rate, mean or difference that the agent is taken to have."""
    source: str = ""
    """Where the truth comes from: `given` or `as observed`."""
    needed: int | None = None
    """Conversations with which the check passes with the power that is asked for; at least its `min_n`."""
    available: int | None = None
    """Conversations of the run that the metric applies to."""
    power: float | None = None
    """The chance that the check passes with those."""
    best: float | None = None
    """The strictest limit that those could meet, if not one of them failed."""
    problem: str = ""
    """Why the check cannot pass, or why nothing can be said; empty where neither is so."""
    impossible: bool = False
    """Whether the conversations there are cannot pass the check, whatever the agent does."""


def plan(
    policy: GatePolicy,
    evidence: Evidence | None,
    truths: Mapping[str, float],
    power: float = 0.8,
    discordant: float = DISCORDANT,
) -> tuple[PlanRow, ...]:
    """A row for every check of the policy, those of groups one by one.

    Args:
        evidence: a run on today's dataset, which tells how many conversations each check has and how much they vary.
        truths: for a check's name or a metric, the true value; a check without one is planned as observed.
        power: the chance to pass that is asked for.
        discordant: share of cases on which candidate and champion differ.

    Raises:
        AssayError: a truth for what no check looks at, or out of range; names the nearest check or metric.
    """
    flat = _flat(policy.checks, 1 - policy.confidence)
    known = {name for check, _, _ in flat for name in (check.name, check.metric)}
    for name, value in truths.items():
        if not math.isfinite(value):
            raise AssayError(f"the truth of {name!r} has to be a number, not {value:g}")
        if name not in known:
            raise AssayError(f"no check of the policy {policy.name!r} looks at {name!r}.{nearest(name, known)}")
    if not 0.5 <= power < 1:
        raise AssayError(f"a power of {power:g} is not planned for: give one from 0.5 to below 1")
    planner = _Planner(policy, evidence, truths, power, discordant)
    rows = (replace(planner.row(check, alpha), blocking=check.blocking and alone) for check, alpha, alone in flat)
    return tuple(rows)


def cannot_pass(policy: GatePolicy, evidence: Evidence) -> tuple[PlanRow, ...]:
    """The blocking checks that the run's conversations cannot pass, whatever the agent does. Groups are left out."""
    planner = _Planner(policy, evidence, {}, 0.8, DISCORDANT)
    checks = [check for check in policy.checks if check.blocking and not isinstance(check, GroupCheck)]
    rows = (planner.arithmetic(check, 1 - policy.confidence) for check in checks)
    return tuple(row for row in rows if row.impossible and row.available is not None)


def _flat(checks: tuple[Check, ...], alpha: float, alone: bool = True) -> list[tuple[SimpleCheck, float, bool]]:
    """Each check with its alpha, and whether it blocks by itself: one way of several does not."""
    found: list[tuple[SimpleCheck, float, bool]] = []
    for check in checks:
        if isinstance(check, GroupCheck):
            any_of = check.kind == "any"
            part = alpha / len(check.checks) if any_of else alpha
            found += _flat(check.checks, part, alone and not any_of and check.blocking)
        else:
            found.append((check, alpha, alone))
    return found


@dataclass(frozen=True)
class _Planner:
    policy: GatePolicy
    evidence: Evidence | None
    truths: Mapping[str, float]
    power: float
    discordant: float

    def row(self, check: SimpleCheck, alpha: float) -> PlanRow:
        """The whole row of a check."""
        row, sample = self.arithmetic(check, alpha), self._sample(check)
        if row.impossible and row.available is None:
            return row
        if self.evidence is not None and (error := self._error(check, alpha)):
            return replace(row, problem=error, impossible=True)
        measured = None if isinstance(sample, str) else sample
        match check:
            case LimitCheck() | PassKCheck() | QuantileCheck():
                return self._rate(row, check, measured, alpha)
            case ZeroToleranceCheck():
                return self._events(row, check, measured, alpha)
            case MeanCheck():
                return self._mean(row, check, measured, alpha)
            case NonInferiorityCheck() | SuperiorityCheck():
                return self._difference(row, check, alpha)
            case EveryCaseCheck() | CoverageCheck():
                return replace(row, problem="counted: it speaks of these cases, not of others")

    def _error(self, check: SimpleCheck, alpha: float) -> str:
        """Why the gate could not judge the check on this run at all, or nothing."""
        assert self.evidence is not None
        policy = self.policy.model_copy(update={"confidence": 1 - alpha})
        judged = judge(check, Bench(policy, self.evidence, NoBaseline(Verdict.INCONCLUSIVE, "not compared")))
        return judged.reason.rstrip(".") if judged.verdict is Verdict.ERROR else ""

    def arithmetic(self, check: SimpleCheck, alpha: float) -> PlanRow:
        """What the conversations there are can show at best, without any truth."""
        row = PlanRow(check.name, requirement(check, 1 - alpha), check.metric, check.slice, check.blocking)
        sample = self._sample(check)
        if sample is None or self.evidence is None:
            return row
        if isinstance(sample, str):
            return replace(row, problem=sample.rstrip(".?"), impossible=True)
        row = replace(row, available=len(sample.cases))
        if len(sample.cases) < check.min_n:
            problem = f"min_n is {check.min_n}, and the metric applies to {len(sample.cases)} conversations"
            row = replace(row, problem=problem, impossible=True)
        return self._best(row, check, sample, alpha)

    def _best(self, row: PlanRow, check: SimpleCheck, sample: Sample, alpha: float) -> PlanRow:
        needed = _passing_share(check)
        method = check.interval if isinstance(check, LimitCheck) else "clopper_pearson"
        best = best_bound(sample, alpha, 1.0, method) if sample.spec.kind == "proportion" else None
        if isinstance(check, ZeroToleranceCheck) and check.rules_out is not None and not row.impossible:
            return _ruling_out(row, check.rules_out, sample, best, alpha)
        if isinstance(check, EveryCaseCheck) and self.evidence and self.evidence.run.trials < check.min_passes:
            problem = f"no case can pass {check.min_passes} of {self.evidence.run.trials} trials"
            return replace(row, problem=problem, impossible=True)
        if best is None or needed is None:
            return row
        reached = best if sample.higher_is_better else 1 - best
        if not isinstance(check, QuantileCheck):
            row = replace(row, best=best)
        if reached >= needed or row.impossible:
            return row
        many = cases_needed(len(sample.cases), lambda scale: _reaches(sample, alpha, scale, needed, method))
        words = "more than a million" if many is None else f"{many:,}"
        problem = (
            f"{len(sample.cases)} conversations without a single failure cannot show it; {words} such conversations can"
        )
        return replace(row, problem=problem, impossible=True)

    def _sample(self, check: SimpleCheck) -> Sample | str | None:
        """The run's sample of the check, why there is none, or None without a run."""
        if self.evidence is None:
            return None
        try:
            if isinstance(check, PassKCheck):
                return repeated_sample(check, self.evidence)
            if isinstance(check, QuantileCheck):
                return collect(self.evidence, check.metric, check.slice, lambda score: not check.misses(score.value))
            return collect(self.evidence, check.metric, check.slice)
        except NotMeasuredError as error:
            return str(error)

    def _truth(self, check: SimpleCheck, observed: float | None) -> tuple[float | None, str]:
        for name in (check.name, check.metric):
            if name in self.truths:
                return self.truths[name], "given"
        return observed, "" if observed is None else "as observed"

    def _rate(
        self, row: PlanRow, check: LimitCheck | PassKCheck | QuantileCheck, sample: Sample | None, alpha: float
    ) -> PlanRow:
        needed = _passing_share(check)
        assert needed is not None
        if isinstance(check, QuantileCheck):
            given = self.truths.get(check.name)
            observed = sample.value if sample else None
            truth, source = (observed, "as observed") if given is None else (given, "given: share within the limit")
        else:
            truth, source = self._truth(check, sample.value if sample else None)
        row = replace(row, truth=truth, source=source)
        if truth is None:
            return replace(row, problem=row.problem or UNTOLD)
        if not 0 <= truth <= 1:
            raise AssayError(f"the truth of {check.metric} is a rate, between 0 and 1, and not {truth:g}")
        passing = 1 - truth if isinstance(check, LimitCheck) and check.at_most is not None else truth
        worth = _worth(sample, alpha)
        n = cases_for_rate(needed, passing, alpha, self.power)
        if n is None:
            row = replace(row, problem=row.problem or "an agent like this cannot show it: it does not meet the limit")
        else:
            row = replace(row, needed=max(check.min_n, math.ceil(n / worth)))
        if sample is None:
            return row
        n_now = math.floor(len(sample.cases) * worth + 1e-9)
        chance = 0.0 if len(sample.cases) < check.min_n else power_of_rate(n_now, needed, passing, alpha)
        return replace(row, power=chance)

    def _events(self, row: PlanRow, check: ZeroToleranceCheck, sample: Sample | None, alpha: float) -> PlanRow:
        truth, source = self._truth(check, sample.value if sample else None)
        least = check.min_n
        if check.rules_out is not None:
            rate = check.rules_out
            start = max(1, check.max_events)
            least = max(
                least, first_enough(lambda n: clopper_pearson(check.max_events, n, alpha)[1] <= rate, start) or 0
            )
        row = replace(row, truth=truth, source=source, needed=least)
        if truth is None:
            return row
        if not 0 <= truth <= 1:
            raise AssayError(f"the truth of {check.metric} is a rate, between 0 and 1, and not {truth:g}")
        n = least if sample is None else len(sample.cases)
        chance = 0.0 if n < least else binomial_cdf(check.max_events, n if sample is None else sample.units, truth)
        if chance < self.power and truth > 0 and n >= least:
            row = replace(row, problem="more conversations make it less likely to pass: the agent has to be better")
        return replace(row, power=chance)

    def _mean(self, row: PlanRow, check: MeanCheck, sample: Sample | None, alpha: float) -> PlanRow:
        truth, source = self._truth(check, sample.value if sample else None)
        row = replace(row, truth=truth, source=source)
        if truth is None or sample is None or len(sample.cases) < 2:
            return replace(row, problem=row.problem or "a mean takes a run that tells how much conversations vary")
        distance = truth - check.limit if check.at_least is not None else check.limit - truth
        m = len(sample.cases)
        deviation = math.sqrt(ratio_variance(sample.clusters) * m)
        n = cases_for_mean(distance, deviation, alpha, self.power)
        if n is None:
            problem = "an agent like this cannot show it: it does not meet the limit"
            return replace(row, problem=row.problem or problem, power=0.0)
        spread = deviation / math.sqrt(m)
        chance = 1.0 if spread == 0 else normal_probability(distance / spread - normal_quantile(1 - alpha))
        return replace(row, needed=max(check.min_n, n), power=0.0 if m < check.min_n else chance)

    def _difference(self, row: PlanRow, check: NonInferiorityCheck | SuperiorityCheck, alpha: float) -> PlanRow:
        given = self.truths.get(check.name)
        truth, source = (0.0, "equal agents") if given is None else (given, "given")
        if not -1 <= truth <= 1:
            raise AssayError(f"the truth of {check.name} is a difference of rates, between -1 and 1, and not {truth:g}")
        required = required_difference(check)
        discordant = max(self.discordant, abs(truth))
        row = replace(row, truth=truth, source=f"{source}, {discordant:.0%} differ")
        spec = self.evidence.metrics.get(check.metric) if self.evidence else None
        if spec is not None and spec.kind == "mean":
            return replace(row, problem=row.problem or "a comparison of means is not planned: its spread is not known")
        n = cases_for_difference(discordant, truth, required, alpha, self.power)
        if n is None:
            row = replace(
                row, problem=row.problem or "an agent like this cannot show it: it is not better by that much"
            )
        else:
            row = replace(row, needed=max(check.min_n, n))
        if row.available is None:
            return row
        chance = power_of_difference(row.available, discordant, truth, required, alpha)
        return replace(row, power=0.0 if row.available < check.min_n else chance)


def _passing_share(check: SimpleCheck) -> float | None:
    """The share of units that has to pass, where a check asks for one."""
    match check:
        case LimitCheck():
            return check.limit if check.at_least is not None else 1 - check.limit
        case PassKCheck():
            return check.at_least
        case QuantileCheck():
            return 1 - check.quantile if check.at_least is not None else check.quantile
        case _:
            return None


def _ruling_out(row: PlanRow, rate: float, sample: Sample, best: float | None, alpha: float) -> PlanRow:
    """The row of a check that has a rate ruled out, and whether as many conversations can do that at all."""
    if best is None or best <= rate:
        return replace(row, best=best)
    many = cases_needed(len(sample.cases), lambda scale: _reaches(sample, alpha, scale, 1 - rate))
    words = "more than a million" if many is None else f"{many:,}"
    problem = f"{len(sample.cases)} conversations without an event do not rule out {rate:g}; {words} do"
    return replace(row, best=best, problem=problem, impossible=True)


def _reaches(
    sample: Sample, alpha: float, scale: float, needed: float, method: IntervalMethod = "clopper_pearson"
) -> bool:
    best = best_bound(sample, alpha, scale, method)
    return best is not None and (best if sample.higher_is_better else 1 - best) >= needed


def _worth(sample: Sample | None, alpha: float) -> float:
    """How many independent units one conversation is worth."""
    if sample is None or not sample.clustered or len(sample.measured) < 2:
        return 1.0
    return effective_n(sample.measured, sample.design_effect, alpha) / len(sample.cases)
