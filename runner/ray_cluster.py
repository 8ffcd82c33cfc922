"""A job on a Ray cluster: the workers are actors, which need Assay but none of this machine's stores.

The driver holds the claims on the conversations that it has given away, takes in what comes back, and checks it: a
trajectory has to have the digest and the key that it was asked for, a score has to be of it and of a scorer of the
suite. What the journal holds already is not sent. The job goes into Ray's object store once.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from assay.registry.errors import AssayError, IntegrityError, NotMeasuredError
from assay.runner.collect import Done, Rerun
from assay.runner.crew import Died, Ended, Failed, News, Ready, Told, share_out
from assay.runner.far import Delivery, Errand, FarWorker, Introduction, Leftover, PartOver, code_digest, errand
from assay.runner.job import Job
from assay.runner.ray_address import refuse_unreachable
from assay.runner.ray_desk import Desk
from assay.runner.replay import Limits, Trial
from assay.runner.score import build_scorers
from assay.runner.scorers.base import Scorer

__all__ = ["run_on_ray"]

_START_S = 120.0
"""How long no worker at all may have begun: a cluster without a free processor."""
_CLOSE_S = 2.0
_MOST_CLAIMS = 512
"""Conversations that are given away at once; each is an open file here."""


def run_on_ray(
    job: Job,
    trials: Sequence[Trial],
    workers: int,
    address: str | None,
    progress: Callable[[Done], None] | None = None,
    scorers: Sequence[Scorer] | None = None,
) -> str | None:
    """As `run_in_processes`, by so many Ray actors of one processor each.

    Args:
        address: `HOST:PORT` of a cluster that this machine is a node of; None for that in RAY_ADDRESS, or else a
            cluster on this machine that ends with the run.
        scorers: those of the job's suite, where they are built already.

    Raises:
        AssayError: Ray is not installed, there is no cluster at the address, or a worker cannot do its work.
        NotMeasuredError: no worker can be had, its Assay is not this one, or some cases kill every worker.
        IntegrityError: a worker delivered something other than it was asked for.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    ray = _ray()
    if address:
        refuse_unreachable(address)
    workers = min(workers, max(1, job.limits.concurrency))
    shared = job.shared_by(workers)
    scorers = tuple(scorers or build_scorers(job.suite, job.context, job.home))
    desk = Desk(job, scorers)
    try:
        to_run = desk.not_yet_run(trials, progress)
        if not to_run:
            return None
        with _connected(ray, address, workers):
            crew = _Actors(ray, errand(_unforced(shared), scorers), desk, address)
            largest = max(1, _MOST_CLAIMS // workers)
            return share_out(
                crew, to_run, workers, shared.limits, progress, admit=desk.admit, largest=min(100, largest)
            )
    finally:
        desk.close()


def _unforced(job: Job) -> Job:
    """The job for a worker, which has nothing that it could run again."""
    return replace(job, rerun=Rerun())


def _ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise AssayError("`--executor ray` needs Ray, which is an extra of Assay: pip install 'assay[ray]'") from None
    return ray


@contextmanager
def _connected(ray: Any, address: str | None, workers: int) -> Iterator[None]:
    """Within the block this process is a driver of the cluster; nothing of Ray's reaches the terminal."""
    from ray._private import worker

    if ray.is_initialized():
        raise AssayError("this process is connected to a Ray cluster already; end that connection first")
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    # A worker's death is told by us; Ray would print it on standard output, between the results.
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *args, **more: None
    where = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False, "address": "local"}
    try:
        ray.init(**where, log_to_driver=False, configure_logging=False, logging_level=logging.CRITICAL)
    except Exception as problem:
        ray.shutdown()
        why = " ".join(str(problem).split())[:300]
        raise AssayError(f"no Ray cluster can be used at {address or 'this machine'}: {why}") from None
    try:
        yield
    finally:
        ray.shutdown()


