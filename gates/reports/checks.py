"""The checks of a gate policy, in words."""

from __future__ import annotations

from dataclasses import dataclass

from assay.gates.reports.estimates import Figures
from assay.gates.reports.figures import GRAVITY, difference, figure, interval, kind_of, label, sample, shortfalls
from assay.gates.reports.text import visible
from assay.registry.types.decision import CheckResult, Verdict
from assay.registry.types.run import EvalRun

__all__ = ["NOT_APPLICABLE", "CheckView", "check_view"]


NOT_APPLICABLE = "n/a"
"""What a check reads that a policy leaves out where there is no champion yet: it was not measured, so it is no pass."""


@dataclass(frozen=True)
class CheckView:
    """A row of the table of checks."""

    check: str
    metric: str
    slice: str
    kind: str
    verdict: str
    blocking: bool
    critical: bool
    requirement: str
    reason: str
    value: str
    interval: str
    method: str
    n: str
    shortfalls: str
    champion: str
    difference: str
    worst_cases: tuple[str, ...]
    breakdown: tuple[str, ...]

    @property
    def breakdown_label(self) -> str:
        """What the lines of `breakdown` are."""
        return "Its checks" if self.kind in {"all", "any"} else "Concentrated in"

    @property
    def tone(self) -> str:
        return "none" if self.verdict == NOT_APPLICABLE else self.verdict.lower()

    @property
    def is_open(self) -> bool:
        """Whether the check was to be met and is not."""
        return self.verdict not in (Verdict.PASS.value, NOT_APPLICABLE)

    @property
    def gravity(self) -> tuple[int, bool]:
        """Sorts the gravest to the front, critical checks first."""
        return (*GRAVITY, NOT_APPLICABLE).index(self.verdict), not self.critical

    @property
    def weight(self) -> str:
        """How much hangs on the check."""
        if not self.blocking:
            return "advisory"
        return "critical" if self.critical else "required"


def check_view(check: CheckResult, run: EvalRun, champion_figures: Figures | None = None) -> CheckView:
    """A check as a reviewer reads it. The champion's value comes from the check, else from its own run."""
    kind, estimate, champion = kind_of(run, check.metric), check.estimate, check.baseline
    if champion is None and champion_figures is not None:
        champion = champion_figures.of(check.metric, check.slice)
    bounds = estimate.interval if estimate else None
    return CheckView(
        check=check.check,
        metric=label(check.metric),
        slice=visible(check.slice),
        kind=label(check.kind),
        verdict=check.verdict.value if check.applicable else NOT_APPLICABLE,
        blocking=check.blocking,
        critical=check.critical,
        requirement=visible(check.limit),
        reason=visible(check.reason),
        value=figure(estimate.value, kind) if estimate else _absent(check),
        interval=interval(bounds, kind) if bounds else "",
        method=f"{figure(bounds.confidence).replace('.0', '')} {bounds.sided}-sided, {visible(bounds.method)}"
        if bounds
        else "",
        n=sample(estimate, run.metric(check.metric)) if estimate else "—",
        shortfalls=shortfalls(estimate) if estimate else "",
        champion=figure(champion.value, kind) if champion else "",
        difference=difference(check.difference, kind),
        worst_cases=check.worst_cases,
        breakdown=tuple(map(visible, check.breakdown)),
    )


def _absent(check: CheckResult) -> str:
    """What stands for a value: how many members of a group hold, or why there is none (waived, or a gap)."""
    if check.members and check.applicable:
        counted = [member for member in check.members if member.applicable]
        return f"{sum(member.verdict is Verdict.PASS for member in counted)} of {len(counted)} hold"
    return "not measured" if check.applicable else "not applicable"
