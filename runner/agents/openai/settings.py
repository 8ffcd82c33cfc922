"""The part of a bundle that says how its model is called: `adapter.settings`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from assay.registry.errors import ContentError, nearest
from assay.registry.types.bundle import Adapter, ChatConfig, ToolSpec
from assay.runner.agents.settings import read_adapter_settings
from assay.runner.endpoint.settings import EndpointSettings

__all__ = ["SEARCH_TOOL", "OpenAISettings", "chat_model", "check_tools", "read_openai_settings"]

SEARCH_TOOL = "search_knowledge"
"""The tool by which the model searches itself, under `retrieval: tool`."""

_FUNCTION_NAME = r"^[A-Za-z0-9_-]{1,64}$"
_OWN_PARAMETERS = frozenset(
    {"messages", "model", "stream", "stream_options", "tools", "n", "functions", "function_call"}
)
_HAVE_A_KEY = frozenset({"temperature", "top_p", "max_tokens"})


class OpenAISettings(EndpointSettings):
    """Settings of an agent of kind `openai`: the endpoint's, and how the agent works."""

    handoff_tool: Annotated[str, Field(pattern=_FUNCTION_NAME)] | None = "transfer_to_human"
    """The tool by which the model steps aside; null where it cannot."""
    max_steps: Annotated[int, Field(ge=1, le=100)] = 8
    """Messages of the model in answer to one customer turn, at most."""
    stream: bool = False
    """Ask for the answer as server-sent events."""
    parallel_tool_calls: bool | None = None
    """Whether the model may call several tools in one message; where it is not given, the endpoint decides."""
    retrieval: Literal["per_turn", "tool", "off"] | None = None
    """Who searches the bundle's knowledge: the agent with each customer message, the model by a tool, or nobody. Where
    it is not given: the agent, if the bundle has knowledge."""
    send_seed: bool = True
    """Send the trial's seed as `seed`. Some endpoints refuse keys that they do not know."""


def read_openai_settings(adapter: Adapter, file: Path | None = None) -> OpenAISettings:
    """The settings of an agent of kind `openai`. Raises ContentError, with `file` where it is given."""
    return read_adapter_settings(adapter, OpenAISettings, file)


def chat_model(model: object) -> ChatConfig:
    """The model of a bundle's agent.

    Raises:
        ContentError: it is of another kind, or its `parameters` say what the agent itself says.
    """
    if not isinstance(model, ChatConfig):
        kind = getattr(model, "kind", None)
        raise ContentError(f"an agent of kind 'openai' runs on a model of kind 'chat', not {kind!r}", key="model")
    for name in model.parameters:
        if name in _HAVE_A_KEY:
            raise ContentError(f"{name!r} stands under 'model' itself", key=f"model.parameters.{name}")
        if name in _OWN_PARAMETERS:
            raise ContentError(f"{name!r} is the agent's to set", key=f"model.parameters.{name}")
    return model


def check_tools(tools: tuple[ToolSpec, ...], settings: OpenAISettings) -> None:
    """Raises ContentError where a tool has a name that the protocol does not allow, or that the agent itself uses."""
    for tool in tools:
        if not re.match(_FUNCTION_NAME, tool.name):
            raise ContentError(
                f"the endpoint takes names of at most 64 letters, digits, '_' and '-', not {tool.name!r}", key="tools"
            )
        if tool.name == settings.handoff_tool:
            raise ContentError(
                f"{tool.name!r} is the tool by which the agent hands off: name another under "
                "'adapter.settings.handoff_tool'",
                key="tools",
            )
        if tool.name == SEARCH_TOOL and settings.retrieval == "tool":
            raise ContentError(f"{SEARCH_TOOL!r} is the tool by which the agent searches its knowledge", key="tools")


def unknown_tool(name: str, known: list[str]) -> str:
    """What the model is told about a tool that it does not have."""
    return f"there is no tool named {name!r}.{nearest(name, known)}"
