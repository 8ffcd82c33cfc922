"""Metrics by risk tier, autonomy level, escalation reason and intent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.gates.reports.figures import counted, figure, interval, kind_of, label
from assay.gates.reports.headlines import HEADLINES
from assay.registry.types.decision import Estimate
from assay.registry.types.run import EvalRun

__all__ = ["THIN_BELOW", "SliceCell", "SliceRow", "SliceTable", "slice_tables"]

THIN_BELOW = 20
"""Conversations below which a cell is greyed: its interval is too wide to read a difference from."""

_DIMENSIONS = ("risk_tier", "autonomy", "escalation_reason", "intent", "channel", "language", "escalation", "tag")
_ORDERED = ("low", "medium", "high", "critical", "autonomous", "confirm", "human")
_SHADES = (0.98, 0.95, 0.9, 0.8)
"""Goodness (1 is best) from which a cell gets shade 0, 1, 2, 3; below the last it is 4."""


@dataclass(frozen=True)
class SliceCell:
    """A metric in a slice. `shade` goes from 0 (good) to 4 (bad), None where there is nothing to shade."""

    value: str
    interval: str
    n: str
    shade: int | None
    thin: bool


@dataclass(frozen=True)
class SliceRow:
    name: str
    cells: tuple[SliceCell | None, ...]


@dataclass(frozen=True)
class SliceTable:
    """Slices of one attribute by metric. `columns` are metric names."""

    dimension: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[SliceRow, ...]


def slice_tables(run: EvalRun, estimates: Iterable[Estimate]) -> tuple[SliceTable, ...]:
    """One table for each attribute that estimates were handed in for; joined slices stand in one of their own."""
    found: dict[tuple[str, str, str], Estimate] = {}
    for estimate in estimates:
        if estimate.slice:
            dimension, value = _place(estimate.slice)
            found.setdefault((dimension, value, estimate.metric), estimate)
    present = {dimension for dimension, _, _ in found}
    known = [*_DIMENSIONS, *sorted(present - {*_DIMENSIONS, ""}), ""]
    return tuple(_table(run, dimension, found) for dimension in known if dimension in present)


def _place(name: str) -> tuple[str, str]:
    """Attribute and value of a slice; a slice that joins several attributes has no one attribute."""
    attribute, found, value = name.partition("=")
    return (attribute.strip(), value.strip()) if found and "&" not in name else ("", name)


def _table(run: EvalRun, dimension: str, found: dict[tuple[str, str, str], Estimate]) -> SliceTable:
    here = {(value, metric): estimate for (d, value, metric), estimate in found.items() if d == dimension}
    present = {metric for _, metric in here}
    order = dict.fromkeys((*HEADLINES, *run.metric_names(), *sorted(present)))
    metrics = [metric for metric in order if metric in present]
    values = sorted({value for value, _ in here}, key=lambda v: (_ORDERED.index(v) if v in _ORDERED else 99, v))
    return SliceTable(
        dimension=dimension,
        title=f"By {label(dimension)}" if dimension else "Joined slices",
        columns=tuple(metrics),
        rows=tuple(_row(run, value, metrics, here) for value in values),
    )


def _row(run: EvalRun, value: str, metrics: Sequence[str], here: dict[tuple[str, str], Estimate]) -> SliceRow:
    estimates = (here.get((value, metric)) for metric in metrics)
    return SliceRow(label(value), tuple(_cell(run, estimate) if estimate else None for estimate in estimates))


def _cell(run: EvalRun, estimate: Estimate) -> SliceCell:
    kind = kind_of(run, estimate.metric)
    return SliceCell(
        value=figure(estimate.value, kind),
        interval=interval(estimate.interval, kind) if estimate.interval else "",
        n=f"n = {estimate.units:,}" if estimate.units == estimate.cases else _units(estimate),
        shade=_shade(run, estimate),
        thin=estimate.cases < THIN_BELOW,
    )


def _units(estimate: Estimate) -> str:
    return f"n = {estimate.units:,} in {counted(estimate.cases, 'case')}"


def _shade(run: EvalRun, estimate: Estimate) -> int | None:
    spec = run.metric(estimate.metric)
    if estimate.value is None or spec is None or spec.kind != "proportion":
        return None
    goodness = estimate.value if spec.direction == "higher_is_better" else 1 - estimate.value
    return next((shade for shade, least in enumerate(_SHADES) if goodness >= least), len(_SHADES))
