"""The contract with an agent outside of Assay: what it is told about one turn, and what it says.

Whatever carries it (a worker's pipe, HTTP, a model's `predict`), the JSON is the same. The rules:

- `AgentReply` has a short form, one key for each kind of act, and `events` for those who want exact order. One reply
  is in one of the two. The short form is read in this order: triage, retrieved, tool_results, reply, tool_calls,
  handoff.
- `tool_calls` are answered from the case's fixtures; the agent is then asked again, with `tool_results` that hold
  every answer of the turn so far, so that an agent without a memory can go on too. `tool_results` of a reply are calls
  that the agent has made itself.
- Unknown keys, wrong types and non-finite numbers are an `AgentReplyError` that names the key. Nothing is coerced and
  nothing is dropped. The whole reply is checked before any of it is recorded (see `applying`).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator

from assay.registry.strict import validation_problems
from assay.registry.types.base import Frozen, JsonValue
from assay.registry.types.bundle import Role
from assay.registry.types.trajectory import HandoffPacket, Passage, Usage

__all__ = [
    "MAX_REPLY_BYTES",
    "AgentReply",
    "AgentReplyError",
    "HandoffEvent",
    "Message",
    "ReplyEvent",
    "RetrievalEvent",
    "SayEvent",
    "ToolAnswer",
    "ToolCallEvent",
    "ToolResultEvent",
    "TriageEvent",
    "TurnRequest",
    "read_reply",
    "sole_role",
]

MAX_REPLY_BYTES = 4 * 1024 * 1024
"""The longest reply that is read, as UTF-8 JSON. A turn of a conversation is some kilobytes."""


class AgentReplyError(Exception):
    """An agent's answer is not what the contract says; names the key and what is wrong with it."""


class _Contract(Frozen):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Message(_Contract):
    """One message of the conversation so far, in the form that chat APIs take."""

    role: Literal["user", "assistant"]
    content: str


class ToolAnswer(_Contract):
    """The answer to a tool call that the agent asked for: `result`, or `error` with what went wrong."""

    id: str
    name: str
    arguments: dict[str, JsonValue]
    result: JsonValue = None
    error: str | None = None


class TurnRequest(_Contract):
    """What an agent is told about one customer turn."""

    conversation: str
    """The conversation's id, the same in all its turns and different in every trial."""
    turn: Annotated[int, Field(ge=1)]
    """1-based number of the customer turn."""
    message: str
    """What the customer says now."""
    history: tuple[Message, ...] = ()
    """What the customer and the agent said before, oldest first; without `message`."""
    channel: str
    language: str
    date: dt.date
    """The day on which the conversation takes place."""
    seed: int
    """Differs from trial to trial, never from run to run."""
    tool_results: tuple[ToolAnswer, ...] = ()
    """Answers to all tool calls of this turn that were asked for, in order; empty when the turn begins."""


class TriageGuess(_Contract):
    """What the agent takes the request to be, `confidence` in [0, 1]."""

    intent: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    signals: tuple[str, ...] = ()


class Search(_Contract):
    """A search of the knowledge base, with what it found, best first."""

    query: str
    passages: tuple[Passage, ...]


class _Call(_Contract):
    name: Annotated[str, Field(min_length=1)]
    arguments: dict[str, JsonValue] = {}


class WantedCall(_Call):
    """A tool call that Assay is to answer."""

    id: str = ""
    """How its answer will be called, unique in the turn; `call-1`, `call-2`, ... where it is empty."""


class MadeCall(_Call):
    """A tool call that the agent has made itself, with its outcome."""

    result: JsonValue = None
    error: str | None = None


class _Event(_Contract):
    role: str = ""
    """The part of the agent that acts; the reply's `role` where it is empty."""


class SayEvent(_Event):
    """Text for the customer."""

    type: Literal["say"]
    text: str


class TriageEvent(_Event, TriageGuess):
    """What the agent takes the request to be, `confidence` in [0, 1]."""

    type: Literal["triage"]


class RetrievalEvent(_Event, Search):
    """A search of the knowledge base, with what it found, best first."""

    type: Literal["retrieval"]


class ToolCallEvent(_Event, WantedCall):
    """A tool call that Assay is to answer."""

    type: Literal["tool_call"]


class ToolResultEvent(_Event, MadeCall):
    """A tool call that the agent has made itself, with its outcome."""

    type: Literal["tool_result"]


class HandoffEvent(_Event):
    """The agent steps aside for a person."""

    type: Literal["handoff"]
    packet: HandoffPacket


