"""A chart of what a dataset covers, as one SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.gates.reports.svg import PALETTE, drawing, new_figure, svg_file

if TYPE_CHECKING:
    from assay.registry.content.coverage import Share

__all__ = ["coverage_chart"]

_ROW = 0.21
_COLUMNS = 3


def coverage_chart(tables: Mapping[str, Sequence[Share]], title: str) -> str:
    """Bars of cases by value of each attribute: those that require a person, the others, and what is promised."""
    with drawing("coverage"):
        columns = _columns(tables)
        height = max(sum(_rows(tables[name]) for name in column) for column in columns) * _ROW + 0.8
        figure = new_figure(13.5, height)
        figure.set_layout_engine("none")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=PALETTE["ink"])
        figure.text(
            0.01,
            1 - 0.47 / height,
            "dark: a person is required   light: not required   line: what the dataset promises",
            fontsize=8.5,
            color=PALETTE["muted"],
        )
        grid = figure.add_gridspec(
            1, len(columns), left=0.13, right=0.985, top=1 - 0.85 / height, bottom=0.2 / height, wspace=0.55
        )
        for place, column in enumerate(columns):
            heights = [_rows(tables[name]) for name in column]
            spare = max(sum(_rows(tables[name]) for name in other) for other in columns) - sum(heights)
            inner = grid[place].subgridspec(len(column) + 1, 1, height_ratios=[*heights, max(spare, 0.01)], hspace=0.0)
            for row, name in enumerate(column):
                _draw(figure.add_subplot(inner[row]), name, tables[name])
        return svg_file(figure, "coverage", title, _words(tables))


def _columns(tables: Mapping[str, Sequence[Share]]) -> list[list[str]]:
    """The attributes in columns of about equal height, the longest first."""
    columns: list[list[str]] = [[] for _ in range(min(_COLUMNS, len(tables)))]
    heights = [0.0] * len(columns)
    for name in sorted(tables, key=lambda key: -len(tables[key])):
        shortest = heights.index(min(heights))
        columns[shortest].append(name)
        heights[shortest] += _rows(tables[name])
    return columns


def _rows(shares: Sequence[Share]) -> float:
    return len(shares) + 2.6


def _draw(axes: Any, name: str, shares: Sequence[Share]) -> None:
    axes.set_title(name.replace("_", " "), fontsize=9.5, color=PALETTE["ink"], loc="left", pad=2)
    places = range(len(shares))
    axes.barh(places, [s.escalations for s in shares], color=PALETTE["ink"], height=0.7)
    rest = [s.cases - s.escalations for s in shares]
    axes.barh(places, rest, left=[s.escalations for s in shares], color=PALETTE["champion"], alpha=0.45, height=0.7)
    most = max(max(s.cases, s.wanted or 0) for s in shares)
    for place, share in enumerate(shares):
        axes.text(
            share.cases + most * 0.015, place, str(share.cases), va="center", fontsize=7.5, color=PALETTE["muted"]
        )
        if share.wanted is not None:
            axes.plot([share.wanted, share.wanted], [place - 0.42, place + 0.42], color=PALETTE["fail"], linewidth=1.6)
    axes.set_yticks(places, [s.value for s in shares], fontsize=7.5)
    axes.set_ylim(len(shares) + 1.2, -0.6)
    axes.set_xlim(0, most * 1.12)
    axes.set_xticks([])
    axes.set_facecolor("none")
    axes.tick_params(length=0, colors=PALETTE["ink"])
    for side in axes.spines.values():
        side.set_visible(False)


def _words(tables: Mapping[str, Sequence[Share]]) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"{share.value} {share.cases}" for share in shares) for name, shares in tables.items()
    )
