"""Applying what an agent outside of Assay says (see `contract`) to the turn that is recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, assert_never, runtime_checkable

from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import Usage
from assay.runner.agents.base import TurnChannel
from assay.runner.agents.contract import (
    AgentReply,
    AgentReplyError,
    HandoffEvent,
    ReplyEvent,
    RetrievalEvent,
    SayEvent,
    ToolAnswer,
    ToolCallEvent,
    ToolResultEvent,
    TriageEvent,
)

__all__ = ["MAX_STEPS", "RecordsExecuted", "answer_turn", "apply_reply"]

MAX_STEPS = 50
"""How many times in one turn an agent may ask for tool calls."""


@runtime_checkable
class RecordsExecuted(Protocol):
    """A channel that records tool calls which an agent has made itself."""

    def executed(
        self, name: str, arguments: dict[str, JsonValue], *, result: JsonValue, error: str | None, role: str = ""
    ) -> None:
        """Record a tool call with its outcome; no fixture is asked."""
        ...


async def apply_reply(
    reply: AgentReply, turn: TurnChannel, earlier: tuple[ToolAnswer, ...] = ()
) -> tuple[ToolAnswer, ...]:
    """Record a reply in the turn, and answer the tool calls that it asks for.

    Args:
        earlier: the answers that this turn had before, so that no id stands for two calls.

    Returns:
        The new answers, in order; none where the agent is done with the turn.

    Raises:
        AgentReplyError: an id stands twice, or the channel takes no calls that were made elsewhere.
    """
    acts = reply.acts
    ids = _ids(acts, earlier)
    if any(isinstance(act, ToolResultEvent) for act in acts) and not isinstance(turn, RecordsExecuted):
        raise AgentReplyError("tool_results: tool calls that the agent has made itself cannot be recorded here")
    answers: list[ToolAnswer] = []
    for act in acts:
        if isinstance(act, ToolCallEvent):
            result = await turn.tool(act.name, act.arguments, role=act.role)
            answers.append(
                ToolAnswer(
                    id=ids[len(answers)],
                    name=act.name,
                    arguments=act.arguments,
                    result=result.result,
                    error=result.error,
                )
            )
        else:
            _record(act, turn)
    if reply.usage != Usage():
        turn.used(reply.usage)
    return tuple(answers)


async def answer_turn(
    ask: Callable[[tuple[ToolAnswer, ...]], Awaitable[AgentReply]], turn: TurnChannel
) -> tuple[str, ...]:
    """One whole turn: ask, record, answer tool calls, and ask again for as long as there are any.

    Args:
        ask: the agent's reply, given the answers to all tool calls of the turn so far.

    Returns:
        What the customer read.

    Raises:
        AgentReplyError: a reply is ill-formed, or `MAX_STEPS` of them asked for tool calls.
    """
    answers: tuple[ToolAnswer, ...] = ()
    texts: tuple[str, ...] = ()
    for _ in range(MAX_STEPS):
        reply = await ask(answers)
        fresh = await apply_reply(reply, turn, answers)
        texts += reply.texts
        if not fresh:
            return texts
        answers += fresh
    raise AgentReplyError(
        f"tool_calls: the agent asked for tool calls {MAX_STEPS} times in one turn and did not end it"
    )


def _record(act: SayEvent | TriageEvent | RetrievalEvent | ToolResultEvent | HandoffEvent, turn: TurnChannel) -> None:
    match act:
        case SayEvent():
            turn.say(act.text, role=act.role)
        case TriageEvent():
            turn.triage(act.intent, act.confidence, signals=act.signals, role=act.role)
        case RetrievalEvent():
            turn.retrieved(act.query, act.passages, role=act.role)
        case ToolResultEvent():
            if isinstance(turn, RecordsExecuted):
                turn.executed(act.name, act.arguments, result=act.result, error=act.error, role=act.role)
        case HandoffEvent():
            turn.hand_off(act.packet, role=act.role)
        case _:
            assert_never(act)


def _ids(acts: tuple[ReplyEvent, ...], earlier: tuple[ToolAnswer, ...]) -> list[str]:
    """The id of every wanted call. Raises AgentReplyError: one stands twice."""
    taken = {answer.id for answer in earlier}
    ids: list[str] = []
    for act in acts:
        if isinstance(act, ToolCallEvent):
            own = act.id or f"call-{len(earlier) + len(ids) + 1}"
            if own in taken:
                raise AgentReplyError(f"tool_calls: the id {own[:60]!r} stands for two calls of this turn")
            taken.add(own)
            ids.append(own)
    return ids
