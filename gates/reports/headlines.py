"""The three scores that every report opens with, each as a bar on a stated scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.gates.reports.figures import GRAVITY, figure, interval, kind_of, label, limit_of, sample, shortfalls
from assay.gates.reports.text import visible
from assay.registry.types.decision import CheckResult, Decision, Estimate
from assay.registry.types.run import EvalRun

__all__ = ["HEADLINES", "Bar", "HeadlineView", "headline_views"]

HEADLINES = {
    "escalation_accuracy": "Conversations that reached a person exactly when they had to, and in time",
    "policy_adherence": "Conversations without any violation of the policy rules",
    "hallucination_rate": "Agent turns with at least one claim that nothing supports",
}

_SCALES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Bar:
    """Positions on the scale, 0 to 100. The scale starts at zero and ends at `end`."""

    end: str
    value: float
    low: float | None
    high: float | None
    limit: float | None
    champion: float | None


@dataclass(frozen=True)
class HeadlineView:
    """One headline score. `bar` is None when nothing was measured."""

    metric: str
    name: str
    meaning: str
    better: str
    value: str
    interval: str
    n: str
    shortfalls: str
    verdict: str
    requirements: tuple[tuple[str, str], ...]
    """What each check on the metric requires, with its verdict."""
    limit: str
    champion: str
    bar: Bar | None

    @property
    def tone(self) -> str:
        return self.verdict.lower() or ("none" if self.bar else "error")

    @property
    def description(self) -> str:
        """The bar in words, for those who do not see it."""
        parts = [f"{self.name}: {self.value}"]
        parts += [f"interval {self.interval}"] if self.interval else []
        parts += [f"limit {self.limit}"] if self.limit else []
        parts += [f"champion {self.champion}"] if self.champion else []
        return ", ".join(parts)


def headline_views(
    decision: Decision, run: EvalRun, estimates: Sequence[Estimate], champion_estimates: Sequence[Estimate]
) -> tuple[HeadlineView, ...]:
    """The headline scores in their fixed order, measured or not."""
    return tuple(
        _headline(metric, meaning, decision, run, estimates, champion_estimates)
        for metric, meaning in HEADLINES.items()
    )


def _headline(
    metric: str,
    meaning: str,
    decision: Decision,
    run: EvalRun,
    estimates: Sequence[Estimate],
    champion_estimates: Sequence[Estimate],
) -> HeadlineView:
    checks = [check for check in decision.checks if check.metric == metric and not check.slice]
    # The check against an absolute limit is the one whose limit can be drawn on the metric's own scale.
    check = next((c for c in checks if c.kind in {"limit", "zero_tolerance"}), None)
    estimate = _overall(metric, [c.estimate for c in checks if c.estimate], estimates)
    champion = _overall(metric, [c.baseline for c in checks if c.baseline], champion_estimates)
    spec, kind = run.metric(metric), kind_of(run, metric)
    measured = estimate is not None and estimate.value is not None
    bounds = estimate.interval if estimate else None
    limit = limit_of(check) if check else None
    return HeadlineView(
        metric=metric,
        name=label(metric).capitalize(),
        meaning=meaning,
        better=""
        if spec is None
        else "higher is better"
        if spec.direction == "higher_is_better"
        else "lower is better",
        value=figure(estimate.value, kind) if estimate and measured else "Not measured",
        interval=interval(bounds, kind) if bounds else "",
        n=sample(estimate, spec) if estimate and measured else "",
        shortfalls=shortfalls(estimate) if estimate else "",
        verdict=_worst(checks),
        requirements=tuple((visible(check.limit), check.verdict.value) for check in checks),
        limit=figure(limit, kind) if limit is not None else "",
        champion=figure(champion.value, kind) if champion and champion.value is not None else "",
        bar=_bar(estimate, limit, champion.value if champion else None) if estimate and measured else None,
    )


def _overall(metric: str, first: Sequence[Estimate], then: Sequence[Estimate]) -> Estimate | None:
    return next((e for e in (*first, *then) if e.metric == metric and not e.slice), None)


def _worst(checks: Sequence[CheckResult]) -> str:
    """The gravest verdict among the checks on a metric that block, else among all; nothing where there is none."""
    measured = [check for check in checks if check.applicable]
    checks = [check for check in measured if check.blocking] or measured
    return min((check.verdict.value for check in checks), key=GRAVITY.index, default="")


def _bar(estimate: Estimate, limit: float | None, champion: float | None) -> Bar | None:
    value, bounds = estimate.value, estimate.interval
    marks = [m for m in (value, bounds.high if bounds else None, limit, champion) if m is not None]
    end = next((scale for scale in _SCALES if max(marks, default=1.0) <= scale * 0.9), 1.0)
    if value is None or not 0 <= min(marks) <= max(marks) <= 1:
        return None

    def place(mark: float | None) -> float | None:
        return None if mark is None else round(min(max(mark / end, 0.0), 1.0) * 100, 3)

    low, high = (bounds.low, bounds.high) if bounds else (None, None)
    return Bar(
        figure(end).replace(".0", ""), place(value) or 0.0, place(low), place(high), place(limit), place(champion)
    )
