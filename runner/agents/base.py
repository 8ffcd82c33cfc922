"""The interface between the replay loop and any agent.

The harness, not the agent, records what happened: an agent acts on a `TurnChannel`, and the channel
writes the events. An agent sees what a real one would see, never the expectations of a case.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import HandoffPacket, Passage, Usage

__all__ = ["Agent", "AgentSession", "ConversationContext", "ToolResult", "TurnChannel"]


@dataclass(frozen=True)
class ConversationContext:
    """What is known when a conversation begins. `date` is the day it takes place; `seed` differs per trial."""

    channel: str
    language: str
    date: dt.date
    seed: int


@dataclass(frozen=True)
class ToolResult:
    """A tool's answer: `result`, or `error` with what went wrong."""

    result: JsonValue = None
    error: str | None = None


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
    """An agent under release control."""

    def start(self, context: ConversationContext) -> AgentSession:
        """Begin a conversation. Sessions are independent and may run concurrently."""
        ...
