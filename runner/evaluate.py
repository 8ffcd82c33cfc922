"""From a plan to an `EvalRun`: replay or recorded trajectories, scored, with every planned trial accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from assay.registry.types.case import Dataset
from assay.registry.types.datacheck import DataCheckReport
from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import ScoreRecord
from assay.registry.types.suite import Suite
from assay.registry.types.trajectory import Trajectory
from assay.runner.agents.base import Agent
from assay.runner.journal import Journal
from assay.runner.replay import Trial, plan, replay
from assay.runner.score import score_all, suite_digest, trajectory_digest
from assay.runner.scorers.base import Scorer

__all__ = ["Evidence", "Subject", "assemble", "collect", "match_trajectories"]


@dataclass(frozen=True)
class Subject:
    """Whose conduct is evaluated: the agent's name, its bundle digest, and what people call the bundle."""

    agent: str
    bundle_digest: str
    label: str


@dataclass
class Evidence:
    """Trajectories of a plan, by trajectory key; `fresh` counts those that were run now."""

    trials: tuple[Trial, ...]
    trajectories: dict[str, Trajectory] = field(default_factory=dict)
    fresh: int = 0

    @property
    def reused(self) -> int:
        """How many came from the journal or a recording."""
        return len(self.trajectories) - self.fresh


def collect(
    agent: Agent,
    subject: Subject,
    dataset: Dataset,
    suite: Suite,
    journal: Journal,
    *,
    concurrency: int = 16,
    fresh: bool = False,
    limit: int | None = None,
    progress: Callable[[Trajectory, bool], None] | None = None,
) -> Evidence:
    """Replay the dataset through the agent.

    Args:
        limit: run only the first so many trials; the others stay planned, so a gate reads them as missing.
        progress: called with each trajectory and whether it was run now.

    Raises:
        OSError: the journal cannot be written to.
    """
    trials = plan(dataset.cases, dataset.case_digests, subject.bundle_digest, suite.replay, suite.trials)
    evidence = Evidence(trials)

    async def run() -> None:
        async for done in replay(
            agent,
            trials[:limit],
            agent_name=subject.agent,
            bundle_digest=subject.bundle_digest,
            settings=suite.replay,
            journal=journal,
            concurrency=concurrency,
            fresh=fresh,
        ):
            evidence.trajectories[done.trial.key] = done.trajectory
            evidence.fresh += done.fresh
            if progress:
                progress(done.trajectory, done.fresh)

    asyncio.run(run())
    return evidence


def match_trajectories(
    trajectories: Iterable[Trajectory], subject: Subject, dataset: Dataset, suite: Suite
) -> Evidence:
    """Evidence from trajectories made elsewhere, matched to the plan by key; what has no match is missing."""
    trials = plan(dataset.cases, dataset.case_digests, subject.bundle_digest, suite.replay, suite.trials)
    wanted = {trial.key for trial in trials}
    return Evidence(trials, {t.key: t for t in trajectories if t.key in wanted})


def assemble(
    evidence: Evidence,
    subject: Subject,
    dataset: Dataset,
    suite: Suite,
    scorers: Sequence[Scorer],
    *,
    created_at: str,
    data_checks: DataCheckReport | None,
    progress: Callable[[int], None] | None = None,
) -> EvalRun:
    """Score the evidence and account for every planned trial. `run_id` is empty until the run is stored."""
    cases = {case.id: case for case in dataset.cases}
    pairs = [
        (cases[trial.case.id], evidence.trajectories[trial.key])
        for trial in evidence.trials
        if trial.key in evidence.trajectories
    ]
    scores: list[ScoreRecord] = list(score_all(scorers, pairs, progress))
    return EvalRun(
        run_id="",
        created_at=created_at,
        agent=subject.agent,
        bundle_digest=subject.bundle_digest,
        bundle_label=subject.label,
        dataset=dataset.info.name,
        dataset_digest=dataset.digest,
        suite=suite.name,
        suite_digest=suite_digest(suite, scorers),
        trials=suite.trials,
        planned=tuple(_planned(trial, evidence.trajectories) for trial in evidence.trials),
        scorers=tuple(scorer.info() for scorer in scorers),
        scores=tuple(scores),
        slices=suite.slices,
        data_checks_passed=data_checks.success if data_checks else None,
        data_checks=data_checks,
    )


def _planned(trial: Trial, trajectories: Mapping[str, Trajectory]) -> PlannedUnit:
    trajectory = trajectories.get(trial.key)
    return PlannedUnit(
        case_id=trial.case.id,
        case_digest=trial.case_digest,
        trial=trial.trial,
        attributes=trial.case.attributes(),
        outcome=trajectory.outcome if trajectory else None,
        trajectory=trajectory_digest(trajectory) if trajectory else None,
        error=trajectory.error if trajectory else None,
    )
