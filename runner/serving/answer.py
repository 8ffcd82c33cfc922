"""Answering a request: the conversation so far is worked through, then the last turn is answered.

Nothing that an answer depends on is kept between requests. An agent of which equal input gives equal output is run
through the whole conversation again, with the results of tools that the request brings; where that does not give the
replies that stand in the request, and for every other agent, the session starts with the conversation as its history.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from assay.registry.digest import digest_of
from assay.registry.errors import AssayError
from assay.runner.agents.base import Agent, AgentSession, ConversationContext, PastTurn
from assay.runner.serving.channel import ServedTurn
from assay.runner.serving.remembered import OpenTurns, RememberedCalls
from assay.runner.serving.reply import reply_to
from assay.runner.serving.request import Chat, Turn, parse_chat

__all__ = ["AnswerError", "Answering"]

_GRACE_S = 5.0
_SETTLE = 5
"""How many rounds of the event loop a turn gets, once a tool call is pending, to make others beside it."""


class AnswerError(AssayError):
    """The agent gave no answer: it raised, hung, or said nothing."""


class Answering:
    """Answers requests for one agent; may be called from several threads at once.

    Args:
        agent: the agent, entered on the first request where it is an async context manager.
        name: what the agent is called.
        digest: digest of its bundle.
        repeatable: whether equal input gives equal output, so that a conversation can be run again.
        timeout_s: seconds that a request may take.
    """

    def __init__(self, agent: Agent, *, name: str, digest: str, repeatable: bool, timeout_s: float = 60.0) -> None:
        self._agent = agent
        self._name, self._digest = name, digest
        self._repeatable = repeatable
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._entered: asyncio.Task[Agent] | None = None
        self._open = AsyncExitStack()
        self._turns = OpenTurns()

    def __call__(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to a request, both in the shapes that `docs/serving.md` describes.

        Raises:
            ContentError: the request cannot be read.
            AnswerError: the agent gave no answer.
        """
        chat = parse_chat(body)
        answered = asyncio.run_coroutine_threadsafe(self._within_deadline(chat), self._running_loop())
        try:
            turn = answered.result(self._timeout_s + _GRACE_S)
        except TimeoutError:  # the agent keeps the event loop busy, so that its deadline never came up
            raise AnswerError(f"the agent gave no answer within {self._timeout_s:g} s") from None
        return reply_to(chat, turn, agent=self._name, digest=self._digest)

    async def _within_deadline(self, chat: Chat) -> ServedTurn:
        deadline = asyncio.timeout(self._timeout_s)
        try:
            async with deadline:
                return await self._answer(chat)
        except AnswerError:
            raise
        except Exception as error:
            if deadline.expired():
                raise AnswerError(f"the agent gave no answer within {self._timeout_s:g} s") from None
            # The text of the exception may hold anything, and goes to whoever called.
            raise AnswerError(f"the agent failed with {type(error).__name__}") from error

    async def _answer(self, chat: Chat) -> ServedTurn:
        agent = await self._ready()
        last, key = chat.turns[-1], _key(chat)
        calls = self._turns.log(key, again=bool(last.results))
        session = await self._session(agent, chat, calls)
        turn = await _run(session, last, len(chat.turns))
        self._turns.done(key, calls, waits=bool(turn.pending))
        if not (turn.said or turn.pending or turn.packet):
            raise AnswerError("the agent said nothing and handed nothing off")
        return turn

    async def _session(self, agent: Agent, chat: Chat, calls: RememberedCalls) -> AgentSession:
        """A session that has the turns before the last one in its memory."""
        past = chat.turns[:-1]
        if self._repeatable and past:
            session = agent.start(_context(chat, (), calls))
            if await _reproduces(session, past):
                return session
        return agent.start(_context(chat, past, calls))

    async def _ready(self) -> Agent:
        """The agent, entered once for all requests."""
        if self._entered is None:
            self._entered = asyncio.ensure_future(self._enter())
        try:
            return await asyncio.shield(self._entered)
        except Exception:
            self._entered = None
            raise

    async def _enter(self) -> Agent:
        if hasattr(self._agent, "__aenter__"):
            await self._open.enter_async_context(self._agent)  # type: ignore[arg-type]
        return self._agent

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """One event loop for all requests, in a thread of its own: clients that an agent holds belong to a loop."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="assay-agent", daemon=True).start()
            return self._loop


def _key(chat: Chat) -> str:
    """The conversation up to the last turn, without what came of it so far."""
    before = [[turn.customer, turn.replies] for turn in chat.turns[:-1]]
    return digest_of([chat.info, before, chat.turns[-1].customer])


def _context(chat: Chat, past: tuple[Turn, ...], calls: RememberedCalls) -> ConversationContext:
    info = chat.info
    return ConversationContext(
        channel=info.channel,
        language=info.language,
        date=info.date or dt.datetime.now(dt.UTC).date(),
        seed=info.seed,
        conversation=info.conversation or calls.conversation,
        history=tuple(PastTurn(turn.customer, turn.reply) for turn in past),
        calls=calls,
    )


async def _reproduces(session: AgentSession, past: tuple[Turn, ...]) -> bool:
    """Whether running the turns again gives the replies that were given; the session remembers them then."""
    for number, turn in enumerate(past, start=1):
        done = await _run(session, turn, number)
        if done.pending or "\n".join(done.said) != turn.reply:
            return False
    return True


async def _respond(session: AgentSession, customer: str, channel: ServedTurn) -> None:
    try:
        await session.respond(customer, channel)
    except SystemExit:  # would end the event loop, and with it every other conversation
        raise AnswerError("the agent failed with SystemExit") from None


async def _run(session: AgentSession, turn: Turn, number: int) -> ServedTurn:
    """One turn, until it is over or waits for a tool."""
    channel = ServedTurn(number, turn.results)
    responding = asyncio.ensure_future(_respond(session, turn.customer, channel))
    waiting = asyncio.ensure_future(channel.waiting.wait())
    try:
        await asyncio.wait((responding, waiting), return_when=asyncio.FIRST_COMPLETED)
        for _ in range(_SETTLE if not responding.done() else 0):
            await asyncio.sleep(0)
        if responding.done():
            await responding
        return channel
    finally:
        for task in (responding, waiting):
            task.cancel()
        await asyncio.gather(responding, waiting, return_exceptions=True)
