"""From OpenAI chat messages to the turns of a conversation.

- A turn is what the customer writes until the agent does something, with everything the agent does until the
  customer writes again. Several messages of the customer in a row are one turn, joined by line breaks, and so
  are the agent's texts within a turn.
- An assistant message without text or calls is an agent that says nothing: it ends a turn.
- A call of the handoff tool is a transfer to a person and no tool call.
- A tool's result is the JSON that it is, or text; `{"error": "..."}` is a call that failed.
- Only the last message may hold calls without a result: training data often ends with the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from assay.registry.errors import ContentError, nearest
from assay.registry.strict import plain_json
from assay.registry.types.base import JsonValue
from assay.runner.importers.golden import Call, Turn, json_or_text

__all__ = ["Chat", "read_chat", "text_of"]

_ROLES = ("system", "developer", "user", "assistant", "tool")
_TEXT_PARTS = ("text", "input_text", "output_text")


@dataclass(frozen=True)
class Chat:
    """The turns of a conversation, and what no case holds: instructions, and words before the customer's first."""

    turns: tuple[Turn, ...]
    instructions: int
    greetings: int


def read_chat(messages: object, handoff_tool: str) -> Chat:
    """Read the messages of one conversation.

    Raises:
        ContentError: they are in no order that a conversation can have, or hold what is not text. `key` is
            `messages.N`.
    """
    if not isinstance(messages, list) or not messages:
        raise ContentError("a list of at least one message is expected", key="messages")
    reader = _Reader(handoff_tool)
    for number, message in enumerate(messages):
        reader.read(message, f"messages.{number}")
    return reader.finish()


def text_of(content: object, key: str) -> str:
    """The text of a message: a string, nothing, or a list of parts that are all text.

    Raises:
        ContentError: a part is an image, sound, a file or anything else that is not text.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ContentError("text or a list of parts is expected", key=key)
    texts: list[str] = []
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("refusal" if kind == "refusal" else "text") if isinstance(part, dict) else part
        if kind not in (*_TEXT_PARTS, "refusal") or not isinstance(text, str):
            shown = repr(kind) if isinstance(kind, str) else "no type"
            raise ContentError(
                f"a part with {shown} is not text: a golden conversation holds text alone, no images, sound or files",
                key=f"{key}.{number}",
            )
        texts.append(text)
    return "".join(texts)


@dataclass
class _Open:
    """A turn that is being read."""

    said: list[str]
    replies: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    handoff: Mapping[str, JsonValue] | None = None
    agent_acted: bool = False

    def closed(self) -> Turn:
        reply = "\n".join(self.replies) if self.replies else None
        return Turn("\n".join(self.said), reply, tuple(self.calls), self.handoff)


class _Reader:
    """Reads one message after the other."""

    def __init__(self, handoff_tool: str) -> None:
        self._handoff_tool = handoff_tool
        self._turns: list[_Open] = []
        self._waiting: dict[str, tuple[int | None, str]] = {}
        """Call id to the index of its call in the turn (None for a transfer) and the place it stands at."""
        self._instructions = self._greetings = 0

    def read(self, message: object, key: str) -> None:
        if not isinstance(message, dict):
            raise ContentError("a message is a JSON object", key=key)
        role = message.get("role")
        if role == "tool":
            self._result(message, key)
            return
        if role not in _ROLES:
            known = nearest(str(role), _ROLES)
            extra = " Old 'function' messages are not read; use 'tool_calls'." if role == "function" else ""
            raise ContentError(f"no role named {role!r}.{known}{extra}", key=f"{key}.role")
        self._nothing_waits()
        if role == "user":
            self._user(text_of(message.get("content"), f"{key}.content"), key)
        elif role == "assistant":
            self._assistant(message, key)
        else:
            self._instructions += 1

    def finish(self) -> Chat:
        if not self._turns:
            raise ContentError("the customer says nothing: there is no message of role 'user'", key="messages")
        for index, _ in self._waiting.values():
            if index is not None:
                calls = self._turns[-1].calls
                calls[index] = replace(calls[index], answered=False)
        return Chat(tuple(turn.closed() for turn in self._turns), self._instructions, self._greetings)

    def _user(self, text: str, key: str) -> None:
        if not text.strip():
            raise ContentError("the customer's message holds no text", key=key)
        if self._turns and not self._turns[-1].agent_acted:
            self._turns[-1].said.append(text)
        else:
            self._turns.append(_Open([text]))

    def _assistant(self, message: Mapping[str, Any], key: str) -> None:
        if message.get("function_call") is not None:
            raise ContentError("'function_call' is not read; use 'tool_calls'", key=f"{key}.function_call")
        text = text_of(message.get("content"), f"{key}.content") or text_of(message.get("refusal"), f"{key}.refusal")
        requests = message.get("tool_calls") or []
        if not isinstance(requests, list):
            raise ContentError("a list of calls is expected", key=f"{key}.tool_calls")
        if not self._turns:
            if requests:
                raise ContentError("the agent calls a tool before the customer has said anything", key=key)
            self._greetings += 1
            return
        turn = self._turns[-1]
        turn.agent_acted = True
        if text.strip():
            turn.replies.append(text)
        for number, request in enumerate(requests):
            self._call(turn, request, f"{key}.tool_calls.{number}")

    def _call(self, turn: _Open, request: object, key: str) -> None:
        function = request.get("function") if isinstance(request, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        call_id = request.get("id") if isinstance(request, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name or not isinstance(call_id, str):
            raise ContentError('a call has the form {"id", "function": {"name", "arguments"}}', key=key)
        if call_id in self._waiting:
            raise ContentError(f"the id {call_id!r} stands twice in one message", key=f"{key}.id")
        arguments = _arguments(function.get("arguments"), f"{key}.function.arguments")
        if name == self._handoff_tool:
            turn.handoff = arguments if turn.handoff is None else turn.handoff
            self._waiting[call_id] = (None, key)
            return
        self._waiting[call_id] = (len(turn.calls), key)
        turn.calls.append(Call(name, arguments))

    def _result(self, message: Mapping[str, Any], key: str) -> None:
        call_id = message.get("tool_call_id")
        if not isinstance(call_id, str) or call_id not in self._waiting:
            known = ", ".join(map(repr, self._waiting)) or "none waits for a result"
            raise ContentError(f"no call {call_id!r} to answer here ({known})", key=f"{key}.tool_call_id")
        index, _ = self._waiting.pop(call_id)
        if index is None:
            return
        calls = self._turns[-1].calls
        result = json_or_text(text_of(message.get("content"), f"{key}.content"))
        failed = result.get("error") if isinstance(result, dict) and set(result) == {"error"} else None
        if isinstance(failed, str):
            calls[index] = replace(calls[index], error=failed)
        else:
            calls[index] = replace(calls[index], result=result)

    def _nothing_waits(self) -> None:
        """Before the conversation goes on, every call but a transfer has to have its result."""
        for call_id, (index, key) in self._waiting.items():
            if index is not None:
                name = self._turns[-1].calls[index].name
                raise ContentError(f"the call of {name!r} has no result (tool_call_id {call_id!r})", key=key)
        self._waiting.clear()


def _arguments(given: object, key: str) -> dict[str, JsonValue]:
    """Arguments as the API has them, JSON in a string, or as an object, as some write them."""
    if isinstance(given, str) and given.strip():
        try:
            given = plain_json(given)
        except ContentError:
            raise ContentError("a JSON object in a string is expected", key=key) from None
    elif given is None or isinstance(given, str):
        given = {}
    if not isinstance(given, dict):
        raise ContentError("a JSON object in a string is expected", key=key)
    return given
