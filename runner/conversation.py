"""One conversation: a customer and an agent, turn by turn, until one of them or a deadline ends it.

Whatever the agent does, the conversation ends as a trajectory with an outcome.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Handoff, Outcome, Say, Trajectory, TurnRecord, Usage
from assay.runner.agents.base import UNLOGGED, Agent, AgentSession, CallLog, ConversationContext, PastTurn, ToolResult
from assay.runner.channel import RecordingChannel
from assay.runner.customers.base import Customer, SimulatorError
from assay.runner.deadline import Clock, running, timed
from assay.runner.endpoint.errors import EndpointError
from assay.runner.fixtures import FixtureBackend
from assay.runner.keys import trial_seed

__all__ = ["Trial", "converse", "golden_past"]

_NOT_THE_REQUEST = frozenset({401, 403, 404, 408, 409, 425, 429})
"""Statuses from 400 to 499 that speak of the key, the address, the moment or the load."""

_GRACE_S = 5.0
"""How long a session may take to close."""


@dataclass(frozen=True)
class Trial:
    """One trial of one case that is to be run."""

    case: Case
    case_digest: str
    trial: int
    key: str


@dataclass
class _Progress:
    """What has happened so far; what is there when a deadline strikes is what the trajectory holds."""

    turns: list[TurnRecord]
    usage: Usage


class _EndedBadlyError(Exception):
    """The conversation ends here, and not well."""

    def __init__(self, outcome: Outcome, error: str) -> None:
        self.outcome, self.error = outcome, error
        super().__init__(error)


async def converse(
    agent: Agent,
    customer: Customer,
    trial: Trial,
    settings: ReplaySettings,
    *,
    agent_name: str,
    bundle_digest: str,
    attempt: int = 0,
    calls: CallLog = UNLOGGED,
) -> Trajectory:
    """Run one trial to its end. Raises nothing but what cancels it, and OSError where `calls` cannot be written."""
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    so_far = _Progress([], Usage())
    outcome, error = Outcome.COMPLETED, None
    try:
        async with _deadline(settings.conversation_timeout_s, "the conversation did not end") as whole:
            with running(whole):
                if settings.mode == "golden_history":
                    await _golden_history(agent, trial, settings, calls, so_far)
                else:
                    await _dialogue(agent, customer, trial, settings, calls, so_far)
    except _EndedBadlyError as end:
        outcome, error = end.outcome, end.error
    return Trajectory(
        key=trial.key,
        agent=agent_name,
        bundle_digest=bundle_digest,
        case_id=trial.case.id,
        case_digest=trial.case_digest,
        trial=trial.trial,
        attempt=attempt,
        mode=settings.mode,
        turns=tuple(so_far.turns),
        outcome=outcome,
        error=error,
        usage=so_far.usage,
        started_at=started,
    )


def golden_past(case: Case) -> tuple[PastTurn, ...]:
    """What was said before the last turn of a case, by the customer and in golden replies.

    Raises:
        ValueError: a turn has no golden reply; names it.
    """
    past: list[PastTurn] = []
    for number, turn in enumerate(case.turns[:-1], start=1):
        if turn.golden_reply is None:
            raise ValueError(f"case {case.id!r}: turn {number} has no 'golden_reply', which the next turn is to see")
        past.append(PastTurn(turn.customer, turn.golden_reply))
    return tuple(past)


async def _dialogue(
    agent: Agent, customer: Customer, trial: Trial, settings: ReplaySettings, calls: CallLog, so_far: _Progress
) -> None:
    """The agent's own replies stay in the history."""
    session = _started(agent, _context(trial, settings, calls))
    backend = FixtureBackend.of(trial.case)
    try:
        while True:
            try:
                said = await customer.next(tuple(so_far.turns))
            except SimulatorError as problem:
                raise _EndedBadlyError(Outcome.SIMULATOR_ERROR, f"turn {len(so_far.turns) + 1}: {problem}") from None
            if said is None:
                return
            await _turn(session, said, backend, settings, so_far)
    finally:
        await _close(session)


async def _golden_history(
    agent: Agent, trial: Trial, settings: ReplaySettings, calls: CallLog, so_far: _Progress
) -> None:
    """Each turn is answered by a session of its own, which has the golden conversation up to there behind it."""
    past = golden_past(trial.case)
    context = _context(trial, settings, calls)
    for index, turn in enumerate(trial.case.turns):
        backend = FixtureBackend.of(trial.case)
        session = _started(agent, replace(context, **_begun(trial, backend, past[:index])))
        try:
            await _turn(session, turn.customer, backend, settings, so_far)
        finally:
            await _close(session)


