"""What a check asks for and how it is judged, in words."""

from __future__ import annotations

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
    SuperiorityCheck,
    ZeroToleranceCheck,
)
from assay.gates.comparisons import required_difference
from assay.gates.explain import exactly, percent
from assay.registry.types.decision import Estimate, Interval

__all__ = ["procedure", "requirement"]


def requirement(check: Check, confidence: float) -> str:
    """What the check asks for, e.g. `lower 95 % bound >= 0.90`."""
    bound = f"{percent(confidence)} bound"
    match check:
        case LimitCheck() | MeanCheck():
            return _side(check, bound)
        case QuantileCheck():
            return f"{check.quantile:g} quantile: {_side(check, bound)}"
        case ZeroToleranceCheck():
            events = "no event" if check.max_events == 0 else f"at most {check.max_events} events"
            also = "" if check.rules_out is None else f", upper {bound} <= {exactly(check.rules_out)}"
            return f"{events} in {check.min_n} or more conversations{also}"
        case NonInferiorityCheck() | SuperiorityCheck():
            return f"lower {bound} vs champion > {exactly(required_difference(check))}"
        case PassKCheck():
            return f"pass^{check.k}: lower {bound} >= {exactly(check.at_least)}"
        case EveryCaseCheck():
            but = "" if check.max_cases == 0 else f" but {check.max_cases}"
            return f"each case{but} passes {check.min_passes} or more trials"
        case CoverageCheck():
            return ", ".join(_coverage(check))
        case GroupCheck():
            return f"{check.kind} of {', '.join(member.name for member in check.checks)}"


def procedure(check: Check, confidence: float, estimate: Estimate | None, difference: Interval | None) -> str:
    """How the check was judged: the method of its bound and the confidence, or that it is a count."""
    given = difference or (estimate.interval if estimate else None)
    match check:
        case EveryCaseCheck() | CoverageCheck():
            return "counted, no inference"
        case GroupCheck():
            return "gravest verdict of its checks" if check.kind == "all" else _any(check, confidence)
        case ZeroToleranceCheck():
            shown = f"; shown: {given.method}, one-sided {percent(confidence)}" if given else ""
            return f"counted{shown}"
        case _:
            return f"{given.method if given else 'no bound'}, one-sided {percent(confidence)}"


def _any(group: GroupCheck, confidence: float) -> str:
    alpha = (1 - confidence) / len(group.checks)
    return f"one check has to pass, each at {percent(1 - alpha)} (Bonferroni over {len(group.checks)})"


def _side(check: LimitCheck | MeanCheck | QuantileCheck, bound: str) -> str:
    limit = exactly(check.limit)
    return f"lower {bound} >= {limit}" if check.at_least is not None else f"upper {bound} <= {limit}"


def _coverage(check: CoverageCheck) -> list[str]:
    words: list[str] = []
    if check.max_skipped is not None:
        words.append(f"at most {check.max_skipped:.0%} of trials do not apply")
    if check.max_errored is not None:
        words.append(f"at most {check.max_errored:.0%} did not complete")
    if check.min_rules is not None:
        words.append(f"{check.min_rules:.0%} of rules exercised")
    words += [f"{rule} exercised by {least} or more" for rule, least in sorted(check.rules.items())]
    return words
