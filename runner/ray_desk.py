"""Where a run on other machines keeps its books: what is given away, what comes back, and whether that is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from assay.registry.errors import IntegrityError
from assay.registry.types.score import ScoreRecord
from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.calls import Call, CallFile, CallFolder
from assay.runner.collect import Done
from assay.runner.crew import Admitted
from assay.runner.far import Calls, Delivery
from assay.runner.job import Job
from assay.runner.journal import Journal
from assay.runner.replay import Replayed, Trial
from assay.runner.scorebook import ScoreBook
from assay.runner.scorers.base import Scorer
from assay.runner.scoring import Scoring

__all__ = ["Desk"]


class Desk:
    """The journal, the score book, and the claims on all conversations that workers have been given."""

    def __init__(self, job: Job, scorers: Sequence[Scorer]) -> None:
        self._job = job
        self.scorers = tuple(scorer.info().digest for scorer in scorers)
        self._journal = Journal(job.stores.journal)
        self._folder = CallFolder(self._journal.root / "calls")
        self._book = ScoreBook(job.stores.book)
        self._scoring = Scoring(scorers, self._book)
        self._claims: dict[str, tuple[Trial, CallFile]] = {}
        self._before: dict[str, str] = {}
        """Digests of stored trajectories that are to be run again, by key."""

    def not_yet_run(self, trials: Sequence[Trial], progress: Callable[[Done], None] | None) -> list[Trial]:
        """The trials that have to be run; the others are scored, where they are not, and told."""
        to_run: list[Trial] = []
        for trial in trials:
            stored = self._journal.get(trial.key)
            if stored is None or self._again(stored.trajectory):
                to_run.append(trial)
                if stored is not None:
                    self._before[trial.key] = stored.digest
            else:
                done = self._reused(trial, stored.trajectory, stored.digest)
                if progress:
                    progress(done)
        return to_run

    def admit(self, part: Sequence[Trial]) -> Admitted:
        """Claim the conversations of a part. One that another process is in is held; one that it ended is done."""
        run: list[Trial] = []
        done: list[Done] = []
        held: list[Trial] = []
        for trial in part:
            if trial.key in self._claims:  # given back by a worker
                run.append(trial)
                continue
            before = self._before.get(trial.key)
            claimed = self._folder.claim(trial.key, anew=before is not None)
            if claimed is None:
                held.append(trial)
                continue
            now = self._journal.get(trial.key)
            if now is not None and now.digest != before:
                claimed.finish()
                done.append(self._reused(trial, now.trajectory, now.digest))
            else:
                self._claims[trial.key] = (trial, claimed)
                run.append(trial)
        return Admitted(run, done, held)

    def calls(self, part: Sequence[Trial]) -> Calls:
        """What former processes completed of the part's conversations."""
        return {trial.key: known for trial in part if (known := self._claims[trial.key][1].known)}

    def keep_calls(self, key: str, calls: list[Call]) -> None:
        """Keep the calls of a conversation that was broken off, for whoever goes on with it."""
        if key in self._claims:
            self._claims[key][1].take_over(calls)

    def take_in(self, delivery: Delivery) -> Done:
        """Store what a worker delivered.

        Raises:
            IntegrityError: it is not what the worker was asked for, or was damaged on its way.
        """
        if delivery.key not in self._claims:
            raise IntegrityError(f"a worker delivered the trajectory {delivery.key[:12]}, which nobody asked it for")
        trial, claimed = self._claims[delivery.key]
        stored = Journal.parse(delivery.file, delivery.key)
        if stored is None or not self._asked_for(trial, stored.trajectory):
            raise IntegrityError(f"what a worker delivered for the case {trial.case.id!r} is not what it was asked for")
        records = self._scoring.accept(trial.case, stored.trajectory, stored.digest, _records(trial, delivery.records))
        digest = self._journal.put(stored.trajectory)
        claimed.finish()
        del self._claims[delivery.key]
        return Done.of(Replayed(trial, stored.trajectory, digest, fresh=True), records)

    def close(self) -> None:
        """Give up all claims."""
        for _, claimed in self._claims.values():
            claimed.release()
        self._claims.clear()
        self._book.close()

    def _again(self, stored: Trajectory) -> bool:
        rerun = self._job.rerun
        return rerun.everything or (rerun.unavailable and stored.outcome is Outcome.ENDPOINT_ERROR)

    def _reused(self, trial: Trial, trajectory: Trajectory, digest: str) -> Done:
        records = self._scoring.records(trial.case, trajectory, digest)
        return Done.of(Replayed(trial, trajectory, digest, fresh=False), records)

    def _asked_for(self, trial: Trial, found: Trajectory) -> bool:
        asked = (trial.case.id, trial.case_digest, trial.trial, self._job.subject.bundle_digest)
        return asked == (found.case_id, found.case_digest, found.trial, found.bundle_digest)


def _records(trial: Trial, plain: Sequence[dict[str, Any]]) -> list[ScoreRecord]:
    try:
        return [ScoreRecord.model_validate(record) for record in plain]
    except ValidationError:
        raise IntegrityError(f"a worker's scores of the case {trial.case.id!r} are no scores") from None
