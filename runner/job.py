"""What has to be done to a plan, told so that any process can do a part of it.

A job holds what an agent and scorers are built from, not the built things, and goes to another process as it is.
Wherever it runs, it makes the same trajectories under the same keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.types.score import ScoreRecord
from assay.registry.types.suite import Suite
from assay.runner.collect import Done, Rerun, collect
from assay.runner.evaluate import Subject
from assay.runner.journal import Journal
from assay.runner.replay import Limits, Replayed, Spending, Trial
from assay.runner.scorebook import ScoreBook
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.custom import ScorerHome
from assay.runner.scoring import Scoring

if TYPE_CHECKING:
    from assay.registry.store import ResolvedBundle
    from assay.runner.agents.base import Agent
    from assay.runner.scorers.base import Scorer

__all__ = ["Job", "Stores", "Worker"]


@dataclass(frozen=True)
class Stores:
    """Where trajectories and scores are kept; several processes may share them."""

    journal: Path
    book: Path


@dataclass(frozen=True)
class Job:
    """Replay a bundle's agent and score what it did.

    Args:
        root: the workspace's folder, from which relative paths of the agent's settings start.
        share: the part of each endpoint's rate limits that one worker may use.
    """

    bundle: ResolvedBundle
    subject: Subject
    root: Path
    suite: Suite
    context: ScorerContext
    home: ScorerHome | None
    stores: Stores
    limits: Limits
    rerun: Rerun
    share: float = 1.0

    def shared_by(self, workers: int) -> Job:
        """The job as one of so many workers has it: its share of the concurrency and of the rate limits.

        The bundle goes without what was built from it: that need not, or cannot, go to another process.
        """
        limits = replace(self.limits, concurrency=max(1, self.limits.concurrency // workers))
        return replace(self, bundle=replace(self.bundle), limits=limits, share=self.share / workers)


class Worker:
    """Does parts of a job in this process. The agent and the scorers are built once, the stores opened once.

    Args:
        scorers: those of the job's suite, where they are built already.
        keep_scores: False where somebody else keeps them.
    """

    def __init__(self, job: Job, scorers: Sequence[Scorer] | None = None, *, keep_scores: bool = True) -> None:
        from assay.runner.agents.factory import build_agent
        from assay.runner.score import build_scorers

        self.job = job
        self.journal = Journal(job.stores.journal)
        self.scorers = tuple(scorers or build_scorers(job.suite, job.context, job.home))
        self._agent: Agent = build_agent(job.bundle, job.root, share=job.share)
        self.scoring = Scoring(self.scorers, ScoreBook(job.stores.book) if keep_scores else None)

    def run(
        self,
        trials: Sequence[Trial],
        progress: Callable[[Done], None] | None = None,
        limits: Limits | None = None,
        *,
        deliver: Callable[[Replayed, Sequence[ScoreRecord]], None] | None = None,
        spending: Spending | None = None,
    ) -> str | None:
        """Have the trials' trajectories in the journal and their scores in the book; see `collect`.

        Returns:
            Why trials were left out, where a budget was spent.

        Raises:
            OSError: a store cannot be written to.
        """
        from assay.runner.customers.factory import customers_for

        return collect(
            self._agent,
            self.job.subject,
            trials,
            self.job.suite.replay,
            self.journal,
            self.scoring,
            customers=customers_for(self.job.suite.replay),
            limits=limits or self.job.limits,
            rerun=self.job.rerun,
            progress=progress,
            deliver=deliver,
            spending=spending,
        )
