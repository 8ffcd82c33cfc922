"""One check of a policy against the evidence there is.

Four rules hold for every check:

- What was not measured is ERROR: missing trials, too many scorer failures, an unknown metric or slice, no scores.
- A value that itself misses the limit is FAIL, however few the cases.
- A value that meets the limit while its bound does not, or that rests on too few cases, is INCONCLUSIVE.
- Only a bound that meets the limit is PASS.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay.gates.comparisons import judge_comparison, required_difference
from assay.gates.evidence import Evidence
from assay.gates.explain import figures, percent
from assay.gates.limits import Ruling, judge_limit, judge_zero_tolerance
from assay.gates.policy import Check, GatePolicy, LimitCheck, NonInferiorityCheck, SuperiorityCheck, ZeroToleranceCheck
from assay.registry.errors import NotMeasuredError
from assay.registry.types.decision import CheckResult, Verdict

__all__ = ["Bench", "NoBaseline", "judge"]


@dataclass(frozen=True)
class NoBaseline:
    """Why there is no run to compare with. `applies` is false where there is no champion at all."""

    verdict: Verdict
    reason: str
    applies: bool = True


@dataclass(frozen=True)
class Bench:
    """What lies before the judge. `candidate` is the reason as text where the run cannot be judged at all."""

    policy: GatePolicy
    candidate: Evidence | str
    baseline: Evidence | NoBaseline


def judge(check: Check, bench: Bench) -> CheckResult:
    """What becomes of one check. Never raises for bad evidence: that is a verdict."""
    ruling = _ruling(check, bench)
    return CheckResult(
        check=check.name,
        kind=check.kind,
        metric=check.metric,
        slice=check.slice,
        verdict=ruling.verdict,
        blocking=check.blocking,
        critical=check.critical,
        applicable=ruling.applicable,
        limit=_requirement(check, bench.policy.confidence),
        reason=ruling.reason,
        estimate=ruling.estimate,
        baseline=ruling.baseline,
        difference=ruling.difference,
        worst_cases=ruling.worst_cases,
        breakdown=ruling.breakdown,
    )


def _ruling(check: Check, bench: Bench) -> Ruling:
    if isinstance(bench.candidate, str):
        return Ruling(Verdict.ERROR, f"Nothing can be judged: {bench.candidate}.")
    try:
        if isinstance(check, LimitCheck):
            return judge_limit(check, bench.candidate, bench.policy)
        if isinstance(check, ZeroToleranceCheck):
            return judge_zero_tolerance(check, bench.candidate, bench.policy)
        return _compared(check, bench.candidate, bench)
    except NotMeasuredError as error:
        return Ruling(Verdict.ERROR, f"Not measured: {error}")


def _compared(check: NonInferiorityCheck | SuperiorityCheck, candidate: Evidence, bench: Bench) -> Ruling:
    if isinstance(bench.baseline, Evidence):
        return judge_comparison(check, candidate, bench.baseline, bench.policy)
    candidate.spec(check.metric)
    candidate.scope(check.slice)
    if bench.baseline.applies:
        return Ruling(bench.baseline.verdict, bench.baseline.reason)
    if check.if_no_champion == "not_applicable":
        return Ruling(Verdict.PASS, f"Not applicable: {bench.baseline.reason}", applicable=False)
    return Ruling(Verdict.INCONCLUSIVE, bench.baseline.reason)


def _requirement(check: Check, confidence: float) -> str:
    bound = f"{percent(confidence)} bound"
    if isinstance(check, LimitCheck):
        if check.at_least is not None:
            return f"lower {bound} >= {figures(check.at_least)[0]}"
        assert check.at_most is not None
        return f"upper {bound} <= {figures(check.at_most)[0]}"
    if isinstance(check, ZeroToleranceCheck):
        events = "no event" if check.max_events == 0 else f"at most {check.max_events} events"
        return f"{events} in {check.min_n} or more conversations"
    return f"lower {bound} vs champion > {figures(required_difference(check))[0]}"
