"""Building an agent from a prompt, tools and a model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from assay.registry.errors import ContentError
from assay.registry.retrieval.search import Retriever
from assay.registry.strict import read_text
from assay.registry.types.bundle import BundleManifest, BundleSource, ChatConfig
from assay.runner.agents.base import AgentSession, ConversationContext
from assay.runner.agents.openai.prompt import SystemPrompt
from assay.runner.agents.openai.session import Equipment, OpenAISession
from assay.runner.agents.openai.settings import OpenAISettings, chat_model, check_tools, read_openai_settings
from assay.runner.agents.openai.tools import offered
from assay.runner.endpoint.client import Endpoint
from assay.runner.endpoint.statistics import Statistics

__all__ = ["OpenAIAgent", "build_openai_agent", "check_openai_bundle"]


class OpenAIAgent:
    """An agent of kind `openai`. Enter it before its first conversation: it holds the connections of all of them."""

    def __init__(self, equipment: Equipment, prompt: SystemPrompt) -> None:
        self._with, self._prompt = equipment, prompt

    @property
    def statistics(self) -> Statistics:
        """What the endpoint was asked so far, and what it took."""
        return self._with.endpoint.statistics

    async def __aenter__(self) -> Self:
        await self._with.endpoint.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._with.endpoint.__aexit__(kind, error, traceback)

    def start(self, context: ConversationContext) -> AgentSession:
        """Begin a conversation."""
        return OpenAISession(self._with, context, self._prompt.render(context))


def build_openai_agent(
    manifest: BundleManifest, prompt: str, retriever: Retriever | None, *, share: float = 1.0
) -> OpenAIAgent:
    """An agent that works under `manifest`.

    Args:
        manifest: its model is of kind `chat`; `adapter.settings` are `OpenAISettings`.
        prompt: text of the prompt artifact.
        retriever: the search over the bundle's knowledge; None where it has none.
        share: the part of the endpoint's limits that this agent may use, where several processes share them.

    Raises:
        ContentError: the settings, the model, the tools or the prompt do not fit, or a variable of the environment that
            the settings name is not set.
    """
    settings = _with_retrieval(read_openai_settings(manifest.adapter), retriever is not None)
    model = chat_model(manifest.model)
    check_tools(manifest.tools, settings)
    equipment = Equipment(
        endpoint=Endpoint(settings, prices=(model.input_usd_per_million, model.output_usd_per_million), share=share),
        settings=settings,
        model=model,
        request=_request(model, manifest, settings),
        tools=frozenset(tool.name for tool in manifest.tools),
        retriever=retriever,
    )
    return OpenAIAgent(equipment, SystemPrompt(prompt, manifest.agent))


def check_openai_bundle(source: BundleSource, file: Path) -> None:
    """Refuse a bundle file that its agent could not run with, whatever the environment.

    Raises:
        ContentError: the settings, the model, the tools or the prompt are ill-formed; names the file.
    """
    settings = read_openai_settings(source.adapter, file)
    try:
        chat_model(source.model)
        check_tools(source.tools, _with_retrieval(settings, source.retrieval is not None))
    except ContentError as error:
        raise ContentError(error.problem, file=file, key=error.key) from None
    if source.prompt is None:
        raise ContentError("an agent of kind 'openai' needs a prompt", file=file, key="prompt")
    prompt = file.parent / source.prompt.file
    text = read_text(prompt)
    try:
        SystemPrompt(text, source.agent)
    except ContentError as error:
        raise ContentError(error.problem, file=prompt) from None


def _with_retrieval(settings: OpenAISettings, knowledge: bool) -> OpenAISettings:
    if settings.retrieval is None:
        return settings.model_copy(update={"retrieval": "per_turn" if knowledge else "off"})
    if settings.retrieval != "off" and not knowledge:
        raise ContentError(
            f"it is {settings.retrieval!r}, but the bundle has no knowledge to search (no key 'retrieval')",
            key="adapter.settings.retrieval",
        )
    return settings


def _request(model: ChatConfig, manifest: BundleManifest, settings: OpenAISettings) -> dict[str, Any]:
    """What every request of the agent says."""
    asked = {"temperature": model.temperature, "top_p": model.top_p, "max_tokens": model.max_tokens}
    request: dict[str, Any] = {"model": model.name}
    request |= {name: value for name, value in asked.items() if value is not None}
    if tools := offered(manifest.tools, settings):
        request["tools"] = tools
        if settings.parallel_tool_calls is not None:
            request["parallel_tool_calls"] = settings.parallel_tool_calls
    if settings.stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return request | model.parameters
