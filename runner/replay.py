"""Replay: an agent x cases x trials -> trajectories.

Every trial that was asked for ends as a trajectory with an outcome: an agent that raises, hangs or says nothing is
evidence against the agent, not a hole in the evidence. What the journal already holds is not run again; that includes
failures, so that a rerun cannot fish for a pass. A conversation that a killed process was in goes on from its last
completed call. Only a budget leaves trials out, and says so.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sized
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field

from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.agents.base import Agent, CallLog
from assay.runner.calls import CallFolder
from assay.runner.conversation import Trial, converse
from assay.runner.customers.base import Customer, ScriptedCustomer
from assay.runner.journal import Journal
from assay.runner.keys import trajectory_key

__all__ = ["Customers", "Limits", "Replayed", "Spending", "Trial", "budget_spent", "plan", "replay", "scripted"]

_LOOK_AGAIN_S = 0.1
"""How long to leave a conversation that another process holds before looking again."""


@dataclass(frozen=True)
class Limits:
    """How much may go on at once and in all.

    When `budget_usd` is spent, no further conversation begins. After `budget_s` seconds those that run are broken off
    as well; what they have completed is kept, and the next replay goes on from there.
    """

    concurrency: int = 16
    budget_usd: float | None = None
    budget_s: float | None = None


@dataclass
class Spending:
    """What a replay has cost so far, and why it stopped before its end, if it did."""

    usd: float = 0.0
    stopped: str | None = None


@dataclass(frozen=True)
class Replayed:
    """A trial with its trajectory and that one's digest; `fresh` is false when the journal already had it."""

    trial: Trial
    trajectory: Trajectory
    digest: str
    fresh: bool


def plan(
    cases: Iterable[Case], digests: dict[str, str], bundle_digest: str, settings: ReplaySettings, trials: int
) -> tuple[Trial, ...]:
    """Every trial that is to be run, case by case."""
    return tuple(
        Trial(case, digests[case.id], n, trajectory_key(bundle_digest, digests[case.id], settings, n))
        for case in cases
        for n in range(trials)
    )


Customers = Callable[[Trial, CallLog], Customer]
"""Makes the customer of a trial, whose calls to something outside go through the log. It may be an asynchronous context
manager as well: a replay enters it before the first conversation and leaves it after the last."""


def scripted(trial: Trial, calls: CallLog) -> Customer:
    """A customer who says the case's turns."""
    del calls
    return ScriptedCustomer(trial.case)


@dataclass
class _Replay:
    """One replay under way."""

    agent: Agent
    agent_name: str
    bundle_digest: str
    settings: ReplaySettings
    journal: Journal
    customers: Customers
    fresh: bool
    retry_unavailable: bool
    spending: Spending
    calls: CallFolder = field(init=False)

    def __post_init__(self) -> None:
        self.calls = CallFolder(self.journal.root / "calls")

    async def one(self, trial: Trial) -> Replayed | None:
        """The trial's trajectory; None while another process is at it."""
        before = self.journal.get(trial.key)
        if before is not None and not self._again(before.trajectory):
            return Replayed(trial, before.trajectory, before.digest, fresh=False)
        attempt = 0 if before is None else before.trajectory.attempt + self.fresh
        claimed = self.calls.claim(trial.key, anew=before is not None)
        if claimed is None:
            return None
        try:
            now = self.journal.get(trial.key)
            if now is not None and (before is None or now.digest != before.digest):
                claimed.finish()  # another process stored it before we had the claim
                return Replayed(trial, now.trajectory, now.digest, fresh=False)
            trajectory = await converse(
                self.agent,
                self.customers(trial, claimed),
                trial,
                self.settings,
                agent_name=self.agent_name,
                bundle_digest=self.bundle_digest,
                attempt=attempt,
                calls=claimed,
            )
            if claimed.problem is not None:
                raise claimed.problem  # what became of the conversation is no evidence
            digest = self.journal.put(trajectory)
            claimed.finish()
        finally:
            claimed.release()
        self.spending.usd += trajectory.usage.cost_usd
        return Replayed(trial, trajectory, digest, fresh=True)

    def _again(self, stored: Trajectory) -> bool:
        """Whether a stored trajectory is to be made anew; one in which the agent was heard only with all others."""
        heard = any(turn.events for turn in stored.turns)
        unavailable = stored.outcome is Outcome.ENDPOINT_ERROR and not heard
        return self.fresh or (self.retry_unavailable and unavailable)


