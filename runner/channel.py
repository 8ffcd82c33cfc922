"""Records what an agent does in one turn."""

from __future__ import annotations

from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    HandoffPacket,
    Passage,
    Retrieval,
    Say,
    ToolCall,
    Triage,
    Usage,
)
from assay.runner.agents.base import ToolResult
from assay.runner.fixtures import FixtureBackend

__all__ = ["RecordingChannel"]

_OWN_ACCOUNT = "the agent says that it carried this out itself; no fixture of the case gives this answer"


class RecordingChannel:
    """The `TurnChannel` of the replay loop: every act becomes an event, each in a step of its own.

    Once closed (the turn is over, or its deadline has passed) it refuses further acts, so that an agent
    that goes on in the background cannot change what was recorded.
    """

    def __init__(self, backend: FixtureBackend, usage: Usage) -> None:
        self.events: list[AgentEvent] = []
        self.usage = usage
        self._backend = backend
        self._open = True

    def close(self) -> None:
        """End the turn."""
        self._open = False

    def say(self, text: str, *, role: str = "") -> None:
        self._record(Say(step=self._step(), role=role, text=text))

    def triage(self, intent: str, confidence: float, *, signals: tuple[str, ...] = (), role: str = "") -> None:
        self._record(Triage(step=self._step(), role=role, intent=intent, confidence=confidence, signals=signals))

    def retrieved(self, query: str, passages: tuple[Passage, ...], *, role: str = "") -> None:
        self._record(Retrieval(step=self._step(), role=role, query=query, passages=passages))

    async def tool(self, name: str, arguments: dict[str, JsonValue], *, role: str = "") -> ToolResult:
        self._check_open()
        result, latency_s, matched = await self._backend.call(name, arguments)
        call = ToolCall(
            step=self._step(),
            role=role,
            name=name,
            arguments=arguments,
            result=result.result,
            error=result.error,
            matched=matched,
            latency_s=latency_s,
        )
        self._record(call)
        return result

    def executed(
        self, name: str, arguments: dict[str, JsonValue], *, result: JsonValue, error: str | None, role: str = ""
    ) -> None:
        self._check_open()
        step = self._step()
        if self._backend.confirms(name, arguments, result, error):
            call = ToolCall(step=step, role=role, name=name, arguments=arguments, result=result, error=error)
        else:  # an agent's own account of what a tool said proves nothing, so it is not kept as a result
            call = ToolCall(step=step, role=role, name=name, arguments=arguments, error=_OWN_ACCOUNT, matched=False)
        self._record(call)

    def hand_off(self, packet: HandoffPacket, *, role: str = "") -> None:
        self._record(Handoff(step=self._step(), role=role, packet=packet))

    def used(self, usage: Usage) -> None:
        self._check_open()
        self.usage = Usage(
            input_tokens=self.usage.input_tokens + usage.input_tokens,
            output_tokens=self.usage.output_tokens + usage.output_tokens,
            cost_usd=self.usage.cost_usd + usage.cost_usd,
        )

    def _step(self) -> int:
        return len(self.events)

    def _record(self, event: AgentEvent) -> None:
        self._check_open()
        self.events.append(event)

    def _check_open(self) -> None:
        if not self._open:
            raise RuntimeError("the turn is over: nothing more can be recorded in it")
