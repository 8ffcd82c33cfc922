"""From a plan to an `EvalRun`: replay or recorded trajectories, scored, with every planned trial accounted for.

Trajectories and scores go to disk as they are made. What is held in memory of each is its digest, until the run is
assembled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from assay.registry.errors import IntegrityError
from assay.registry.types.case import Dataset
from assay.registry.types.datacheck import DataCheckReport
from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import ScoreRecord
from assay.registry.types.suite import Suite
from assay.registry.types.trajectory import Trajectory
from assay.runner.journal import Journal
from assay.runner.replay import Trial, plan
from assay.runner.score import suite_digest, trajectory_digest
from assay.runner.scorers.base import Scorer
from assay.runner.scoring import Scoring, holds

__all__ = ["Evidence", "Subject", "assemble", "match_trajectories", "planned_trials"]


@dataclass(frozen=True)
class Subject:
    """Whose conduct is evaluated: the agent's name, its bundle digest, and what people call the bundle."""

    agent: str
    bundle_digest: str
    label: str


@dataclass
class Evidence:
    """What there is of a plan: the digest of each trajectory by its key, and where to read them.

    `fresh` counts those that were run now. `stopped` says why the rest was not run, where a budget was spent.
    """

    trials: tuple[Trial, ...]
    read: Callable[[str], Trajectory]
    digests: dict[str, str] = field(default_factory=dict)
    seals: dict[str, str] = field(default_factory=dict)
    """By key, what scorers said when the trajectory was made (see `seal_of`), for those that were scored then."""
    fresh: int = 0
    stopped: str | None = None

    @property
    def reused(self) -> int:
        """How many came from the journal or a recording."""
        return len(self.digests) - self.fresh

    def trajectories(self) -> Iterator[Trajectory]:
        """Every trajectory there is, in the order of the plan."""
        return (self.read(trial.key) for trial in self.trials if trial.key in self.digests)


def planned_trials(subject: Subject, dataset: Dataset, suite: Suite) -> tuple[Trial, ...]:
    """Every trial that a suite asks for."""
    return plan(dataset.cases, dataset.case_digests, subject.bundle_digest, suite.replay, suite.trials)


def from_journal(trials: tuple[Trial, ...], journal: Journal) -> Evidence:
    """Evidence whose trajectories lie in a journal; none is there yet."""

    def read(key: str) -> Trajectory:
        found = journal.get(key)
        if found is None or found.digest != evidence.digests[key]:
            raise IntegrityError(f"the trajectory {key[:12]} was changed in the journal while it was being scored")
        return found.trajectory

    evidence = Evidence(trials, read)
    return evidence


def match_trajectories(
    trajectories: Iterable[Trajectory], subject: Subject, dataset: Dataset, suite: Suite
) -> Evidence:
    """Evidence from trajectories made elsewhere, matched to the plan by key; what has no match is missing."""
    trials = planned_trials(subject, dataset, suite)
    wanted = {trial.key for trial in trials}
    found = {t.key: t for t in trajectories if t.key in wanted}
    return Evidence(trials, found.__getitem__, {key: trajectory_digest(t) for key, t in found.items()})


def assemble(
    evidence: Evidence,
    subject: Subject,
    dataset: Dataset,
    suite: Suite,
    scorers: Sequence[Scorer],
    scoring: Scoring | None = None,
    *,
    created_at: str,
    data_checks: DataCheckReport | None,
    progress: Callable[[int], None] | None = None,
) -> EvalRun:
    """Score the evidence and account for every planned trial. `run_id` is empty until the run is stored.

    Raises:
        IntegrityError: a trajectory is of another case, or was changed since it was made.
    """
    scoring = scoring or Scoring(scorers)
    scores: list[ScoreRecord] = []
    planned: list[PlannedUnit] = []
    for done, trial in enumerate(evidence.trials, start=1):
        digest = evidence.digests.get(trial.key)
        trajectory = None if digest is None else evidence.read(trial.key)
        if trajectory is not None and digest is not None:
            records = scoring.records(trial.case, trajectory, digest)
            if trial.key in evidence.seals and not holds(evidence.seals[trial.key], records):
                raise IntegrityError(
                    f"the kept scores of case {trial.case.id!r}, trial {trial.trial}, are not what was measured a "
                    "moment ago: somebody changed them. Nothing can be concluded from this evaluation"
                )
            scores += records
        planned.append(_planned(trial, trajectory, digest))
        if progress and trajectory is not None:
            progress(done)
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
        planned=tuple(planned),
        scorers=tuple(scorer.info() for scorer in scorers),
        scores=tuple(scores),
        slices=suite.slices,
        data_checks_passed=data_checks.success if data_checks else None,
        data_checks=data_checks,
        stopped=evidence.stopped,
    )


def _planned(trial: Trial, trajectory: Trajectory | None, digest: str | None) -> PlannedUnit:
    return PlannedUnit(
        case_id=trial.case.id,
        case_digest=trial.case_digest,
        trial=trial.trial,
        attributes=trial.case.attributes(),
        outcome=trajectory.outcome if trajectory else None,
        trajectory=digest,
        error=trajectory.error if trajectory else None,
        attempt=trajectory.attempt if trajectory else 0,
    )
