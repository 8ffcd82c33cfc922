"""Golden conversations as deepeval's ConversationalGoldens, in deepeval's own file format.

What must and must not be said, and which tools must not be called, become deepeval's `expectations` in words; the
labels stand in `additional_metadata`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from assay.registry.errors import ContentError
from assay.registry.types.case import Case
from assay.runner.exporters.conversation import expected_outcome, told
from assay.runner.importers.golden import Call

__all__ = ["save_goldens"]


def save_goldens(cases: Sequence[Case], out: Path) -> None:
    """Write the cases to `out`, `.json` or `.jsonl`, for `EvaluationDataset.add_goldens_from_json(l)_file`.

    Raises:
        ContentError: the ending is another.
    """
    if out.suffix not in (".json", ".jsonl"):
        raise ContentError("deepeval keeps conversations as .json or .jsonl; name such a file", file=out.name)
    dataset_class, golden, expectations, turn, tool = _deepeval()
    dataset = dataset_class(goldens=[_golden(case, golden, expectations, turn, tool) for case in cases])
    with contextlib.redirect_stdout(io.StringIO()):  # it prints where it saved
        dataset.save_as(out.suffix.removeprefix("."), str(out.parent), file_name=out.stem)


def _golden(case: Case, golden: Any, expectations: Any, turn: Any, tool: Any) -> Any:
    must, must_not = list(_must(case)), list(_must_not(case))
    return golden(
        name=case.id,
        scenario=_scenario(case),
        expected_outcome=expected_outcome(case),
        turns=list(_turns(case, turn, tool)),
        expectations=expectations(must=must, must_not=must_not) if must or must_not else None,
        additional_metadata=_metadata(case),
    )


def _scenario(case: Case) -> str:
    said = "\n".join(f"{number}. {turn.customer}" for number, turn in enumerate(case.turns, start=1))
    return f"A customer contacts the company by {case.channel} about {case.intent.replace('_', ' ')} and says:\n{said}"


def _turns(case: Case, turn: Any, tool: Any) -> Iterable[Any]:
    for number, told_turn in enumerate(told(case).turns, start=1):
        documents = list(case.turns[number - 1].expect.supporting_documents)
        yield turn(role="user", content=told_turn.customer)
        if told_turn.reply is None and not told_turn.calls and told_turn.handoff is None and not documents:
            continue
        facts: dict[str, Any] = {"supporting_documents": documents} if documents else {}
        if told_turn.handoff is not None:
            facts["handoff"] = dict(told_turn.handoff)
        yield turn(
            role="assistant",
            content=told_turn.reply or "",
            tools_called=[_tool(call, tool) for call in told_turn.calls] or None,
            metadata=facts or None,
        )


def _tool(call: Call, tool: Any) -> Any:
    output = {"error": call.error} if call.error is not None else call.result
    return tool(name=call.name, input_parameters=call.arguments, output=output if call.answered else None)


def _must(case: Case) -> Iterable[str]:
    for number, turn in enumerate(case.turns, start=1):
        for requirement in turn.expect.must_say:
            yield f"In answer to customer turn {number}, the agent says {_quoted(requirement.any_of, ' or ')}."


def _must_not(case: Case) -> Iterable[str]:
    for number, turn in enumerate(case.turns, start=1):
        where = f"In answer to customer turn {number}, the agent"
        yield from (f"{where} says {_quoted([phrase])}." for phrase in turn.expect.must_not_say)
        yield from (f"{where} calls the tool {name}." for name in turn.expect.forbidden_tools)
    yield from (f"Anywhere, the agent says {_quoted([phrase])}." for phrase in case.expect.must_not_say)


def _quoted(phrases: Sequence[str], joint: str = "") -> str:
    return joint.join(json.dumps(phrase, ensure_ascii=False) for phrase in phrases)


def _metadata(case: Case) -> dict[str, Any]:
    kept = {"id", "intent", "risk_tier", "autonomy", "channel", "language", "date", "tags"}
    labels = case.model_dump(mode="json", include=kept)
    return labels | {"escalation": case.expect.escalation.model_dump(mode="json", exclude_defaults=True)}


def _deepeval() -> tuple[Any, Any, Any, Any, Any]:
    """The dataset, and the classes of its parts. Telemetry is off, and no `.env` is read."""
    os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] = "YES"
    os.environ["DEEPEVAL_DISABLE_DOTENV"] = "1"
    os.environ["ERROR_REPORTING"] = "NO"
    from deepeval.dataset import ConversationalGolden, EvaluationDataset
    from deepeval.dataset.expectations import Expectations
    from deepeval.test_case import ToolCall, Turn

    return EvaluationDataset, ConversationalGolden, Expectations, Turn, ToolCall
