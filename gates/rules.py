"""One check of a policy against the evidence there is.

Four rules hold for every check:

- What was not measured is ERROR: missing trials, too many scorer failures, an unknown metric or slice, no scores.
- A value that itself misses the limit is FAIL, however few the cases.
- A value that meets the limit while its bound does not, or that rests on too few cases, is INCONCLUSIVE.
- Only a bound that meets the limit is PASS.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from assay.gates.comparisons import judge_comparison
from assay.gates.coverage import judge_coverage
from assay.gates.evidence import Evidence
from assay.gates.levels import judge_quantile
from assay.gates.limits import Ruling, judge_limit, judge_mean, judge_zero_tolerance
from assay.gates.policy import GatePolicy
from assay.gates.repeats import judge_every_case, judge_pass_k
from assay.gates.wording import procedure, requirement
from assay.registry.errors import NotMeasuredError
from assay.registry.types.decision import CheckResult, Verdict

__all__ = ["GRAVITY", "Bench", "NoBaseline", "judge"]

GRAVITY = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.ERROR)
"""Of several verdicts the gravest counts."""


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
    ruling = _group(check, bench) if isinstance(check, GroupCheck) else _ruling(check, bench)
    return CheckResult(
        check=check.name,
        kind=check.kind,
        metric="" if isinstance(check, GroupCheck) else check.metric,
        slice="" if isinstance(check, GroupCheck) else check.slice,
        verdict=ruling.verdict,
        blocking=check.blocking,
        critical=check.critical,
        applicable=ruling.applicable,
        limit=requirement(check, bench.policy.confidence),
        procedure=procedure(check, bench.policy.confidence, ruling.estimate, ruling.difference),
        reason=ruling.reason,
        estimate=ruling.estimate,
        baseline=ruling.baseline,
        difference=ruling.difference,
        worst_cases=ruling.worst_cases,
        breakdown=ruling.breakdown,
        members=ruling.members,
    )


def _ruling(check: SimpleCheck, bench: Bench) -> Ruling:
    if isinstance(bench.candidate, str):
        return Ruling(Verdict.ERROR, f"Nothing can be judged: {bench.candidate}.")
    try:
        if isinstance(check, NonInferiorityCheck | SuperiorityCheck):
            return _compared(check, bench.candidate, bench)
        return _judged(check, bench.candidate, bench.policy)
    except NotMeasuredError as error:
        return Ruling(Verdict.ERROR, f"Not measured: {error}")
    except OverflowError:
        return Ruling(Verdict.ERROR, f"Not measured: the scores of {check.metric} are too large to be reckoned with.")


def _judged(check: SimpleCheck, candidate: Evidence, policy: GatePolicy) -> Ruling:
    match check:
        case LimitCheck():
            return judge_limit(check, candidate, policy)
        case MeanCheck():
            return judge_mean(check, candidate, policy)
        case QuantileCheck():
            return judge_quantile(check, candidate, policy)
        case ZeroToleranceCheck():
            return judge_zero_tolerance(check, candidate, policy)
        case PassKCheck():
            return judge_pass_k(check, candidate, policy)
        case EveryCaseCheck():
            return judge_every_case(check, candidate, policy)
        case CoverageCheck():
            return judge_coverage(check, candidate, policy)
        case NonInferiorityCheck() | SuperiorityCheck():
            raise TypeError("a comparison takes two runs")


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


def _group(group: GroupCheck, bench: Bench) -> Ruling:
    """`all`: the gravest verdict of the members. `any`: PASS if one passes, but what was not measured stays ERROR."""
    if group.kind == "any":
        alpha = (1 - bench.policy.confidence) / len(group.checks)
        bench = replace(bench, policy=bench.policy.model_copy(update={"confidence": 1 - alpha}))
    members = tuple(judge(member, bench) for member in group.checks)
    told = [f"{m.verdict if m.applicable else 'n/a'} {m.check}: {m.reason}" for m in members]
    applicable = [m for m in members if m.applicable]
    if not applicable:
        return Ruling(Verdict.PASS, "Not applicable: none of its checks is.", applicable=False, members=members)
    verdicts = [m.verdict for m in applicable]
    held = verdicts.count(Verdict.PASS)
    wanted = "one has to" if group.kind == "any" else "all have to"
    return Ruling(
        _verdict(group, verdicts),
        f"{held} of {len(applicable)} checks of the group hold, {wanted}.",
        worst_cases=tuple(dict.fromkeys(case for m in applicable for case in m.worst_cases))[:50],
        breakdown=tuple(told),
        members=members,
    )


def _verdict(group: GroupCheck, verdicts: Sequence[Verdict]) -> Verdict:
    if group.kind == "all" or Verdict.ERROR in verdicts:
        return max(verdicts, key=GRAVITY.index)
    return min(verdicts, key=GRAVITY.index)
