"""A scorer of ours for `mlflow.genai.evaluate`: what it measures, as an object that MLflow calls for each row.

How a row is measured comes in as a function, because scorers live in a room that this one does not know. What comes
out is one Feedback for each declared metric, always:

- A score is a number, never a yes: what counts as good enough is for a gate to say, so `EvaluationResult.passed` is
  False for it. For a proportion of several units it is the share; the units stand in the metadata.
- What was skipped or failed is an error (`SKIPPED`, `SCORER_FAILURE`) without a value. MLflow leaves errors out of its
  averages, so a mean of its own says nothing about how many rows it rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.registry.store.sessions import RecordedCall, recorded_turn
from assay.registry.types.score import MetricSpec, Result, Score, ScorerFailure, ScorerInfo, Skipped

if TYPE_CHECKING:
    from mlflow.entities import Feedback, Trace

__all__ = ["EvaluatedRow", "Measure", "RetrievedText", "mlflow_scorer"]


@dataclass(frozen=True)
class RetrievedText:
    """A passage of a RETRIEVER span. `document` is its `doc_uri`, empty where it has none."""

    document: str
    text: str


@dataclass(frozen=True)
class EvaluatedRow:
    """One row of `mlflow.genai.evaluate`, without MLflow's types. Calls and passages come from the row's trace."""

    inputs: Any
    outputs: Any
    expectations: Mapping[str, Any]
    calls: tuple[RecordedCall, ...] = ()
    passages: tuple[RetrievedText, ...] = ()
    failed: bool = False
    """Whether the traced agent ended with an error."""


Measure = Callable[[EvaluatedRow], Mapping[str, Result]]


def mlflow_scorer(info: ScorerInfo, measure: Measure) -> Any:
    """An `mlflow.genai.scorers.Scorer` that returns one Feedback for each metric of `info`.

    Args:
        info: the scorer's identity; its digest goes into each Feedback's metadata.
        measure: a row to results by metric name. What it raises becomes an error of every metric.
    """
    from mlflow.genai.scorers import scorer

    def assay_scorer(inputs: Any, outputs: Any, expectations: Any, trace: Any) -> list[Feedback]:
        try:
            found = measure(_row(inputs, outputs, expectations, trace))
        except Exception as error:
            failure = ScorerFailure(error=f"{type(error).__name__}: {error}"[:300])
            found = dict.fromkeys((metric.name for metric in info.metrics), failure)
        missing = ScorerFailure(error="the scorer said nothing about this metric")
        return [_feedback(info, metric, found.get(metric.name, missing)) for metric in info.metrics]

    return scorer(name=info.name, description=f"Assay's scorer {info.name}, version {info.version}")(assay_scorer)


def _row(inputs: Any, outputs: Any, expectations: Any, trace: Trace | None) -> EvaluatedRow:
    if trace is None:
        return EvaluatedRow(inputs, outputs, expectations or {})
    turn = recorded_turn(trace)
    passages = tuple(
        RetrievedText(str((found.get("metadata") or {}).get("doc_uri") or ""), str(found["page_content"]))
        for span in sorted(trace.data.spans, key=lambda span: span.start_time_ns)
        if span.span_type == "RETRIEVER" and isinstance(span.outputs, list)
        for found in span.outputs
        if isinstance(found, dict) and found.get("page_content")
    )
    return EvaluatedRow(inputs, outputs, expectations or {}, turn.calls, passages, turn.failed)


def _feedback(info: ScorerInfo, metric: MetricSpec, result: Result) -> Feedback:
    from mlflow.entities import AssessmentError, AssessmentSource, Feedback

    metadata = {"assay.scorer_digest": info.digest, "assay.direction": metric.direction}
    value: float | None = None
    rationale: str | None = None
    error: AssessmentError | None = None
    if isinstance(result, Score):
        value, rationale = result.value / result.of, result.explanation or None
        metadata |= {"assay.value": f"{result.value:g}", "assay.of": str(result.of)}
    elif isinstance(result, Skipped):
        error = AssessmentError(error_code="SKIPPED", error_message=result.reason)
    else:
        error = AssessmentError(error_code="SCORER_FAILURE", error_message=result.error)
    source = AssessmentSource(source_type="CODE", source_id=f"assay:{info.name}")
    return Feedback(name=metric.name, value=value, error=error, rationale=rationale, source=source, metadata=metadata)