@dataclass
class _Actors:
    """Ray actors as a crew. Their deaths are told by the cluster, those of whole machines too."""

    ray: Any
    errand: Errand
    desk: Desk
    address: str | None
    actors: dict[int, Any] = field(default_factory=dict)
    listening: dict[Any, int] = field(default_factory=dict)
    """What is waited for (an introduction, or the stream of a part), and whose it is."""
    streams: set[int] = field(default_factory=set)
    last: int = 0
    began: float = field(default_factory=time.monotonic)
    anybody: bool = False

    def __post_init__(self) -> None:
        self._stored = self.ray.put(self.errand)
        # `halt` has to get through while a part is under way.
        self._kind = self.ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=2, num_cpus=1)(FarWorker)

    def hire(self) -> int:
        self.last += 1
        self.actors[self.last] = self._kind.remote(self._stored)
        self.listening[self.actors[self.last].introduce.remote()] = self.last
        return self.last

    def give(self, worker: int, part: Sequence[Trial], limits: Limits) -> None:
        run = self.actors[worker].run.options(num_returns="streaming")
        self.listening[run.remote(tuple(part), limits, self.desk.calls(part))] = worker
        self.streams.add(worker)

    def hear(self, timeout: float) -> list[tuple[int, News]]:
        if not self.anybody and time.monotonic() - self.began > _START_S:
            free, there = (getattr(self.ray, f)().get("CPU", 0) for f in ("available_resources", "cluster_resources"))
            raise NotMeasuredError(
                f"no worker could begin within {_START_S:g} s on the Ray cluster{self._place()}: each takes a "
                f"processor, and {free:g} of {there:g} are free"
            )
        if not self.listening:
            time.sleep(timeout)
            return []
        waiting = list(self.listening)
        first, _ = self.ray.wait(waiting, num_returns=1, timeout=timeout)
        heard, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0) if first else ([], [])
        return [(worker, news) for each in heard for worker in [self.listening[each]] for news in self._news(each)]

    def halt(self) -> None:
        for actor in self.actors.values():
            actor.halt.remote()

    def dismiss(self) -> None:
        closing = [self.actors[worker].close.remote() for worker in self.actors]
        if closing:
            self.ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S)
        for actor in self.actors.values():
            self.ray.kill(actor)

    def _news(self, source: Any) -> list[News]:
        worker = self.listening[source]
        try:
            item = self.ray.get(next(source) if worker in self.streams else source)
        except StopIteration:
            return [self._gone(source, worker, "it broke off without a word")]
        except self.ray.exceptions.RayError as problem:  # it died, or what it had made was lost with its machine
            return [self._gone(source, worker, str(problem))]
        match item:
            case Introduction():
                self._forget(source, worker)
                self._check(item)
                self.anybody = True
                return [Ready()]
            case Delivery():
                return [Told(self.desk.take_in(item))]
            case Leftover(key, calls):
                self.desk.keep_calls(key, calls)
                return []
            case PartOver(stopped):
                self._forget(source, worker)
                return [Ended(stopped)]
            case Failed():
                return [item]
        raise IntegrityError(f"a worker answered with {type(item).__name__}")

    def _forget(self, source: Any, worker: int) -> None:
        del self.listening[source]
        self.streams.discard(worker)

    def _gone(self, source: Any, worker: int, why: str) -> Died:
        self._forget(source, worker)
        self.ray.kill(self.actors.pop(worker))
        if "No module named 'assay" in why:
            raise AssayError(
                f"the workers of the Ray cluster{self._place()} cannot import Assay: it has to be installed on each of "
                "its nodes, in the same version as here"
            )
        return Died(" ".join(why.split())[:300])

    def _check(self, worker: Introduction) -> None:
        """Raises NotMeasuredError where a worker would measure something else than this process."""
        if worker.code != code_digest():
            raise NotMeasuredError(
                f"the Assay on {worker.host} is not the one on this machine: install the same version on all nodes of "
                "the Ray cluster"
            )
        if worker.scorers != self.desk.scorers:
            raise NotMeasuredError(
                f"the scorers on {worker.host} are not those on this machine: what they are made of has to be the same "
                "on all nodes of the Ray cluster"
            )

    def _place(self) -> str:
        return f" at {self.address}" if self.address else ""
