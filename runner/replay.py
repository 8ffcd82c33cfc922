"""Replay: an agent x cases x trials -> trajectories.

Every trial that was asked for ends as a trajectory with an outcome: an agent that raises, hangs or says
nothing is evidence against the agent, not a hole in the evidence. What the journal already holds is not
run again; that includes failures, so that a rerun cannot fish for a pass.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Handoff, Outcome, Say, Trajectory, TurnRecord, Usage
from assay.runner.agents.base import Agent, AgentSession, ConversationContext
from assay.runner.channel import RecordingChannel
from assay.runner.fixtures import FixtureBackend
from assay.runner.journal import Journal
from assay.runner.keys import trajectory_key, trial_seed

__all__ = ["Replayed", "Trial", "plan", "replay"]


@dataclass(frozen=True)
class Trial:
    """One trial of one case that is to be run."""

    case: Case
    case_digest: str
    trial: int
    key: str


@dataclass(frozen=True)
class Replayed:
    """A trial with its trajectory; `fresh` is false when the journal already had it."""

    trial: Trial
    trajectory: Trajectory
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


async def replay(
    agent: Agent,
    trials: Iterable[Trial],
    *,
    agent_name: str,
    bundle_digest: str,
    settings: ReplaySettings,
    journal: Journal,
    concurrency: int = 16,
    fresh: bool = False,
) -> AsyncIterator[Replayed]:
    """Run every trial that the journal does not hold; yields each as it is done, in no set order.

    Args:
        concurrency: conversations in flight at once, at least 1.
        fresh: run all trials anew, whatever the journal holds.

    Raises:
        OSError: the journal cannot be written to.
    """
    queue: Iterator[Trial] = iter(trials)
    running: set[asyncio.Task[Replayed]] = set()

    async def one(trial: Trial) -> Replayed:
        stored = None if fresh else journal.get(trial.key)
        if stored is not None:
            return Replayed(trial, stored, fresh=False)
        trajectory = await _converse(agent, trial, agent_name, bundle_digest, settings)
        journal.put(trajectory)
        return Replayed(trial, trajectory, fresh=True)

    try:
        while True:
            while len(running) < max(1, concurrency) and (trial := next(queue, None)) is not None:
                running.add(asyncio.create_task(one(trial)))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _converse(
    agent: Agent, trial: Trial, agent_name: str, bundle_digest: str, settings: ReplaySettings
) -> Trajectory:
    case = trial.case
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    turns, usage, outcome, error = await _turns(agent, trial, settings)
    return Trajectory(
        key=trial.key,
        agent=agent_name,
        bundle_digest=bundle_digest,
        case_id=case.id,
        case_digest=trial.case_digest,
        trial=trial.trial,
        mode=settings.mode,
        turns=tuple(turns),
        outcome=outcome,
        error=error,
        usage=usage,
        started_at=started,
    )


async def _turns(
    agent: Agent, trial: Trial, settings: ReplaySettings
) -> tuple[list[TurnRecord], Usage, Outcome, str | None]:
    case = trial.case
    backend = FixtureBackend(case.tools)
    seed = trial_seed(settings, trial.case_digest, trial.trial)
    context = ConversationContext(channel=case.channel, language=case.language, date=case.date, seed=seed)
    turns: list[TurnRecord] = []
    usage = Usage()
    try:
        session = agent.start(context)
    except (Exception, SystemExit) as problem:
        return turns, usage, Outcome.AGENT_ERROR, f"the agent could not start a conversation: {_named(problem)}"
    for index, customer_turn in enumerate(case.turns, start=1):
        channel = RecordingChannel(backend, usage)
        began = time.perf_counter()
        outcome, error = await _respond(session, customer_turn.customer, channel, settings.turn_timeout_s)
        usage = channel.usage
        latency = round(time.perf_counter() - began, 6)
        record = TurnRecord(
            index=index, customer=customer_turn.customer, events=tuple(channel.events), latency_s=latency
        )
        turns.append(record)
        if outcome is not Outcome.COMPLETED:
            return turns, usage, outcome, f"turn {index}: {error}"
    return turns, usage, Outcome.COMPLETED, None


async def _respond(
    session: AgentSession, customer: str, channel: RecordingChannel, timeout_s: float
) -> tuple[Outcome, str | None]:
    deadline = asyncio.timeout(timeout_s)
    try:
        async with deadline:
            await session.respond(customer, channel)
    except TimeoutError as problem:
        if deadline.expired():
            return Outcome.TIMEOUT, f"no answer within {timeout_s:g} s"
        return Outcome.AGENT_ERROR, _named(problem)
    except (Exception, SystemExit) as problem:  # an agent that exits must not take the run with it
        return Outcome.AGENT_ERROR, _named(problem)
    finally:
        channel.close()
    spoke = any(
        isinstance(event, Handoff) or (isinstance(event, Say) and event.text.strip()) for event in channel.events
    )
    return (Outcome.COMPLETED, None) if spoke else (Outcome.NO_REPLY, "the agent said nothing and handed nothing off")


def _named(problem: BaseException) -> str:
    """The exception in one line, without anything from a traceback that could hold a secret."""
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}{f': {text[:300]}' if text else ''}"
