"""A conversation as a finite trace: what happened, in order, and whether it is an event that a rule speaks of.

The order is that of the recording: the customer's message opens a turn, then come the agent's messages, searches (one
event for each passage they return), tool calls (with what came back), readings and handoffs, as the agent did them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from assay.registry.phrases import quote_of
from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import AgentEvent, Handoff, Retrieval, Say, ToolCall, Triage
from assay.runner.scorers.rules.patterns import first_match
from assay.runner.scorers.rules.temporal.syntax import Comparison, Event, EventKind, Events
from assay.runner.scorers.rules.view import View, call_text
from assay.runner.scorers.values import same_value

__all__ = ["ABSENT", "Absent", "Occurrence", "Trace", "trace_of", "value_of"]

_CURRENCY = r"(?:US\$|[$€£]|USD|EUR|GBP|dollars?|euros?|pounds?)"
_NUMBER = re.compile(rf"\s*{_CURRENCY}?\s*([+-]?\d[\d,]*(?:\.\d+)?(?:e\d{{1,2}})?)\s*{_CURRENCY}?\s*", re.IGNORECASE)


class Absent(Enum):
    """That there is no value, which is not the same as null."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One thing that happened. `order` counts all of them from 0, `turn` is 1-based."""

    order: int
    turn: int
    kind: EventKind
    shown: str
    """The words or the call, to be quoted."""
    name: str = ""
    """The tool or document."""
    fields: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    result: JsonValue = None
    failed: bool = False


@dataclass(frozen=True)
class Trace:
    """A conversation's occurrences in order, and the tools that the classes `writes` and `verified` stand for."""

    occurrences: tuple[Occurrence, ...]
    classes: Mapping[str, frozenset[str]]

    def matching(self, events: Events) -> list[Occurrence]:
        """The occurrences of any of the events, in order."""
        return [found for found in self.occurrences if self.is_any(found, events)]

    def is_any(self, found: Occurrence, events: Events) -> bool:
        """Whether an occurrence is one of the events."""
        return any(self._is(found, event) for event in events)

    def _is(self, found: Occurrence, event: Event) -> bool:
        if found.kind != event.kind or (event.names and not self._named(found, event.names)):
            return False
        if event.outcome != "any" and found.failed != (event.outcome == "failing"):
            return False
        if not all(_holds(found.fields, comparison) for comparison in event.where):
            return False
        return not event.giving or (not found.failed and all(_holds(found.result, c) for c in event.giving))

    def _named(self, found: Occurrence, names: tuple[str, ...]) -> bool:
        if found.kind.endswith("says"):
            return first_match(names, found.shown) is not None
        return any(found.name in self.classes.get(name, ()) or fnmatchcase(found.name, name) for name in names)


def trace_of(view: View) -> Trace:
    """The trace of a conversation."""
    found: list[Occurrence] = []
    for turn in view.turns:
        found.append(Occurrence(len(found), turn.index, "customer says", turn.customer))
        for event in turn.events:
            for kind, shown, details in _read(event):
                found.append(Occurrence(len(found), turn.index, kind, shown, **details))
    return Trace(tuple(found), {"writes": view.writes, "verified": view.verified})


def _read(event: AgentEvent) -> Iterator[tuple[EventKind, str, dict[str, Any]]]:
    if isinstance(event, Say):
        yield "agent says", event.text, {}
    elif isinstance(event, ToolCall):
        details = {"name": event.name, "fields": event.arguments, "result": event.result}
        yield "calls", call_text(event), {**details, "failed": event.error is not None}
    elif isinstance(event, Retrieval):
        for passage in event.passages:
            fields = passage.model_dump(mode="json", exclude={"text"})
            yield (
                "retrieves",
                f"{passage.document}: {quote_of(passage.text)}",
                {"name": passage.document, "fields": fields},
            )
    elif isinstance(event, Triage):
        fields = {"intent": event.intent, "confidence": event.confidence, "signal": list(event.signals)}
        yield "triages", f"intent {event.intent} ({event.confidence:.2f})", {"fields": fields}
    elif isinstance(event, Handoff):
        packet = event.packet.model_dump(mode="json")
        yield "hands off", f"handoff, reason {event.packet.reason}, queue {event.packet.queue}", {"fields": packet}


def value_of(fields: object, key: str) -> JsonValue | Absent:
    """The value under a key, which may reach into objects (`customer.id`); `ABSENT` where there is none."""
    for part in key.split("."):
        if not isinstance(fields, Mapping) or part not in fields:
            return ABSENT
        fields = fields[part]
    return fields  # type: ignore[return-value]


def _holds(fields: object, comparison: Comparison) -> bool:
    """Whether a comparison holds: none of what is not there, only `= null` of null; `!=` is meant of a whole list."""
    value = value_of(fields, comparison.key)
    if value is None or isinstance(value, Absent):
        return value is None and comparison.value is None and comparison.operator == "="
    items = value if isinstance(value, list) else [value]
    return (all if comparison.operator == "!=" else any)(_compare(item, comparison) for item in items)


def _compare(value: JsonValue, comparison: Comparison) -> bool:
    wanted, operator = comparison.value, comparison.operator
    if operator in ("=", "!="):
        return _equal(value, wanted) == (operator == "=")
    if operator == "matches":
        return first_match((f"/{wanted}/",), str(value)) is not None
    number, limit = _number(value), _number(wanted)
    if number is None or limit is None:
        return False
    return {"<": number < limit, "<=": number <= limit, ">": number > limit, ">=": number >= limit}[operator]


def _equal(value: JsonValue, wanted: JsonValue) -> bool:
    """Equality, for which a number and its text are one: rules are written without quotes, tools take either."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    one, other = _number(value), _number(wanted)
    return one == other if one is not None and other is not None else same_value(value, wanted)


def _number(value: JsonValue) -> float | None:
    """A number, also one written as text with its currency: an agent may pass "$80.00" where 80 is meant."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, int | float):
            return float(value)
        found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
        return float(found[1].replace(",", "")) if found else None
    except OverflowError:
        return math.inf if isinstance(value, int) and value > 0 else -math.inf
