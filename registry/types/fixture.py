"""Tool fixtures: what the back office of a case answers, and how its state changes by that.

The language is three small things, each told apart from plain JSON by its form alone:

- a *matcher* stands where a value to compare with stands: an object with one key that begins with `$`;
- a *reference* stands in text: `${state.card.status}` or `${arguments.amount}`; `$${` is a plain `${`;
- a *change* is a value, or an object with the one key `$add` or `$subtract`.

What is wrong with one is found when the case is read, never while it runs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from assay.registry.types.base import Frozen, JsonValue, Name

__all__ = ["CHANGES", "MATCHERS", "REFERENCE", "State", "ToolFixture", "references_in", "state_problems"]

MATCHERS = ("$equals", "$any", "$one_of", "$range", "$regex")
CHANGES = ("$add", "$subtract")
REFERENCE = re.compile(r"(?P<plain>\$)?\$\{(?P<path>[^{}]*)\}")
"""A reference, or with `plain` set the escaped form that stands for itself."""

_PART = r"[a-z_][a-z0-9_]*"
_PATH = re.compile(rf"{_PART}(?:\.{_PART})+")
StateName = Annotated[str, StringConstraints(pattern=rf"^{_PART}$", max_length=60)]
State = dict[StateName, dict[StateName, JsonValue]]
"""Entity to its fields: `{"card": {"status": "active"}}`. A path names a field: `card.status`."""

Loc = tuple[str | int, ...]


class ToolFixture(Frozen):
    """What a back-office tool answers in this case.

    The first fixture whose `name` is equal, whose `arguments` all match the call's and whose `when` holds in the
    case's state answers. `times` limits how often it answers; after that the next matching fixture does. Exactly one
    of `result` and `error` is given. `sets` changes the state: all of it is computed from the state as it was before
    the call, and what `result` and `error` refer to is the state after it.
    """

    name: Name
    arguments: dict[str, JsonValue] = {}
    when: dict[str, JsonValue] = Field(default={}, exclude_if=lambda given: not given)
    """State path to the value, or matcher, that has to be there."""
    result: JsonValue = None
    error: str | None = None
    sets: dict[str, JsonValue] = Field(default={}, exclude_if=lambda given: not given)
    """State path to its new value, or to a change of it."""
    latency_s: Annotated[float, Field(ge=0)] = 0.0
    times: Annotated[int, Field(ge=1)] | None = None

    @field_validator("arguments", "when")
    @classmethod
    def _known_matchers(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key, value in given.items():
            problem = matcher_problem(value)
            if problem:
                raise ValueError(f"{key}: {problem}")
        return given

    @model_validator(mode="after")
    def _one_outcome(self) -> ToolFixture:
        if (self.result is None) == (self.error is None):
            raise ValueError("give exactly one of 'result' and 'error'")
        return self


def matcher_problem(value: JsonValue) -> str:
    """What is wrong with a value to compare with; empty where nothing is. An object without `$` keys is plain."""
    if not isinstance(value, dict) or not any(key.startswith("$") for key in value):
        return ""
    if len(value) != 1:
        return "a matcher is an object with exactly one key; write {'$equals': ...} for a plain object with such keys"
    name, given = next(iter(value.items()))
    if name not in MATCHERS:
        return f"unknown matcher {name!r}.{_nearest(name, MATCHERS)} {{'$equals': ...}} compares with a plain object"
    if name == "$any" and given is not True:
        return "'$any' is true: any value will do, as long as there is one"
    if name == "$one_of" and (not isinstance(given, list) or not given):
        return "'$one_of' is a list of at least one value"
    if name == "$range":
        return _range_problem(given)
    if name == "$regex":
        return _regex_problem(given)
    return ""


def _range_problem(given: JsonValue) -> str:
    if not isinstance(given, dict) or not given or not set(given) <= {"at_least", "at_most"}:
        return "'$range' has 'at_least', 'at_most' or both"
    if not all(is_number(limit) for limit in given.values()):
        return "the limits of '$range' are numbers"
    low, high = given.get("at_least"), given.get("at_most")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        return f"'$range' is empty: {low:g} is above {high:g}"
    return ""


def _regex_problem(given: JsonValue) -> str:
    if not isinstance(given, str) or not given:
        return "'$regex' is a regular expression as text"
    try:
        re.compile(given)
    except re.error as error:
        return f"'$regex' is no regular expression: {error}"
    return ""


def is_number(value: JsonValue) -> bool:
    """Whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def references_in(value: JsonValue, at: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Every reference in the text of a JSON value, as (where it stands, the path between its braces)."""
    if isinstance(value, str):
        yield from ((at, found["path"]) for found in REFERENCE.finditer(value) if not found["plain"])
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from references_in(item, (*at, number))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from references_in(item, (*at, key))


def state_problems(state: Mapping[str, Mapping[str, JsonValue]], tools: tuple[ToolFixture, ...]) -> Iterator[
    tuple[Loc, str]
]:  # fmt: skip
    """Everything that fixtures say of a state that is not there, as (where in the case, what is wrong).

    Unknown paths, values of another type than the state's, and references that lead nowhere.
    """
    known = dict(_paths(state))
    for number, fixture in enumerate(tools):
        at: Loc = ("tools", number)
        for path, wanted in fixture.when.items():
            yield from _path_problems((*at, "when", path), path, known)
            if path in known:
                yield from _compared((*at, "when", path), wanted, known[path])
        for path, change in fixture.sets.items():
            yield from _path_problems((*at, "sets", path), path, known)
            yield from _reference_problems((*at, "sets", path), change, known, declared=bool(state))
            if path in known:
                yield from _changed((*at, "sets", path), change, known, path)
        for key, value in (("result", fixture.result), ("error", fixture.error)):
            yield from _reference_problems((*at, key), value, known, declared=bool(state))


def _paths(state: Mapping[str, Mapping[str, JsonValue]]) -> Iterator[tuple[str, JsonValue]]:
    for entity, fields in state.items():
        for field, value in fields.items():
            yield from _below(f"{entity}.{field}", value)


def _below(path: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _below(f"{path}.{key}", item)


def _path_problems(loc: Loc, path: str, known: Mapping[str, JsonValue]) -> Iterator[tuple[Loc, str]]:
    if path in known:
        return
    if not known:
        yield loc, "the case declares no 'state'"
    elif not _PATH.fullmatch(path):
        yield loc, f"{path!r} is no path of the state; a path is entity.field.{_nearest(path, known)}"
    else:
        yield loc, f"the state has no {path!r}.{_nearest(path, known)}"


def _reference_problems(
    at: Loc, value: JsonValue, known: Mapping[str, JsonValue], *, declared: bool
) -> Iterator[tuple[Loc, str]]:
    for loc, path in references_in(value, at):
        root, _, rest = path.partition(".")
        if root == "state" and rest:
            yield from _path_problems(loc, rest, known)
        elif root == "arguments" and rest:
            continue
        elif declared:  # without a state this is text as it always was
            shown = f"${{{path}}}"
            yield loc, f"{shown} leads nowhere; write ${{state.PATH}} or ${{arguments.NAME}}, or $${{ for a plain ${{"


def _compared(loc: Loc, wanted: JsonValue, there: JsonValue) -> Iterator[tuple[Loc, str]]:
    values = [wanted]
    if isinstance(wanted, dict) and len(wanted) == 1:
        name, given = next(iter(wanted.items()))
        if name == "$any":
            return
        if name == "$range" and there is not None and not is_number(there):
            yield loc, f"'$range' compares numbers, and the state has {_kind(there)} there"
        if name == "$regex" and there is not None and not isinstance(there, str):
            yield loc, f"'$regex' compares text, and the state has {_kind(there)} there"
        if name in MATCHERS:
            values = given if name == "$one_of" and isinstance(given, list) else [given] if name == "$equals" else []
    for value in values:
        if not _same_kind(value, there):
            yield loc, f"the state has {_kind(there)} there, which is never {_kind(value)}"


def _changed(loc: Loc, change: JsonValue, known: Mapping[str, JsonValue], path: str) -> Iterator[tuple[Loc, str]]:
    there = known[path]
    if isinstance(change, dict) and any(key.startswith("$") for key in change):
        name, given = next(iter(change.items()))
        if len(change) != 1 or name not in CHANGES:
            yield loc, f"unknown change {name!r}.{_nearest(name, CHANGES)}"
            return
        if not is_number(there):
            yield loc, f"{name!r} changes a number, and the state has {_kind(there)} there"
        if not is_number(given) and not _may_be(given, known, 0):
            yield loc, f"{name!r} takes a number, or a reference to one, not {_kind(given)}"
    elif not _may_be(change, known, there):
        yield loc, f"the state has {_kind(there)} there, which may not become {_kind(change)}"


def _may_be(value: JsonValue, known: Mapping[str, JsonValue], there: JsonValue) -> bool:
    """Whether a new value can be of the kind that is there; of an argument's value nothing is known before."""
    whole = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if whole is None or whole["plain"]:
        return _same_kind(value, there)
    path = whole["path"].removeprefix("state.")
    return whole["path"].startswith("arguments.") or path not in known or _same_kind(known[path], there)


def _same_kind(a: JsonValue, b: JsonValue) -> bool:
    return a is None or b is None or _kind(a) == _kind(b)


def _kind(value: JsonValue) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "a number"


def _nearest(name: str, known: Mapping[str, JsonValue] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else f" There is: {', '.join(list(known)[:12])}."
