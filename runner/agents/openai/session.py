"""One conversation with a model behind an endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from assay.registry.errors import AssayError
from assay.registry.retrieval.search import Retriever
from assay.registry.types.base import JsonValue
from assay.registry.types.bundle import ChatConfig
from assay.registry.types.trajectory import Usage
from assay.runner.agents.base import ConversationContext, ToolResult, TurnChannel
from assay.runner.agents.openai.prompt import delimited, with_passages
from assay.runner.agents.openai.settings import SEARCH_TOOL, OpenAISettings, unknown_tool
from assay.runner.agents.openai.tools import arguments_of, packet_of
from assay.runner.endpoint.answers import Answer, Call
from assay.runner.endpoint.client import Endpoint

__all__ = ["Equipment", "ModelError", "OpenAISession"]

_HANDED_OVER = "The conversation was handed to a person."
_NOT_DONE = "This was not done: the conversation was handed to a person before."


class ModelError(AssayError):
    """The model answered, and what it answered is of no use."""


@dataclass(frozen=True)
class Equipment:
    """What all conversations of an agent share. `request` is what every request says."""

    endpoint: Endpoint
    settings: OpenAISettings
    model: ChatConfig
    request: dict[str, Any]
    tools: frozenset[str]
    """The bundle's own."""
    retriever: Retriever | None


class OpenAISession:
    """Keeps the messages of a conversation; each customer turn is at least one request."""

    def __init__(self, equipment: Equipment, context: ConversationContext, prompt: str) -> None:
        self._with, self._context, self._prompt = equipment, context, prompt
        self._system = prompt
        self._request = dict(equipment.request)
        if equipment.settings.send_seed:
            self._request.setdefault("seed", context.seed)
        self._messages: list[dict[str, Any]] = []
        for past in context.history:
            self._messages.append({"role": "user", "content": past.customer})
            self._messages.append({"role": "assistant", "content": past.reply})

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        """Answer one customer turn.

        Raises:
            EndpointError: the endpoint gave no usable answer.
            ModelError: the model said nothing for a reason of its own, or went on calling tools.
        """
        self._messages.append({"role": "user", "content": customer})
        if self._with.settings.retrieval == "per_turn":
            self._system = with_passages(self._prompt, self._search(customer, turn))
        for _ in range(self._with.settings.max_steps):
            answer = await self._ask()
            self._account(answer, turn)
            text = answer["text"] or answer["refusal"]
            if text.strip():
                turn.say(text)
            elif not answer["calls"]:
                _check_silence(answer["finish"])
                return
            self._remember(text, answer["calls"])
            if not answer["calls"] or await self._act(answer["calls"], turn):
                return
        raise ModelError(
            f"the model called tools in {self._with.settings.max_steps} messages running without ending the turn "
            "(adapter.settings.max_steps)"
        )

    async def _ask(self) -> Answer:
        request = {**self._request, "messages": [{"role": "system", "content": self._system}, *self._messages]}

        async def perform() -> JsonValue:
            answer = await self._with.endpoint.complete(request, conversation=self._context.conversation)
            return cast("dict[str, JsonValue]", answer)

        return cast("Answer", await self._context.calls.once(request, perform))

    def _account(self, answer: Answer, turn: TurnChannel) -> None:
        usage, model = answer["usage"], self._with.model
        if usage is not None:
            given, made = usage["input"], usage["output"]
            cost = (given * model.input_usd_per_million + made * model.output_usd_per_million) / 1e6
            turn.used(Usage(input_tokens=given, output_tokens=made, cost_usd=cost))

    def _remember(self, text: str, calls: list[Call]) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [
                {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": _sendable(call)}}
                for call in calls
            ]
        self._messages.append(message)

    async def _act(self, calls: list[Call], turn: TurnChannel) -> bool:
        """Do what the model asks for, in its order; whether it stepped aside."""
        handed_over = False
        for call in calls:
            arguments = arguments_of(call["arguments"])
            if handed_over:
                result = _NOT_DONE
            elif isinstance(arguments, str):
                result = await self._refuse(call, arguments, turn)
            elif call["name"] == self._with.settings.handoff_tool:
                turn.hand_off(packet_of(arguments))
                handed_over, result = True, _HANDED_OVER
            elif call["name"] == SEARCH_TOOL and self._with.settings.retrieval == "tool":
                query = arguments.get("query")
                found = self._search(query if isinstance(query, str) else str(query or ""), turn)
                result = delimited(found) or "Nothing was found."
            else:
                result = await self._call(call["name"], arguments, turn)
            self._messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
        return handed_over

    async def _call(self, name: str, arguments: dict[str, JsonValue], turn: TurnChannel) -> str:
        result = await turn.tool(name, arguments)
        if result.error is not None and name not in self._with.tools:
            result = ToolResult(error=unknown_tool(name, [*self._with.tools]))
        if result.error is not None:
            return _text_of({"error": result.error})
        return result.result if isinstance(result.result, str) else _text_of(result.result)

    async def _refuse(self, call: Call, why: str, turn: TurnChannel) -> str:
        """A call that cannot be made, recorded so that no fixture answers it: the tool must not count as called."""
        await turn.tool(f"{call['name']} (unreadable arguments)", {"arguments": call["arguments"]})
        return _text_of({"error": why})

    def _search(self, query: str, turn: TurnChannel) -> Any:
        assert self._with.retriever is not None
        passages = self._with.retriever.search(query, self._context.date)
        turn.retrieved(query, passages)
        return passages


def _text_of(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _check_silence(finish: str) -> None:
    """Raises ModelError where the model said nothing for a reason that the endpoint tells."""
    if finish == "length":
        raise ModelError(
            "the model's message was cut off before it said anything (finish_reason 'length'): max_tokens is too small "
            "for this model"
        )
    if finish == "content_filter":
        raise ModelError("the endpoint's content filter held the message back (finish_reason 'content_filter')")


def _sendable(call: Call) -> str:
    """The arguments as they go back into the messages: some endpoints refuse a request in which they are no JSON."""
    text = call["arguments"]
    return text if text.strip() and isinstance(arguments_of(text), dict) else "{}"