def _begun(trial: Trial, backend: FixtureBackend, past: tuple[PastTurn, ...]) -> dict[str, Any]:
    """What sets a session apart that begins after `past`."""

    async def rehearse(name: str, arguments: dict[str, JsonValue]) -> ToolResult:
        return (await backend.call(name, arguments))[0]

    return {"history": past, "rehearse": rehearse, "conversation": f"{trial.key}-{len(past) + 1}"}


def _context(trial: Trial, settings: ReplaySettings, calls: CallLog) -> ConversationContext:
    case = trial.case
    return ConversationContext(
        channel=case.channel,
        language=case.language,
        date=case.date,
        seed=trial_seed(settings, trial.case_digest, trial.trial),
        conversation=trial.key,
        calls=calls,
    )


def _started(agent: Agent, context: ConversationContext) -> AgentSession:
    try:
        return agent.start(context)
    except (Exception, SystemExit) as problem:
        why = f"the agent could not start a conversation: {_named(problem)}"
        raise _EndedBadlyError(_outcome_of(problem), why) from None


async def _turn(
    session: AgentSession, said: str, backend: FixtureBackend, settings: ReplaySettings, so_far: _Progress
) -> None:
    """Have one customer turn answered and recorded. Raises `_EndedBadlyError` where the agent fails."""
    index = len(so_far.turns) + 1
    channel = RecordingChannel(backend, so_far.usage)
    limit, clock = _deadline(settings.turn_timeout_s, "no answer"), Clock()
    began = time.perf_counter()
    try:
        with _failures(index):
            async with limit as deadline:
                with running(deadline), timed(clock):
                    await session.respond(said, channel)
    finally:
        channel.close()
        so_far.usage = channel.usage
        latency = max(0.0, round(time.perf_counter() - began - limit.moved() + clock.before_s, 6))
        so_far.turns.append(TurnRecord(index=index, customer=said, events=tuple(channel.events), latency_s=latency))
    if not any(isinstance(e, Handoff) or (isinstance(e, Say) and e.text.strip()) for e in channel.events):
        raise _EndedBadlyError(Outcome.NO_REPLY, f"turn {index}: the agent said nothing and handed nothing off")


@contextmanager
def _failures(index: int) -> Iterator[None]:
    """Whatever an agent raises ends its conversation, and no other; an agent that exits does not take the run along."""
    try:
        yield
    except _EndedBadlyError as end:
        raise _EndedBadlyError(end.outcome, f"turn {index}: {end.error}") from None
    except (Exception, SystemExit) as problem:
        raise _EndedBadlyError(_outcome_of(problem), f"turn {index}: {_named(problem)}") from None


class _deadline:  # noqa: N801 - reads as the function it stands for
    """`asyncio.timeout`, whose expiry ends the conversation as a timeout; a TimeoutError of the agent's own is none."""

    def __init__(self, seconds: float, what: str) -> None:
        self._seconds, self._what = seconds, what
        self._timeout = asyncio.timeout(seconds)
        self._first: float | None = None

    async def __aenter__(self) -> asyncio.Timeout:
        entered = await self._timeout.__aenter__()
        self._first = entered.when()
        return entered

    def moved(self) -> float:
        """Seconds by which it was moved back: what the agent was made to wait."""
        return (self._timeout.when() or 0.0) - (self._first or 0.0)

    async def __aexit__(self, *raised) -> None:
        try:
            await self._timeout.__aexit__(*raised)
        except TimeoutError:
            if self._timeout.expired():
                raise _EndedBadlyError(Outcome.TIMEOUT, f"{self._what} within {self._seconds:g} s") from None
            raise


async def _close(session: AgentSession) -> None:
    """Let a session that holds something outside give it back; how that goes changes nothing of what was measured."""
    close = getattr(session, "close", None)
    if close is not None:
        try:
            async with asyncio.timeout(_GRACE_S):
                await close()
        except (Exception, SystemExit):
            return


def _outcome_of(problem: BaseException) -> Outcome:
    """An endpoint that refuses a request as such has answered: what it was asked is the agent's doing."""
    if not isinstance(problem, EndpointError):
        return Outcome.AGENT_ERROR
    refused = problem.status is not None and 400 <= problem.status < 500 and problem.status not in _NOT_THE_REQUEST
    return Outcome.AGENT_ERROR if refused else Outcome.ENDPOINT_ERROR


def _named(problem: BaseException) -> str:
    """The exception in one line, without anything from a traceback that could hold a secret."""
    text = " ".join(str(problem).split()).encode("utf-8", "replace").decode()  # half a character can stand in no file
    if isinstance(problem, EndpointError):
        return text[:600]
    return f"{type(problem).__name__}{f': {text[:300]}' if text else ''}"
