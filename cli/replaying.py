"""The replay of a plan, composed: who runs it, within which limits, and what is shown meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.cli.console import note, progress
from assay.registry.errors import AssayError, ContentError, NotFoundError

if TYPE_CHECKING:
    from assay.cli.standard import Standard
    from assay.registry.store import ResolvedBundle
    from assay.registry.types.case import Dataset
    from assay.registry.types.suite import Suite
    from assay.registry.workspace import Workspace
    from assay.runner.collect import Done
    from assay.runner.evaluate import Evidence, Subject
    from assay.runner.job import Job

__all__ = ["EXECUTORS", "HowToRun", "check_cases", "refuse_mode", "run_trials"]

_SHOWN_CASES = 5
_FILES, _FILES_EACH = 1024, 4
"""Open files of a process that replays, and of each conversation: its calls, its connection, and room."""

EXECUTORS = ("local", "ray")
"""Where trials can be run: on this machine, or on a Ray cluster."""


@dataclass(frozen=True)
class HowToRun:
    """How a replay is carried out. Nothing here changes what a trial is, so nothing of it is in a trajectory's key.

    `limit` is how many trials are run at most; the others stay planned, so that a gate reads them as missing.
    """

    concurrency: int = 16
    processes: int = 1
    executor: str = "local"
    address: str | None = None
    fresh: bool = False
    retry_unavailable: bool = False
    limit: int | None = None
    budget_usd: float | None = None
    budget_s: float | None = None

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise NotFoundError("executor", self.executor, EXECUTORS)
        if self.executor == "local" and self.address:
            raise AssayError("--address names a Ray cluster: it needs --executor ray")


def refuse_mode(suite: Suite, ref: str, *, recorded: bool) -> None:
    """Raises AssayError where a suite wants a replay and there are transcripts, or the other way round."""
    mode = suite.replay.mode
    if recorded and mode != "recorded":
        raise AssayError(
            f"suite {suite.name!r} replays {mode!r}, but {ref} holds transcripts, nothing can be run: "
            "it needs 'recorded'"
        )
    if not recorded and mode == "recorded":
        raise AssayError(
            f"suite {suite.name!r} replays 'recorded', but {ref} is a bundle whose agent is run: "
            "it needs 'scripted', 'golden_history' or 'simulated'"
        )


def check_cases(suite: Suite, dataset: Dataset) -> None:
    """Raises ContentError where cases lack what the suite's mode of replay needs; names the first of them."""
    from assay.runner.conversation import golden_past

    problems: list[str] = []
    for case in dataset.cases:
        if suite.replay.mode == "golden_history":
            try:
                golden_past(case)
            except ValueError as problem:
                problems.append(str(problem))
    if problems:
        more = f"\nand {len(problems) - _SHOWN_CASES} more" if len(problems) > _SHOWN_CASES else ""
        listed = "\n".join(problems[:_SHOWN_CASES])
        raise ContentError(
            f"suite {suite.name!r} replays {suite.replay.mode!r}, which some cases cannot:\n{listed}{more}"
        )


def run_trials(
    workspace: Workspace,
    bundle: ResolvedBundle,
    subject: Subject,
    standard: Standard,
    evidence: Evidence,
    how: HowToRun,
) -> None:
    """Fill `evidence` with what the bundle's agent does, showing how far it is."""
    from assay.runner.collect import Rerun
    from assay.runner.job import Job, Stores
    from assay.runner.replay import Limits

    job = Job(
        bundle=bundle,
        subject=subject,
        root=workspace.root,
        suite=standard.suite,
        context=standard.context,
        home=standard.home,
        stores=Stores(workspace.journal, workspace.scores),
        limits=Limits(how.concurrency, how.budget_usd, how.budget_s),
        rerun=Rerun(how.fresh, how.retry_unavailable),
    )
    allow_files(how.concurrency)
    trials = evidence.trials[: how.limit]
    show = _Shown(evidence)
    with progress(f"replaying {subject.label}", len(trials)) as advance, _kept_on_interrupt():
        evidence.stopped = _execute(job, standard, trials, how, lambda done: advance(show.add(done)))
    note(f"{evidence.fresh} trajectories run, {evidence.reused} already in the journal.{show.summary()}")
    if evidence.stopped:
        note(f"Stopped: {evidence.stopped}. The same command goes on from there.")


def _execute(job: Job, standard: Standard, trials, how: HowToRun, progress: Callable[[Done], None]) -> str | None:
    if how.executor == "ray":
        from assay.runner.ray_cluster import run_on_ray

        return run_on_ray(job, trials, how.processes, how.address, progress, standard.scorers)
    if how.processes > 1:
        from assay.runner.processes import run_in_processes

        return run_in_processes(job, trials, how.processes, progress)
    from assay.runner.job import Worker

    worker = Worker(job, standard.scorers)
    try:
        return worker.run(trials, progress)
    finally:
        for path in worker.journal.set_aside:
            note(f"A damaged trajectory was set aside and run again: {path}")


def allow_files(concurrency: int) -> None:
    """Let this process, and those that it starts, have the files open that so many conversations take."""
    import resource

    wanted = _FILES + _FILES_EACH * concurrency
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        highest = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, highest), hard))


class _Shown:
    """Counts what is told while trials are run."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._began = time.monotonic()
        self._done = self._failed = self._handed_off = self._violations = 0
        self._usd = 0.0

    def add(self, done: Done) -> str:
        """Take a trial in; what to show beside the bar."""
        self._evidence.digests[done.key] = done.digest
        self._evidence.seals[done.key] = done.seal
        self._evidence.fresh += done.fresh
        self._done += 1
        self._failed += not done.completed
        self._handed_off += done.handed_off
        self._violations += done.violations
        self._usd += done.cost_usd
        rate = self._done / max(time.monotonic() - self._began, 1e-9)
        cost = f", ${self._usd:.2f}" if self._usd else ""
        failed = f"{self._failed} failed, " if self._failed else ""
        return f"{failed}{self._handed_off} escalated, {self._violations} violations, {rate:.3g}/s{cost}"

    def summary(self) -> str:
        """What is told at the end, where there is something to tell."""
        failed = f" {self._failed} did not complete." if self._failed else ""
        return failed + (f" They cost {self._usd:.2f} US dollars." if self._usd else "")


@contextmanager
def _kept_on_interrupt() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        note("Interrupted. What was finished is kept: the same command goes on from there.")
        raise
