"""Scorers by name. Nothing is imported before it is used: some scorers bring heavy libraries.

A name of ours is always ours: no installed package can put another scorer in its place.
"""

from __future__ import annotations

from importlib import import_module

from assay.registry.errors import NotFoundError
from assay.runner.scorers.base import Scorer
from assay.runner.scorers.custom import ScorerFactory, ScorerHome, entry_point_names, load_scorer

__all__ = ["SCORERS", "scorer_class", "scorer_factory"]

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
    """The scorer of ours that is called `name`.

    Raises:
        NotFoundError: there is none; names the nearest, among those of installed packages too.
    """
    if name not in SCORERS:
        raise NotFoundError("scorer", name, [*SCORERS, *entry_point_names()])
    module, _, attribute = SCORERS[name].partition(":")
    return getattr(import_module(module), attribute)


def scorer_factory(name: str, home: ScorerHome | None = None) -> ScorerFactory | None:
    """What makes a team's own scorer; None where the name can only be one of ours.

    Raises:
        ContentError: a team's own scorer cannot be loaded.
    """
    if ":" in name or (name not in SCORERS and name in entry_point_names()):
        return load_scorer(name, home)
    return None
