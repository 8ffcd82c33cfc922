"""A job on several processes of this machine, for agents and scorers that keep a processor busy.

The processes share the stores, so that one that is killed costs nothing that it had completed. None of them outlives
the one that started it, however that one ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from assay.registry.errors import AssayError
from assay.runner.collect import Done
from assay.runner.crew import Died, Ended, Failed, News, Ready, Told, quietly, share_out
from assay.runner.job import Job, Worker
from assay.runner.replay import Limits, Spending, Trial

__all__ = ["run_in_processes", "told_problem"]

_LEAVING_S = 2.0
_ENDING_S = 5.0


def run_in_processes(
    job: Job, trials: Sequence[Trial], processes: int, progress: Callable[[Done], None] | None = None
) -> str | None:
    """As `Worker.run`, by so many processes with an equal share of concurrency and rate limits each.

    No more processes are started than the job's concurrency allows conversations.

    Raises:
        NotMeasuredError: some cases kill every process that takes them, or processes die before they can begin.
        AssayError: a process cannot do its work, e.g. because a store cannot be written to.
    """
    workers = min(processes, max(1, job.limits.concurrency))
    shared = job.shared_by(workers)
    return share_out(_Processes(shared), trials, workers, shared.limits, progress)


@dataclass(frozen=True)
class _Hand:
    process: SpawnProcess
    connection: Connection[Any, Any]


class _Processes:
    """Processes, each with a pipe of its own: the end of its pipe is the end of the process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._context = multiprocessing.get_context("spawn")
        self._hands: dict[int, _Hand] = {}
        self._stillborn: list[int] = []
        self._last = 0

    def hire(self) -> int:
        self._last += 1
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._job, theirs), name=f"assay-{self._last}")
        try:
            process.start()
        except BrokenPipeError:  # it died while it was told its job
            self._stillborn.append(self._last)
        else:
            self._hands[self._last] = _Hand(process, ours)
        theirs.close()
        return self._last

    def give(self, worker: int, part: Sequence[Trial], limits: Limits) -> None:
        # One that has died meanwhile is heard of as such.
        quietly(lambda: self._hands[worker].connection.send((tuple(part), limits)))

    def hear(self, timeout: float) -> list[tuple[int, News]]:
        born, self._stillborn = self._stillborn, []
        heard: list[tuple[int, News]] = [(worker, Died("it ended before it began")) for worker in born]
        by_connection = {hand.connection: worker for worker, hand in self._hands.items()}
        if not by_connection:
            time.sleep(0 if heard else timeout)
            return heard
        for connection in wait(list(by_connection), 0 if heard else timeout):
            worker = by_connection[connection]  # type: ignore[index]
            try:
                heard.append((worker, self._hands[worker].connection.recv()))
            except (EOFError, OSError):
                heard.append((worker, Died(self._bury(worker))))
        return heard

    def halt(self) -> None:
        for hand in self._hands.values():
            quietly(lambda hand=hand: hand.connection.send(None))

    def dismiss(self) -> None:
        # Who has nothing to do, or ends a trial soon, goes by itself and gives back what it holds of the system.
        for hand in self._hands.values():
            hand.connection.close()
        until = time.monotonic() + _LEAVING_S
        for hand in self._hands.values():
            hand.process.join(max(0.0, until - time.monotonic()))
        for hand in self._hands.values():
            hand.process.kill()
        for worker in list(self._hands):
            self._bury(worker)

    def _bury(self, worker: int) -> str:
        hand = self._hands.pop(worker)
        hand.connection.close()
        hand.process.kill()
        hand.process.join(_ENDING_S)
        code = hand.process.exitcode
        return f"it ended with {f'signal {-code}' if code is not None and code < 0 else f'exit code {code}'}"


def _serve(job: Job, connection: Connection[Any, Any]) -> None:
    """What a process does all its life: run the parts that it is given, and tell of each trial."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        worker = Worker(job)
        connection.send(Ready())
        while True:
            message = connection.recv()
            if message is not None:
                part, limits = message
                connection.send(Ended(_run_part(worker, part, limits, connection)))
    except EOFError:
        return
    except Exception as problem:
        told = told_problem(problem)
        quietly(lambda: connection.send(told))


def _run_part(worker: Worker, part: Sequence[Trial], limits: Limits, connection: Connection[Any, Any]) -> bool:
    spending = Spending()

    def tell(done: Done) -> None:
        connection.send(Told(done))
        if connection.poll():
            connection.recv()
            spending.stopped = "halted"

    return worker.run(part, tell, limits, spending=spending) is not None


def told_problem(problem: Exception) -> Failed:
    """An exception as it is told to another process, where its class may be unknown or its pickle unreadable."""
    if isinstance(problem, AssayError):
        return Failed(str(problem), problem.exit_code)
    text = " ".join(str(problem).split())[:500]
    return Failed(f"a worker failed with {type(problem).__name__}{f': {text}' if text else ''}")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
