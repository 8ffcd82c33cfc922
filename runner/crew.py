"""A plan shared out among workers that may die.

The rules, wherever the workers are (`assay.runner.processes`, `assay.runner.ray_cluster`):

- Whatever a worker has told of is done. What it had been given and not told of when it died is given to others, in
  smaller parts and after everything else, so that one case that kills whoever takes it costs no other case anything.
- A part that was under way in more than `MOST_DEATHS` deaths is left out; the run ends with an error that names its
  cases, after all others are done.
- A budget is the whole crew's. When it is spent, no worker begins another conversation. Workers that do not come to an
  end after a budget of time are not waited for.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from assay.registry.errors import AssayError, NotMeasuredError
from assay.runner.collect import Done
from assay.runner.replay import Limits, Trial, budget_spent

__all__ = ["Admitted", "Crew", "Died", "Ended", "Failed", "News", "Ready", "Told", "parts_of", "quietly", "share_out"]

MOST_DEATHS = 3
_LARGEST_PART = 100
_PARTS_EACH = 8
_SPLIT = 4
"""Into how many parts the rest of a dead worker's part is split: 64 trials, 16, 4, and the one that is to blame."""
_GRACE_S = 10.0
_LOOK_AGAIN_S = 0.1
_TICK_S = 1.0


@dataclass(frozen=True)
class Ready:
    """The worker can take a part."""


@dataclass(frozen=True)
class Told:
    """A trial of the worker's part is done and kept."""

    done: Done


@dataclass(frozen=True)
class Ended:
    """The worker has nothing left to do; `stopped` says whether a budget or `Crew.halt` kept it from the rest."""

    stopped: bool


@dataclass(frozen=True)
class Died:
    """The worker is gone."""

    why: str


@dataclass(frozen=True)
class Failed:
    """The worker cannot do its work, and no other could."""

    problem: str
    exit_code: int = NotMeasuredError.exit_code

    def error(self) -> AssayError:
        """What to raise for it."""
        error = AssayError(self.problem)
        error.exit_code = self.exit_code
        return error


News = Ready | Told | Ended | Died | Failed


class Crew(Protocol):
    """Workers, known by number. All methods are called from one thread."""

    def hire(self) -> int:
        """Start another worker; `hear` tells when it is ready."""
        ...

    def give(self, worker: int, part: Sequence[Trial], limits: Limits) -> None:
        """Have a worker that is ready, or has ended its last part, run these trials."""
        ...

    def hear(self, timeout: float) -> list[tuple[int, News]]:
        """What workers have to tell; waits so many seconds for it at most."""
        ...

    def halt(self) -> None:
        """Have all workers begin no further conversation."""
        ...

    def dismiss(self) -> None:
        """End all workers, now."""
        ...


@dataclass(frozen=True)
class Admitted:
    """A part looked at before it is given away: what is to be run, what is done already, what others are at."""

    run: Sequence[Trial]
    done: Sequence[Done] = ()
    held: Sequence[Trial] = ()


def _all(part: Sequence[Trial]) -> Admitted:
    return Admitted(part)


