"""Scorers of ours on conversations that another tool evaluates: MLflow's rows, deepeval's test cases.

A scorer needs a golden conversation and what the agent did. The first comes from a dataset, by id, or is given whole;
the second is put together from messages, calls and passages. What cannot be put together is a failure with its reason,
and a conversation of fewer turns than its case is skipped: the rest was not measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from assay.registry.digest import digest_of
from assay.registry.errors import AssayError, ContentError, nearest
from assay.registry.store.mlflow_scorers import EvaluatedRow, Measure, RetrievedText
from assay.registry.types.case import Case
from assay.registry.types.score import Result, ScorerFailure, Skipped
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    HandoffPacket,
    Outcome,
    Passage,
    Retrieval,
    Say,
    ToolCall,
    Trajectory,
    TurnRecord,
)
from assay.runner.importers.chat import read_chat
from assay.runner.importers.golden import Call, Turn, json_or_text
from assay.runner.importers.openai_chat import HANDOFF_TOOL
from assay.runner.importers.traced_text import agent_text, customer_text
from assay.runner.score import score_trajectory
from assay.runner.scorers.base import Scorer

__all__ = ["CASE_KEY", "Cases", "measured", "mlflow_measure"]

CASE_KEY = "assay_case"
"""Under this key a row or test case may carry its golden conversation whole, as JSON, or the id of one."""

_NO_DIGEST = "0" * 64  # no bundle of the registry stands behind such a conversation


class Cases:
    """Golden conversations by id."""

    def __init__(self, cases: Iterable[Case] = ()) -> None:
        self._cases = {case.id: case for case in cases}

    def find(self, given: object) -> Case:
        """The case that is given whole, or by its id.

        Raises:
            ContentError: none is given, it is not valid, or nothing here has the id.
        """
        if isinstance(given, Mapping):
            try:
                return Case.model_validate(dict(given))
            except ValidationError as error:
                raise ContentError(f"not a golden conversation: {error.errors()[0]['msg']}", key=CASE_KEY) from None
        if not isinstance(given, str) or not given:
            raise ContentError("no golden conversation is named, so there is nothing to measure by")
        if given not in self._cases:
            raise ContentError(f"no golden conversation named {given!r}.{nearest(given, self._cases)}")
        return self._cases[given]


def measured(
    scorer: Scorer,
    case: Case,
    turns: Sequence[Turn],
    passages: Mapping[int, Sequence[RetrievedText]] | None = None,
    *,
    failed: bool = False,
) -> dict[str, Result]:
    """The scorer's result for each of its metrics.

    Args:
        scorer: as `build_scorers` makes it.
        case: the golden conversation.
        turns: what was said and done, one for each of the customer's turns.
        passages: what was found, by index of the turn (1-based).
        failed: the agent ended with an error.
    """
    names = [metric.name for metric in scorer.info().metrics]
    if len(turns) < len(case.turns) and not failed:
        reason = f"{len(turns)} of the {len(case.turns)} customer turns of {case.id!r} are here; the rest is not"
        return dict.fromkeys(names, Skipped(reason=reason))
    try:
        trajectory = _trajectory(case, turns, passages or {}, failed)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return dict.fromkeys(names, ScorerFailure(error=f"the conversation cannot be read: {place}: {first['msg']}"))
    return {record.metric: record.result for record in score_trajectory([scorer], case, trajectory)}


def mlflow_measure(scorer: Scorer, cases: Iterable[Case] = ()) -> Measure:
    """How `mlflow_scorer` measures a row with a scorer of ours.

    The case is `expectations["assay_case"]` (whole, or its id) or the one that `inputs["conversation"]` names, as in
    the evaluation datasets that Assay exports. The conversation is `outputs["messages"]` where the customer speaks in
    them, else the inputs with the answer in `outputs`.
    """
    book = Cases(cases)

    def measure(row: EvaluatedRow) -> Mapping[str, Result]:
        try:
            named = row.inputs.get("conversation") if isinstance(row.inputs, Mapping) else None
            case = book.find(row.expectations.get(CASE_KEY, named))
            turns = _turns(row)
        except AssayError as error:
            return {metric.name: ScorerFailure(error=str(error)) for metric in scorer.info().metrics}
        return measured(scorer, case, turns, {len(turns): row.passages}, failed=row.failed)

    return measure


def _turns(row: EvaluatedRow) -> list[Turn]:
    told = row.outputs.get("messages") if isinstance(row.outputs, Mapping) else None
    if isinstance(told, list) and any(isinstance(m, Mapping) and m.get("role") == "user" for m in told):
        return list(read_chat(told, HANDOFF_TOOL).turns)
    said = customer_text(row.inputs)
    calls = tuple(
        Call(
            call.name,
            call.inputs if isinstance(call.inputs, dict) else {"input": call.inputs},
            None if call.error else (json_or_text(call.outputs) if isinstance(call.outputs, str) else call.outputs),
            call.error,
        )
        for call in row.calls
        if call.name != HANDOFF_TOOL
    )
    handoff = next((call.inputs for call in row.calls if call.name == HANDOFF_TOOL), None)
    now = Turn(said.now, agent_text(row.outputs), calls, handoff if isinstance(handoff, dict) else None)
    return [*(Turn(customer, reply) for customer, reply in said.before), now]


def _trajectory(
    case: Case, turns: Sequence[Turn], passages: Mapping[int, Sequence[RetrievedText]], failed: bool
) -> Trajectory:
    records = tuple(_record(n, turn, passages.get(n, ())) for n, turn in enumerate(turns, start=1))
    silent = not any(record.reply or record.handoff for record in records[-1:])
    outcome = Outcome.AGENT_ERROR if failed else Outcome.NO_REPLY if silent else Outcome.COMPLETED
    return Trajectory(
        key=digest_of({"case": case.id, "turns": [record.model_dump(mode="json") for record in records]}),
        agent="elsewhere",
        bundle_digest=_NO_DIGEST,
        case_id=case.id,
        case_digest=digest_of(case),
        mode="recorded",
        turns=records,
        outcome=outcome,
    )


def _record(index: int, turn: Turn, passages: Sequence[RetrievedText]) -> TurnRecord:
    events: list[AgentEvent] = []
    if passages:
        found = tuple(
            Passage(document=p.document or f"passage-{n}", text=p.text, score=0.0) for n, p in enumerate(passages, 1)
        )
        events.append(Retrieval(step=0, query=turn.customer, passages=found))
    events += [
        ToolCall(step=0, name=c.name, arguments=c.arguments, result=c.result, error=c.error, matched=c.answered)
        for c in turn.calls
    ]
    if turn.reply:
        events.append(Say(step=1, text=turn.reply))
    if turn.handoff is not None:
        known: dict[str, Any] = {k: v for k, v in turn.handoff.items() if k in HandoffPacket.model_fields}
        events.append(Handoff(step=1, packet=HandoffPacket.model_validate(known)))
    return TurnRecord(index=index, customer=turn.customer, events=tuple(events))
