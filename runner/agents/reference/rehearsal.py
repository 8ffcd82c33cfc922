"""A session that begins in the middle of a conversation.

The agent keeps what customers told it, not the words of its own replies. So it lives through the earlier customer turns
once more, unheard: the golden replies stand for what it would have said.
"""

from __future__ import annotations

from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import HandoffPacket, Passage, Usage
from assay.runner.agents.base import AgentSession, ConversationContext, Rehearse, ToolResult, TurnChannel

__all__ = ["RehearsedSession"]


class RehearsedSession:
    """Goes through `context.history` before its first turn."""

    def __init__(self, session: AgentSession, context: ConversationContext) -> None:
        self._session = session
        self._past = context.history
        self._unheard = _Unheard(context.rehearse)

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        """Answer one customer turn."""
        for past in self._past:
            await self._session.respond(past.customer, self._unheard)
        self._past = ()
        await self._session.respond(customer, turn)


class _Unheard:
    """A turn of which nothing is recorded."""

    def __init__(self, rehearse: Rehearse | None) -> None:
        self._rehearse = rehearse

    def say(self, text: str, *, role: str = "") -> None: ...

    def triage(self, intent: str, confidence: float, *, signals: tuple[str, ...] = (), role: str = "") -> None: ...

    def retrieved(self, query: str, passages: tuple[Passage, ...], *, role: str = "") -> None: ...

    async def tool(self, name: str, arguments: dict[str, JsonValue], *, role: str = "") -> ToolResult:
        del role
        if self._rehearse is None:
            return ToolResult(error="the back office cannot be reached")
        return await self._rehearse(name, arguments)

    def executed(
        self, name: str, arguments: dict[str, JsonValue], *, result: JsonValue, error: str | None, role: str = ""
    ) -> None: ...

    def hand_off(self, packet: HandoffPacket, *, role: str = "") -> None: ...

    def used(self, usage: Usage) -> None: ...
