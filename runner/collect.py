"""Replay and score in one go, each trajectory and its scores on disk before the next is begun.

`collect` is what one process does; `assay.runner.processes` and `assay.runner.ray_cluster` give it parts of a plan to
several.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from assay.registry.types.score import ScoreRecord
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.agents.base import Agent
from assay.runner.evaluate import Subject
from assay.runner.journal import Journal
from assay.runner.replay import Customers, Limits, Replayed, Spending, Trial, replay, scripted
from assay.runner.scoring import Scoring, seal_of, violations

__all__ = ["Done", "Rerun", "collect"]


@dataclass(frozen=True)
class Rerun:
    """What of the journal is run again: everything, or where the endpoint gave no usable answer."""

    everything: bool = False
    unavailable: bool = False


@dataclass(frozen=True)
class Done:
    """What is kept in memory of a trial that is done, and shown while others run."""

    key: str
    digest: str
    fresh: bool
    completed: bool
    handed_off: bool
    violations: int
    cost_usd: float
    seal: str
    """Digest of what scorers said, failures aside: what the book gives back later has to be just that."""

    @classmethod
    def of(cls, replayed: Replayed, records: Sequence[ScoreRecord]) -> Done:
        """What there is to tell of a trajectory and its scores."""
        trajectory: Trajectory = replayed.trajectory
        return cls(
            key=replayed.trial.key,
            digest=replayed.digest,
            fresh=replayed.fresh,
            completed=trajectory.outcome is Outcome.COMPLETED,
            handed_off=bool(trajectory.handoffs),
            violations=violations(records),
            seal=seal_of(records),
            cost_usd=trajectory.usage.cost_usd if replayed.fresh else 0.0,
        )


class _Beside:
    """Scores beside the loop: what scorers take is not the time of the agents that are being waited for.

    Scorers that take less than it takes to hand them over stay where they are.
    """

    _QUICK_S = 0.002

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._took = math.inf

    async def records(self, replayed: Replayed) -> list[ScoreRecord]:
        """The scores of a trajectory."""
        what = (replayed.trial.case, replayed.trajectory, replayed.digest)
        began = time.perf_counter()
        if self._took < self._QUICK_S:
            records = self._scoring.records(*what)
        else:
            records = await asyncio.to_thread(self._scoring.records, *what)
        self._took = time.perf_counter() - began
        return records


def collect(
    agent: Agent,
    subject: Subject,
    trials: Iterable[Trial],
    settings: ReplaySettings,
    journal: Journal,
    scoring: Scoring,
    *,
    customers: Customers = scripted,
    limits: Limits | None = None,
    rerun: Rerun | None = None,
    progress: Callable[[Done], None] | None = None,
    deliver: Callable[[Replayed, Sequence[ScoreRecord]], None] | None = None,
    spending: Spending | None = None,
) -> str | None:
    """Have every trial's trajectory in the journal and its scores in the book.

    Args:
        progress: called with each trial that is done.
        deliver: called with each trial's trajectory and scores, before `progress`.
        spending: once it says that it has stopped, no further conversation begins.

    Returns:
        Why trials were left out, where a budget was spent.

    Raises:
        OSError: the journal cannot be written to.
    """
    spending, rerun = spending or Spending(), rerun or Rerun()

    beside = _Beside(scoring)

    async def run() -> None:
        done = replay(
            agent,
            trials,
            agent_name=subject.agent,
            bundle_digest=subject.bundle_digest,
            settings=settings,
            journal=journal,
            customers=customers,
            limits=limits,
            spending=spending,
            fresh=rerun.everything,
            retry_unavailable=rerun.unavailable,
        )
        async with aclosing(done):
            async for replayed in done:
                records = await beside.records(replayed)
                if deliver:
                    deliver(replayed, records)
                if progress:
                    progress(Done.of(replayed, records))

    asyncio.run(run())
    return spending.stopped
