"""What the loopback model says: a pure function of the messages, so that a retried call gets the same answer."""

from __future__ import annotations

import hashlib
import json
from typing import Any

Message = dict[str, Any]


def digest(messages: list[Message]) -> str:
    """Which conversation, up to which message."""
    return hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()[:12]


def reply_to(messages: list[Message]) -> str:
    """What the scripted model says: the last words of the customer, and a digest that no other conversation has."""
    said = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    results = [m["content"] for m in messages if m["role"] == "tool"]
    found = f" The tools say {results[-1]}." if results and messages[-1]["role"] == "tool" else ""
    return f"You said: {said}.{found} [{digest(messages)}]"


def scripted(request: dict[str, Any]) -> Message:
    """The scripted model's message.

    Each line `use NAME {json}` of the customer's last message is a message with a call of that tool, one after the
    other; ` & ` on a line joins calls of one message. Text before the first such line is said together with the first.
    """
    messages: list[Message] = request["messages"]
    last = max((n for n, m in enumerate(messages) if m["role"] == "user"), default=0)
    lines = str(messages[last]["content"]).splitlines() if messages else []
    steps = [line.removeprefix("use ") for line in lines if line.startswith("use ")]
    done = sum(m["role"] == "assistant" for m in messages[last + 1 :])
    choice = request.get("tool_choice", "auto")
    if isinstance(choice, dict) and not done:
        return {"role": "assistant", "content": None, "tool_calls": [_call(f"{choice['function']['name']} {{}}", "0")]}
    if not request.get("tools") or choice == "none" or done >= len(steps):
        return {"role": "assistant", "content": reply_to(messages)}
    calls = [_call(part, f"{digest(messages)}-{n}") for n, part in enumerate(steps[done].split(" & "))]
    words = " ".join(line for line in lines if not line.startswith("use ")) if not done else ""
    return {"role": "assistant", "content": words or None, "tool_calls": calls}


def _call(text: str, number: str) -> dict[str, Any]:
    name, _, arguments = text.partition(" ")
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments or "{}"}}


def completion(message: Message, request: dict[str, Any]) -> dict[str, Any]:
    """The whole answer around a message; a token is four characters."""
    asked = sum(len(str(m.get("content"))) for m in request["messages"]) // 4
    said = (len(message.get("content") or "") + len(json.dumps(message.get("tool_calls", [])))) // 4
    return {
        "id": f"chatcmpl-{digest(request['messages'])}",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model", ""),
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if message.get("tool_calls") else "stop"}
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
    }


def events(answer: dict[str, Any], *, usage: bool) -> list[bytes]:
    """The answer as server-sent events, its text in pieces of three characters and each call's arguments in two."""
    (choice,) = answer["choices"]
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    text = message.get("content") or ""
    deltas += [{"content": text[n : n + 3]} for n in range(0, len(text), 3)]
    if message.get("refusal"):
        deltas.append({"refusal": message["refusal"]})
    for index, call in enumerate(message.get("tool_calls") or ()):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        half = len(arguments) // 2
        first = {"index": index, "id": call["id"], "type": "function"}
        deltas.append({"tool_calls": [first | {"function": {"name": name, "arguments": arguments[:half]}}]})
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": arguments[half:]}}]})
    base = {key: answer[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    chunks = [base | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(base | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if usage:
        chunks.append(base | {"choices": [], "usage": answer["usage"]})
    lines = [b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n" for chunk in chunks]
    return [b": keep-alive\n\n", *lines, b"data: [DONE]\n\n"]


def refusal_of(request: Any) -> str | None:
    """Why a strict endpoint would refuse the request with status 400, or None."""
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list) or not request["messages"]:
        return "'messages' is required"
    open_calls: list[str] = []
    for message in request["messages"]:
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in open_calls:
                return f"no tool call awaits the result {message.get('tool_call_id')!r}"
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            return f"the tool calls {open_calls} have no result"
        if message.get("role") not in {"system", "user", "assistant"}:
            return f"there is no role {message.get('role')!r}"
        open_calls = [call["id"] for call in message.get("tool_calls") or ()]
        if len(set(open_calls)) < len(open_calls):
            return "two tool calls have one id"
        if not open_calls and not isinstance(message.get("content"), str):
            return "a message without tool calls needs text"
    return f"the tool calls {open_calls} have no result" if open_calls else None
