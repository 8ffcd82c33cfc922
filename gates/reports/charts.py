"""Charts of a report, drawn with matplotlib as small inline SVG.

Every figure in a chart also stands in a table of the page: a chart is never the only place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from assay.gates.reports.estimates import Figures
from assay.gates.reports.figures import kind_of, label, limit_of
from assay.gates.reports.headlines import HEADLINES
from assay.gates.reports.svg import PALETTE, drawing, inline_svg, new_figure
from assay.gates.reports.text import visible
from assay.registry.types.decision import CheckResult, Decision, Estimate, Interval, Verdict
from assay.registry.types.run import EvalRun

__all__ = ["checks_chart", "differences_chart", "risk_chart"]

_MARKERS = {Verdict.PASS: "o", Verdict.FAIL: "X", Verdict.INCONCLUSIVE: "s", Verdict.ERROR: "P"}
_TIERS = ("critical", "high", "medium", "low")
_LABEL_LIMIT = 44


def checks_chart(decision: Decision, run: EvalRun, champion: Figures) -> str:
    """Value, interval, limit and champion of every check on a proportion, or nothing where there is none."""
    rows = [
        check
        for check in decision.checks
        if check.kind in {"limit", "zero_tolerance"}
        and kind_of(run, check.metric) == "proportion"
        and check.estimate is not None
        and check.estimate.value is not None
    ]
    if not rows:
        return ""
    with drawing("checks"):
        figure, axes = _canvas(len(rows), [_row_label(check) for check in rows])
        for place, check in enumerate(rows):
            _draw_check(axes, place, check, check.baseline or champion.of(check.metric, check.slice))
        _percent_axis(axes)
        axes.set_xlim(-0.015, 1.015)
        return inline_svg(figure, "chart-checks", "Checks against their limits", _describe(rows))


def differences_chart(decision: Decision, run: EvalRun) -> str:
    """The difference to the champion with its interval and margin, for checks that compare proportions."""
    rows = [
        check
        for check in decision.checks
        if check.difference is not None and kind_of(run, check.metric) == "proportion"
    ]
    if not rows:
        return ""
    with drawing("differences"):
        figure, axes = _canvas(len(rows), [_row_label(check) for check in rows])
        axes.axvline(0, color=PALETTE["champion"], linewidth=1.2)
        for place, check in enumerate(rows):
            if check.difference is not None:
                _draw_difference(axes, place, check, check.difference)
        _percent_axis(axes, signed=True)
        return inline_svg(figure, "chart-differences", "Difference to the champion", _describe(rows))


def risk_chart(run: EvalRun, estimates: Sequence[Estimate]) -> str:
    """The headline scores by risk tier, or nothing where no estimate by risk tier was handed in."""
    by_place = {(e.metric, e.slice): e for e in estimates if e.value is not None}
    metrics = [m for m in HEADLINES if any((m, f"risk_tier={tier}") in by_place for tier in _TIERS)]
    if not metrics:
        return ""
    with drawing("risk"):
        tiers = [tier for tier in _TIERS if any((m, f"risk_tier={tier}") in by_place for m in metrics)]
        figure = new_figure(9.2, 0.8 + 0.28 * len(tiers))
        panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            _bare(axes, tiers)
            axes.set_title(label(metric), fontsize=9.5, color=PALETTE["ink"], loc="left")
            for place, tier in enumerate(tiers):
                estimate = by_place.get((metric, f"risk_tier={tier}"))
                if estimate is not None:
                    _draw_estimate(axes, place, estimate, PALETTE["ink"], "o")
            _percent_axis(axes)
            axes.set_xlim(-0.03, 1.03)
        words = (
            f"{label(e.metric)}, {e.slice}: {e.value:.1%}" for e in by_place.values() if e.slice[:9] == "risk_tier"
        )
        return inline_svg(figure, "chart-risk", "Headline scores by risk tier", visible("; ".join(sorted(words))))


def _canvas(rows: int, labels: list[str]) -> tuple[Any, Any]:
    figure = new_figure(9.2, 0.75 + 0.3 * rows)
    axes = figure.subplots()
    _bare(axes, labels)
    return figure, axes


def _bare(axes: Any, labels: list[str]) -> None:
    axes.set_facecolor("none")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(length=0, colors=PALETTE["ink"])
    axes.grid(axis="x", color=PALETTE["line"], linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _percent_axis(axes: Any, *, signed: bool = False) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def words(value: float, _: int) -> str:
        return f"{value * 100:+.3g} pp".replace("+0 pp", "0") if signed else f"{value * 100:.3g} %"

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(words))
    axes.tick_params(axis="x", labelsize=8.5, labelcolor=PALETTE["muted"])


def _draw_check(axes: Any, place: int, check: CheckResult, champion: Estimate | None) -> None:
    limit = limit_of(check)
    if limit is not None:
        axes.plot([limit, limit], [place - 0.34, place + 0.34], color=PALETTE["ink"], linewidth=2)
    if champion is not None and champion.value is not None:
        axes.plot([champion.value], [place], "D", color=PALETTE["champion"], markersize=5.5, markerfacecolor="none")
    if check.estimate is not None:
        _draw_estimate(axes, place, check.estimate, PALETTE[check.verdict.value.lower()], _MARKERS[check.verdict])


def _draw_estimate(axes: Any, place: int, estimate: Estimate, colour: str, marker: str) -> None:
    if estimate.interval is not None:
        axes.plot([estimate.interval.low, estimate.interval.high], [place, place], color=colour, linewidth=2)
    axes.plot([estimate.value], [place], marker, color=colour, markersize=6.5)


def _draw_difference(axes: Any, place: int, check: CheckResult, difference: Interval) -> None:
    colour, limit = PALETTE[check.verdict.value.lower()], limit_of(check)
    if limit is not None:
        axes.plot([limit, limit], [place - 0.34, place + 0.34], color=PALETTE["ink"], linewidth=2)
    axes.plot([difference.low, difference.high], [place, place], color=colour, linewidth=2)
    axes.plot([difference.low], [place], _MARKERS[check.verdict], color=colour, markersize=6.5)


def _row_label(check: CheckResult) -> str:
    words = label(check.metric) + (f", {check.slice}" if check.slice else "")
    shown = words if len(words) <= _LABEL_LIMIT else f"{words[: _LABEL_LIMIT - 1]}…"
    return visible(shown)


def _describe(rows: Iterable[CheckResult]) -> str:
    return visible("; ".join(f"{check.check}: {check.verdict.value}, {check.limit}" for check in rows))
