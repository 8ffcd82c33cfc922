"""Import of tables: one customer turn a row. `csv_columns` says which columns there are.

- Rows with one `id` are one case; a row without an `id` goes on with the case above it.
- What is said about the case as a whole may stand on any of its rows, once.
- Without turn numbers the rows of a case are its turns in order, and have to stand together. With them they
  may stand anywhere, as in a table that somebody sorted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case
from assay.runner.importers.csv_columns import CASE_COLUMNS, COLUMN_OF, COLUMNS, TURN_COLUMNS, Column
from assay.runner.importers.csv_table import Row, read_table
from assay.runner.importers.dataset_files import DatasetReport, Imported, Target, publish_dataset
from assay.runner.importers.golden import case_from
from assay.runner.importers.labels import LABELS, labels_of
from assay.runner.importers.problems import Problems

__all__ = ["import_csv", "read_cases"]


@dataclass
class _Group:
    """The rows of one case. `apart` is the line of the first row that does not stand with the others."""

    id: str
    rows: list[Row] = field(default_factory=list)
    apart: int | None = None


def import_csv(file: Path, target: Target, *, defaults: Mapping[str, str]) -> DatasetReport:
    """Make a dataset of a table. The whole file is read and checked before anything is written.

    Raises:
        ContentError: the file says something it may not, or a case lacks a label; names line and column. Or the
            folder exists and is something else.
        OSError: the folder cannot be written to.
    """
    problems = Problems(file)
    imported = read_cases(file, defaults, problems)
    return publish_dataset(
        target, imported, problems, source=f"`{file.name}`, a table", command="assay import csv", remarks=()
    )


def read_cases(file: Path, defaults: Mapping[str, str], problems: Problems) -> list[Imported]:
    """The cases of a table; what is wrong with them is noted."""
    rows = read_table(file, COLUMNS, ("id", "customer_says"), problems)
    made = [_case(group, defaults, problems) for group in _groups(rows, problems)]
    return [item for item in made if item is not None]


def _groups(rows: Sequence[Row], problems: Problems) -> list[_Group]:
    groups: dict[str, _Group] = {}
    current: _Group | None = None
    for row in rows:
        case_id = row.cells.get("id", "").strip() or (current.id if current else "")
        if not case_id:
            problems.add("the first row needs an id", line=row.line, key="id")
            continue
        group = groups.setdefault(case_id, _Group(case_id))
        if group.rows and group is not current and group.apart is None:
            group.apart = row.line
        group.rows.append(row)
        current = group
    return list(groups.values())


def _case(group: _Group, defaults: Mapping[str, str], problems: Problems) -> Imported | None:
    first, record = group.rows[0].line, f"case {group.id!r}"
    rows = _ordered(group, problems)
    said = _said_once(group, problems)
    if rows is None or said is None:
        return None
    labels = labels_of({key: cell for key, (_, cell) in said.items() if key in LABELS}, defaults)
    for key, why in labels.wrong:
        problems.add(why, line=said[key][0], key=f"{record}, {key}")
    # A simulated customer tells by themselves when a person is due.
    missing = [key for key in labels.missing if key != "by_turn" or "simulation" not in said]
    for key in missing:
        problems.missing(key, f"fill the column {key!r}", line=first, record=record)
    plain: dict[str, Any] = {"id": group.id, **labels.plain(), "expect": {"escalation": labels.escalation()}}
    whole = {key: said[key] for key in CASE_COLUMNS if key in said}
    sound = _place(plain, CASE_COLUMNS, whole, record, problems)
    turns: list[JsonValue] = []
    for row in rows:
        turn: dict[str, Any] = {}
        given = {key: (row.line, row.cells[key]) for key in TURN_COLUMNS if key in row.cells}
        sound = _place(turn, TURN_COLUMNS, given, record, problems) and sound
        turns.append(turn)
    if labels.wrong or missing or not sound:
        return None
    made = case_from({**plain, "turns": turns})
    if isinstance(made, Case):
        return Imported(made, first, labels.defaulted, labels.unsaid)
    for key, why in made:
        line, column = _where(key, rows, said, first)
        problems.add(why, line=line, key=f"{record}, {column}")
    return None


def _ordered(group: _Group, problems: Problems) -> list[Row] | None:
    """The rows in the order of their turns; None, with the problem noted, where the order is not clear."""
    record = f"case {group.id!r}, turn"
    numbers: dict[int, Row] = {}
    without = [row.line for row in group.rows if "turn" not in row.cells]
    if len(without) == len(group.rows):
        if group.apart is None:
            return group.rows
        problems.add(
            "the rows of the case do not stand together, and no turn numbers say their order "
            f"(it begins on line {group.rows[0].line})",
            line=group.apart,
            key=record,
        )
        return None
    if without:
        problems.add("other rows of the case have a turn number and this one has none", line=without[0], key=record)
        return None
    for row in group.rows:
        text = re.sub(r"\.0+$", "", row.cells["turn"].strip())
        number = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0
        if number < 1:
            problems.add(f"{row.cells['turn']!r} is no turn number, from 1", line=row.line, key=record)
            return None
        if number in numbers:
            problems.add(
                f"turn {number} stands on line {numbers[number].line} already; two cases with one id?",
                line=row.line,
                key=record,
            )
            return None
        numbers[number] = row
    gap = next((number for number in range(1, len(numbers) + 1) if number not in numbers), None)
    if gap is not None:
        problems.add(f"turn {gap} of the case is missing", line=group.rows[0].line, key=record)
        return None
    return [numbers[number] for number in sorted(numbers)]


def _said_once(group: _Group, problems: Problems) -> dict[str, tuple[int, str]] | None:
    """What the rows say about the case as a whole: column to line and cell; None where two rows differ."""
    said: dict[str, tuple[int, str]] = {}
    sound = True
    for row in group.rows:
        for key, cell in row.cells.items():
            if key in TURN_COLUMNS or key in ("id", "turn") or not cell.strip():
                continue
            line, before = said.setdefault(key, (row.line, cell))
            if before != cell:
                problems.add(f"line {line} says something else", line=row.line, key=f"case {group.id!r}, {key}")
                sound = False
    return said if sound else None


def _place(
    into: dict[str, Any],
    columns: Mapping[str, Column],
    given: Mapping[str, tuple[int, str]],
    record: str,
    problems: Problems,
) -> bool:
    """Put the cells where they belong; whether all of them could be read."""
    sound = True
    for key, (line, cell) in given.items():
        try:
            value = columns[key].read(cell)
        except ValueError as error:
            problems.add(str(error), line=line, key=f"{record}, {key}")
            sound = False
            continue
        at = into
        for part in columns[key].path[:-1]:
            at = at.setdefault(part, {})
        at[columns[key].path[-1]] = value
    return sound


def _where(key: str, rows: Sequence[Row], said: Mapping[str, tuple[int, str]], first: int) -> tuple[int, str]:
    """Line and column of a key of the case, followed by what of the key lies within the cell."""
    parts = key.split(".")
    if parts[0] == "turns" and len(parts) > 1 and parts[1].isdigit():
        line, rest = rows[int(parts[1])].line, parts[2:]
        table = {".".join(column.path): name for name, column in TURN_COLUMNS.items()}
    else:
        line, rest, table = first, parts, COLUMN_OF
    for length in range(len(rest), 0, -1):
        column = table.get(".".join(rest[:length]))
        if column is not None:
            line = said[column][0] if column in said else line
            return line, ".".join((column, *rest[length:]))
    return line, ".".join(rest)
