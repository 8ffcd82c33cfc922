"""Export as a table: one customer turn a row. `assay import csv` reads all of it back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from assay.registry.errors import ContentError
from assay.registry.types.case import Case
from assay.runner.importers.csv_cells import guarded
from assay.runner.importers.csv_columns import COLUMNS, case_cells, turn_cells

__all__ = ["EXCEL_CELL", "csv_remarks", "csv_text"]

EXCEL_CELL = 32_767
"""Characters that a cell holds in Excel; it cuts what is longer."""


def csv_text(cases: Iterable[Case]) -> str:
    """The table, with the byte-order mark by which Excel knows UTF-8.

    Raises:
        ContentError: a text holds a NUL character, which no CSV file can.
    """
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for case in cases:
        for number, cells in enumerate(turn_cells(case)):
            row = {**case_cells(case), **cells} if number == 0 else cells
            if any("\0" in cell for cell in row.values()):
                raise ContentError("the text holds a NUL character, which no CSV file can", key=f"case {case.id!r}")
            writer.writerow({key: guarded(cell) for key, cell in row.items()})
    return "\ufeff" + stream.getvalue()


def csv_remarks(cases: Iterable[Case]) -> list[str]:
    """What people have to know about the table: cells that Excel would cut."""
    long = sum(
        any(len(cell) > EXCEL_CELL for cells in (case_cells(case), *turn_cells(case)) for cell in cells.values())
        for case in cases
    )
    if not long:
        return []
    return [f"{long} cases have a cell of more than {EXCEL_CELL} characters: Excel would cut it when it saves the file"]
