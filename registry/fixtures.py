"""How a tool fixture meets a call: matching, references to state and arguments, changes of state.

Pure functions over the language of `registry/types/fixture.py`. Nothing here changes what it is given.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from assay.registry.matching import same_json
from assay.registry.types.base import JsonValue
from assay.registry.types.fixture import REFERENCE, ToolFixture, is_number, references_in

__all__ = [
    "ArgumentError",
    "answers",
    "as_text",
    "changed",
    "explain",
    "holds",
    "literal",
    "matches",
    "rendered",
    "uses_state",
]

StateView = Mapping[str, Mapping[str, JsonValue]]
_NOWHERE = object()
_REFERS = re.compile(r"\$\{(?=(?:state|arguments)\.)")


class ArgumentError(Exception):
    """The call's argument cannot be worked with, such as text where an amount is added. The text names it."""


def matches(wanted: JsonValue, given: JsonValue) -> bool:
    """Whether a value is what a fixture asks for: equal to it, or what its matcher lets through."""
    if isinstance(wanted, dict) and len(wanted) == 1:
        name, operand = next(iter(wanted.items()))
        if name == "$any":
            return True
        if name == "$equals":
            return same_json(operand, given)
        if name == "$one_of" and isinstance(operand, list):
            return any(same_json(item, given) for item in operand)
        if name == "$regex" and isinstance(operand, str):
            return isinstance(given, str) and re.fullmatch(operand, given.strip(), re.IGNORECASE) is not None
        if name == "$range" and isinstance(operand, dict):
            return _within(given, operand)
    return same_json(wanted, given)


def answers(fixture: ToolFixture, arguments: Mapping[str, JsonValue]) -> bool:
    """Whether a fixture answers a call of its tool with these arguments, its `when` and `times` aside.

    A fixture that refers to an argument answers only calls that have it.
    """
    return not _differing(fixture, arguments) and all(name in arguments for name in _borrowed(fixture))


def holds(fixture: ToolFixture, state: StateView) -> bool:
    """Whether a fixture's `when` holds in a state."""
    return all((there := _at(state, path)) is not _NOWHERE and _true(w, there) for path, w in fixture.when.items())


def changed(
    fixture: ToolFixture, state: StateView, arguments: Mapping[str, JsonValue]
) -> dict[str, dict[str, JsonValue]]:
    """The state after the fixture has answered; the one before is left as it is.

    Raises:
        ArgumentError: the call has something in an argument that the state cannot take.
    """
    after: dict[str, dict[str, JsonValue]] = copy.deepcopy({name: dict(fields) for name, fields in state.items()})
    for path, change in fixture.sets.items():
        before = _at(state, path)
        value = _new_value(path, before, change, state, arguments)  # pyright: ignore[reportArgumentType]
        if before is not None and value is not None and _family(before) != _family(value):
            arguments_named = _arguments_in(change)
            if arguments_named:
                raise ArgumentError(f"invalid argument {', '.join(arguments_named)}")
            raise ArgumentError(f"cannot set {path}: {_json(value)} is no {_WORDS.get(_family(before), 'value')}")
        *parents, last = path.split(".")
        place: dict[str, JsonValue] = after  # pyright: ignore[reportAssignmentType]
        for part in parents:
            place = place[part]  # pyright: ignore[reportAssignmentType]
        place[last] = value
    return after


def rendered(value: JsonValue, state: StateView, arguments: Mapping[str, JsonValue]) -> JsonValue:
    """A copy of a value with its references replaced. Text that is one reference becomes the value itself."""
    if isinstance(value, str):
        return _filled(value, state, arguments)
    if isinstance(value, list):
        return [rendered(item, state, arguments) for item in value]
    if isinstance(value, dict):
        return {key: rendered(item, state, arguments) for key, item in value.items()}
    return value


def explain(fixtures: Sequence[ToolFixture], name: str, arguments: Mapping[str, JsonValue]) -> str:
    """Why no fixture answers a call: the nearest one, and the argument that differs. For people, never for an agent."""
    of_name = [(number, fixture) for number, fixture in enumerate(fixtures) if fixture.name == name]
    if not of_name:
        return f"no fixture is called {name}"
    number, nearest = min(of_name, key=lambda item: len(_differing(item[1], arguments)))
    wrong = [*_differing(nearest, arguments), *(n for n in _borrowed(nearest) if n not in arguments)]
    if not wrong:
        return f"tools.{number} is the nearest; its arguments match, its 'when' or 'times' does not"
    key = wrong[0]
    got = f"given: {_json(arguments[key])}" if key in arguments else "not given"
    return f"tools.{number} is the nearest; argument {key!r}: wanted {_json(nearest.arguments.get(key))}, {got}"


