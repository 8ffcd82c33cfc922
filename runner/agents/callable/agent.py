"""An agent that is Python code of a team's own.

The code runs from the registered copy of its source, in processes of the team's interpreter. A function keeps nothing
between turns, so each turn may go to another process, and what a killed run got from it is not asked again. A class has
an object for every conversation, which lives in one process to the conversation's end: such a conversation cannot be
taken up in the middle, and starts anew where a run was killed.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, cast

from assay.registry.types.base import JsonValue
from assay.registry.types.bundle import BundleManifest
from assay.runner.agents.applying import apply_reply
from assay.runner.agents.base import ConversationContext, TurnChannel
from assay.runner.agents.callable.pool import Lease, Pool
from assay.runner.agents.callable.process import AgentProcessError, Exchange, WorkerProcess
from assay.runner.agents.callable.settings import (
    CallableSettings,
    interpreter,
    read_callable_settings,
    working_directory,
)
from assay.runner.agents.contract import ToolAnswer, TurnRequest, read_reply, sole_role
from assay.runner.agents.transcript import Transcript

__all__ = ["AgentCodeError", "CallableAgent", "build_callable_agent"]


_NUMBERS = itertools.count(1)
"""A conversation's name is no number of a session: in golden history, each of its turns is a session of its own."""


class AgentCodeError(Exception):
    """The agent's code raised; its text is what, and where in the agent's source."""


def build_callable_agent(
    manifest: BundleManifest, prompt: str, source_dir: Path, workspace: Path | None = None, *, share: float = 1.0
) -> CallableAgent:
    """The agent whose code lies in `source_dir`. It has to be entered (`async with`) before conversations begin.

    Args:
        manifest: `adapter.settings` are `CallableSettings`.
        prompt: text of the prompt artifact, empty where the bundle has none; `conversation.prompt` for the code.
        source_dir: the verified copy of the registered source. It comes first on the import path, and `target` has to
            be a module of it, so that what runs is what was registered.
        workspace: folder that relative paths of the settings start from; None is the current one.
        share: the part of `workers` that this agent may start, where others run it too.

    Raises:
        ContentError: the settings are ill-formed, or name an interpreter or a folder that is not there.
    """
    settings = read_callable_settings(manifest.adapter)
    settings = settings.model_copy(update={"workers": max(1, int(settings.workers * share))})
    root = workspace or Path.cwd()
    config: dict[str, JsonValue] = {
        "target": settings.target,
        "source": str(source_dir.absolute()),
        "prompt": prompt or None,
        "retrieval": manifest.retrieval.model_dump(mode="json") if manifest.retrieval else None,
    }
    folder = working_directory(settings, root, source_dir.absolute())
    return CallableAgent(settings, interpreter(settings, root), folder, config, sole_role(manifest.roles))


class CallableAgent:
    """Runs conversations in worker processes, which live as long as the agent is entered."""

    def __init__(
        self, settings: CallableSettings, python: str, folder: Path, config: dict[str, JsonValue], role: str
    ) -> None:
        self._settings, self._python, self._folder, self._config = settings, python, folder, config
        self._role = role
        self._pool: Pool | None = None

    async def __aenter__(self) -> CallableAgent:
        """Start the first process. Raises ContentError: the agent's code cannot be loaded; says where and why."""
        pool = Pool(self._process, self._settings.workers, self._settings.concurrency)
        self._pool = await pool.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.__aexit__()

    def start(self, context: ConversationContext) -> FunctionSession | ObjectSession:
        """Begin a conversation."""
        if self._pool is None:
            raise RuntimeError("a callable agent has to be entered with 'async with' before it is used")
        kind = ObjectSession if self._pool.stateful else FunctionSession
        return kind(self._pool, context, self._role)

    async def _process(self) -> tuple[WorkerProcess, dict[str, Any]]:
        return await WorkerProcess.start(self._python, self._folder, self._config, self._settings.start_timeout_s)


class FunctionSession:
    """A conversation with a function; each turn goes to any process."""

    def __init__(self, pool: Pool, context: ConversationContext, role: str) -> None:
        self._pool, self._calls, self._role = pool, context.calls, role
        self._transcript = Transcript(context)

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        """Answer a turn.

        Raises:
            AgentCodeError: the code raised.
            AgentReplyError: what it said is no reply.
            AgentProcessError: its process died.
        """
        request = self._transcript.request(customer)
        record = _Record(turn, self._role)

        async def perform() -> JsonValue:
            await _converse(self._pool, await self._pool.lease(), request, record)
            return record.parts

        parts = await self._calls.once(request.model_dump(mode="json"), perform)
        if parts is not record.parts:  # a former run got them; the case's fixtures answer their tool calls as then
            for part in cast("list[JsonValue]", parts):
                await record.take(part)
        self._transcript.add(customer, record.texts)


class ObjectSession:
    """A conversation with an object of its own, in one process from beginning to end."""

    def __init__(self, pool: Pool, context: ConversationContext, role: str) -> None:
        self._pool, self._role = pool, role
        self._number = next(_NUMBERS)
        self._transcript = Transcript(context)
        self._lease: Lease | None = None

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        """Answer a turn. Raises as `FunctionSession.respond` does."""
        if self._lease is None:
            self._lease = await self._pool.lease()
        record = _Record(turn, self._role)
        request = self._transcript.request(customer)
        await _converse(self._pool, self._lease, request, record, session=self._number)
        self._transcript.add(customer, record.texts)

    async def close(self) -> None:
        """Let go of the object, and of its process."""
        if self._lease is not None:
            self._lease.worker.send({"do": "forget", "session": self._number})
            if not self._lease.settling:
                self._lease.release()


class _Record:
    """What an agent says in one turn, recorded as it comes."""

    def __init__(self, turn: TurnChannel, role: str) -> None:
        self._turn, self._role = turn, role
        self._answers: tuple[ToolAnswer, ...] = ()
        self.parts: list[JsonValue] = []
        self.texts: list[str] = []

    async def take(self, part: JsonValue) -> list[JsonValue]:
        """Record a part; the answers to the tool calls that it asks for. Raises AgentReplyError."""
        reply = read_reply(part, role=self._role)
        fresh = await apply_reply(reply, self._turn, self._answers)
        self._answers += fresh
        self.parts.append(part)
        self.texts += reply.texts
        return [answer.model_dump(mode="json") for answer in fresh]


async def _converse(pool: Pool, lease: Lease, request: TurnRequest, record: _Record, *, session: int = 0) -> None:
    """Let a process answer a turn.

    Args:
        session: number of the object that answers, whose process is held after the turn; 0 for a function.
    """
    others = lease.others
    try:
        exchange = lease.worker.open_turn(request.model_dump(mode="json"), session)
    except AgentProcessError:
        lease.release()
        raise
    whole = False
    try:
        await _listen(exchange, record)
        whole = True
    except AgentProcessError as error:
        whole = True
        shared = max(others, lease.others)
        told = f", and {shared} other conversation{'s were' if shared > 1 else ' was'} in it" if shared else ""
        raise AgentProcessError(f"{error}{told}") from None
    except AgentCodeError:
        whole = True
        raise
    finally:
        exchange.close(whole=whole)
        if not whole:
            pool.settle(lease)
        elif not session:
            lease.release()


async def _listen(exchange: Exchange, record: _Record) -> None:
    while True:
        message = await exchange.next()
        if "error" in message:
            raise AgentCodeError(message["error"])
        if "part" in message:
            answers = await record.take(message["part"])
            if "ask" in message:
                exchange.answer(message["ask"], answers)
        if "done" in message:
            return
