"""What the terminal shows: colours and bars for people, plain lines in CI."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Advance", "console", "day", "note", "progress", "say", "table"]

_PLAIN_WIDTH = 112
_STYLES = {"PASS": "green", "FAIL": "red", "WARNING": "yellow", "INCONCLUSIVE": "yellow", "ERROR": "magenta"}


class Advance(Protocol):
    """Moves a progress display on by one and sets its note."""

    def __call__(self, note: str = "") -> None: ...


def console() -> Console:
    """A console on standard output. Without a terminal it is plain text of one width, whatever `COLUMNS` says."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False, soft_wrap=False)


def day(milliseconds: int) -> str:
    """A moment that MLflow counts in milliseconds, ISO 8601 in UTC."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).isoformat(timespec="seconds")


def say(text: str = "") -> None:
    """Print a line as it is: no markup, no wrapping."""
    print(text, flush=True)


def note(text: str) -> None:
    """Print a line about the work itself on standard error, so that standard output holds results alone."""
    print(text, file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", dense: bool = False) -> None:
    """Print a table; cells that are a verdict get its colour. `dense` draws columns closer, for many of them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(
        title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=dense
    )
    for number, column in enumerate(columns):
        drawn.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        drawn.add_row(*(Text(cell, style=_STYLES.get(cell.split(" ")[0], "")) for cell in row))
    console().print(drawn)


@contextmanager
def progress(label: str, total: int) -> Iterator[Advance]:
    """Show how far something is: a bar on a terminal, a line at every tenth elsewhere."""
    if sys.stderr.isatty():
        with _bar(label, total) as advance:
            yield advance
    else:
        yield _lines(label, total)


@contextmanager
def _bar(label: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    whole = len(str(total))
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=12),
        # What is counted is told even where the terminal is narrow; the note gives way.
        MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=2 * whole + 1)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True, min_width=5)),
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    with Progress(*columns, console=Console(stderr=True), expand=True) as bar:
        task = bar.add_task(label, total=total, note="")

        def advance(note: str = "") -> None:
            bar.update(task, advance=1, note=note)

        yield advance


def _lines(label: str, total: int) -> Advance:
    done = 0

    def advance(note: str = "") -> None:
        nonlocal done
        done += 1
        if done == total or done * 4 // total > (done - 1) * 4 // total:
            print(f"{label}: {done} of {total}{f' ({note})' if note else ''}", file=sys.stderr, flush=True)

    return advance
