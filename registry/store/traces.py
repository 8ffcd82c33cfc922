"""Conversations as MLflow traces: one trace a customer turn, one session a conversation.

Writing a trace costs milliseconds, so callers send the conversations that matter, after the replay. All
spans go to the store in one batch.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assay.registry.store.connection import Connection
from assay.registry.types.score import Finding, Result, Score, ScorerFailure
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    Outcome,
    Retrieval,
    Say,
    ToolCall,
    Trajectory,
    Triage,
    TurnRecord,
)

if TYPE_CHECKING:
    from mlflow.entities import Feedback, Span, TraceInfo

__all__ = ["log_traces"]

_PREVIEW = 1000
_MS = 1_000_000
Scored = tuple[Trajectory, list[tuple[str, Result]]]


def log_traces(connection: Connection, run_id: str, scored: Sequence[Scored]) -> int:
    """Store conversations as traces of a run, with the results as assessments; how many traces were made."""
    from mlflow.tracing.client import TracingClient

    client = TracingClient(connection.uri)
    experiment = connection.client.get_run(run_id).info.experiment_id
    spans: list[Span] = []
    count = 0
    for trajectory, results in scored:
        for turn, start in _timed_turns(trajectory):
            trace_id = f"tr-{secrets.token_hex(16)}"
            last = turn.index == max((t.index for t in trajectory.turns), default=turn.index)
            info = _info(trace_id, experiment, run_id, trajectory, turn, start, last)
            info.assessments = list(_assessments(trajectory, results, turn.index, last))
            client.start_trace(info)
            spans += _spans(trace_id, trajectory, turn, start, last)
            count += 1
    if spans:
        client.log_spans(experiment, spans)
    return count


def _timed_turns(trajectory: Trajectory) -> Iterator[tuple[TurnRecord, int]]:
    """Each turn with its start in nanoseconds. A trial that broke before its first turn counts as one empty turn."""
    try:
        began = dt.datetime.fromisoformat(trajectory.started_at)
    except ValueError:
        began = dt.datetime.now(dt.UTC)
    start = int(began.timestamp() * 1000) * _MS
    for turn in trajectory.turns or (TurnRecord(index=1, customer=""),):
        yield turn, start
        start += _duration(turn)


def _duration(turn: TurnRecord) -> int:
    """Nanoseconds, at least one millisecond, so that turns stay in order."""
    return max(int(turn.latency_s * 1000), 1) * _MS


def _info(
    trace_id: str, experiment: str, run_id: str, trajectory: Trajectory, turn: TurnRecord, start: int, last: bool
) -> TraceInfo:
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    failed = last and trajectory.outcome is not Outcome.COMPLETED
    return TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=start // _MS,
        execution_duration=_duration(turn) // _MS,
        state=TraceState.ERROR if failed else TraceState.OK,
        request_preview=turn.customer[:_PREVIEW],
        response_preview=turn.reply[:_PREVIEW],
        trace_metadata={
            "mlflow.trace.session": f"{trajectory.case_id} #{trajectory.trial} {run_id[:8]}",
            "mlflow.sourceRun": run_id,
            "mlflow.trace_schema.version": "3",
        },
        tags={
            "mlflow.traceName": f"{trajectory.case_id} turn {turn.index}",
            "assay.case_id": trajectory.case_id,
            "assay.trial": str(trajectory.trial),
            "assay.bundle_digest": trajectory.bundle_digest,
        },
    )


def _assessments(
    trajectory: Trajectory, results: list[tuple[str, Result]], index: int, last: bool
) -> Iterator[Feedback]:
    """Findings on the turn they are anchored to; the conversation's results, and findings without one, on the last."""
    turns = {turn.index for turn in trajectory.turns}
    for metric, result in results:
        if last and not isinstance(result, Score):
            error = result.error if isinstance(result, ScorerFailure) else None
            if error:
                yield _feedback(metric, None, "", error)
        if isinstance(result, Score):
            if last:
                yield _feedback(metric, result.value / result.of, result.explanation)
            for finding in result.findings:
                if finding.turn == index or (last and finding.turn not in turns):
                    yield _feedback(finding.rule, finding.severity.value, _rationale(finding))


def _feedback(name: str, value: float | str | None, rationale: str, error: str | None = None) -> Feedback:
    from mlflow.entities import AssessmentSource, Feedback

    source = AssessmentSource(source_type="CODE", source_id="assay")
    return Feedback(name=name, value=value, error=error, rationale=rationale or None, source=source)


def _rationale(finding: Finding) -> str:
    quote = f' "{finding.quote}"' if finding.quote else ""
    evidence = f" ({finding.evidence})" if finding.evidence else ""
    return f"{finding.message}{quote}{evidence}"


def _spans(trace_id: str, trajectory: Trajectory, turn: TurnRecord, start: int, last: bool) -> Iterator[Span]:
    root = secrets.token_hex(8)
    end = start + _duration(turn)
    error = (trajectory.error or trajectory.outcome.value) if last and trajectory.outcome != "completed" else ""
    name = f"turn {turn.index}"
    yield _span(trace_id, root, None, name, "AGENT", turn.customer, turn.reply, start, end, error)
    # Events carry no times of their own: they share the turn's evenly, which keeps their order on screen.
    step = max((end - start) // max(len(turn.events), 1), 1)
    for number, event in enumerate(turn.events):
        label, kind, inputs, outputs, failure = _event(event)
        begin = start + number * step
        yield _span(trace_id, secrets.token_hex(8), root, label, kind, inputs, outputs, begin, begin + step, failure)


def _event(event: AgentEvent) -> tuple[str, str, Any, Any, str]:
    """Name, MLflow span type, inputs, outputs and error of an event."""
    match event:
        case Say(text=text):
            return "say", "CHAT_MODEL", None, text, ""
        case Triage(intent=intent, confidence=confidence, signals=signals):
            return "triage", "PARSER", None, {"intent": intent, "confidence": confidence, "signals": signals}, ""
        case Retrieval(query=query, passages=passages):
            found = [{"page_content": p.text, "metadata": {"doc_uri": p.document, "score": p.score}} for p in passages]
            return "search", "RETRIEVER", query, found, ""
        case ToolCall(name=name, arguments=arguments, result=result, error=error):
            return name, "TOOL", arguments, result, error or ""
        case Handoff(packet=packet):
            return "hand off", "AGENT", None, packet.model_dump(mode="json"), ""


def _span(
    trace_id: str,
    span_id: str,
    parent: str | None,
    name: str,
    kind: str,
    inputs: Any,
    outputs: Any,
    start: int,
    end: int,
    error: str,
) -> Span:
    from mlflow.entities import Span

    attributes = {
        "mlflow.traceRequestId": trace_id,
        "mlflow.spanType": kind,
        "mlflow.spanInputs": inputs,
        "mlflow.spanOutputs": outputs,
    }
    return Span.from_dict(
        {
            "trace_id": trace_id,
            "span_id": span_id,
            "parent_span_id": parent,
            "name": name,
            "start_time_unix_nano": start,
            "end_time_unix_nano": end,
            "status": {"code": "STATUS_CODE_ERROR" if error else "STATUS_CODE_OK", "message": error},
            "attributes": {key: json.dumps(value, ensure_ascii=False) for key, value in attributes.items()},
            "events": [],
        }
    )
