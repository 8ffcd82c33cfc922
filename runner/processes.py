"""A job on several processes of this machine, for agents and scorers that keep a processor busy.

The processes share the stores. One that is killed costs nothing that it had completed: what it left is given to
another, and only a part that keeps killing whoever takes it ends the run.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

from assay.registry.errors import NotMeasuredError
from assay.runner.collect import Done
from assay.runner.job import Job, Worker
from assay.runner.replay import Limits, Trial

__all__ = ["Purse", "parts_of", "run_in_processes"]

_LARGEST_PART = 100
_PARTS_EACH = 8
_MOST_DEATHS = 3
"""How often a part may be under way when a process dies, before it is taken for the cause."""


@dataclass
class Purse:
    """What is left of a job's budgets while its parts run elsewhere."""

    limits: Limits
    began: float
    spent_usd: float = 0.0

    def left(self) -> Limits:
        """The limits of a part that begins now."""
        usd, seconds = self.limits.budget_usd, self.limits.budget_s
        return replace(
            self.limits,
            budget_usd=None if usd is None else max(0.0, usd - self.spent_usd),
            budget_s=None if seconds is None else max(0.0, self.began + seconds - time.monotonic()),
        )


def parts_of(trials: Sequence[Trial], workers: int, largest: int = _LARGEST_PART) -> deque[tuple[Trial, ...]]:
    """The trials in parts that keep all workers busy to the end."""
    size = max(1, min(largest, -(-len(trials) // (workers * _PARTS_EACH))))
    return deque(tuple(trials[n : n + size]) for n in range(0, len(trials), size))


def run_in_processes(
    job: Job, trials: Sequence[Trial], processes: int, progress: Callable[[Done], None] | None = None
) -> str | None:
    """As `Worker.run`, by `processes` processes with an equal share of concurrency and rate limits each.

    Raises:
        NotMeasuredError: a part of the plan kills every process that takes it.
        OSError: a store cannot be written to.
    """
    limits = replace(job.limits, concurrency=max(1, job.limits.concurrency // processes))
    job = replace(job, limits=limits, share=job.share / processes)
    purse = Purse(limits, time.monotonic())
    waiting, deaths = parts_of(trials, processes), dict[str, int]()
    stopped: str | None = None
    while waiting and not stopped:
        waiting, stopped = _one_pool(job, waiting, processes, purse, progress)
        for part in waiting if not stopped else ():
            name = part[0].key
            deaths[name] = deaths.get(name, 0) + 1
            if deaths[name] > _MOST_DEATHS:
                cases = ", ".join(sorted({trial.case.id for trial in part})[:5])
                raise NotMeasuredError(
                    f"processes keep dying while they run the cases {cases}. What was completed is kept. "
                    "Run with --processes 1 to see what happens there."
                )
    return stopped


def _one_pool(
    job: Job,
    waiting: deque[tuple[Trial, ...]],
    processes: int,
    purse: Purse,
    progress: Callable[[Done], None] | None,
) -> tuple[deque[tuple[Trial, ...]], str | None]:
    """Run parts until all are done, a budget is spent, or a process dies; what is left, and which budget."""
    running: dict[Future[tuple[list[Done], str | None]], tuple[Trial, ...]] = {}
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(job,))
    stopped: str | None = None
    died = False
    try:
        while (waiting or running) and not (stopped and not running) and not (died and not running):
            while waiting and len(running) < processes and not stopped and not died:
                part = waiting.popleft()
                running[pool.submit(_run_part, part, purse.left())] = part
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                part = running.pop(future)
                try:
                    done, why = future.result()
                except BrokenProcessPool:
                    died = True
                    waiting.append(part)
                    continue
                stopped = stopped or why
                for each in done:
                    purse.spent_usd += each.cost_usd
                    if progress:
                        progress(each)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return (waiting if died or stopped else deque()), stopped


_WORKER: list[Worker] = []


def _begin(job: Job) -> None:
    _WORKER[:] = [Worker(job)]


def _run_part(trials: tuple[Trial, ...], limits: Limits) -> tuple[list[Done], str | None]:
    done: list[Done] = []
    stopped = _WORKER[0].run(trials, done.append, limits)
    return done, stopped
