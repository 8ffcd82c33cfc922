"""Tables of others, as spreadsheets write them: byte-order mark, CRLF, semicolons or tabs, line breaks in cells."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.registry.errors import ContentError, nearest
from assay.runner.importers.csv_cells import unguarded
from assay.runner.importers.problems import Problems

__all__ = ["Row", "read_table"]

_DELIMITERS = (",", ";", "\t")
_SEP = re.compile(r"(?i)\"?sep=([,;\t])\"?")


@dataclass(frozen=True)
class Row:
    """One row: the line it begins on, and its cells that are not empty, by column."""

    line: int
    cells: dict[str, str]


def read_table(file: Path, columns: Sequence[str], required: Sequence[str], problems: Problems) -> list[Row]:
    """The rows of a CSV file with a header. Rows of the wrong width are noted as problems.

    Raises:
        ContentError: the file cannot be read, is empty or no CSV, or its header has a column that is unknown,
            missing or there twice.
    """
    text = _text(file)
    declared = _SEP.fullmatch(text.split("\n", 1)[0].strip("\r"))
    skipped = 1 if declared else 0
    body = text.split("\n", 1)[1] if declared and "\n" in text else ("" if declared else text)
    records = _records(body, declared[1] if declared else _delimiter(body, columns), file, skipped)
    line, header = next(((n, cells) for n, cells in records if any(cells)), (0, []))
    if not header:
        raise ContentError("the file is empty; a header row of column names is expected", file=file)
    names = _header(header, columns, required, file, line)
    return list(_rows(records, names, problems))


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise ContentError("there is no such file", file=file) from None
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror or error}", file=file) from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ContentError("this is UTF-16 text; save it as 'CSV UTF-8'", file=file)
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise ContentError("a NUL character: this is no text, or no CSV file", file=file, line=line)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ContentError(
            f"not UTF-8 text: {error.reason} at byte {error.start}; save it as 'CSV UTF-8'", file=file, line=line
        ) from None


def _delimiter(text: str, columns: Sequence[str]) -> str:
    """The delimiter under which the most cells of the first line are names of columns."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def known(delimiter: str) -> int:
        return sum(_normal(cell) in columns for cell in next(csv.reader([first], delimiter=delimiter), []))

    return max(_DELIMITERS, key=known)


def _records(text: str, delimiter: str, file: Path, skipped: int) -> Iterator[tuple[int, list[str]]]:
    rows: list[tuple[int, list[str]]] = []
    line = 1
    with _large_cells():
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                rows.append((line + skipped, cells))
                line = reader.line_num + 1
        except csv.Error as error:
            reason = "a quotation mark is not closed" if "unexpected end" in str(error) else str(error)
            raise ContentError(f"no valid CSV: {reason}", file=file, line=line + skipped) from None
    return iter(rows)


@contextmanager
def _large_cells() -> Iterator[None]:
    """Python reads cells of 128 kB by itself; a conversation may hold a document."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _header(cells: Sequence[str], columns: Sequence[str], required: Sequence[str], file: Path, line: int) -> list[str]:
    """The column of each cell of the header; an empty name for a column that has none."""
    names = [_normal(cell) for cell in cells]
    problems: list[str] = []
    for name in dict.fromkeys(names):
        if name and name not in columns:
            problems.append(f"no column is named {name!r}.{nearest(name, columns)}")
        elif name and names.count(name) > 1:
            problems.append(f"the column {name!r} stands twice")
    misnamed = {close for name in names if name not in columns for close in difflib.get_close_matches(name, columns)}
    problems += [f"the column {name!r} is missing" for name in required if name not in {*names, *misnamed}]
    if problems:
        raise ContentError("\n".join(str(ContentError(problem, file=file, line=line)) for problem in problems))
    return names


def _rows(records: Iterator[tuple[int, list[str]]], names: Sequence[str], problems: Problems) -> Iterator[Row]:
    for line, cells in records:
        if not any(cells):
            continue
        if len(cells) != len(names):
            problems.add(f"the row has {len(cells)} cells and the header {len(names)}: is it cut short?", line=line)
            continue
        filled = {name: unguarded(cell) for name, cell in zip(names, cells, strict=True) if cell}
        if "" in filled:
            problems.add("a cell stands below no column name", line=line)
            continue
        yield Row(line, filled)


def _normal(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().lower())
