"""What one trial of one case produced."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from assay.registry.types.base import Digest, Frozen, JsonValue, Name

ReplayMode = Literal["scripted", "golden_history", "simulated", "recorded"]


class Outcome(StrEnum):
    """How a trial ended. Everything but `COMPLETED` and `SIMULATOR_ERROR` counts against the agent in every metric.

    `ENDPOINT_ERROR`: the agent's endpoint gave no usable answer, however often it was asked. `SIMULATOR_ERROR`: the
    simulated customer failed, so that nothing was measured of the agent.
    """

    COMPLETED = "completed"
    AGENT_ERROR = "agent_error"
    NO_REPLY = "no_reply"
    TIMEOUT = "timeout"
    ENDPOINT_ERROR = "endpoint_error"
    SIMULATOR_ERROR = "simulator_error"


class Passage(Frozen):
    """A piece of a knowledge document, as it was retrieved."""

    document: Name
    text: str
    score: float
    title: str = ""
    version: str = ""
    audience: Literal["public", "internal"] = "public"


class HandoffPacket(Frozen):
    """What the agent passes on to the person who takes over."""

    reason: str | None = None
    queue: str | None = None
    intent: str | None = None
    summary: str = ""
    history: tuple[str, ...] = ()
    prior_actions: tuple[str, ...] = ()
    knowledge: tuple[str, ...] = ()
    """Ids of the knowledge documents that bear on the request."""


class Event(Frozen):
    """Something the agent did. Events with the same `step` came in one message of the agent."""

    step: Annotated[int, Field(ge=0)]
    role: str = ""


class Say(Event):
    """Text that the customer sees."""

    type: Literal["say"] = "say"
    text: str


class Triage(Event):
    """What the agent took the request to be, with its confidence in [0, 1]."""

    type: Literal["triage"] = "triage"
    intent: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    signals: tuple[str, ...] = ()


class Retrieval(Event):
    """A search of the knowledge base, with what came back, best first."""

    type: Literal["retrieval"] = "retrieval"
    query: str
    passages: tuple[Passage, ...]


class ToolCall(Event):
    """A call of a tool. `error` is set when the call failed; `matched` is false when no fixture answered it."""

    type: Literal["tool_call"] = "tool_call"
    name: str
    arguments: dict[str, JsonValue]
    result: JsonValue = None
    error: str | None = None
    matched: bool = True
    latency_s: Annotated[float, Field(ge=0)] = 0.0


class Handoff(Event):
    """The agent steps aside; `packet` is what it passes on."""

    type: Literal["handoff"] = "handoff"
    packet: HandoffPacket


AgentEvent = Annotated[Say | Triage | Retrieval | ToolCall | Handoff, Field(discriminator="type")]


class Usage(Frozen):
    """Tokens and cost in US dollars, as far as the agent reports them."""

    input_tokens: Annotated[int, Field(ge=0)] = 0
    output_tokens: Annotated[int, Field(ge=0)] = 0
    cost_usd: Annotated[float, Field(ge=0)] = 0.0


class TurnRecord(Frozen):
    """One customer turn and all that the agent did about it. `index` is 1-based."""

    index: Annotated[int, Field(ge=1)]
    customer: str
    events: tuple[AgentEvent, ...] = ()
    latency_s: Annotated[float, Field(ge=0)] = 0.0

    @property
    def reply(self) -> str:
        """What the customer reads, in order."""
        return "\n".join(event.text for event in self.events if isinstance(event, Say))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(event for event in self.events if isinstance(event, ToolCall))

    @property
    def passages(self) -> tuple[Passage, ...]:
        return tuple(p for event in self.events if isinstance(event, Retrieval) for p in event.passages)

    @property
    def handoff(self) -> HandoffPacket | None:
        """The first handoff of the turn, if there is one."""
        return next((event.packet for event in self.events if isinstance(event, Handoff)), None)


class Trajectory(Frozen):
    """One trial of one case.

    `key` is the digest of (bundle digest, case digest, replay settings, trial): what was asked for.
    `system` is the instruction text the agent worked under where a recording supplies it; scorers may
    use it as evidence.
    """

    schema_version: Literal[1] = 1
    key: Digest
    agent: Name
    bundle_digest: Digest
    case_id: Name
    case_digest: Digest
    trial: Annotated[int, Field(ge=0)] = 0
    attempt: int = Field(default=0, ge=0, exclude_if=lambda given: given == 0)
    """How many trajectories of this trial were thrown away before, by running everything anew."""
    mode: ReplayMode
    turns: tuple[TurnRecord, ...]
    outcome: Outcome
    error: str | None = None
    system: str = ""
    labels: dict[str, JsonValue] = {}
    """What the source of a recording says about this trial, e.g. a benchmark's reward."""
    usage: Usage = Usage()
    started_at: str = ""
    """ISO 8601, UTC; empty where a recording does not tell."""

    @property
    def events(self) -> tuple[tuple[int, AgentEvent], ...]:
        """Every event with the 1-based index of its turn, in order."""
        return tuple((turn.index, event) for turn in self.turns for event in turn.events)

    @property
    def handoffs(self) -> tuple[tuple[int, HandoffPacket], ...]:
        """Every handoff with the 1-based index of its turn, in order."""
        return tuple((i, event.packet) for i, event in self.events if isinstance(event, Handoff))
