"""What has to be done to a plan, told so that any process can do a part of it.

A job holds what an agent and scorers are built from, not the built things, and goes to another process as it is.
Wherever it runs, it makes the same trajectories under the same keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.types.suite import Suite
from assay.runner.collect import Done, Rerun, collect
from assay.runner.evaluate import Subject
from assay.runner.journal import Journal
from assay.runner.replay import Limits, Trial
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


class Worker:
    """Does parts of a job in this process. The agent and the scorers are built once, the stores opened once."""

    def __init__(self, job: Job, scorers: Sequence[Scorer] | None = None) -> None:
        from assay.runner.agents.factory import build_agent
        from assay.runner.score import build_scorers

        self.job = job
        self.journal = Journal(job.stores.journal)
        self._agent: Agent = build_agent(job.bundle, job.root, share=job.share)
        self._book = ScoreBook(job.stores.book)
        self.scoring = Scoring(scorers or build_scorers(job.suite, job.context, job.home), self._book)

    def run(
        self, trials: Sequence[Trial], progress: Callable[[Done], None] | None = None, limits: Limits | None = None
    ) -> str | None:
        """Have the trials' trajectories in the journal and their scores in the book.

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
        )