def uses_state(fixture: ToolFixture) -> bool:
    """Whether a fixture reads or changes the state of its case."""
    values = (fixture.result, fixture.error)
    return bool(fixture.when or fixture.sets) or any(
        path.startswith("state.") for value in values for _, path in references_in(value)
    )


def literal(value: JsonValue) -> JsonValue:
    """A value to compare with that means itself, also where it has the form of a matcher."""
    return {"$equals": value} if isinstance(value, dict) and any(key.startswith("$") for key in value) else value


def as_text(value: JsonValue) -> JsonValue:
    """A result that means itself, also where its text has the form of a reference."""
    if isinstance(value, str):
        return _REFERS.sub(lambda found: f"${found.group()}", value)
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return {key: as_text(item) for key, item in value.items()} if isinstance(value, dict) else value


def _differing(fixture: ToolFixture, arguments: Mapping[str, JsonValue]) -> list[str]:
    return [k for k, wanted in fixture.arguments.items() if k not in arguments or not matches(wanted, arguments[k])]


def _borrowed(fixture: ToolFixture) -> Iterator[str]:
    """Names of the arguments that a fixture refers to."""
    for value in (fixture.result, fixture.error, *fixture.sets.values()):
        for _, path in references_in(value):
            root, _, rest = path.partition(".")
            if root == "arguments" and rest:
                yield rest


def _within(given: JsonValue, limits: Mapping[str, JsonValue]) -> bool:
    low, high = limits.get("at_least"), limits.get("at_most")
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    return (not isinstance(low, int | float) or given >= low) and (not isinstance(high, int | float) or given <= high)


def _true(wanted: JsonValue, there: object) -> bool:
    return matches(wanted, there)  # pyright: ignore[reportArgumentType]


def _at(state: StateView, path: str) -> JsonValue | object:
    value: object = state
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _NOWHERE
        value = value[part]
    return value


def _new_value(
    path: str, before: JsonValue, change: JsonValue, state: StateView, arguments: Mapping[str, JsonValue]
) -> JsonValue:
    if isinstance(change, dict) and len(change) == 1:
        name, operand = next(iter(change.items()))
        if name in ("$add", "$subtract"):
            by = rendered(operand, state, arguments)
            if is_number(before) and not is_number(by) and (named := _arguments_in(operand)):
                raise ArgumentError(f"invalid argument {', '.join(named)}: a number is expected")
            if not is_number(by) or not is_number(before):
                wrong = by if is_number(before) else before
                raise ArgumentError(f"cannot set {path}: {_json(wrong)} is no number")
            return _sum(before, by, -1 if name == "$subtract" else 1)
    return rendered(change, state, arguments)


def _sum(a: JsonValue, b: JsonValue, sign: int) -> JsonValue:
    """In decimal, so that 0.1 + 0.2 is 0.3: these are amounts of money."""
    found = Decimal(str(a)) + sign * Decimal(str(b))
    return int(found) if isinstance(a, int) and isinstance(b, int) else float(found)


def _filled(text: str, state: StateView, arguments: Mapping[str, JsonValue]) -> JsonValue:
    whole = REFERENCE.fullmatch(text)
    if whole is not None and not whole["plain"]:
        found = _value_of(whole["path"], state, arguments)
        return text if found is _NOWHERE else copy.deepcopy(found)  # pyright: ignore[reportReturnType]

    def put(match: re.Match[str]) -> str:
        if match["plain"]:
            return match.group()[1:] if _is_reference(match["path"]) else match.group()
        found = _value_of(match["path"], state, arguments)
        return match.group() if found is _NOWHERE else found if isinstance(found, str) else _json(found)

    return REFERENCE.sub(put, text)


def _is_reference(path: str) -> bool:
    return path.startswith(("state.", "arguments."))


def _value_of(path: str, state: StateView, arguments: Mapping[str, JsonValue]) -> object:
    root, _, rest = path.partition(".")
    if root == "state":
        return _at(state, rest)
    return arguments.get(rest, _NOWHERE) if root == "arguments" else _NOWHERE


def _arguments_in(change: JsonValue) -> list[str]:
    """Names of the call's arguments that a change refers to."""
    paths = (path for _, path in references_in(change))
    return [path.removeprefix("arguments.") for path in paths if path.startswith("arguments.")]


_WORDS = {"str": "text", "bool": "truth value", "number": "number", "list": "list", "dict": "object"}
"""What people call the families of values."""


def _family(value: object) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
