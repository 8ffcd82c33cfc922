"""What a request to a served agent says, read strictly.

A request carries the whole conversation: as `input`, in the items of OpenAI's Responses API and of MLflow's
ResponsesAgent, or as `messages`, in those of chat completions and of MLflow's ChatAgent. A turn begins where the
customer speaks; the results of tools belong to the turn whose calls they answer.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, ValidationError

from assay.registry.errors import ContentError, nearest
from assay.registry.strict import validation_problems
from assay.registry.types.base import Frozen, JsonValue
from assay.runner.agents.base import ToolResult

__all__ = ["Chat", "ChatInfo", "Turn", "parse_chat"]

_SHAPES = ("input", "messages")
_TEXT_PARTS = {"text", "input_text", "output_text"}


class ChatInfo(Frozen):
    """`custom_inputs`: what is known when the conversation begins. `date` is its day, today where it is left out."""

    date: dt.date | None = None
    channel: str = "chat"
    language: str = "en"
    seed: int = 0
    conversation: str = Field(default="", max_length=200)


@dataclass
class Turn:
    """One customer turn, what was answered, and the results of the tools that were called in it, by call id."""

    customer: str
    replies: list[str] = field(default_factory=list)
    results: dict[str, ToolResult] = field(default_factory=dict)

    @property
    def reply(self) -> str:
        """All that was answered, in one text."""
        return "\n".join(self.replies)


@dataclass(frozen=True)
class Chat:
    """A conversation up to the turn that is to be answered, which is the last of `turns`."""

    turns: tuple[Turn, ...]
    info: ChatInfo
    shape: str
    """`input` or `messages`: how the request was written, and how it is answered."""


def parse_chat(body: Mapping[str, Any]) -> Chat:
    """Read a request.

    Raises:
        ContentError: it cannot be read, or holds nothing to answer; names the item.
    """
    given = [shape for shape in _SHAPES if body.get(shape) is not None]
    if len(given) != 1:
        raise ContentError(
            f"a request has either 'input' or 'messages'; this one has {' and '.join(given) or 'neither'}"
        )
    shape = given[0]
    items = body[shape]
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    if not isinstance(items, Sequence) or not items:
        raise ContentError("a conversation is a list of messages, with at least one of the customer", key=shape)
    reader = _Reader()
    for index, item in enumerate(items):
        try:
            reader.take(item)
        except ContentError as error:
            raise ContentError(error.problem, key=f"{shape}[{index}]") from None
    if not reader.open:
        raise ContentError("nothing to answer: the conversation ends with the agent's own message", key=shape)
    return Chat(tuple(reader.turns), _info(body), shape)


class _Reader:
    """Gathers items into turns. `open`: whether something was said or found out that the agent has not answered."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.open = False
        self._customer_spoke = False

    def take(self, item: Any) -> None:
        if not isinstance(item, Mapping):
            raise ContentError(f"a message is an object, not {type(item).__name__}")
        kind = item.get("type") or "message"
        if kind == "function_call":
            self._turn()
            self._answered()
        elif kind == "function_call_output":
            self._result(item.get("call_id"), item.get("output"))
        elif kind == "message":
            self._message(item)
        else:
            known = ("message", "function_call", "function_call_output")
            raise ContentError(f"an item of type {kind!r} means nothing here.{nearest(str(kind), known)}")

    def _message(self, item: Mapping[str, Any]) -> None:
        role = item.get("role")
        if role == "user":
            text = _text(item.get("content"))
            if self._customer_spoke:
                text = f"{self.turns.pop().customer}\n{text}"
            self.turns.append(Turn(text))
            self.open = self._customer_spoke = True
        elif role == "assistant":
            turn, content = self._turn(), item.get("content")
            if content:
                turn.replies.append(_text(content))
            self._answered()
        elif role == "tool":
            self._result(item.get("tool_call_id"), item.get("content"))
        elif role in {"system", "developer"}:
            raise ContentError(f"the prompt is the bundle's own: leave messages of the role {role!r} out")
        else:
            raise ContentError(f"no role {role!r}.{nearest(str(role), ('user', 'assistant', 'tool'))}")

    def _result(self, call_id: Any, output: Any) -> None:
        if not isinstance(call_id, str) or not call_id:
            raise ContentError("the result of a tool names the call that it answers ('call_id', or 'tool_call_id')")
        self._turn().results[call_id] = _tool_result(output)
        self.open, self._customer_spoke = True, False

    def _answered(self) -> None:
        self.open = self._customer_spoke = False

    def _turn(self) -> Turn:
        if not self.turns:
            raise ContentError("a conversation begins with a message of the customer (role 'user')")
        return self.turns[-1]


def _text(content: Any) -> str:
    """The text of a message: as such, or in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence) and content:
        parts = [part if isinstance(part, Mapping) else {} for part in content]
        kinds = {str(part.get("type")) for part in parts}
        if kinds <= _TEXT_PARTS and all(isinstance(part.get("text"), str) for part in parts):
            return "\n".join(part["text"] for part in parts)
        raise ContentError(f"only text can be answered, not {', '.join(sorted(kinds - _TEXT_PARTS)) or 'empty parts'}")
    raise ContentError("a message has its text under 'content'")


def _tool_result(output: Any) -> ToolResult:
    """A tool's answer: JSON, or plain text. An object with `error` and nothing else says that the call failed."""
    value: JsonValue = output
    if isinstance(output, Sequence) and not isinstance(output, str):
        output = value = _text(output)
    if isinstance(output, str):
        try:
            value = json.loads(output)
        except ValueError:
            value = output
    if isinstance(value, dict) and set(value) == {"error"}:
        return ToolResult(error=str(value["error"]))
    return ToolResult(result=value)


def _info(body: Mapping[str, Any]) -> ChatInfo:
    given = body.get("custom_inputs") or {}
    if not isinstance(given, Mapping):
        raise ContentError("has to be an object", key="custom_inputs")
    context = body.get("context") or {}
    known = {"conversation": context.get("conversation_id") or ""} if isinstance(context, Mapping) else {}
    try:
        return ChatInfo.model_validate({**known, **given})
    except ValidationError as error:
        lines = [
            str(ContentError(text, key=f"custom_inputs.{key}")) for key, text in validation_problems(error, ChatInfo)
        ]
        raise ContentError("\n".join(lines)) from None
