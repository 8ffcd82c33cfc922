"""Errors that a person can act on: what, where, why, and the nearest right name.

Every mistake that a user can make is an `AssayError`; the command line prints it without a traceback
and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "AssayError",
    "ContentError",
    "IntegrityError",
    "NotFoundError",
    "NotMeasuredError",
    "RefusedError",
    "nearest",
]


class AssayError(Exception):
    """Base of all errors meant for people. Exit code 2: the command cannot be carried out as given."""

    exit_code = 2


class ContentError(AssayError):
    """A file says something it may not. `where` names file, line and key as far as they are known."""

    def __init__(self, problem: str, *, file: Path | str | None = None, line: int | None = None, key: str = "") -> None:
        self.problem, self.file, self.line, self.key = problem, file, line, key
        place = "" if file is None else f"{file}{'' if line is None else f':{line}'}: "
        super().__init__(f"{place}{f'{key}: ' if key else ''}{problem}")


class NotFoundError(AssayError):
    """Something was named that does not exist. `hint` says what to do about it."""

    def __init__(self, what: str, name: str, known: Iterable[str] = (), *, where: str = "", hint: str = "") -> None:
        place = f" in {where}" if where else ""
        super().__init__(f"no {what} named {name!r}{place}.{nearest(name, known)}{f' {hint}' if hint else ''}")


class IntegrityError(AssayError):
    """Something stored is not what was stored: its digest differs. Exit code 4: nothing can be concluded."""

    exit_code = 4


class NotMeasuredError(AssayError):
    """What should be judged was never measured. Exit code 4."""

    exit_code = 4


class RefusedError(AssayError):
    """A release rule forbids what was asked for. Exit code 1."""

    exit_code = 1


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase that helps with a misspelt name: ` Did you mean ...?` or a list of what there is."""
    names = sorted(set(known))
    if not names:
        return ""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f" There is: {listed}."
