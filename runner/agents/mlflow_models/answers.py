"""What a model answered, whichever of MLflow's shapes it is in, as the acts of a turn.

- ResponsesAgent: `output` with items (messages, function calls, results of calls that the agent made itself).
- ChatAgent: `messages`. ChatModel and chat completions: `choices`. One message: `content`. Any of these in a list of
  one, or under `predictions`. Plain text.
- `custom_outputs` may tell `triage` and `retrieved`, in the form of `AgentReply`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from assay.registry.types.base import JsonValue
from assay.runner.agents.contract import AgentReply, AgentReplyError, read_reply
from assay.runner.agents.openai.tools import arguments_of, packet_of

__all__ = ["Answered", "read_answer"]

_TOLD = ("triage", "retrieved")
_DEPTH = 4


@dataclass
class Answered:
    """A reply, and what belongs into the conversation after it, in the shape that the model wrote it in.

    `handoffs` are the ids of calls that were handoffs.
    """

    reply: AgentReply
    items: list[dict[str, Any]]
    handoffs: list[str]


@dataclass
class _Found:
    items: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    calls: dict[str, tuple[str, dict[str, JsonValue]]] = field(default_factory=dict)
    results: dict[str, JsonValue] = field(default_factory=dict)

    def call(self, call_id: Any, name: Any, arguments: Any) -> None:
        if not isinstance(call_id, str) or not call_id or call_id in self.calls:
            raise AgentReplyError(f"a call of {str(name)[:60]!r} has no id of its own: {str(call_id)[:60]!r}")
        if not isinstance(name, str) or not name:
            raise AgentReplyError(f"the call {call_id[:60]!r} does not name a tool")
        read = arguments if isinstance(arguments, dict) else arguments_of(str(arguments or ""))
        if isinstance(read, str):
            raise AgentReplyError(f"the call of {name[:60]!r}: {read}")
        self.calls[call_id] = (name, read)


def read_answer(answer: JsonValue, handoff_tool: str | None) -> Answered:
    """Read what a model answered.

    Raises:
        AgentReplyError: it is in none of the shapes, or something in it is ill-formed.
    """
    value = _unwrapped(answer)
    if isinstance(value, str):
        return Answered(read_reply(value), [{"role": "assistant", "content": value}], [])
    if value.get("error"):
        raise AgentReplyError(f"the model reports an error: {str(value['error'])[:200]}")
    found = _Found()
    if isinstance(value.get("output"), list):
        for item in value["output"]:
            _take_item(item, found)
    else:
        for message in _messages(value):
            _take_message(message, found)
    return _acts(value, found, handoff_tool)


def _acts(value: dict[str, Any], found: _Found, handoff_tool: str | None) -> Answered:
    reply: dict[str, Any] = {"reply": found.texts}
    extra = value.get("custom_outputs")
    if isinstance(extra, dict):
        reply |= {name: extra[name] for name in _TOLD if extra.get(name)}
    handoffs: list[str] = []
    for call_id, (name, arguments) in found.calls.items():
        if call_id in found.results:
            outcome = _outcome(found.results[call_id])
            reply.setdefault("tool_results", []).append({"name": name, "arguments": arguments, **outcome})
        elif name == handoff_tool:
            handoffs.append(call_id)
            reply["handoff"] = packet_of(arguments).model_dump(mode="json")
        else:
            reply.setdefault("tool_calls", []).append({"id": call_id, "name": name, "arguments": arguments})
    if usage := _usage(value.get("usage")):
        reply["usage"] = usage
    return Answered(read_reply(reply), found.items, handoffs)


def _unwrapped(answer: JsonValue, depth: int = _DEPTH) -> str | dict[str, Any]:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, list) and len(answer) == 1 and depth:
        return _unwrapped(answer[0], depth - 1)
    if isinstance(answer, dict) and "predictions" in answer and depth:
        return _unwrapped(answer["predictions"], depth - 1)
    if isinstance(answer, dict):
        return answer
    what = f"a list of {len(answer)}" if isinstance(answer, list) else type(answer).__name__
    raise AgentReplyError(f"the model answered with {what}, not with one message")


def _messages(value: dict[str, Any]) -> list[Any]:
    if isinstance(value.get("messages"), list):
        return value["messages"]
    choices = value.get("choices")
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict):
        return [choices[0].get("message")]
    if "content" in value:
        return [{"role": "assistant", **value}]
    keys = ", ".join(sorted(map(str, value))[:8]) or "no keys"
    raise AgentReplyError(f"the model's answer has neither 'output', 'messages', 'choices' nor 'content', but {keys}")


def _take_item(item: Any, found: _Found) -> None:
    if not isinstance(item, dict):
        raise AgentReplyError(f"an item of the output is {type(item).__name__}, not an object")
    kind = item.get("type")
    if kind == "reasoning":
        return
    if kind == "message":
        _say(item.get("content"), found)
    elif kind == "function_call":
        found.call(item.get("call_id"), item.get("name"), item.get("arguments"))
    elif kind == "function_call_output":
        found.results[str(item.get("call_id"))] = item.get("output")
    else:
        raise AgentReplyError(f"an item of the type {str(kind)[:60]!r} cannot be recorded")
    found.items.append(item)


def _take_message(message: Any, found: _Found) -> None:
    if not isinstance(message, dict):
        raise AgentReplyError(f"a message is {type(message).__name__}, not an object")
    role = message.get("role", "assistant")
    if role == "tool":
        found.results[str(message.get("tool_call_id"))] = message.get("content")
    elif role == "assistant":
        if message.get("content"):
            _say(message["content"], found)
        for call in message.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict):
                raise AgentReplyError("a tool call has no 'function'")
            found.call(call.get("id"), function.get("name"), function.get("arguments"))
    else:
        raise AgentReplyError(f"a message of the role {str(role)[:60]!r} cannot come from the agent")
    found.items.append(message)


def _say(content: Any, found: _Found) -> None:
    if isinstance(content, str):
        found.texts.append(content)
        return
    for part in content if isinstance(content, list) else [content]:
        text = part.get("text", part.get("refusal")) if isinstance(part, dict) else None
        if not isinstance(text, str):
            raise AgentReplyError("a message has content that is no text")
        found.texts.append(text)


def _outcome(output: JsonValue) -> dict[str, JsonValue]:
    """The result of a call that the agent made itself; an object with `error` and nothing else says that it failed."""
    read = arguments_of(output) if isinstance(output, str) else output
    value = read if isinstance(read, dict) and read else output
    if isinstance(value, dict) and set(value) == {"error"}:
        return {"error": str(value["error"])}
    return {"result": value}


def _usage(usage: Any) -> dict[str, int]:
    if not isinstance(usage, dict):
        return {}
    names = {"input_tokens": ("input_tokens", "prompt_tokens"), "output_tokens": ("output_tokens", "completion_tokens")}
    found = {key: next((usage[n] for n in given if isinstance(usage.get(n), int)), 0) for key, given in names.items()}
    return found if any(found.values()) else {}