def parts_of(
    trials: Sequence[Trial], workers: int, concurrency: int = 1, largest: int = _LARGEST_PART
) -> deque[tuple[Trial, ...]]:
    """The trials in parts that keep all workers busy to the end, each large enough for a worker's concurrency."""
    fair = -(-len(trials) // workers)
    size = min(largest, max(min(concurrency, fair), -(-fair // _PARTS_EACH), 1))
    return deque(tuple(trials[n : n + size]) for n in range(0, len(trials), size))


def share_out(
    crew: Crew,
    trials: Sequence[Trial],
    workers: int,
    limits: Limits,
    progress: Callable[[Done], None] | None = None,
    *,
    admit: Callable[[Sequence[Trial]], Admitted] = _all,
    largest: int = _LARGEST_PART,
) -> str | None:
    """Have a crew of `workers` run the trials; it is dismissed however this ends.

    Args:
        limits: budgets of the whole crew, and the concurrency of each worker.
        progress: called with each trial that is done, once.
        admit: looks at a part just before it is given to a worker.
        largest: number of trials in a part at most.

    Returns:
        Why trials were left out, where a budget was spent.

    Raises:
        NotMeasuredError: workers die before they can begin, or some cases kill every worker that takes them.
        AssayError: a worker cannot do its work.
    """
    waiting = parts_of(trials, workers, limits.concurrency, largest)
    try:
        return _Sharing(crew, workers, limits, len(trials), waiting, progress or (lambda done: None), admit).run()
    finally:
        crew.dismiss()


@dataclass
class _Sharing:
    """One plan being shared out."""

    crew: Crew
    workers: int
    limits: Limits
    total: int
    waiting: deque[tuple[Trial, ...]]
    progress: Callable[[Done], None]
    admit: Callable[[Sequence[Trial]], Admitted]
    busy: dict[int, dict[str, Trial]] = field(default_factory=dict)
    """What each worker has been given and has not told of, by key."""
    starting: set[int] = field(default_factory=set)
    idle: set[int] = field(default_factory=set)
    deaths: dict[str, int] = field(default_factory=dict)
    stillborn: int = 0
    deadly: list[Trial] = field(default_factory=list)
    spent_usd: float = 0.0
    ended: int = 0
    stopped: str | None = None
    began: float = field(default_factory=time.monotonic)

    def run(self) -> str | None:
        while self.waiting or self.busy:
            self._look_at_budgets()
            if self.stopped and (not self.busy or self._overdue()):
                return self.stopped
            held = self._give() if not self.stopped else False
            if self.waiting or self.busy:
                for worker, news in self.crew.hear(_LOOK_AGAIN_S if held and not self.busy else self._patience()):
                    self._take(worker, news)
        if self.deadly:
            cases = sorted({trial.case.id for trial in self.deadly})
            more = f" and {len(cases) - 5} more" if len(cases) > 5 else ""
            raise NotMeasuredError(
                f"workers keep dying while they run the cases {', '.join(cases[:5])}{more}. Everything else is done "
                "and kept. Run with --executor local --processes 1 to see what happens there."
            )
        return self.stopped if self.ended < self.total else None

    def _look_at_budgets(self) -> None:
        if not self.stopped:
            self.stopped = budget_spent(self.spent_usd, self.began, self.limits, f"{self.ended:,} of {self.total:,}")
            if self.stopped:
                self.crew.halt()

    def _left_s(self) -> float | None:
        return None if self.limits.budget_s is None else self.began + self.limits.budget_s - time.monotonic()

    def _overdue(self) -> bool:
        left = self._left_s()
        return left is not None and left < -_GRACE_S

    def _patience(self) -> float:
        left = self._left_s()
        return _TICK_S if left is None or left <= 0 else min(_TICK_S, left)

    def _give(self) -> bool:
        """Give parts to whoever is free and hire who is missing; whether a part is held by another run."""
        held = False
        for worker in sorted(self.idle):
            while self.waiting and worker in self.idle:
                admitted = self.admit(self.waiting.popleft())
                for done in admitted.done:
                    self._count(done)
                if admitted.run:
                    self.idle.discard(worker)
                    self.busy[worker] = {trial.key: trial for trial in admitted.run}
                    self.crew.give(worker, admitted.run, self._part_limits())
                if admitted.held:
                    self.waiting.append(tuple(admitted.held))
                    held = True
                    if not admitted.run:
                        break
        needed = min(self.workers, len(self.waiting) + len(self.busy)) - len(self.starting | self.idle | set(self.busy))
        for _ in range(needed):
            self.starting.add(self.crew.hire())
        return held

    def _part_limits(self) -> Limits:
        """What of the budgets is left for a part that begins now."""
        usd, left = self.limits.budget_usd, self._left_s()
        return replace(
            self.limits,
            budget_usd=None if usd is None else max(0.0, usd - self.spent_usd),
            budget_s=None if left is None else max(0.0, left),
        )

    def _count(self, done: Done) -> None:
        self.ended += 1
        self.spent_usd += done.cost_usd
        self.progress(done)

    def _take(self, worker: int, news: News) -> None:
        match news:
            case Ready():
                self.starting.discard(worker)
                self.idle.add(worker)
                self.stillborn = 0
            case Told(done):
                if self.busy.get(worker, {}).pop(done.key, None) is not None:
                    self._count(done)
            case Ended(stopped):
                self._over(worker, stopped)
            case Died(why):
                self._buried(worker, why)
            case Failed():
                raise news.error()

    def _over(self, worker: int, stopped: bool) -> None:
        rest = tuple(self.busy.pop(worker).values())
        self.idle.add(worker)
        if rest:
            if not stopped:
                raise NotMeasuredError(f"a worker left out the case {rest[0].case.id!r} without a word")
            self.waiting.append(rest)

    def _buried(self, worker: int, why: str) -> None:
        self.idle.discard(worker)
        if worker in self.starting:
            self.starting.discard(worker)
            self.stillborn += 1
            if self.stillborn > MOST_DEATHS:
                raise NotMeasuredError(f"workers die before they can begin: {why}")
        rest = tuple(self.busy.pop(worker, {}).values())
        for trial in rest:
            self.deaths[trial.key] = self.deaths.get(trial.key, 0) + 1
        self.deadly += [trial for trial in rest if self.deaths[trial.key] > MOST_DEATHS]
        again = [trial for trial in rest if self.deaths[trial.key] <= MOST_DEATHS]
        size = max(1, -(-len(again) // _SPLIT))
        self.waiting += [tuple(again[n : n + size]) for n in range(0, len(again), size)]


def quietly(work: Callable[[], object]) -> None:
    """Do something for a worker that may be gone already."""
    with suppress(OSError, ValueError):
        work()
