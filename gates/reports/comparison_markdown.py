"""A comparison for a pull request: what changed in the agent, what in its behaviour, and which cases flipped.

It quotes no conversation. All text is escaped as in the other Markdown report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.gates.reports.changes import changes_view
from assay.gates.reports.comparison import (
    FlipLine,
    Row,
    Section,
    comparison_sections,
    flip_lines,
    summary,
    unmeasured_lines,
    unmoved,
)
from assay.gates.reports.figures import counted
from assay.gates.reports.markdown import escape
from assay.registry.bundle_diff import BundleDiff
from assay.registry.types.comparison import Comparison

__all__ = ["comparison_markdown"]

_CASES = 10
_PROMPT_LINES = 40
_TICKS = re.compile("`+")
_HEAD = ["| Metric | A | B | Difference | 95 % interval | n | +/- | p (Holm) | Note |", f"|{' --- |' * 9}"]


def comparison_markdown(comparison: Comparison, diff: BundleDiff | str) -> str:
    """The whole text, ending with a line end. `diff` is the reason as text where the bundles cannot be compared."""
    a, b = comparison.a, comparison.b
    same = unmoved(comparison)
    parts = [
        f"## {escape(b.bundle_label)} against {escape(a.bundle_label)}",
        escape(summary(comparison)),
        f"A is {escape(a.bundle_label)} (run `{a.run_id}`), B is {escape(b.bundle_label)} (run `{b.run_id}`), on "
        f"{comparison.cases:,} cases of {escape(comparison.suite)}. A difference with + is better.",
        *(f"> {escape(note)}" for note in comparison.notes),
        _block("What changed in the agent", _changes(diff)),
        *(_section(section) for section in comparison_sections(comparison)),
        _block("Same in every case", [", ".join(map(escape, same))] if same else []),
        _block("Not measured", [f"- {escape(line)}" for line in unmeasured_lines(comparison)]),
        _block("Cases that flipped", [_flips(line) for line in flip_lines(comparison, _CASES)]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(heading: str, lines: list[str]) -> str:
    return "\n".join([f"### {heading}", "", *lines]) if lines else ""


def _section(section: Section) -> str:
    rows = [f"| {' | '.join(_cells(row))} |" for row in section.rows]
    more = ["", f"and {counted(section.more, 'more slice')}"] if section.more else []
    table = [*_HEAD, *rows, *more] if rows else ["None."]
    return _block(section.title, [f"{escape(section.explained[:1].upper() + section.explained[1:])}.", "", *table])


def _cells(row: Row) -> Iterator[str]:
    yield f"in {escape(row.slice)}" if row.slice else f"**{escape(row.metric)}**"
    for text in (row.a, row.b, row.difference, row.interval, row.n, row.moved, row.p, row.note):
        yield escape(text)


def _flips(line: FlipLine) -> str:
    more = f" and {line.more:,} more" if line.more else ""
    return f"- **{escape(line.metric)}**, {line.what} ({line.count:,}): {', '.join(map(escape, line.cases))}{more}"


def _changes(diff: BundleDiff | str) -> list[str]:
    if isinstance(diff, str):
        return [escape(diff)]
    view = changes_view(diff)
    if view.nothing_to_show:
        return ["Nothing: both bundles have the same content." if view.same else "Only the order of things."]
    lines = [f"- {escape(key)}: {escape(old)} → {escape(new)}" for key, old, new in view.settings]
    lines += [f"- {escape(what)}: {escape(how)}" for what, how in view.facts]
    return [*lines, *_prompt([text for _, text in view.prompt])]


def _prompt(lines: list[str]) -> list[str]:
    """A fenced block that no line of the prompt can end."""
    if not lines:
        return []
    shown = [" ".join(line.splitlines()) for line in lines[:_PROMPT_LINES]]
    fence = "`" * max(3, 1 + max(len(run) for line in shown for run in _TICKS.findall(line) or [""]))
    more = [f"and {len(lines) - _PROMPT_LINES} more lines"] if len(lines) > _PROMPT_LINES else []
    return ["- Prompt:", "", f"{fence}diff", *shown, fence, *more]