ReplyEvent = Annotated[
    SayEvent | TriageEvent | RetrievalEvent | ToolCallEvent | ToolResultEvent | HandoffEvent,
    Field(discriminator="type"),
]


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


_Texts = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class AgentReply(_Contract):
    """What an agent says of one turn, or of one step of it where it asks for `tool_calls`."""

    reply: _Texts = ()
    """Text for the customer, or several."""
    triage: TriageGuess | None = None
    retrieved: tuple[Search, ...] = ()
    tool_results: tuple[MadeCall, ...] = ()
    """Tool calls that the agent has made itself."""
    tool_calls: tuple[WantedCall, ...] = ()
    """Tool calls that Assay is to answer; the agent is asked again with their answers."""
    handoff: HandoffPacket | None = None
    events: Annotated[tuple[ReplyEvent, ...], Field(max_length=1000)] = ()
    """The same acts in exact order, in place of the keys above."""
    usage: Usage = Usage()
    """What this answer cost; added up over the conversation."""
    role: str = ""
    """The part of the agent that acts; the bundle's role where it declares just one."""

    @model_validator(mode="after")
    def _one_form(self) -> AgentReply:
        short = sorted(self.model_fields_set - {"events", "usage", "role"})
        if self.events and short:
            raise ValueError(f"either 'events' or {', '.join(map(repr, short))}: together they have no order")
        return self

    @property
    def acts(self) -> tuple[ReplyEvent, ...]:
        """Everything in order, whichever form the reply is in, each act with its role."""
        acts = self.events or self._short()
        if not self.role:
            return acts
        return tuple(act if act.role else act.model_copy(update={"role": self.role}) for act in acts)

    @property
    def texts(self) -> tuple[str, ...]:
        """What the customer reads."""
        return tuple(act.text for act in self.events if isinstance(act, SayEvent)) if self.events else self.reply

    def _short(self) -> tuple[ReplyEvent, ...]:
        found: list[ReplyEvent] = []
        if self.triage:
            found.append(TriageEvent(type="triage", **dict(self.triage)))
        found += [RetrievalEvent(type="retrieval", **dict(search)) for search in self.retrieved]
        found += [ToolResultEvent(type="tool_result", **dict(call)) for call in self.tool_results]
        found += [SayEvent(type="say", text=text) for text in self.reply]
        found += [ToolCallEvent(type="tool_call", **dict(call)) for call in self.tool_calls]
        if self.handoff is not None:
            found.append(HandoffEvent(type="handoff", packet=self.handoff))
        return tuple(found)


def sole_role(roles: Sequence[Role]) -> str:
    """The role that an agent acts in where it does not say: that of a bundle which declares just one."""
    return roles[0].name if len(roles) == 1 else ""


def read_reply(said: object, *, role: str = "") -> AgentReply:
    """The reply that an agent's answer comes to.

    Args:
        said: text for the customer; a JSON-like value in the form of `AgentReply`; or its JSON as bytes.
        role: the reply's role where it does not say one.

    Raises:
        AgentReplyError: it is neither, or too long; names the key.
    """
    if isinstance(said, AgentReply):
        return said if said.role or not role else said.model_copy(update={"role": role})
    data = said if isinstance(said, bytes) else _json({"reply": said} if isinstance(said, str) else said)
    if len(data) > MAX_REPLY_BYTES:
        raise AgentReplyError(f"the answer has {len(data):,} bytes; at most {MAX_REPLY_BYTES:,} are read")
    try:
        return read_reply(AgentReply.model_validate_json(data, strict=True), role=role)
    except ValidationError as error:
        raise AgentReplyError(_problems(error)) from None


def _json(value: object) -> bytes:
    if not isinstance(value, dict):
        raise AgentReplyError(f"the answer is {_kind(value)}; it has to be text or an object with 'reply' and others")
    try:
        return json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise AgentReplyError(f"the answer cannot be written as JSON: {error}") from None
    except RecursionError:
        raise AgentReplyError("the answer cannot be written as JSON: it is nested too deeply") from None


def _kind(value: object) -> str:
    return "nothing (None)" if value is None else f"of the type {type(value).__name__}"


def _problems(error: ValidationError) -> str:
    """Every problem in one line, by key. A key of an event does not repeat the event's type."""
    found: list[str] = []
    for key, text in validation_problems(error, AgentReply):
        own = re.sub(r"^(events\.\d+)\.(?:say|triage|retrieval|tool_call|tool_result|handoff)(?=\.|$)", r"\1", key)
        found.append(f"{own}: {text}" if own else text)
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more
