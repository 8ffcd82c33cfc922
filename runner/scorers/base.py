"""The interface of a scorer.

A scorer reads a trajectory and its case and answers, for each metric it declares, with a `Score`, a
`Skipped(reason)` or a `ScorerFailure`. It is pure: no I/O, no clock, no thresholds.

What happens when a trial did not complete is not left to the scorer: `score_trajectory` asks it only
which metrics apply to the case (`applies`) and counts those at their worst value. A scorer that raises
becomes a `ScorerFailure` for each of its metrics.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from assay.registry.digest import digest_of
from assay.registry.types.base import Frozen
from assay.registry.types.bundle import BundleManifest
from assay.registry.types.case import Case
from assay.registry.types.score import MetricSpec, Result, Score, ScorerInfo, Skipped
from assay.registry.types.trajectory import Trajectory
from assay.runner.scorers.vocabulary import Vocabulary

__all__ = ["Scorer", "ScorerContext", "has_own_turns"]


class ScorerContext(Frozen):
    """What a scorer may know beside the case and the trajectory.

    `manifest` is None for recorded trajectories, whose bundle is not in the registry. `rule_packs` maps the
    name of a file of policy rules to its text; a scorer that reads one has to put it into its `identity`.
    """

    manifest: BundleManifest | None = None
    rule_packs: dict[str, str] = {}
    tools: tuple[str, ...] = ()
    """Tools that the dataset knows; where there are any, policy rules can name no others."""
    vocabulary: Vocabulary = Vocabulary()
    """Arguments and results of tools, intents and queues that are known: rules can name no others of what is known."""
    documents: dict[str, str] = {}
    """Knowledge document id to its full text."""
    internal_documents: tuple[str, ...] = ()
    """Ids of documents that must not be quoted to customers."""
    superseded_documents: tuple[str, ...] = ()
    """Ids of documents that a newer one has replaced."""
    approved_wording: str = ""
    """What the business approved for the agent to say. It comes with the dataset, never from the candidate."""


def has_own_turns(case: Case, trajectory: Trajectory) -> bool:
    """Whether a conversation has turns of its own, so that what a case says of a turn cannot be placed in it.

    So has a recording with another number of turns, and any conversation of a case that does not tell by which turn the
    required escalation was due, which only simulated customers can leave open.
    """
    escalation = case.expect.escalation
    if escalation.required and escalation.by_turn is None:
        return True
    return trajectory.mode == "recorded" and len(trajectory.turns) != len(case.turns)


class Scorer(ABC):
    """Base of all scorers. A subclass declares `name`, `version` and a `Settings` model.

    `version` changes whenever the same input could get another result.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    Settings: ClassVar[type[Frozen]] = Frozen

    def __init__(self, settings: Frozen, context: ScorerContext) -> None:
        self.settings = settings
        self.context = context

    @property
    @abstractmethod
    def metrics(self) -> tuple[MetricSpec, ...]:
        """The metrics that `score` answers for, every time."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules that findings of this scorer can name."""
        return ()

    @property
    def identity(self) -> dict[str, object]:
        """Everything that can change a result; its digest is the scorer's digest."""
        return {"name": self.name, "version": self.version, "settings": self.settings.model_dump(mode="json")}

    def info(self) -> ScorerInfo:
        """This scorer's identity, as it is stored with a run."""
        return ScorerInfo(
            name=self.name,
            version=self.version,
            digest=digest_of(self.identity),
            metrics=self.metrics,
            rules=self.rules,
        )

    @abstractmethod
    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        """One result for each declared metric, by metric name. The trajectory is a completed one."""

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        """None where `metric` counts for `case` whatever the agent does; else why it cannot be told beforehand.

        Used for trials that did not complete. The default counts every case, which is the safe side.
        """
        del metric, case
        return None

    def worst(self, metric: MetricSpec, why: str) -> Result:
        """The worst score of a proportion: 0 of 1, or 1 of 1 where lower is better."""
        return Score(value=0.0 if metric.direction == "higher_is_better" else 1.0, of=1, explanation=why)
