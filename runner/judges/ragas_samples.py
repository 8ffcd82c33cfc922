"""Golden conversations as ragas's MultiTurnSamples, in ragas's own file format.

A sample has no place for an id: the labels stand in the `metadata` of its first message.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.registry.types.case import Case
from assay.runner.exporters.conversation import expected_outcome, told
from assay.runner.importers.golden import Call, Turn

__all__ = ["save_samples"]


def save_samples(cases: Sequence[Case], out: Path) -> None:
    """Write the cases to `out` as JSON lines, for `EvaluationDataset.from_jsonl`."""
    dataset, sample, messages = _ragas()
    dataset(samples=[_sample(case, sample, messages) for case in cases]).to_jsonl(out)


def _sample(case: Case, sample: Any, messages: Any) -> Any:
    conversation = told(case)
    said: list[Any] = []
    for number, turn in enumerate(conversation.turns, start=1):
        said.append(messages.HumanMessage(content=turn.customer, metadata=_metadata(case) if number == 1 else None))
        said += _agent(turn, messages)
    calls = [call for turn in conversation.turns for call in turn.calls]
    return sample(
        user_input=said,
        reference=expected_outcome(case),
        reference_tool_calls=[messages.ToolCall(name=call.name, args=call.arguments) for call in calls] or None,
        reference_topics=[case.intent.replace("_", " ")],
    )


def _agent(turn: Turn, messages: Any) -> list[Any]:
    said: list[Any] = []
    if turn.calls:
        calls = [messages.ToolCall(name=call.name, args=call.arguments) for call in turn.calls]
        said.append(messages.AIMessage(content="", tool_calls=calls))
        said += [messages.ToolMessage(content=_content(call)) for call in turn.calls]
    if turn.reply is not None:
        said.append(messages.AIMessage(content=turn.reply))
    return said


def _content(call: Call) -> str:
    if call.error is not None:
        return json.dumps({"error": call.error}, ensure_ascii=False)
    return call.result if isinstance(call.result, str) else json.dumps(call.result, ensure_ascii=False)


def _metadata(case: Case) -> dict[str, Any]:
    kept = {"id", "intent", "risk_tier", "autonomy", "channel", "language", "date", "tags"}
    labels = case.model_dump(mode="json", include=kept)
    return labels | {"escalation": case.expect.escalation.model_dump(mode="json", exclude_defaults=True)}


def _ragas() -> tuple[Any, Any, Any]:
    """The dataset, the sample and the module of messages. Usage tracking is off."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    from ragas import messages
    from ragas.dataset_schema import EvaluationDataset, MultiTurnSample

    return EvaluationDataset, MultiTurnSample, messages
