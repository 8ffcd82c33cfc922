"""From what was said and done in a conversation to a case: turns, tool fixtures, and the escalation that happened.

- A call and its result become a fixture, and the call an expected call of its turn.
- Equal calls (same tool, same arguments) answer in the order they were recorded: a result that is followed by
  another one answers only as often as it did then.
- A fixture answers every call whose arguments include its own, so of one tool's fixtures those with more
  arguments come first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from assay.registry.digest import canonical_json
from assay.registry.errors import ContentError
from assay.registry.fixtures import as_text, literal
from assay.registry.strict import plain_json, validation_problems
from assay.registry.types.base import EscalationReason, JsonValue
from assay.registry.types.case import Case
from assay.runner.importers.labels import Labels

__all__ = ["Call", "Turn", "case_from", "case_of", "fixtures_of", "happened_in", "json_or_text"]


@dataclass(frozen=True)
class Call:
    """A tool call. Without `answered` nobody knows its result; else exactly one of `result` and `error` is set."""

    name: str
    arguments: dict[str, JsonValue]
    result: JsonValue = None
    error: str | None = None
    answered: bool = True


@dataclass(frozen=True)
class Turn:
    """One thing the customer says and what the agent does then. `handoff` holds the arguments of a transfer."""

    customer: str
    reply: str | None = None
    calls: tuple[Call, ...] = ()
    handoff: Mapping[str, JsonValue] | None = None


def happened_in(turns: Sequence[Turn]) -> dict[str, JsonValue]:
    """The labels that follow from a transfer to a person: required, by which turn, and why where it says so."""
    at, handoff = next(((n, t.handoff) for n, t in enumerate(turns, start=1) if t.handoff is not None), (0, None))
    if handoff is None:
        return {}
    found: dict[str, JsonValue] = {"escalation": True, "by_turn": at}
    named = handoff.get("reasons", handoff.get("reason"))
    reasons = [reason for reason in (named if isinstance(named, list) else [named]) if _is_reason(reason)]
    if reasons:
        found["reasons"] = list(dict.fromkeys(map(str, reasons)))
    queue = handoff.get("queue")
    if isinstance(queue, str) and queue:
        found["queue"] = queue
    return found


def case_of(
    case_id: str, turns: Sequence[Turn], labels: Labels, *, customer: JsonValue = None, facts: Mapping[str, JsonValue]
) -> Case | list[tuple[str, str]]:
    """The case, or its problems as pairs of key and what is wrong. `facts` become the case's `labels`."""
    try:
        tools = fixtures_of([call for turn in turns for call in turn.calls if call.answered])
    except (ValueError, RecursionError) as error:
        return [_no_json(error)]
    plain: dict[str, JsonValue] = {
        "id": case_id,
        **labels.plain(),
        "turns": [_turn(turn) for turn in turns],
        "tools": tools,
        "expect": {"escalation": labels.escalation()},
        "labels": dict(facts),
    }
    if customer is not None:
        plain["customer"] = customer
    return case_from(plain)


def case_from(plain: Mapping[str, JsonValue]) -> Case | list[tuple[str, str]]:
    """A case of plain JSON values, or its problems as pairs of key and what is wrong."""
    try:
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        return [_no_json(error)]
    try:
        return Case.model_validate_json(text)
    except ValidationError as error:
        return validation_problems(error, Case)


def json_or_text(text: str) -> JsonValue:
    """The JSON value that a tool's result is, or its text; `null` stays text, since a result is never nothing."""
    try:
        value = plain_json(text)
    except ContentError:
        return text
    return text if value is None else value


def _turn(turn: Turn) -> JsonValue:
    made: dict[str, JsonValue] = {"customer": turn.customer}
    if turn.calls:
        made["expect"] = {"tool_calls": [{"name": c.name, "arguments": c.arguments} for c in turn.calls]}
    if turn.reply is not None:
        made["golden_reply"] = turn.reply
    return made


def fixtures_of(calls: Iterable[Call]) -> list[JsonValue]:
    """Fixtures that give every one of these calls, in this order, its result."""
    tools: dict[str, dict[bytes, list[Call]]] = {}
    for call in calls:
        tools.setdefault(call.name, {}).setdefault(canonical_json(call.arguments), []).append(call)
    made: list[JsonValue] = []
    for same_tool in tools.values():
        for same in sorted(same_tool.values(), key=lambda calls: -len(calls[0].arguments)):
            made += _answers(same)
    return made


def _answers(calls: Sequence[Call]) -> list[JsonValue]:
    """Fixtures for equal calls: runs of one result, each but the last limited to how often it came."""
    runs: list[tuple[Call, int]] = []
    for call in calls:
        if runs and canonical_json(_outcome(runs[-1][0])) == canonical_json(_outcome(call)):
            runs[-1] = (call, runs[-1][1] + 1)
        else:
            runs.append((call, 1))
    made: list[JsonValue] = []
    for number, (call, times) in enumerate(runs, start=1):
        arguments = {name: literal(value) for name, value in call.arguments.items()}
        fixture = {"name": call.name, "arguments": arguments, **_as_fixture(_outcome(call))}
        made.append(fixture if number == len(runs) else {**fixture, "times": times})
    return made


def _outcome(call: Call) -> dict[str, JsonValue]:
    return {"error": call.error} if call.error is not None else {"result": call.result}


def _as_fixture(outcome: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {key: as_text(value) for key, value in outcome.items()}


def _no_json(error: Exception) -> tuple[str, str]:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return "", f"the conversation holds what is not JSON: {reason}"


def _is_reason(value: JsonValue) -> bool:
    return isinstance(value, str) and value in {reason.value for reason in EscalationReason}
