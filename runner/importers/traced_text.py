"""What the customer said and what the agent answered, from the inputs and outputs of a traced call.

| inputs | the customer's text |
| --- | --- |
| text | it |
| `{"messages": [...]}`, `{"input": [...]}` (ResponsesAgent), a list of messages | the messages since the agent's last |
| `{"question"}`, `{"query"}`, `{"input"}`, `{"message"}`, `{"prompt"}`, `{"user_input"}`, `{"text"}` | it |
| `{"request": {...}}`, `{"model_input"}`, `{"inputs"}` | what is inside |

| outputs | the agent's text |
| --- | --- |
| text | it |
| `{"messages": [...]}` (ChatAgent), `{"output": [...]}` (ResponsesAgent), `{"choices": [...]}`, a list | all of it |
| `{"answer"}`, `{"response"}`, `{"output"}`, `{"content"}`, `{"reply"}`, `{"text"}`, `{"result"}` | it |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.registry.errors import ContentError
from assay.runner.importers.chat import text_of

__all__ = ["Said", "agent_text", "customer_text"]

_QUESTIONS = ("question", "query", "input", "message", "prompt", "user_input", "text", "content")
_ANSWERS = ("answer", "response", "output", "content", "reply", "text", "result", "output_text", "message")
_WRAPPERS = ("request", "model_input", "inputs")
_CUSTOMER, _AGENT = ("user", "human"), ("assistant", "ai", "agent")


@dataclass(frozen=True)
class Said:
    """What stands in the inputs of a trace: the conversation before, as pairs, and what the customer says now."""

    before: tuple[tuple[str, str | None], ...]
    now: str


def customer_text(inputs: Any) -> Said:
    """What the customer said.

    Raises:
        ContentError: the inputs are none of the usual shapes, or hold no text of a customer.
    """
    if isinstance(inputs, str):
        return Said((), _not_empty(inputs))
    if isinstance(inputs, list):
        return _conversation(inputs)
    if isinstance(inputs, dict):
        for key in ("messages", *_QUESTIONS, *_WRAPPERS):
            value = inputs.get(key)
            if isinstance(value, str) or (isinstance(value, list | dict) and value):
                return customer_text(value)
    raise ContentError(
        f"no text of a customer is found in {_shape(inputs)}; known are text, 'messages', "
        f"{', '.join(map(repr, _QUESTIONS))}",
        key="inputs",
    )


def agent_text(outputs: Any) -> str | None:
    """What the agent answered; None where it answered nothing.

    Raises:
        ContentError: the outputs are none of the usual shapes.
    """
    if outputs is None:
        return None
    if isinstance(outputs, str):
        return outputs if outputs.strip() else None
    if isinstance(outputs, list):
        return _answers(outputs)
    if isinstance(outputs, dict):
        if isinstance(outputs.get("messages"), list):
            return _answers(outputs["messages"])
        choices = outputs.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            return agent_text(choices[0].get("message"))
        for key in _ANSWERS:
            value = outputs.get(key)
            if isinstance(value, list) and key == "content":
                return text_of(value, "outputs.content") or None
            if isinstance(value, str | list | dict):
                return agent_text(value)
        if outputs.get("role") in _AGENT:
            return None
    raise ContentError(
        f"no text of an agent is found in {_shape(outputs)}; known are text, 'messages', 'choices', "
        f"{', '.join(map(repr, _ANSWERS))}",
        key="outputs",
    )


def _conversation(messages: Sequence[Any]) -> Said:
    pairs: list[tuple[str, str | None]] = []
    answered = True
    for number, message in enumerate(messages):
        role, text = _message(message, f"inputs.{number}")
        if role in _CUSTOMER and text.strip():
            if answered or not pairs:
                pairs.append((text, None))
            else:
                pairs[-1] = (f"{pairs[-1][0]}\n{text}", None)
            answered = False
        elif role in _AGENT and pairs:
            before = pairs[-1][1]
            if text.strip():
                pairs[-1] = (pairs[-1][0], text if before is None else f"{before}\n{text}")
            answered = True
    if not pairs or answered:
        raise ContentError("the messages do not end with one of the customer (role 'user')", key="inputs")
    return Said(tuple(pairs[:-1]), pairs[-1][0])


def _answers(messages: Sequence[Any]) -> str | None:
    """The agent's texts since the customer's last message."""
    texts: list[str] = []
    for number, message in enumerate(messages):
        if isinstance(message, str):
            texts.append(message)
            continue
        item = message.get("item") if isinstance(message, dict) else None  # an event of a streamed response
        role, text = _message(item if isinstance(item, dict) else message, f"outputs.{number}")
        if role in _CUSTOMER:
            texts.clear()
        elif role in _AGENT and text.strip():
            texts.append(text)
    return "\n".join(texts) or None


def _message(message: Any, key: str) -> tuple[str, str]:
    """Role and text of a message of OpenAI's, MLflow's or LangChain's."""
    if not isinstance(message, dict):
        raise ContentError("a message is an object with a role and content", key=key)
    kind = message.get("type")
    role = message.get("role") or (kind if isinstance(kind, str) else "")
    if role not in (*_CUSTOMER, *_AGENT):
        return str(role), ""
    return str(role), text_of(message.get("content"), f"{key}.content")


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ContentError("the customer says nothing here", key="inputs")
    return text


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"an object with the keys {', '.join(map(repr, list(value)[:8])) or 'none'}"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
