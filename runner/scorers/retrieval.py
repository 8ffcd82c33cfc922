"""Retrieval: did the search bring the documents that answer, and how far up?

The ranking of a turn is the order in which its searches returned documents, each document once. A turn without a
search of its own stands on the last search before it, since an agent may answer a follow-up from what it has read.
Turns whose case names no supporting documents are left out; a turn that names some and never searched scores zero.

With R the documents named for a turn, and `rel(i)` 1 where the i-th of the ranking is among them, else 0 (Manning,
Raghavan and Schuetze, Introduction to Information Retrieval, 2008, chapter 8):

- recall@k: how many of R stand among the first k, of |R|
- precision@k: how many of the first k are in R, of k, or of what was returned where that is less
- MRR: 1 / rank of the first document in R, 0 where none was found; the mean over a conversation's turns
- nDCG@k: sum over i <= k of rel(i) / log2(i + 1), divided by its value for the best ranking there is (Järvelin and
  Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002); the mean over a conversation's turns
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field, field_validator

from assay.registry.types.base import Frozen, Severity
from assay.registry.types.case import Case
from assay.registry.types.score import Finding, MetricSpec, Result, Score, Skipped
from assay.registry.types.trajectory import Retrieval, Say, Trajectory, TurnRecord
from assay.runner.scorers.base import Scorer, ScorerContext, has_own_turns

__all__ = ["RetrievalScorer", "RetrievalSettings", "ndcg", "precision", "recall", "reciprocal_rank"]

_NOTHING = Skipped(reason="the case expects no documents")
_OWN_TURNS = Skipped(reason="the recording has turns of its own: which of them the documents belong to is not known")


def recall(ranking: Sequence[str], wanted: Sequence[str], k: int) -> tuple[int, int]:
    """(found, of): how many of the documents `wanted` stand among the first `k` of `ranking`."""
    return len(set(wanted).intersection(ranking[:k])), len(set(wanted))


def precision(ranking: Sequence[str], wanted: Sequence[str], k: int) -> tuple[int, int]:
    """(right, of): how many of the first `k` of `ranking` are `wanted`; (0, 1) where nothing was returned."""
    first = ranking[:k]
    return len(set(wanted).intersection(first)), max(1, len(first))


def reciprocal_rank(ranking: Sequence[str], wanted: Sequence[str]) -> float:
    """1 / rank of the first document of `ranking` that is `wanted`, 0 where there is none."""
    return next((1 / rank for rank, document in enumerate(ranking, start=1) if document in wanted), 0.0)


def ndcg(ranking: Sequence[str], wanted: Sequence[str], k: int) -> float:
    """Normalised discounted cumulative gain of the first `k`, in [0, 1], every document of `wanted` being worth one."""
    gain = math.fsum(1 / math.log2(rank + 1) for rank, d in enumerate(ranking[:k], start=1) if d in wanted)
    best = math.fsum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(set(wanted))) + 1))
    return gain / best


class RetrievalSettings(Frozen):
    """`k`: how deep the ranking is looked at; each gives metrics of its own."""

    k: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(min_length=1)] = (1, 3, 5)

    @field_validator("k")
    @classmethod
    def _once(cls, given: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(given)) != len(given):
            raise ValueError("a depth stands twice")
        return given


class RetrievalScorer(Scorer):
    """Measures the searches of an agent against the documents that the case names turn by turn."""

    name = "retrieval"
    version = "1"
    Settings = RetrievalSettings

    def __init__(self, settings: RetrievalSettings, context: ScorerContext) -> None:
        super().__init__(settings, context)
        self._depths = settings.k

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return tuple(_metrics(self._depths))

    @property
    def rules(self) -> tuple[str, ...]:
        return ("not_searched", "not_retrieved")

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        del metric
        return None if any(turn.expect.supporting_documents for turn in case.turns) else _NOTHING

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        if has_own_turns(case, trajectory):
            return {metric.name: self.applies(metric, case) or _OWN_TURNS for metric in self.metrics}
        judged = list(_judged(case, trajectory))
        if not judged:
            return {metric.name: _NOTHING for metric in self.metrics}
        rankings = [(ranking, wanted) for _, ranking, wanted in judged]
        findings = tuple(_findings(judged))
        results: dict[str, Result] = {
            "retrieval_mrr": _mean([reciprocal_rank(ranking, wanted) for ranking, wanted in rankings]),
        }
        for k in self._depths:
            results[f"retrieval_recall_at_{k}"] = _share([recall(r, w, k) for r, w in rankings], findings)
            results[f"retrieval_precision_at_{k}"] = _share([precision(r, w, k) for r, w in rankings])
            results[f"retrieval_ndcg_at_{k}"] = _mean([ndcg(r, w, k) for r, w in rankings])
        return results


def _metrics(depths: Sequence[int]) -> Iterator[MetricSpec]:
    for k in depths:
        yield _share_metric(f"recall_at_{k}", f"Of the documents that answer: among the first {k} retrieved.")
        yield _share_metric(f"precision_at_{k}", f"Of the first {k} documents retrieved: among those that answer.")
        yield _mean_metric(f"ndcg_at_{k}", f"How far up the documents that answer stand among the first {k} (nDCG).")
    yield _mean_metric("mrr", "1 / rank of the first document that answers, mean over turns (mean reciprocal rank).")


def _share_metric(name: str, description: str) -> MetricSpec:
    return MetricSpec(
        name=f"retrieval_{name}",
        kind="proportion",
        direction="higher_is_better",
        unit="document",
        description=description,
    )


def _mean_metric(name: str, description: str) -> MetricSpec:
    return MetricSpec(
        name=f"retrieval_{name}",
        kind="mean",
        direction="higher_is_better",
        range=(0.0, 1.0),
        description=description,
    )


def _judged(case: Case, trajectory: Trajectory) -> Iterator[tuple[int, list[str], tuple[str, ...]]]:
    """Each turn that names documents: its number, its ranking, the documents."""
    by_index = {turn.index: turn for turn in trajectory.turns}
    ranking: list[str] = []
    for index, expected in enumerate(case.turns, start=1):
        turn = by_index.get(index)
        searches = _before_reply(turn) if turn is not None else []
        if searches:
            ranking = list(dict.fromkeys(passage.document for search in searches for passage in search.passages))
        if expected.expect.supporting_documents:
            yield index, ranking, expected.expect.supporting_documents


def _before_reply(turn: TurnRecord) -> list[Retrieval]:
    """The searches of a turn that its last words to the customer can rest on."""
    spoken = [at for at, event in enumerate(turn.events) if isinstance(event, Say)]
    events = turn.events[: spoken[-1]] if spoken else turn.events
    return [event for event in events if isinstance(event, Retrieval)]


def _findings(judged: Sequence[tuple[int, list[str], tuple[str, ...]]]) -> Iterator[Finding]:
    for turn, ranking, wanted in judged:
        missing = [document for document in dict.fromkeys(wanted) if document not in ranking]
        if missing:
            searched = f"retrieved: {', '.join(ranking)}" if ranking else "nothing was retrieved"
            yield Finding(
                rule="not_retrieved" if ranking else "not_searched",
                severity=Severity.MEDIUM,
                message=f"{', '.join(missing)} would have answered; {searched}",
                turn=turn,
            )


def _share(counts: Sequence[tuple[int, int]], findings: tuple[Finding, ...] = ()) -> Score:
    value, of = sum(n for n, _ in counts), sum(m for _, m in counts)
    said = f"{value} of {of} over {len(counts)} turns"
    return Score(value=float(value), of=of, explanation=said, findings=findings)


def _mean(values: Sequence[float]) -> Score:
    said = "by turn: " + ", ".join(f"{value:.3f}" for value in values)
    return Score(value=min(1.0, math.fsum(values) / len(values)), explanation=said)
