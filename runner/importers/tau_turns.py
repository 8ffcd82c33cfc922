"""From the chat messages of a tau-bench record to customer turns with events.

- A turn is a message of the customer with everything the agent did until the next one.
- The `step` of an event is the index of its message in the record's `traj`: text and a tool call of one
  message share it.
- Text beside a tool call is a `Say`. (The benchmark did not show it to its simulated customer; the rule
  against it is about the agent's message, whoever read it.)
- A call of `transfer_to_human_agents` that did not fail is a tool call and a handoff.
- A result that starts with "Error" or "Unknown action" is the call's error; any other is read as JSON
  where it is JSON, and stays text where it is not.
- The simulated customer ends a conversation with a marker such as `###STOP###`. The marker is not
  something a customer says: it is taken off, and where nothing else was said there is no turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.registry.errors import ContentError
from assay.registry.strict import plain_json
from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import AgentEvent, Handoff, HandoffPacket, Outcome, Say, ToolCall, TurnRecord
from assay.runner.importers.tau_records import (
    AssistantMessage,
    CallRequest,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)

__all__ = ["END_MARKERS", "TRANSFER", "Conversation", "conversation", "json_or_text"]

TRANSFER = "transfer_to_human_agents"
END_MARKERS = ("###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###")
ERROR_STARTS = ("Error", "Unknown action")

_TEXT_AGENT = "API output:"
"""How the benchmark hands a tool's result to agents that write their calls as text, in the customer's name."""


@dataclass(frozen=True)
class Conversation:
    """One record's conversation. `system` is the instruction text the agent worked under, if it is there."""

    system: str
    turns: tuple[TurnRecord, ...]
    outcome: Outcome
    error: str | None


def conversation(traj: Sequence[Message]) -> Conversation:
    """The turns of a record.

    A conversation in which a customer's message stays without an answer, as when the benchmark's step limit
    cuts a run between two tool calls, has the outcome `NO_REPLY`.

    Raises:
        ContentError: the messages are in no order that a conversation can have. `key` is `traj.N`.
    """
    first = traj[0]
    system = first.content if isinstance(first, SystemMessage) else ""
    start = 1 if isinstance(first, SystemMessage) else 0
    turns: list[TurnRecord] = []
    unanswered: list[int] = []
    for user_at, end in _spans(traj, start):
        said, closing = _without_marker(traj, user_at)
        events = tuple(_events(traj, user_at + 1, end))
        if closing and not events and not said:
            continue
        turns.append(TurnRecord(index=len(turns) + 1, customer=said, events=events))
        if not _answered(traj, end, events) and not (closing and not events):
            unanswered.append(len(turns))
    if not turns:
        raise ContentError("the customer says nothing in this conversation", key="traj")
    if unanswered:
        why = f"turn {unanswered[0]}: the recording ends, or the customer speaks again, before the agent has answered"
        return Conversation(system, tuple(turns), Outcome.NO_REPLY, why)
    return Conversation(system, tuple(turns), Outcome.COMPLETED, None)


def json_or_text(text: str) -> JsonValue:
    """The JSON value that the text is, or the text itself (also where the value is no Unicode text or number)."""
    try:
        return plain_json(text)
    except ContentError:
        return text


def _spans(traj: Sequence[Message], start: int) -> Iterator[tuple[int, int]]:
    """Start (the customer's message) and end (exclusive) of every turn."""
    if start == len(traj) or not isinstance(traj[start], UserMessage):
        raise ContentError("a conversation starts with a message of role 'user'", key=f"traj.{start}")
    begins = [at for at in range(start, len(traj)) if isinstance(traj[at], UserMessage)]
    yield from zip(begins, [*begins[1:], len(traj)], strict=True)


def _without_marker(traj: Sequence[Message], at: int) -> tuple[str, bool]:
    """What the customer says, and whether the message ends the conversation."""
    message = traj[at]
    text = message.content if isinstance(message, UserMessage) else ""
    if text.startswith(_TEXT_AGENT):
        raise ContentError(
            "this agent wrote its tool calls as text (its results come in messages of role 'user'); only agents "
            "that use 'tool_calls' can be imported",
            key=f"traj.{at}",
        )
    closing = any(marker in text for marker in END_MARKERS)
    for marker in END_MARKERS:
        text = text.replace(marker, "")
    return text.strip() if closing else text, closing


def _events(traj: Sequence[Message], at: int, end: int) -> Iterator[AgentEvent]:
    while at < end:
        message = traj[at]
        if not isinstance(message, AssistantMessage):
            role = message.role
            why = "answers no tool call" if role == "tool" else "may only stand first"
            raise ContentError(f"a message of role {role!r} here {why}", key=f"traj.{at}")
        step = at
        if message.content and message.content.strip():
            yield Say(step=step, text=message.content)
        at += 1
        for number, request in enumerate(message.tool_calls or []):
            answer = traj[at] if at < end else None
            key = f"traj.{step}.tool_calls.{number}"
            yield from _call(request, answer, step, key)
            at += 1


def _call(request: CallRequest, answer: Message | None, step: int, key: str) -> Iterator[AgentEvent]:
    name = request.function.name
    if not isinstance(answer, ToolMessage) or answer.tool_call_id != request.id:
        raise ContentError(f"the call of {name!r} is not followed by its result (id {request.id!r})", key=key)
    if answer.name != name:
        raise ContentError(f"the call of {name!r} is answered by a result of {answer.name!r}", key=key)
    arguments = json_or_text(request.function.arguments)
    if not isinstance(arguments, dict):
        raise ContentError("a JSON object in a string is expected", key=f"{key}.function.arguments")
    failed = answer.content.startswith(ERROR_STARTS)
    yield ToolCall(
        step=step,
        name=name,
        arguments=arguments,
        result=None if failed else json_or_text(answer.content),
        error=answer.content if failed else None,
    )
    if name == TRANSFER and not failed:
        summary = arguments.get("summary")
        yield Handoff(step=step, packet=HandoffPacket(summary=summary if isinstance(summary, str) else ""))


def _answered(traj: Sequence[Message], end: int, events: tuple[AgentEvent, ...]) -> bool:
    """Whether the customer got an answer: the turn ends with words to the customer, or hands off."""
    if any(isinstance(event, Handoff) for event in events):
        return True
    return isinstance(traj[end - 1], AssistantMessage) and any(isinstance(event, Say) for event in events)
