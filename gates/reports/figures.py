"""Numbers in words: percentages, intervals, counts.

A figure is never rounded onto a limit it does not reach: 0.9996 is `99.96 %`, not `100.0 %`.
"""

from __future__ import annotations

import re

from assay.registry.types.decision import CheckResult, Estimate, Interval
from assay.registry.types.run import EvalRun
from assay.registry.types.score import MetricKind, MetricSpec

__all__ = [
    "GRAVITY",
    "counted",
    "difference",
    "figure",
    "interval",
    "kind_of",
    "label",
    "limit_of",
    "points",
    "sample",
    "shortfalls",
]

GRAVITY = ("ERROR", "FAIL", "INCONCLUSIVE", "PASS")
"""Verdicts, the gravest first."""
_NBSP = "\N{NO-BREAK SPACE}"
_LIMIT = re.compile(r"(>=|<=|[<>≥≤])\s*([+-]?\d+(?:\.\d+)?)\s*(%|pp|percentage points)?")


def label(name: str) -> str:
    """A metric, rule or attribute name as a reader sees it: `escalation_accuracy` is `escalation accuracy`."""
    return name.replace("_", " ")


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 turn`, `2 turns`, `1,204 turns`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def figure(value: float | None, kind: MetricKind = "proportion") -> str:
    """A value as a percentage (proportion) or with three decimals (mean)."""
    if value is None:
        return "not measured"
    return f"{_digits(value * 100, 100)}{_NBSP}%" if kind == "proportion" else f"{value:.3f}"


def interval(given: Interval | None, kind: MetricKind = "proportion") -> str:
    """An interval as `84.1 % to 90.2 %`, or `none`."""
    if given is None:
        return "none"
    return f"{figure(given.low, kind)} to {figure(given.high, kind)}"


def difference(given: Interval | None, kind: MetricKind = "proportion") -> str:
    """The interval of a difference, in percentage points for proportions."""
    return "" if given is None else f"{points(given.low, kind)} to {points(given.high, kind)}"


def points(value: float, kind: MetricKind = "proportion") -> str:
    """A signed difference, in percentage points for proportions."""
    return f"{value * 100:+.1f}{_NBSP}pp" if kind == "proportion" else f"{value:+.3f}"


def sample(estimate: Estimate, spec: MetricSpec | None) -> str:
    """What a value rests on: `118 of 120 turns in 40 conversations`."""
    unit = spec.unit if spec else "conversation"
    if unit == "conversation" and estimate.units != estimate.cases:
        unit = "trial"
    counts = counted(estimate.units, unit)
    if spec and spec.kind == "proportion" and estimate.events is not None:
        counts = f"{estimate.events:,.0f} of {counts}"
    return counts if unit == "conversation" else f"{counts} in {counted(estimate.cases, 'conversation')}"


def shortfalls(estimate: Estimate) -> str:
    """What is missing behind a value, or nothing: `2 skipped, 1 failed to score`."""
    parts = (
        (estimate.skipped, "not applicable"),
        (estimate.failed, "not scored"),
        (estimate.missing, "not run"),
        (estimate.errored, "did not complete"),
    )
    return ", ".join(f"{number:,} {words}" for number, words in parts if number)


def limit_of(check: CheckResult) -> float | None:
    """The number in a check's requirement, for drawing; None where the words hold no comparison."""
    found = _LIMIT.search(check.limit)
    if found is None:
        return None
    number = float(found.group(2))
    return number / 100 if found.group(3) else number


def kind_of(run: EvalRun, metric: str) -> MetricKind:
    """Whether a metric is a proportion or a mean; a metric that nobody declares is shown as a plain number."""
    spec = run.metric(metric)
    return spec.kind if spec else "mean"


def _digits(value: float, full: float) -> str:
    for digits in (1, 2, 3, 4):
        text = f"{value:.{digits}f}"
        if not ((float(text) == full and value < full) or (float(text) == 0 and value > 0)):
            return text
    return f"{value:.1f}"
