"""Scorers by name. Nothing is imported before it is used: some scorers bring heavy libraries."""

from __future__ import annotations

from importlib import import_module

from assay.registry.errors import NotFoundError
from assay.runner.scorers.base import Scorer

__all__ = ["SCORERS", "scorer_class"]

SCORERS = {
    "escalation": "assay.runner.scorers.escalation:EscalationScorer",
    "handoff": "assay.runner.scorers.handoff:HandoffScorer",
    "policy": "assay.runner.scorers.policy:PolicyScorer",
    "scope": "assay.runner.scorers.scope:ScopeScorer",
    "task": "assay.runner.scorers.task:TaskScorer",
    "groundedness": "assay.runner.scorers.groundedness:GroundednessScorer",
    "pii": "assay.runner.scorers.pii:PiiScorer",
    "retrieval": "assay.runner.scorers.retrieval:RetrievalScorer",
    "service": "assay.runner.scorers.service:ServiceScorer",
    "reward": "assay.runner.scorers.reward:RewardScorer",
    "ragas_retrieval": "assay.runner.judges.ragas_metrics:RagasRetrievalScorer",
    "deepeval_tools": "assay.runner.judges.deepeval_metrics:DeepEvalToolsScorer",
}


def scorer_class(name: str) -> type[Scorer]:
    """The scorer called `name`.

    Raises:
        NotFoundError: there is none; names the nearest.
    """
    if name not in SCORERS:
        raise NotFoundError("scorer", name, SCORERS)
    module, _, attribute = SCORERS[name].partition(":")
    return getattr(import_module(module), attribute)
