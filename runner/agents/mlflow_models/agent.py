"""An agent that is a model in MLflow, loaded into this process or behind a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from assay.registry.types.base import JsonValue
from assay.registry.types.bundle import BundleManifest
from assay.runner.agents.applying import answer_turn
from assay.runner.agents.base import AgentSession, ConversationContext, ToolResult, TurnChannel
from assay.runner.agents.contract import AgentReply, ToolAnswer
from assay.runner.agents.mlflow_models.answers import read_answer
from assay.runner.agents.mlflow_models.requests import Form, as_output, form_of
from assay.runner.agents.mlflow_models.served import ServedModel
from assay.runner.agents.mlflow_models.settings import MlflowSettings, check_parts, read_mlflow_settings
from assay.runner.agents.mlflow_models.threads import in_thread
from assay.runner.agents.openai.prompt import SystemPrompt
from assay.runner.agents.openai.settings import OpenAISettings
from assay.runner.agents.openai.tools import offered
from assay.runner.endpoint.pacing import Gate

if TYPE_CHECKING:
    from assay.registry.store.mlflow_models import MlflowModel

__all__ = ["MlflowAgent", "build_mlflow_agent"]

_HANDED_OVER = "The conversation was handed to a person."


@dataclass(frozen=True)
class _Equipment:
    """What the conversations of one agent share."""

    predict: Callable[[dict[str, Any]], Awaitable[JsonValue]]
    form: Form
    tools: list[dict[str, Any]]
    settings: MlflowSettings


class MlflowAgent:
    """An agent of kind `mlflow`. Enter it before its first conversation: it may hold connections."""

    def __init__(self, equipment: _Equipment, prompt: SystemPrompt | None, served: ServedModel | None) -> None:
        self._with, self._prompt, self._served = equipment, prompt, served

    async def __aenter__(self) -> Self:
        if self._served is not None:
            await self._served.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._served is not None:
            await self._served.__aexit__(None, None, None)

    def start(self, context: ConversationContext) -> AgentSession:
        """Begin a conversation."""
        return _Session(self._with, context, self._prompt.render(context) if self._prompt else "")


def build_mlflow_agent(manifest: BundleManifest, model: MlflowModel, prompt: str = "") -> MlflowAgent:
    """Make an agent of a model, which is loaded unless the settings name a server.

    Args:
        manifest: tools; `adapter.settings` are `MlflowSettings`.
        model: the verified copy of the model's files.
        prompt: text of the prompt artifact, which is sent as a system message; empty where the model has its own.

    Raises:
        ContentError: the settings, the prompt or the model's signature do not fit.
        AssayError: the model cannot be loaded; names packages that are not installed.
    """
    from assay.registry.store.mlflow_loading import load_predict

    settings = read_mlflow_settings(manifest.adapter)
    check_parts(manifest.tools, manifest.retrieval is not None, settings)
    described = model.describe()
    form = form_of(described, model.inputs(), model.pinned.uri)
    served = None
    if (service := settings.service) is not None:
        served = ServedModel(service, as_list=bool(described.get("is_signature_from_type_hint")))
    predict = served.predict if served else _Loaded(load_predict(model), settings.concurrency).predict
    equipment = _Equipment(predict, form, _tools(manifest, settings), settings)
    return MlflowAgent(equipment, SystemPrompt(prompt, manifest.agent) if prompt else None, served)


def _tools(manifest: BundleManifest, settings: MlflowSettings) -> list[dict[str, Any]]:
    if not settings.send_tools:
        return []
    return offered(manifest.tools, OpenAISettings(handoff_tool=settings.handoff_tool, retrieval="off"))


class _Loaded:
    """A model in this process: asked in threads, so many at once."""

    def __init__(self, ask: Callable[[Mapping[str, Any]], Any], most: int) -> None:
        self._ask, self._most = ask, most
        self._gate: Gate | None = None

    async def predict(self, request: dict[str, Any]) -> JsonValue:
        """The model's answer. Waiting for a place among those under way is not the model's time."""
        self._gate = self._gate or Gate(self._most)
        entered, _ = await self._gate.enter()
        try:
            return await in_thread(lambda: self._ask(request))
        finally:
            self._gate.leave(entered, refused=False)


class _Session:
    """Keeps the conversation in the model's own words, and sends all of it each time."""

    def __init__(self, equipment: _Equipment, context: ConversationContext, prompt: str) -> None:
        self._with, self._context = equipment, context
        self._items: list[dict[str, Any]] = [{"role": "system", "content": prompt}] if prompt else []
        for past in context.history:
            self._items.append({"role": "user", "content": past.customer})
            if past.reply:
                self._items.append({"role": "assistant", "content": past.reply})

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        """Answer one customer turn. Whatever the model raises comes through; see also `answer_turn`."""
        self._items.append({"role": "user", "content": customer})
        told = 0

        async def ask(answers: tuple[ToolAnswer, ...]) -> AgentReply:
            nonlocal told
            for answer in answers[told:]:
                output = as_output(ToolResult(answer.result, answer.error))
                self._items.append(self._with.form.result(answer.id, answer.name, output))
            told = len(answers)
            return await self._reply()

        await answer_turn(ask, turn)

    async def _reply(self) -> AgentReply:
        form, settings = self._with.form, self._with.settings
        request = form.request(list(self._items), self._with.tools, self._context)
        answered = read_answer(
            await self._context.calls.once(request, lambda: self._with.predict(request)), settings.handoff_tool
        )
        self._items += answered.items
        self._items += [form.result(call, str(settings.handoff_tool), _HANDED_OVER) for call in answered.handoffs]
        return answered.reply
