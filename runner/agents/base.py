"""The interface between the replay loop and any agent.

The harness, not the agent, records what happened: an agent acts on a `TurnChannel`, and the channel
writes the events. An agent sees what a real one would see, never the expectations of a case.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import HandoffPacket, Passage, Usage

__all__ = [
    "UNLOGGED",
    "Agent",
    "AgentSession",
    "CallLog",
    "ConversationContext",
    "PastTurn",
    "Rehearse",
    "ToolResult",
    "TurnChannel",
]


class CallLog(Protocol):
    """What one conversation asked of the world outside, so that a run that was killed asks nothing twice."""

    async def once(self, request: JsonValue, perform: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """The answer to the conversation's next call.

        It is performed now and written down, or, where a former process that was killed had completed this very call
        (the same request at the same place), it is what that one got. Whatever `perform` raises is not written down.
        """
        ...


class _Unlogged:
    async def once(self, request: JsonValue, perform: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        del request
        return await perform()


UNLOGGED: CallLog = _Unlogged()
"""Performs every call and remembers none."""


@dataclass(frozen=True)
class PastTurn:
    """What the customer said earlier, and what was answered."""

    customer: str
    reply: str


@dataclass(frozen=True)
class ToolResult:
    """A tool's answer: `result`, or `error` with what went wrong."""

    result: JsonValue = None
    error: str | None = None


Rehearse = Callable[[str, dict[str, JsonValue]], Awaitable[ToolResult]]
"""Calls a back-office tool by name with arguments, and nobody records it."""


@dataclass(frozen=True)
class ConversationContext:
    """What is known when a conversation begins.

    `date` is the day it takes place; `seed` differs per trial. `conversation` names the trial, and no other has the
    name. `history` is what was said before the session's first turn: a session starts as if it had said it itself; what
    it has to ask the back office to get there, it asks by `rehearse`. Calls to something outside go through `calls`.
    """

    channel: str
    language: str
    date: dt.date
    seed: int
    conversation: str = ""
    history: tuple[PastTurn, ...] = ()
    calls: CallLog = UNLOGGED
    rehearse: Rehearse | None = None


class TurnChannel(Protocol):
    """Everything an agent can do in answer to one customer turn; each act is recorded as an event."""

    def say(self, text: str, *, role: str = "") -> None:
        """Show text to the customer."""
        ...

    def triage(self, intent: str, confidence: float, *, signals: tuple[str, ...] = (), role: str = "") -> None:
        """Record what the request was taken to be. `confidence` is in [0, 1]."""
        ...

    def retrieved(self, query: str, passages: tuple[Passage, ...], *, role: str = "") -> None:
        """Record a search of the knowledge base."""
        ...

    async def tool(self, name: str, arguments: dict[str, JsonValue], *, role: str = "") -> ToolResult:
        """Call a back-office tool. A failing tool is a `ToolResult` with `error`, never an exception."""
        ...

    def executed(
        self, name: str, arguments: dict[str, JsonValue], *, result: JsonValue, error: str | None, role: str = ""
    ) -> None:
        """Record a call that the agent says to have carried out itself: it counts where a fixture says the same."""
        ...

    def hand_off(self, packet: HandoffPacket, *, role: str = "") -> None:
        """Step aside for a person."""
        ...

    def used(self, usage: Usage) -> None:
        """Add to the conversation's usage."""
        ...


class AgentSession(Protocol):
    """One conversation with an agent; keeps its own memory."""

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        """Answer one customer turn by acting on `turn`. Whatever it raises is recorded as an agent error."""
        ...


class Agent(Protocol):
    """An agent under release control.

    One that holds connections or processes is an asynchronous context manager as well: a replay enters it before the
    first conversation and leaves it after the last.
    """

    def start(self, context: ConversationContext) -> AgentSession:
        """Begin a conversation. Sessions are independent and may run concurrently."""
        ...
