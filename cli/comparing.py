"""`assay compare`: what changed in the agent, and what in its behaviour."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.bundles import diff_lines
from assay.cli.console import console, note, say, table
from assay.cli.pipeline import Session
from assay.registry.errors import AssayError
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.gates.reports.comparison import FlipLine, Row, Section
    from assay.registry.bundle_diff import BundleDiff
    from assay.registry.store import ResolvedBundle
    from assay.registry.types.comparison import Comparison
    from assay.registry.types.run import EvalRun

__all__ = ["compare"]

_RUN = "id or its first 6+ characters, `latest`, or a bundle such as harborline@champion (its newest run)."
_WIDE = 100
_PROMPT_LINES = 16
_CASES = 10
_EDGES = 2
_LEAST_PART = 6


def compare(
    run_a: Annotated[str, typer.Argument(help=f"The run to compare with: {_RUN}", metavar="RUN_A")],
    run_b: Annotated[str, typer.Argument(help="The run that is judged against it.", metavar="RUN_B")],
    everything: Annotated[bool, typer.Option("--all", help="Every slice and the whole difference of bundles.")] = False,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write it here, for a pull request.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON, with every cell and every case.")] = False,
) -> None:
    """Show what changed from RUN_A to RUN_B: in the agent, in every metric and slice, and which cases flipped.

    Differences are paired by case, with 95 % intervals. This is no verdict: `assay gate` gives one.

    Example: assay compare harborline@champion harborline@candidate
    """
    from assay.gates.comparing.compare import compare as compare_runs

    session = Session(find_workspace())
    a, b = session.load_run(run_a)[0], session.load_run(run_b)[0]
    comparison = compare_runs(a, b)
    diff = _bundle_diff(session, a, b)
    if markdown:
        _write_markdown(markdown, comparison, diff)
    if as_json:
        say(json.dumps(_as_json(comparison, diff), indent=2))
    else:
        _show(comparison, diff, everything)


def _bundle_diff(session: Session, a: EvalRun, b: EvalRun) -> BundleDiff | str:
    """What differs between the bundles, or why that cannot be told: the runs are compared all the same."""
    from assay.registry.bundle_diff import diff_bundles

    bundles: list[ResolvedBundle] = []
    for name, run in (("A", a), ("B", b)):
        try:
            bundle = session.bundle_of(run)
        except AssayError as error:
            return f"Cannot be told: the bundle of {name} can no longer be read. {error}"
        if bundle is None:
            label = f"the bundle of {name} ({run.bundle_label}, sha256 {run.bundle_digest[:12]})"
            return f"Cannot be told: {label} is not in the store, or was never registered."
        bundles.append(bundle)
    return diff_bundles(*bundles)


def _as_json(comparison: Comparison, diff: BundleDiff | str) -> dict[str, object]:
    told = (
        {"bundle_diff": None, "bundle_diff_missing": diff} if isinstance(diff, str) else {"bundle_diff": asdict(diff)}
    )
    return {**comparison.model_dump(mode="json"), **told}


def _write_markdown(file: Path, comparison: Comparison, diff: BundleDiff | str) -> None:
    from assay.gates.reports.comparison_markdown import comparison_markdown

    if file.suffix != ".md":
        raise AssayError(f"{file}: a comparison is written as .md, not {file.suffix or 'without an ending'!r}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(comparison_markdown(comparison, diff), encoding="utf-8")
    note(f"Markdown: {file.resolve()}")


def _show(comparison: Comparison, diff: BundleDiff | str, everything: bool) -> None:
    from assay.gates.reports.comparison import comparison_sections, flip_lines, summary, unmeasured_lines, unmoved

    a, b = comparison.a, comparison.b
    say(f"A: {a.bundle_label}, run {a.run_id[:12]}, {a.created_at}")
    say(f"B: {b.bundle_label}, run {b.run_id[:12]}, {b.created_at}")
    _wrapped(
        f"{comparison.cases:,} cases of {comparison.suite}. A difference with + is better, whichever way the metric "
        "counts; +/- are the cases that B gained and lost."
    )
    for text in comparison.notes:
        _wrapped(f"Note: {text}")
    say("\nWHAT CHANGED IN THE AGENT")
    for line in _change_lines(diff, everything):
        say(line)
    say("\nWHAT CHANGED IN BEHAVIOUR")
    for section in comparison_sections(comparison, everything=everything):
        _show_section(section)
    if same := unmoved(comparison):
        _wrapped(f"Same in every case: {', '.join(same)}")
    for text in unmeasured_lines(comparison):
        _wrapped(f"Not measured: {text}")
    flips = flip_lines(comparison, _CASES)
    say("\nCASES THAT FLIPPED" if flips else "\nNo case flipped.")
    for line in flips:
        _wrapped(_flip_text(line), indent="    ")
    say()
    _wrapped(summary(comparison))


def _change_lines(diff: BundleDiff | str, everything: bool) -> Iterator[str]:
    from assay.gates.reports.text import visible

    if isinstance(diff, str):
        yield from textwrap.wrap(visible(diff), console().width)
        return
    more = 0 if everything else len(diff.prompt) - _PROMPT_LINES
    for line in diff_lines(replace(diff, prompt=diff.prompt[:_PROMPT_LINES]) if more > 0 else diff):
        yield visible(line)
    if more > 0:
        yield f"\n{more} more lines of the prompt's difference: --all shows them"


def _show_section(section: Section) -> None:
    from assay.gates.reports.figures import counted

    say()
    _wrapped(f"{section.title} ({section.explained}):{'' if section.rows else ' none'}")
    if not section.rows:
        return
    _show_rows(section.rows)
    for row in section.rows:
        if row.note:
            _wrapped(f"  {row.metric}{f' in {row.slice}' if row.slice else ''}: {row.note}.")
    if section.more:
        say(f"  and {counted(section.more, 'more slice')}: --all shows them")


def _show_rows(rows: Sequence[Row]) -> None:
    """A table of one line a row: long names are broken where the console is too narrow for them."""
    with_p = console().width >= _WIDE and any(row.p for row in rows)
    columns = ["metric", "A", "B", "diff", "95 % interval", "n", "+/-", *(["p (Holm)"] if with_p else [])]
    cells = [[row.a, row.b, row.difference, row.interval, row.n, row.moved, row.p][: len(columns) - 1] for row in rows]
    taken = sum(2 + max(map(len, column)) for column in zip(columns[1:], *cells, strict=True))
    names = [_name(row, console().width - taken - _EDGES) for row in rows]
    table(columns, [[name, *rest] for name, rest in zip(names, cells, strict=True)], dense=True)


def _name(row: Row, room: int) -> str:
    name = f"  {row.slice}" if row.slice else row.metric
    if len(name) <= room:
        return name
    at = 1 + max(name.rfind(mark, 0, min(room, len(name) - _LEAST_PART)) for mark in "=_.-&")
    return f"{name[:at]}\n    {name[at:].strip()}" if at > _LEAST_PART else name


def _flip_text(line: FlipLine) -> str:
    more = f" and {line.more:,} more" if line.more else ""
    return f"{line.metric}, {line.what} ({line.count:,}): {', '.join(line.cases)}{more}"


def _wrapped(text: str, indent: str = "") -> None:
    """Print a paragraph within the width of the console."""
    for line in textwrap.wrap(text, console().width, subsequent_indent=indent, break_on_hyphens=False):
        say(line)
