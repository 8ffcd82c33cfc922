"""ragas's own context recall over the documents an agent retrieved. Its only importer; no language model is asked."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from assay.registry.types.case import Case
from assay.registry.types.score import MetricSpec, Result, Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import Trajectory
from assay.runner.scorers.base import Scorer

__all__ = ["RagasRetrievalScorer"]

_NOTHING = Skipped(reason="the case expects no documents")


class RagasRetrievalScorer(Scorer):
    """`retrieval_recall`: the mean, over turns that name supporting documents, of the share of them that was
    retrieved in that turn or before, by ragas's IDBasedContextRecall.
    """

    name = "ragas_retrieval"
    version = "1"

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (
            MetricSpec(
                name="retrieval_recall",
                kind="mean",
                direction="higher_is_better",
                range=(0.0, 1.0),
                description="Share of a turn's supporting documents that were retrieved (ragas IDBasedContextRecall)",
            ),
        )

    @property
    def identity(self) -> dict[str, object]:
        return super().identity | {"ragas": version("ragas")}

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        if not _expects_documents(case):
            return {"retrieval_recall": _NOTHING}
        retrieved: list[str] = []
        values: list[float] = []
        by_index = {turn.index: turn for turn in trajectory.turns}
        for index, wanted in enumerate(case.turns, start=1):
            if index in by_index:
                retrieved += (passage.document for passage in by_index[index].passages)
            if wanted.expect.supporting_documents:
                value = _recall(retrieved, list(wanted.expect.supporting_documents))
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                    failure = ScorerFailure(error=f"ragas answered {value!r} for turn {index}: not a share")
                    return {"retrieval_recall": failure}
                values.append(float(value))
        return {"retrieval_recall": Score(value=math.fsum(values) / len(values), explanation=f"by turn: {values}")}

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        return None if _expects_documents(case) else _NOTHING


def _expects_documents(case: Case) -> bool:
    return any(turn.expect.supporting_documents for turn in case.turns)


def _recall(retrieved: list[str], wanted: list[str]) -> object:
    """Ragas's answer. Its coroutine never waits, so it is stepped once: an event loop for each call costs more."""
    metric, sample = _ragas()
    steps = metric._single_turn_ascore(sample(retrieved_context_ids=retrieved, reference_context_ids=wanted), None)
    try:
        steps.send(None)
    except StopIteration as done:
        return done.value
    finally:
        steps.close()
    raise RuntimeError("ragas's recall by ids waited for something")


@cache
def _ragas() -> tuple[Any, Any]:
    """The metric and the class of its input. Usage tracking is off."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    from ragas.dataset_schema import SingleTurnSample
    from ragas.metrics import IDBasedContextRecall

    return IDBasedContextRecall(), SingleTurnSample
