"""What can be wrong with the tool fixtures of one case: a call that none answers, a fixture that answers none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from assay.registry.fixtures import explain, matches
from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case, ToolFixture
from assay.registry.types.fixture import CHANGES

__all__ = ["idle_fixtures", "unanswered_calls"]


def unanswered_calls(case: Case) -> Iterator[str]:
    """A call that no fixture answers, or only ones that the calls before it have used up.

    A fixture that asks for an argument which the expectation leaves open may still answer the call, and may be left.
    """
    left = [fixture.times for fixture in case.tools]
    for number, turn in enumerate(case.turns, start=1):
        for call in turn.expect.tool_calls:
            able = [
                place
                for place, fixture in enumerate(case.tools)
                if fixture.name == call.name and _compatible(fixture.arguments, call.arguments)
            ]
            if not able:
                yield f"turn {number}: no fixture answers {call.name}: {explain(case.tools, call.name, call.arguments)}"
            elif all(left[place] == 0 for place in able):
                yield f"turn {number}: the fixtures for {call.name} are used up by then"
            _use_up(left, [place for place in able if _surely_answers(case.tools[place], call.arguments)], case)
    yield from dict.fromkeys(_simulated_calls(case))


def _simulated_calls(case: Case) -> Iterator[str]:
    """Calls that a simulated conversation needs, whenever they come."""
    if case.simulation is None:
        return
    reached = case.simulation.goal.reached_when.called
    for call in (*case.simulation.expect.tool_calls, *((reached,) if reached else ())):
        fitting = (f for f in case.tools if f.name == call.name and _compatible(f.arguments, call.arguments))
        if not any(fitting):
            yield f"simulation: no fixture answers {call.name}: {explain(case.tools, call.name, call.arguments)}"


def _use_up(left: list[int | None], sure: list[int], case: Case) -> None:
    """Take one answer of the first fixture that is left; an error is tried once more, as agents do."""
    for _ in range(2):
        place = next((place for place in sure if left[place] != 0), None)
        if place is None:
            return
        count = left[place]
        left[place] = None if count is None else count - 1
        if case.tools[place].error is None:
            return


def idle_fixtures(case: Case) -> Iterator[str]:
    """A fixture that can never answer: an earlier one always does, or the state is never as its `when` asks."""
    for number, fixture in enumerate(case.tools):
        for earlier, other in enumerate(case.tools[:number]):
            if other.name == fixture.name and _always_before(other, fixture):
                yield f"tools.{number} ({fixture.name}) never answers: tools.{earlier} answers every such call before"
                break
        for path, wanted in fixture.when.items():
            known = _values_of(case, path)
            if known is not None and not any(matches(wanted, value) for value in known):
                shown = ", ".join(json.dumps(value, ensure_ascii=False) for value in known[:3])
                yield f"tools.{number} ({fixture.name}) never answers: {path} is only ever {shown}"


def _always_before(earlier: ToolFixture, fixture: ToolFixture) -> bool:
    if earlier.times is not None or any(fixture.when.get(path) != wanted for path, wanted in earlier.when.items()):
        return False
    if any("${arguments." in json.dumps(value) for value in (earlier.result, earlier.error, earlier.sets)):
        return False
    return all(
        key in fixture.arguments and (wanted == {"$any": True} or wanted == fixture.arguments[key])
        for key, wanted in earlier.arguments.items()
    )


def _values_of(case: Case, path: str) -> list[JsonValue] | None:
    """Every value that a path of the state can have in a case; None where fixtures can make it anything."""
    value: JsonValue = dict(case.state)
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) and part in value else None
    found = [value]
    for fixture in case.tools:
        for target, change in fixture.sets.items():
            if target == path and "${" not in json.dumps(change) and not _is_sum(change):
                found.append(change)
            elif target == path or f"{target}.".startswith(f"{path}.") or f"{path}.".startswith(f"{target}."):
                return None
    return found


def _is_sum(change: JsonValue) -> bool:
    return isinstance(change, dict) and any(key in CHANGES for key in change)


def _compatible(fixture: Mapping[str, JsonValue], call: Mapping[str, JsonValue]) -> bool:
    return all(key not in call or matches(value, call[key]) for key, value in fixture.items())


def _surely_answers(fixture: ToolFixture, call: Mapping[str, JsonValue]) -> bool:
    """Whether nothing but `times` can keep a fixture that fits a call from answering it."""
    return not fixture.when and fixture.arguments.keys() <= call.keys()