async def replay(
    agent: Agent,
    trials: Iterable[Trial],
    *,
    agent_name: str,
    bundle_digest: str,
    settings: ReplaySettings,
    journal: Journal,
    customers: Customers = scripted,
    limits: Limits | None = None,
    spending: Spending | None = None,
    fresh: bool = False,
    retry_unavailable: bool = False,
) -> AsyncGenerator[Replayed, None]:
    """Run every trial that the journal does not hold; yields each as it is done, in no set order.

    Args:
        customers: makes the customer of a trial, for the modes in which one speaks.
        spending: is kept up to date; tells afterwards whether a budget stopped the replay.
        fresh: run all trials anew, whatever the journal holds.
        retry_unavailable: run those anew whose endpoint gave no usable answer at all, and no others.

    Raises:
        OSError: the journal cannot be written to.
    """
    limits = limits or Limits()

    spending = spending or Spending()
    work = _Replay(agent, agent_name, bundle_digest, settings, journal, customers, fresh, retry_unavailable, spending)
    async with AsyncExitStack() as stack:
        for held in (agent, customers):
            if hasattr(held, "__aenter__"):
                await stack.enter_async_context(held)  # type: ignore[arg-type]
        async with aclosing(_in_parallel(work, _Waiting(trials), limits)) as conversations:
            async for done in conversations:
                yield done


class _Waiting:
    """Trials that are still to be run; they are taken from where they come from one by one, and none is held."""

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._trials = iter(trials)
        self._again: deque[Trial] = deque()
        self._next = next(self._trials, None)
        self.of = f" of {len(trials):,}" if isinstance(trials, Sized) else ""

    def __bool__(self) -> bool:
        return self._next is not None or bool(self._again)

    def pop(self) -> Trial:
        """The next trial; those that were put back come last."""
        if self._next is None:
            return self._again.popleft()
        trial, self._next = self._next, next(self._trials, None)
        return trial

    def put_back(self, trial: Trial) -> None:
        """Look at a trial again when all others have been."""
        self._again.append(trial)


async def _in_parallel(work: _Replay, waiting: _Waiting, limits: Limits) -> AsyncGenerator[Replayed, None]:
    """Conversations side by side, never more than allowed, until all are done or a budget is spent."""
    running: dict[asyncio.Task[Replayed | None], Trial] = {}
    found: list[Replayed] = []
    began = time.monotonic()
    ended = 0
    try:
        while waiting or running or found:
            work.spending.stopped = work.spending.stopped or budget_spent(
                work.spending.usd, began, limits, f"{ended:,}{waiting.of}"
            )
            while waiting and len(running) < max(1, limits.concurrency) and not work.spending.stopped:
                trial = waiting.pop()
                running[asyncio.create_task(work.one(trial))] = trial
            if found:
                await asyncio.sleep(0)  # those that just began send their first request before anybody is kept busy
            for replayed in found:
                yield replayed
            found.clear()
            if work.spending.stopped and (not running or _late(began, limits)):
                if waiting or running:
                    return
                break
            if not running:
                continue
            left = None if limits.budget_s is None else max(0.0, began + limits.budget_s - time.monotonic())
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED, timeout=left)
            held = 0
            for task in done:
                trial, replayed = running.pop(task), task.result()
                if replayed is None:
                    held += 1
                    waiting.put_back(trial)
                else:
                    ended += 1
                    found.append(replayed)
            if held and held == len(done):
                await asyncio.sleep(_LOOK_AGAIN_S)
        work.spending.stopped = None  # the budget was just enough
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _late(began: float, limits: Limits) -> bool:
    return limits.budget_s is not None and time.monotonic() - began >= limits.budget_s


def budget_spent(usd: float, began: float, limits: Limits, ended: str) -> str | None:
    """Which budget is spent, if one is; `began` is of the monotonic clock, `ended` says after how many trials."""
    after = f"after {ended} trials"
    if limits.budget_usd is not None and usd >= limits.budget_usd:
        return f"the budget of {limits.budget_usd:g} US dollars was spent {after}"
    if _late(began, limits):
        return f"the budget of {limits.budget_s:g} s was spent {after}"
    return None
