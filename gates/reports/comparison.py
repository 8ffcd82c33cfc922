"""A comparison in words and figures: what a terminal and a pull request show of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assay.gates.reports.figures import counted
from assay.gates.reports.text import visible
from assay.registry.types.comparison import Change, Comparison, Flip, MetricChange

__all__ = ["FlipLine", "Row", "Section", "comparison_sections", "flip_lines", "summary", "unmeasured_lines", "unmoved"]

_SLICES = {"Regressed": 2}
"""Slices of one metric that a section shows, the surest first; in the others it is one."""


@dataclass(frozen=True)
class Row:
    """A metric over all cases or, `slice` given, over a slice. Without figures it only heads its slices."""

    metric: str
    slice: str = ""
    a: str = ""
    b: str = ""
    difference: str = ""
    interval: str = ""
    n: str = ""
    moved: str = ""
    """Cases gained and lost: `+3 -54`."""
    p: str = ""
    note: str = ""


@dataclass(frozen=True)
class Section:
    """What can be said in one word of its rows. `more` counts slices that are not among them."""

    title: str
    explained: str
    rows: tuple[Row, ...]
    more: int


@dataclass(frozen=True)
class FlipLine:
    """Cases of one metric that moved one way, as `case-1 (fraud_report, critical)`; `more` are not named."""

    metric: str
    what: str
    count: int
    cases: tuple[str, ...]
    more: int


def comparison_sections(comparison: Comparison, *, everything: bool = False) -> tuple[Section, ...]:
    """Regressed, doubtfully regressed, improved and within noise; a section without rows only says so.

    Args:
        everything: every slice, also the ones within noise.
    """
    regressed = comparison.regressed
    found = {(cell.metric, cell.slice) for cell in regressed.found}
    cells: dict[Change, list[MetricChange]] = {change: [] for change in Change}
    for cell in comparison.metrics:
        cells[cell.change].append(cell)
    by_chance = [c for c in sorted(cells[Change.REGRESSED], key=_surest) if (c.metric, c.slice) not in found]
    noise = [c for c in cells[Change.NOISE] if everything or not c.slice]
    corrected = f"corrected by Holm over {counted(regressed.comparisons, 'comparison')}"
    sections = (
        ("Regressed", f"one-sided p <= {regressed.alpha:g}, {corrected}", [*regressed.found]),
        (
            "Regressed, but perhaps by chance",
            f"interval below 0, but no evidence after the correction over {regressed.comparisons:,}",
            by_chance,
        ),
        ("Improved", "the 95 % interval lies above 0; not corrected", sorted(cells[Change.IMPROVED], key=_surest)),
        ("Within noise", "the 95 % interval contains 0: neither better nor worse is shown", noise),
    )
    return tuple(_section(title, explained, rows, everything) for title, explained, rows in sections)


def summary(comparison: Comparison) -> str:
    """One sentence: what is known to have regressed, and how many metrics went which way over all cases."""
    metrics = list(dict.fromkeys(cell.metric for cell in comparison.regressed.found))
    named = f"{', '.join(metrics)} regressed" if metrics else "Nothing is shown to have regressed"
    overall = [cell.change for cell in comparison.metrics if not cell.slice]
    words = {Change.REGRESSED: "with an interval below 0", Change.IMPROVED: "above 0", Change.SAME: "the same"}
    counts = ", ".join(f"{overall.count(change)} {words.get(change, change.value)}" for change in Change)
    total = counted(len(overall), "metric")
    over = counted(comparison.regressed.comparisons, "comparison")
    return f"{named} (corrected by Holm over {over}). Of {total}: {counts}."


def unmoved(comparison: Comparison) -> tuple[str, ...]:
    """Metrics that are the same in every case."""
    return tuple(c.metric for c in comparison.metrics if c.change is Change.SAME and not c.slice)


def unmeasured_lines(comparison: Comparison) -> tuple[str, ...]:
    """What was not compared over all cases, and why; metrics with one reason share a line."""
    reasons: dict[str, list[str]] = {}
    for cell in comparison.metrics:
        if cell.change is Change.NOT_MEASURED and not cell.slice:
            reasons.setdefault(visible(cell.reason), []).append(cell.metric)
    return tuple(f"{', '.join(metrics)}: {reason.rstrip('.')}." for reason, metrics in reasons.items())


def flip_lines(comparison: Comparison, limit: int) -> tuple[FlipLine, ...]:
    """For each metric whose cases flipped, those lost, those gained and those that cannot be told."""
    found: list[FlipLine] = []
    for flips in comparison.flips:
        groups = (("lost", flips.lost), ("gained", flips.gained), ("cannot be told", flips.undecided))
        for what, cases in groups:
            if cases:
                named = tuple(_case(case) for case in cases[:limit])
                found.append(FlipLine(flips.metric, what, len(cases), named, len(cases) - len(named)))
    return tuple(found)


def _case(flip: Flip) -> str:
    facts = [fact for fact in (flip.intent, flip.risk_tier) if fact]
    if {flip.a, flip.b} != {"passed", "failed"}:
        facts.append(f"A {flip.a}, B {flip.b}")
    return f"{flip.case_id} ({', '.join(facts)})"


def _section(title: str, explained: str, cells: Iterable[MetricChange], everything: bool) -> Section:
    by_metric: dict[str, list[MetricChange]] = {}
    for cell in cells:
        by_metric.setdefault(cell.metric, []).append(cell)
    rows: list[Row] = []
    more = 0
    for metric, here in by_metric.items():
        overall = [cell for cell in here if not cell.slice]
        slices = sorted((cell for cell in here if cell.slice), key=_surest)
        shown = slices if everything else slices[: _SLICES.get(title, 1)]
        more += len(slices) - len(shown)
        rows += [_row(overall[0])] if overall else [Row(metric)]
        rows += [_row(cell) for cell in shown]
    return Section(title, explained, tuple(rows), more)


def _surest(cell: MetricChange) -> tuple[float, str]:
    p = 0.5 if cell.p_regressed is None else cell.p_regressed
    return min(p, 1 - p), cell.slice


def _row(cell: MetricChange) -> Row:
    assert cell.difference is not None
    assert cell.interval is not None
    sure = cell.change in {Change.REGRESSED, Change.IMPROVED}
    return Row(
        metric=cell.metric,
        slice=cell.slice,
        a=_number(cell.a.value if cell.a else None),
        b=_number(cell.b.value if cell.b else None),
        difference=_signed(cell.difference),
        interval=" to ".join(_signed(end, exact=sure) for end in (cell.interval.low, cell.interval.high)),
        n=f"{cell.cases:,}",
        moved=f"+{cell.gained} -{cell.lost}",
        p=_probability(cell.p_corrected) if cell.change is Change.REGRESSED else "",
        note="; ".join(_remarks(cell)),
    )


def _remarks(cell: MetricChange) -> Iterator[str]:
    if cell.doubtful:
        yield f"{counted(cell.doubtful, 'case')} did not complete in A or B"
    if cell.reason:
        yield visible(cell.reason).rstrip(".")


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.{_decimals(value)}f}"


def _signed(value: float, *, exact: bool = False) -> str:
    """With its sign; `exact`: with as many decimals, up to six, as it takes not to look like 0."""
    text = ""
    for decimals in range(_decimals(value), 7 if exact else _decimals(value) + 1):
        text = f"{value:+.{decimals}f}"
        if text.strip("+-0."):
            return text
    return text[1:]


def _decimals(value: float) -> int:
    return 3 if abs(value) < 10 else 1


def _probability(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
