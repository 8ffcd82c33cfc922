"""The reply to a request, in the shape of the request: a response of items, or messages."""

from __future__ import annotations

import json
from typing import Any

from assay.runner.serving.channel import Call, ServedTurn
from assay.runner.serving.request import Chat

__all__ = ["HANDOFF_TOOL", "reply_to"]

HANDOFF_TOOL = "transfer_to_human"


def reply_to(chat: Chat, turn: ServedTurn, *, agent: str, digest: str) -> dict[str, Any]:
    """What the agent did in the turn, as JSON.

    Texts that the request already holds, because the turn was begun in an earlier one, are not repeated. A handoff
    is a call of `transfer_to_human` with the packet as its arguments, and stands in `custom_outputs` too.
    """
    number = len(chat.turns)
    texts = turn.said[len(chat.turns[-1].replies) :]
    calls = list(turn.pending)
    handoff = f"call_{number}_handoff"
    # A caller that runs whatever is called sends a result for it: it is not asked for twice.
    if turn.packet is not None and not turn.pending and handoff not in chat.turns[-1].results:
        calls.append(Call(handoff, HANDOFF_TOOL, turn.packet.model_dump(mode="json")))
    extra = _custom_outputs(turn, agent, digest)
    if chat.shape == "messages":
        return _messages(number, texts, calls, extra)
    return _response(number, texts, calls, turn, extra)


def _response(
    number: int, texts: list[str], calls: list[Call], turn: ServedTurn, extra: dict[str, Any]
) -> dict[str, Any]:
    """As OpenAI's Responses API and MLflow's ResponsesAgent answer."""
    output: list[dict[str, Any]] = [
        {
            "type": "message",
            "id": f"msg_{number}_{n}",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }
        for n, text in enumerate(texts, start=1)
    ]
    output += [
        {
            "type": "function_call",
            "id": f"fc{call.id.removeprefix('call')}",
            "call_id": call.id,
            "name": call.name,
            "arguments": json.dumps(call.arguments, ensure_ascii=False),
            "status": "completed",
        }
        for call in calls
    ]
    usage = turn.usage
    return {
        "object": "response",
        "status": "completed",
        "output": output,
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
        "custom_outputs": extra,
    }


def _messages(number: int, texts: list[str], calls: list[Call], extra: dict[str, Any]) -> dict[str, Any]:
    """As MLflow's ChatAgent answers."""
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "id": f"msg_{number}_{n}", "content": text} for n, text in enumerate(texts, start=1)
    ]
    if calls:
        wanted = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for call in calls
        ]
        messages.append(
            {"role": "assistant", "id": f"msg_{number}_{len(texts) + 1}", "content": "", "tool_calls": wanted}
        )
    return {
        "messages": messages,
        "finish_reason": "tool_calls" if calls else "stop",
        "custom_outputs": extra,
    }


def _custom_outputs(turn: ServedTurn, agent: str, digest: str) -> dict[str, Any]:
    found: dict[str, Any] = {"agent": agent, "bundle_digest": digest}
    if turn.intent is not None:
        found["triage"] = {"intent": turn.intent[0], "confidence": turn.intent[1]}
    if turn.documents:
        found["documents"] = list(turn.documents)
    if turn.packet is not None and not turn.pending:
        found["handoff"] = turn.packet.model_dump(mode="json")
    return found
