"""What the model may call, and how what it wrote is read."""

from __future__ import annotations

import re
from typing import Any

from assay.registry.errors import ContentError
from assay.registry.strict import plain_json
from assay.registry.types.base import EscalationReason, JsonValue
from assay.registry.types.bundle import ToolSpec
from assay.registry.types.trajectory import HandoffPacket
from assay.runner.agents.openai.settings import SEARCH_TOOL, OpenAISettings

__all__ = ["arguments_of", "offered", "packet_of"]

_JSON_TYPES = ("string", "number", "integer", "boolean", "array", "object")
_TYPED = re.compile(rf"^\(({'|'.join(_JSON_TYPES)})\)\s*")

_TEXTS = {
    "queue": "The team that should take over.",
    "intent": "What the customer wants, in a word or two.",
    "summary": "What the person who takes over has to know, so that the customer does not start again.",
}
_LISTS = {
    "prior_actions": "What was done already: the names of the tools that were called.",
    "knowledge": "Ids of the knowledge documents that bear on the request.",
}


def offered(tools: tuple[ToolSpec, ...], settings: OpenAISettings) -> list[dict[str, Any]]:
    """The function tools of each request: the bundle's, the handoff, and the search where the model does it."""
    functions = [_function(tool.name, tool.description, *_arguments(tool)) for tool in tools]
    if settings.handoff_tool is not None:
        functions.append(_handoff(settings.handoff_tool))
    if settings.retrieval == "tool":
        query = {"query": {"type": "string", "description": "What to look for, in the customer's words."}}
        functions.append(_function(SEARCH_TOOL, "Searches the knowledge base.", query, ["query"]))
    return functions


def arguments_of(text: str) -> dict[str, JsonValue] | str:
    """The arguments that the model wrote, or what is wrong with them. No arguments at all are an empty object."""
    if not text.strip():
        return {}
    try:
        value = plain_json(text)
    except ContentError as error:
        return f"the arguments are {error}"
    return value if isinstance(value, dict) else "the arguments are not a JSON object"


def packet_of(arguments: dict[str, JsonValue]) -> HandoffPacket:
    """What the model passes on.

    A handoff stands whatever the form of its arguments: what fits is taken, a text in place of a list is a list of one,
    and the rest is missing in the packet, where scorers see that it is.
    """
    texts = {name: value for name in ("reason", *_TEXTS) if isinstance(value := arguments.get(name), str) and value}
    lists = {name: _texts(arguments.get(name)) for name in _LISTS}
    return HandoffPacket.model_validate(texts | lists)


def _texts(value: JsonValue) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _arguments(tool: ToolSpec) -> tuple[dict[str, Any], list[str]]:
    """The properties of a tool's arguments and the names of those that are required.

    A description may begin with a JSON type in brackets, `(number) amount in dollars`; without one it is a string. What
    begins with "optional" then is not required.
    """
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, description in tool.arguments.items():
        typed = _TYPED.match(description)
        meaning = description[typed.end() :] if typed else description
        properties[name] = {"type": typed[1] if typed else "string", "description": meaning}
        if not meaning.lower().startswith("optional"):
            required.append(name)
    return properties, required


def _handoff(name: str) -> dict[str, Any]:
    reasons = [reason.value for reason in EscalationReason]
    properties: dict[str, Any] = {
        "reason": {"type": "string", "enum": reasons, "description": "Why a person has to take over."}
    }
    properties |= {field: {"type": "string", "description": text} for field, text in _TEXTS.items()}
    properties |= {
        field: {"type": "array", "items": {"type": "string"}, "description": text} for field, text in _LISTS.items()
    }
    return _function(name, "Hands the conversation to a person.", properties, ["reason", "summary"])


def _function(name: str, description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
