"""What is wrong with the records of a source, collected over all of them before anything is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from assay.registry.errors import ContentError

__all__ = ["SHOWN_PROBLEMS", "Problems"]

SHOWN_PROBLEMS = 20


class Problems:
    """Problems of one source. `file` is its path, or what people call it."""

    def __init__(self, file: Path | str) -> None:
        self.file = file
        self._found: list[str] = []
        self._missing: Counter[str] = Counter()

    def add(self, problem: str, *, line: int | None = None, key: str = "") -> None:
        """Note a problem and its place."""
        self._found.append(str(ContentError(problem, file=self.file, line=line, key=key)))

    def take(self, error: ContentError, *, line: int | None = None, record: str = "") -> None:
        """Note an error that knows the key, but neither the file nor the record."""
        self.add(error.problem, line=line, key=", ".join(part for part in (record, error.key) if part))

    def missing(self, label: str, where: str, *, line: int | None = None, record: str = "") -> None:
        """Note that a record lacks a label, and how to supply it."""
        self._missing[label] += 1
        key = ", ".join(part for part in (record, label) if part)
        self.add(f"missing; {where}, or give --default {label}=VALUE for all that lack it", line=line, key=key)

    def refuse(self) -> None:
        """Raise ContentError where anything was noted: the first 20 problems, and what is missing how often."""
        if not self._found:
            return
        lines = self._found[:SHOWN_PROBLEMS]
        if len(self._found) > len(lines):
            lines.append(f"... and {len(self._found) - len(lines)} problems more")
        if self._missing:
            counts = ", ".join(f"{label} ({count})" for label, count in self._missing.items())
            lines.append(f"labels missing in so many conversations: {counts}")
        raise ContentError("\n".join(lines))
