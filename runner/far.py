"""The work of one worker on another machine, which has no access to the stores of whoever started it.

It gets a job with what it takes to do it, replays and scores in a temporary folder of its own, and hands out each
trajectory with its scores as soon as they are made. Assay has to be installed there, in the same version.
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from assay.registry.digest import digest_of, digest_tree
from assay.registry.types.score import ScoreRecord
from assay.runner.calls import Call, CallFolder
from assay.runner.crew import Failed
from assay.runner.job import Job, Stores, Worker
from assay.runner.processes import told_problem
from assay.runner.replay import Limits, Replayed, Spending, Trial
from assay.runner.scorers.base import Scorer
from assay.runner.scorers.custom import ScorerHome

__all__ = ["Calls", "Delivery", "Errand", "FarWorker", "Introduction", "Leftover", "PartOver", "code_digest", "errand"]

Calls = Mapping[str, list[Call]]
"""The completed calls of conversations that have not ended, by key."""

_FOLDER = "assay-worker-"


@dataclass(frozen=True)
class Errand:
    """A job, with the files of the workspace that its scorers are made of: path relative to the workspace, content."""

    job: Job
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Introduction:
    """Who a worker is, and what it works with: digests of Assay's source and of the scorers, in order."""

    host: str
    code: str
    scorers: tuple[str, ...]


@dataclass(frozen=True)
class Delivery:
    """A trial that is done: the bytes of its file in the worker's journal, and its scores as JSON-like values."""

    key: str
    file: bytes
    records: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Leftover:
    """The calls of a conversation that a budget broke off."""

    key: str
    calls: list[Call]


@dataclass(frozen=True)
class PartOver:
    """The part has come to its end; `stopped` by a budget."""

    stopped: bool


def errand(job: Job, scorers: Sequence[Scorer]) -> Errand:
    """The job as it can be sent to another machine. `scorers` are those of its suite."""
    files: dict[str, bytes] = {}
    home = job.home.root if job.home else None
    for scorer in scorers if home else ():
        source = scorer.identity.get("source")
        named = source.get("files", {}) if home and isinstance(source, Mapping) else {}
        for path, name in ((home / name, name) for name in named if home):
            if path.is_file():
                files[name] = path.read_bytes()
    return Errand(job, files)


@cache
def code_digest() -> str:
    """Digest of the source of all that makes trajectories and scores."""
    rooms = [Path(import_module(name).__file__ or "").parent for name in ("assay.registry", "assay.runner")]
    return digest_of([digest_tree(room, "**/*.py") for room in rooms])


class FarWorker:
    """Runs parts of an errand. What stands on a thread of its own is built and used there alone."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._thread = ThreadPoolExecutor(1)
        self._folder = _own_folder()
        self._worker: Worker | None = None
        self._spending = Spending()

    def introduce(self) -> Introduction | Failed:
        """Build the agent and the scorers; who this is then, or why it cannot be."""
        try:
            worker = self._thread.submit(self._built).result()
        except Exception as problem:
            return told_problem(problem)
        return Introduction(socket.gethostname(), code_digest(), tuple(s.info().digest for s in worker.scorers))

    def run(
        self, part: Sequence[Trial], limits: Limits, calls: Calls
    ) -> Iterator[Delivery | Leftover | PartOver | Failed]:
        """What comes of a part, as it comes; a `PartOver` or `Failed` is the last.

        Args:
            calls: what was completed of the part's conversations before.
        """
        outcome: queue.SimpleQueue[Delivery | Leftover | PartOver | Failed] = queue.SimpleQueue()
        self._spending = Spending()
        self._thread.submit(self._run, part, limits, calls, outcome)
        while True:
            item = outcome.get()
            yield item
            if isinstance(item, PartOver | Failed):
                return

    def halt(self) -> None:
        """Begin no further conversation of the part that is under way."""
        self._spending.stopped = "halted"

    def close(self) -> None:
        """Remove what is on disk."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _built(self) -> Worker:
        if self._worker is None:
            workspace = self._folder / "workspace"
            for name, data in self._errand.files.items():
                path = workspace / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            stores = Stores(self._folder / "trajectories", self._folder / "scores.db")
            home = self._errand.job.home and ScorerHome(workspace)
            self._worker = Worker(replace(self._errand.job, stores=stores, home=home), keep_scores=False)
        return self._worker

    def _run(
        self,
        part: Sequence[Trial],
        limits: Limits,
        calls: Calls,
        outcome: queue.SimpleQueue[Delivery | Leftover | PartOver | Failed],
    ) -> None:
        try:
            worker = self._built()
            folder = CallFolder(worker.journal.root / "calls")
            for key, known in calls.items():
                claimed = folder.claim(key)
                assert claimed is not None
                claimed.take_over(known)
                claimed.release()

            def deliver(replayed: Replayed, records: Sequence[ScoreRecord]) -> None:
                path = worker.journal.path(replayed.trial.key)
                plain = tuple(record.model_dump(mode="json") for record in records)
                outcome.put(Delivery(replayed.trial.key, path.read_bytes(), plain))
                path.unlink()

            stopped = worker.run(part, limits=limits, deliver=deliver, spending=self._spending)
            for trial in part if stopped else ():
                claimed = folder.claim(trial.key)
                if claimed is not None:
                    if claimed.known:
                        outcome.put(Leftover(trial.key, claimed.known))
                    claimed.finish()
            outcome.put(PartOver(stopped is not None))
        except Exception as problem:
            outcome.put(told_problem(problem))


def _own_folder() -> Path:
    """A new temporary folder; those of workers on this machine that are gone are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        pid = left.name.removeprefix(_FOLDER).partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
