"""How a model is asked: which of its inputs take what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.registry.errors import ContentError
from assay.registry.types.base import JsonValue
from assay.runner.agents.base import ConversationContext, ToolResult

__all__ = ["Form", "as_output", "form_of"]

_TASKS: dict[str, Literal["input", "messages"]] = {
    "agent/v1/responses": "input",
    "agent/v2/chat": "messages",
    "agent/v1/chat": "messages",
    "llm/v1/chat": "messages",
}
_TELLS_MORE = frozenset({"agent/v1/responses", "agent/v2/chat"})
"""Tasks whose requests have `custom_inputs` and `context`."""


@dataclass(frozen=True)
class Form:
    """The form of a model's requests. `key` holds the conversation; `takes` are the other inputs it has a place for."""

    key: Literal["input", "messages"]
    takes: frozenset[str]

    def request(
        self, items: list[dict[str, Any]], tools: list[dict[str, Any]], context: ConversationContext
    ) -> dict[str, Any]:
        """One request, with the whole conversation."""
        told = {
            "date": context.date.isoformat(),
            "channel": context.channel,
            "language": context.language,
            "seed": context.seed,
        }
        more: dict[str, Any] = {"custom_inputs": told, "context": {"conversation_id": context.conversation}}
        if tools:
            flat = [{"type": "function", **tool["function"]} for tool in tools]
            more["tools"] = flat if self.key == "input" else tools
        return {self.key: items, **{name: value for name, value in more.items() if name in self.takes}}

    def result(self, call_id: str, name: str, output: str) -> dict[str, Any]:
        """The result of a tool call, as an item of the conversation."""
        if self.key == "input":
            return {"type": "function_call_output", "call_id": call_id, "output": output}
        return {"role": "tool", "tool_call_id": call_id, "name": name, "content": output}


def form_of(description: dict[str, Any], inputs: Mapping[str, Any] | None, uri: str) -> Form:
    """The form of a model's requests, by its `MLmodel`.

    Args:
        description: the `MLmodel`.
        inputs: name to type of the inputs in the model's signature; None where it has none.
        uri: what the model is called in errors.

    Raises:
        ContentError: the model is no Python function, or takes no conversation.
    """
    if "python_function" not in (description.get("flavors") or {}):
        raise ContentError(
            f"{uri} cannot be asked as a Python function (it has no flavor 'python_function')", key="model.uri"
        )
    task = str((description.get("metadata") or {}).get("task") or "")
    offered = inputs or {}
    takes = {name for name in ("custom_inputs", "context") if name in offered and task in _TELLS_MORE}
    key = _TASKS.get(task) or ("messages" if inputs is None or "messages" in offered else "input")
    if _holds(offered.get("tools"), "name" if key == "input" else "function"):
        takes.add("tools")
    if task in _TASKS or inputs is None or key in offered:
        return Form(key, frozenset(takes))
    wanted = "an agent takes a conversation, as 'messages' or as 'input' (ResponsesAgent)"
    raise ContentError(f"{uri} takes {', '.join(offered)}; {wanted}", key="model.uri")


def _holds(column: Any, name: str) -> bool:
    """Whether an input takes a list of objects with this key. That of MLflow's ResponsesAgent has no place for it."""
    items = (column or {}).get("items") or {}
    return items.get("type") == "any" or name in (items.get("properties") or {})


def as_output(result: ToolResult) -> str:
    """A tool's answer as the model reads it; a failed call is an object with `error`."""
    value: JsonValue = result.result if result.error is None else {"error": result.error}
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
