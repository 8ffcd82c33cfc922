"""The columns of a table of golden conversations: one customer turn a row, and in which part of a case each stands.

Together they hold everything a case holds: an export that is imported again gives equal cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case
from assay.runner.importers import csv_cells as cells
from assay.runner.importers.labels import LABELS, label_texts

__all__ = ["CASE_COLUMNS", "COLUMNS", "COLUMN_OF", "TURN_COLUMNS", "Column", "case_cells", "turn_cells"]


@dataclass(frozen=True)
class Column:
    """A column that is not a label: where in a case (or turn) its value stands, and how a cell says it."""

    path: tuple[str, ...]
    write: Callable[[Any], str]
    read: Callable[[str], JsonValue]


def _plain(text: str) -> str:
    return text


def _write_requirements(value: Sequence[Mapping[str, Any]]) -> str:
    return cells.write_alternatives([requirement["any_of"] for requirement in value])


TURN_COLUMNS: dict[str, Column] = {
    "customer_says": Column(("customer",), _plain, _plain),
    "golden_reply": Column(("golden_reply",), cells.write_text, cells.read_text),
    "must_say": Column(("expect", "must_say"), _write_requirements, cells.read_alternatives),
    "must_not_say": Column(("expect", "must_not_say"), cells.write_list, cells.read_list),
    "tool_calls": Column(("expect", "tool_calls"), cells.write_calls, cells.read_calls),
    "forbidden_tools": Column(("expect", "forbidden_tools"), cells.write_list, cells.read_list),
    "supporting_documents": Column(("expect", "supporting_documents"), cells.write_list, cells.read_list),
}

CASE_COLUMNS: dict[str, Column] = {
    "conversation_must_not_say": Column(("expect", "must_not_say"), cells.write_list, cells.read_list),
    "handoff": Column(("expect", "handoff"), cells.write_json, cells.read_json),
    "customer": Column(("customer",), cells.write_customer, cells.read_customer),
    "tools": Column(("tools",), cells.write_json, cells.read_json),
    "state": Column(("state",), cells.write_json, cells.read_json),
    "simulation": Column(("simulation",), cells.write_json, cells.read_json),
    "labels": Column(("labels",), cells.write_json, cells.read_json),
}

COLUMNS = (
    "id", "intent", "risk_tier", "autonomy", "channel", "language", "date", "tags",
    "turn", *TURN_COLUMNS,
    "escalation", "reasons", "by_turn", "queue", "near_miss_of", *CASE_COLUMNS,
)  # fmt: skip
"""In the order in which an export writes them. Besides `id` and `turn`, what is in neither table is a label."""

COLUMN_OF: dict[str, str] = {
    **{".".join(column.path): name for name, column in CASE_COLUMNS.items()},
    **{f"expect.escalation.{key}": key for key in ("reasons", "by_turn", "queue", "near_miss_of")},
    "expect.escalation": "escalation",
    **{key: key for key in (*LABELS, "id")},
}
"""Key of a case to the column that says it."""


def case_cells(case: Case) -> dict[str, str]:
    """The cells that stand on the first row of a case."""
    plain = case.model_dump(mode="json", exclude_defaults=True)
    return {"id": case.id, **label_texts(case, cells.write_list)} | _cells(plain, CASE_COLUMNS)


def turn_cells(case: Case) -> list[dict[str, str]]:
    """The cells of each customer turn."""
    plain = case.model_dump(mode="json", exclude_defaults=True)
    return [
        {"id": case.id, "turn": str(number), **_cells(turn, TURN_COLUMNS)}
        for number, turn in enumerate(plain["turns"], start=1)
    ]


def _cells(plain: Any, columns: Mapping[str, Column]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, column in columns.items():
        value = plain
        for part in column.path:
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[name] = column.write(value)
    return found
