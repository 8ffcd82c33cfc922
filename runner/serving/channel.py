"""One turn of a served conversation: what the agent did, and the tool calls that it still waits for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from assay.registry.digest import digest_of
from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import HandoffPacket, Passage, Usage
from assay.runner.agents.base import ToolResult

__all__ = ["Call", "ServedTurn"]


@dataclass(frozen=True)
class Call:
    """A tool call that the caller is asked to carry out."""

    id: str
    name: str
    arguments: dict[str, JsonValue]


class ServedTurn:
    """The `TurnChannel` of a served agent.

    A tool answers with the result that the request brings for this very call. A call without one stays pending,
    and the agent waits until the turn is given up; the next request runs it again with the result.
    """

    def __init__(self, number: int, results: Mapping[str, ToolResult]) -> None:
        self.said: list[str] = []
        self.pending: list[Call] = []
        self.waiting = asyncio.Event()
        self.packet: HandoffPacket | None = None
        self.intent: tuple[str, float] | None = None
        self.documents: dict[str, None] = {}
        self.usage = Usage()
        self._number = number
        self._results = results
        self._made: Counter[str] = Counter()

    def say(self, text: str, *, role: str = "") -> None:
        del role
        if text.strip():
            self.said.append(text)

    def triage(self, intent: str, confidence: float, *, signals: tuple[str, ...] = (), role: str = "") -> None:
        del signals, role
        self.intent = intent, confidence

    def retrieved(self, query: str, passages: tuple[Passage, ...], *, role: str = "") -> None:
        del query, role
        self.documents.update(dict.fromkeys(passage.document for passage in passages))

    async def tool(self, name: str, arguments: dict[str, JsonValue], *, role: str = "") -> ToolResult:
        del role
        call = Call(self._call_id(name, arguments), name, arguments)
        if call.id not in self._results:
            self.pending.append(call)
            self.waiting.set()
            await asyncio.Event().wait()
        return self._results[call.id]

    def hand_off(self, packet: HandoffPacket, *, role: str = "") -> None:
        del role
        self.packet = self.packet or packet

    def used(self, usage: Usage) -> None:
        self.usage = Usage(
            input_tokens=self.usage.input_tokens + usage.input_tokens,
            output_tokens=self.usage.output_tokens + usage.output_tokens,
            cost_usd=self.usage.cost_usd + usage.cost_usd,
        )

    def _call_id(self, name: str, arguments: dict[str, JsonValue]) -> str:
        """The same for the same call each time the turn is run; a repeated call is another one."""
        what = digest_of({"name": name, "arguments": arguments})[:12]
        self._made[what] += 1
        return f"call_{self._number}_{what}_{self._made[what]}"
