"""JSON values of tool calls and results, as scorers compare them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay.registry.phrases import canonical
from assay.registry.types.base import JsonValue
from assay.registry.types.case import ExpectedCall
from assay.registry.types.trajectory import ToolCall

__all__ = ["is_call", "numbers_in", "outside", "same_value"]


_LARGEST = 1e300


def same_value(given: JsonValue, wanted: JsonValue) -> bool:
    """Equality of JSON values: numbers numerically, text in canonical form, objects and lists item by item.

    A number and its text are not equal: a tool takes one of them.
    """
    if isinstance(given, bool) or isinstance(wanted, bool):
        return given is wanted
    if isinstance(given, int) and isinstance(wanted, int):
        return given == wanted  # an agent may pass a whole number that no float holds
    if isinstance(given, int | float) and isinstance(wanted, int | float):
        if max(abs(given), abs(wanted)) > _LARGEST:
            return given == wanted
        return abs(given - wanted) <= 1e-9 * max(1.0, abs(given), abs(wanted))
    if isinstance(given, str) and isinstance(wanted, str):
        return canonical(given) == canonical(wanted)
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(same_value(given[key], wanted[key]) for key in wanted)
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(same_value, given, wanted))
    return given is None and wanted is None


def outside(value: JsonValue, at_least: float | None, at_most: float | None, one_of: Sequence[JsonValue]) -> str | None:
    """Why a value lies outside of bounds (inclusive; None for no bound) or of the values allowed; None where inside."""
    if at_least is not None or at_most is not None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"is {value!r}, which is not a number"
        if at_least is not None and not value >= at_least:
            return f"is {value:g}, at least {at_least:g} is needed"
        if at_most is not None and not value <= at_most:
            return f"is {value:g}, at most {at_most:g} is allowed"
    if one_of and not any(same_value(value, allowed) for allowed in one_of):
        return f"is {value!r}, which is not one of the allowed values"
    return None


def is_call(call: ToolCall, expected: ExpectedCall) -> bool:
    """Whether a call is the expected one: the same tool, and every expected argument present and equal."""
    return call.name == expected.name and all(
        name in call.arguments and same_value(call.arguments[name], value) for name, value in expected.arguments.items()
    )


def numbers_in(value: JsonValue) -> Iterator[float]:
    """Every number of a JSON value, however deep."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(item)
