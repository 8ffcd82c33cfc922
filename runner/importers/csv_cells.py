"""How the values of a case stand in the cells of a table, both ways.

Lists stand as people write them: items between ` | `, what must be said one requirement a line with its
alternatives between ` | `. A cell that begins with `[` or `{` is JSON; that is how structured things are written,
and a list of which an item could be misread. A cell that a spreadsheet would take for a formula gets an apostrophe
in front.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from assay.registry.errors import ContentError
from assay.registry.strict import plain_json
from assay.registry.types.base import JsonValue
from assay.runner.importers.labels import split_items

__all__ = [
    "guarded",
    "read_alternatives",
    "read_calls",
    "read_customer",
    "read_json",
    "read_list",
    "read_text",
    "unguarded",
    "write_alternatives",
    "write_calls",
    "write_customer",
    "write_json",
    "write_list",
    "write_text",
]

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_BREAKS = re.compile(r"[\r\n]")


def guarded(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The inverse of `guarded`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_json(cell: str) -> Any:
    """The JSON value of a cell. Raises ValueError."""
    try:
        return plain_json(cell)
    except ContentError as error:
        raise ValueError(error.problem) from None


def write_list(items: Sequence[str]) -> str:
    return write_json(list(items)) if any(map(_unclear, items)) else " | ".join(items)


def read_list(cell: str) -> JsonValue:
    """Items between `|` or line breaks, or a JSON list. Raises ValueError."""
    return read_json(cell) if _is_json(cell) else [*split_items(cell)]


def write_alternatives(requirements: Sequence[Sequence[str]]) -> str:
    if any(_unclear(phrase) for phrases in requirements for phrase in phrases):
        return write_json([list(phrases) for phrases in requirements])
    return "\n".join(" | ".join(phrases) for phrases in requirements)


def read_alternatives(cell: str) -> JsonValue:
    """`[{"any_of": [...]}, ...]`: one requirement a line, or a JSON list of lists. Raises ValueError."""
    if _is_json(cell):
        return [{"any_of": phrases} if isinstance(phrases, list) else phrases for phrases in _list(read_json(cell))]
    lines = [line for line in re.split(r"\r\n|\r|\n", cell) if line.strip()]
    return [{"any_of": [*split_items(line)]} for line in lines]


def write_text(text: str | None) -> str:
    """A text that may be absent (an empty cell) or empty (two quotation marks)."""
    if text is None:
        return ""
    return f'"{text}"' if text == "" or re.fullmatch('"{2,}', text) else text


def read_text(cell: str) -> str | None:
    if cell == "":
        return None
    return cell[1:-1] if re.fullmatch('"{2,}', cell) else cell


def write_calls(calls: Sequence[dict[str, Any]]) -> str:
    """Tool names where no call says anything about arguments, else JSON."""
    if all(set(call) == {"name"} for call in calls):
        return " | ".join(str(call["name"]) for call in calls)
    return write_json(list(calls))


def read_calls(cell: str) -> JsonValue:
    return read_json(cell) if _is_json(cell) else [{"name": name} for name in split_items(cell)]


def write_customer(customer: dict[str, Any]) -> str:
    """The name where there is nothing else, else JSON."""
    name = customer.get("name")
    alone = set(customer) == {"name"} and isinstance(name, str)
    return str(name) if alone and name and not _unclear(str(name)) else write_json(customer)


def read_customer(cell: str) -> JsonValue:
    return read_json(cell) if _is_json(cell) else {"name": cell.strip()}


def _unclear(item: str) -> bool:
    """Whether an item would come back as something else when it stands in a cell as it is."""
    return item == "" or item != item.strip() or "|" in item or _is_json(item) or _BREAKS.search(item) is not None


def _is_json(cell: str) -> bool:
    return cell.lstrip()[:1] in ("[", "{")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("a JSON list of lists of phrases is expected")
    return value
