"""The worker processes of one agent: who gets which, and when one is replaced.

- A conversation gets the process with the fewest others; as long as fewer than `workers` run, that is a new one. With
  `concurrency: 1`, the default, no two conversations are in a process at once, so that whatever one does to it (a
  crash, an exit) costs no other. Where they share one and it dies, it is not known who did it: each of them ends as
  an agent error that says so. The agent has crashed, and no conversation is run twice for a better end.
- Python cannot stop a thread. A turn whose code goes on after its deadline leaves the process with one conversation
  less to give; once half of what it may hold is lost so, it gets no more and is killed with its last conversation.
- Waiting for a free process is not the agent's slowness: deadlines stand still meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from assay.registry.errors import ContentError
from assay.runner.agents.callable.process import AgentProcessError, WorkerProcess
from assay.runner.endpoint.waiting import our_wait

__all__ = ["Lease", "Pool"]

_START_GRACE_S = 10.0
"""How long processes that are being started at the end get to come up, so that they can be stopped."""
_SETTLE_S = 0.5
"""How long code that was told to stop may take before its process counts as stuck."""

Starter = Callable[[], Coroutine[Any, Any, tuple[WorkerProcess, dict[str, Any]]]]


@dataclass(eq=False)
class _Place:
    """A process, or one that is being started."""

    starting: asyncio.Task[tuple[WorkerProcess, dict[str, Any]]]
    users: int = 0
    retired: bool = False
    worker: WorkerProcess | None = field(default=None)


class Lease:
    """The right to use a process for a turn or a conversation."""

    def __init__(self, pool: Pool, place: _Place, worker: WorkerProcess) -> None:
        self._pool, self._place, self.worker = pool, place, worker
        self._held = True
        self.settling = False
        """Whether it is given back as soon as code that was told to stop has stopped."""

    @property
    def others(self) -> int:
        """How many others use the process now."""
        return self._place.users - 1

    def release(self) -> None:
        """Give it back; more than once does no harm."""
        if self._held:
            self._held = False
            self._pool.give_back(self._place)


class Pool:
    """Starts processes as they are needed. An asynchronous context manager; `stateful` is known once it is entered."""

    def __init__(self, start: Starter, workers: int, concurrency: int) -> None:
        self._start, self._workers, self._concurrency = start, workers, concurrency
        self._places: list[_Place] = []
        self._processes: set[WorkerProcess] = set()
        """All that were ever started; the dead ones still have pipes to be closed."""
        self._settling: set[asyncio.Task[None]] = set()
        self._free = asyncio.Condition()
        self.stateful = False

    async def __aenter__(self) -> Pool:
        """Start the first process. Raises ContentError: it cannot be started, or the agent cannot be imported."""
        place = self._begin()
        try:
            place.worker, said = await place.starting
        except AgentProcessError as error:
            raise ContentError(str(error), key="adapter.settings.target") from None
        finally:
            if place.worker is None:
                self._places.remove(place)
        self.stateful = said["ready"]["stateful"]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._settling:
            task.cancel()
        places, self._places = self._places, []
        # A start that is cancelled while the system makes the process may never return: it gets the time to finish.
        starting = {place.starting for place in places}
        if starting:
            await asyncio.wait(starting, timeout=_START_GRACE_S)
        for task in starting:
            task.cancel()
        await asyncio.gather(*(worker.stop() for worker in self._processes), return_exceptions=True)

    async def lease(self) -> Lease:
        """A process, as soon as one is free. Raises AgentProcessError: a further one could not be started."""
        place = await self._find()
        place.users += 1
        try:
            if not place.starting.done():
                await our_wait(asyncio.wait({place.starting}))
            place.worker, _ = place.starting.result()
        except BaseException as error:
            self.give_back(place)
            if isinstance(error, AgentProcessError) and place in self._places:
                self._places.remove(place)
            raise
        return Lease(self, place, place.worker)

    def settle(self, lease: Lease) -> None:
        """Give back a process in which code was told to stop, once it has; a stuck one is replaced."""
        lease.settling = True

        async def wait() -> None:
            try:
                await lease.worker.settled(_SETTLE_S)
            finally:
                lease.release()

        task = asyncio.get_running_loop().create_task(wait())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    def give_back(self, place: _Place) -> None:
        place.users -= 1
        worker = place.worker
        if worker is not None and worker.unfinished >= max(1, self._concurrency // 2):
            place.retired = True
        if worker is not None and (worker.death or (place.retired and not place.users)):
            worker.kill()
            if place in self._places:
                self._places.remove(place)
        task = asyncio.get_running_loop().create_task(self._wake())
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _find(self) -> _Place:
        async with self._free:
            while True:
                found = self._choose()
                if found is not None:
                    return found
                await our_wait(self._free.wait())

    def _choose(self) -> _Place | None:
        self._places = [p for p in self._places if not (p.worker and p.worker.death)]
        usable = [p for p in self._places if not p.retired and p.users < self._concurrency]
        best = min(usable, key=lambda p: p.users, default=None)
        running = sum(not p.retired for p in self._places)
        if (best is None or best.users) and running < self._workers:
            return self._begin()
        return best

    def _begin(self) -> _Place:
        async def start() -> tuple[WorkerProcess, dict[str, Any]]:
            worker, said = await self._start()
            self._processes.add(worker)
            return worker, said

        place = _Place(asyncio.get_running_loop().create_task(start()))
        self._places.append(place)
        return place

    async def _wake(self) -> None:
        async with self._free:
            self._free.notify_all()
