"""Export as OpenAI chat messages, one conversation a line. `assay import openai` reads back what this format holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.registry.types.case import Case
from assay.runner.exporters.conversation import Told, told
from assay.runner.exporters.losses import openai_label
from assay.runner.importers.golden import Call, Turn
from assay.runner.importers.labels import label_texts
from assay.runner.importers.openai_chat import HANDOFF_TOOL, METADATA

__all__ = ["openai_remarks", "openai_text"]


def openai_text(cases: Iterable[Case], *, handoff_tool: str = HANDOFF_TOOL) -> str:
    """The file, as JSON lines."""
    return "".join(f"{json.dumps(_record(told(case), handoff_tool), ensure_ascii=False)}\n" for case in cases)


def openai_remarks(cases: Sequence[Case]) -> list[str]:
    """What people have to know about the file."""
    silent = sum(turn.golden_reply is None for case in cases for turn in case.turns)
    unanswered = sum(told(case).unanswered for case in cases)
    unread = sum(
        isinstance(value, str) and not openai_label(key, value, METADATA)
        for case in cases
        for key, value in case.labels.items()
    )
    remarks = [f"{silent} customer turns have no golden reply: no text of the agent stands there"] if silent else []
    if unanswered:
        remarks.append(f"{unanswered} expected calls have no fixture: their result is an error, or nothing at the end")
    errors = sum(_looks_failed(call) for case in cases for turn in told(case).turns for call in turn.calls)
    if errors:
        remarks.append(f'{errors} results are {{"error": "..."}} and read back as a call that failed')
    if unread:
        remarks.append(f"{unread} labels are called like a label of Assay and are left out")
    return remarks


def _record(conversation: Told, handoff_tool: str) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(conversation.turns, start=1):
        last = number == len(conversation.turns)
        messages.append({"role": "user", "content": turn.customer})
        messages += _agent(turn, f"call_{number}", handoff_tool, last=last)
    return {"messages": messages, "metadata": _metadata(conversation.case)}


def _agent(turn: Turn, prefix: str, handoff_tool: str, *, last: bool) -> list[dict[str, Any]]:
    """The agent's messages of a turn: calls, their results, the golden reply, each where there is any.

    A turn without any of them is an empty message, so that two things the customer says stay two turns. A call
    that nothing answers has no result where the conversation ends with it, and an error where it goes on.
    """
    requests = [_request(f"{prefix}_{n}", call.name, call.arguments) for n, call in enumerate(turn.calls, start=1)]
    results = [
        _result(f"{prefix}_{n}", _content(call))
        for n, call in enumerate(turn.calls, start=1)
        if call.answered or not last or turn.reply is not None
    ]
    if turn.handoff is not None:
        requests.append(_request(f"{prefix}_handoff", handoff_tool, turn.handoff))
        results.append(_result(f"{prefix}_handoff", '{"transferred": true}'))
    made: list[dict[str, Any]] = []
    if requests:
        made += [{"role": "assistant", "content": None, "tool_calls": requests}, *results]
    if turn.reply is not None or not (requests or last):
        made.append({"role": "assistant", "content": turn.reply or ""})
    return made


def _request(call_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(dict(arguments), ensure_ascii=False)}
    return {"id": call_id, "type": "function", "function": function}


def _result(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _content(call: Call) -> str:
    """A result as text that reads back as the same: text stands as it is unless it would be taken for JSON."""
    if call.error is not None:
        return json.dumps({"error": call.error}, ensure_ascii=False)
    if isinstance(call.result, str) and not _reads_as_json(call.result):
        return call.result
    return json.dumps(call.result, ensure_ascii=False)


def _reads_as_json(text: str) -> bool:
    try:
        return json.loads(text) is not None
    except (ValueError, RecursionError):
        return False


def _looks_failed(call: Call) -> bool:
    result = call.result
    return isinstance(result, dict) and set(result) == {"error"} and isinstance(result["error"], str)


def _metadata(case: Case) -> dict[str, str]:
    number = (case.customer and case.customer.customer_number) or ""
    found = {"id": case.id, **label_texts(case), "customer_number": number}
    kept = {key: value for key, value in found.items() if value}
    if case.customer:
        kept["customer_name"] = case.customer.name
    return kept | {key: str(v) for key, v in case.labels.items() if openai_label(key, v, METADATA)}
