"""One worker process, seen from Assay: its messages, its death, and its last words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.registry.types.base import JsonValue
from assay.runner.agents.callable.masking import without_secrets
from assay.runner.agents.contract import MAX_REPLY_BYTES

__all__ = ["AgentProcessError", "Exchange", "WorkerProcess"]

_BOOT = (
    "import sys\n"
    "if sys.version_info < (3, 9): sys.exit('a callable agent needs Python 3.9 or newer')\n"
    "sys.path[0] = sys.argv.pop()\n"
    "from assay_worker.main import main\n"
    "del sys.path[0]\n"
    "main()\n"
)
_TAIL = 8192
_DRAIN_S = 0.25
"""How long what a dead worker wrote is still read; a child of it may hold the pipe open for ever."""


class AgentProcessError(Exception):
    """The process that runs the agent's code has died or could not be started."""


class Exchange:
    """The messages that a worker sends about one turn."""

    def __init__(self, worker: WorkerProcess, number: int) -> None:
        self._worker, self._number = worker, number
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def next(self) -> dict[str, Any]:
        """The next message. Raises AgentProcessError: the process died before it sent one."""
        message = await self.incoming.get()
        if "died" in message:
            raise AgentProcessError(message["died"])
        return message

    def answer(self, key: int, answers: list[JsonValue]) -> None:
        """Answer tool calls."""
        self._worker.send({"do": "answers", "id": self._number, "ask": key, "answers": answers})

    def close(self, *, whole: bool) -> bool:
        """The turn is over. Where it is not `whole`, the agent's code is told to stop.

        Returns:
            Whether the code is known to have stopped.
        """
        return self._worker.close_turn(self._number, whole=whole)


class WorkerProcess(asyncio.SubprocessProtocol):
    """A process that runs the agent's code. Make it with `start`."""

    def __init__(self, environ: Mapping[str, str], source: str) -> None:
        self._environ, self._source = environ, source
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.SubprocessTransport | None = None
        self._open: dict[int, Exchange] = {}
        self._unfinished: set[int] = set()
        self._number = 0
        self._line = bytearray()
        self._tail = bytearray()
        self._lost: set[int] = set()
        self._ready: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._quiet: asyncio.Event = asyncio.Event()
        self.death: str | None = None
        """How it died, None while it lives."""

    @classmethod
    async def start(
        cls, python: str, folder: Path, config: Mapping[str, JsonValue], timeout_s: float
    ) -> tuple[WorkerProcess, dict[str, Any]]:
        """Start a process that has imported the agent, with what it says of it.

        Args:
            folder: where it runs.
            config: `target`, `source`, `prompt` and `retrieval`, as `assay_worker.main` takes them.

        Raises:
            AgentProcessError: it cannot be started, or the agent cannot be imported; says why.
        """
        environ = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        worker = cls(environ, os.path.realpath(str(config["source"])))
        command = (python, "-c", _BOOT, str(Path(__file__).parent))
        child = {"PYTHONHASHSEED": "0", **environ, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            transport, _ = await worker._loop.subprocess_exec(
                lambda: worker, *command, cwd=folder, env=child, start_new_session=True
            )
        except OSError as error:
            raise AgentProcessError(f"{python} cannot be started in {folder}: {error.strerror}") from None
        worker._transport = transport
        try:
            worker.send({**config, "longest": MAX_REPLY_BYTES})
            async with asyncio.timeout(timeout_s):
                said = await worker._ready
        except BaseException as error:
            await worker.stop(0)
            if isinstance(error, TimeoutError):
                raise AgentProcessError(f"importing the agent took longer than {timeout_s:g} s") from None
            raise
        if "failed" in said:
            await worker.stop()
            raise AgentProcessError(without_secrets(str(said["failed"]), environ))
        return worker, said

    @property
    def unfinished(self) -> int:
        """How many turns are over here while the agent's code still works on them."""
        return len(self._unfinished)

    def open_turn(self, turn: JsonValue, session: int = 0) -> Exchange:
        """Let the agent answer a turn, of the session that has this number. Raises AgentProcessError: it is dead."""
        if self.death:
            raise AgentProcessError(self.death)
        self._number += 1
        exchange = self._open[self._number] = Exchange(self, self._number)
        self.send({"do": "turn", "id": self._number, "session": session, "turn": turn})
        return exchange

    def close_turn(self, number: int, *, whole: bool) -> bool:
        self._open.pop(number, None)
        if not whole and not self.death:
            self._unfinished.add(number)
            self.send({"do": "cancel", "id": number})
        return whole

    async def settled(self, timeout_s: float) -> None:
        """Wait until nothing is unfinished, or for `timeout_s` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._unfinished and not self.death:
                    self._quiet.clear()
                    await self._quiet.wait()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; one to a dead process is lost, and whoever waits for the answer hears of the death."""
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        if isinstance(pipe, asyncio.WriteTransport) and not pipe.is_closing():
            pipe.write(json.dumps(message).encode() + b"\n")

    def kill(self) -> None:
        """End the process and all that it started in its group, now."""
        if self._transport is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._transport.get_pid(), signal.SIGKILL)

    async def stop(self, grace_s: float = 2.0) -> None:
        """Let it end by itself, and kill it where it does not."""
        if self._transport is None:
            return
        pipe = self._transport.get_pipe_transport(0)
        if pipe is not None:
            pipe.close()
        try:
            await asyncio.wait({self._exited}, timeout=grace_s)
        finally:
            self.kill()
            await asyncio.wait({self._exited}, timeout=5)
            self._transport.close()

    # --- what the event loop tells -------------------------------------------------------------------------

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._tail += data
            del self._tail[:-_TAIL]
            return
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = rest
        try:
            for line in lines:
                self._take(json.loads(line))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            self._broken("wrote something into Assay's pipe")
        if len(self._line) > 2 * MAX_REPLY_BYTES:
            self._broken("wrote without end into Assay's pipe")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        self._lost.add(fd)
        if fd in (0, 1) and not self._exited.done() and not self._ended_by_us():
            # Nothing can be said to it any more. It may be on its way out, so its own end is told, if it comes.
            self._loop.call_later(_DRAIN_S, self._broken, "closed Assay's pipe")
        if self._exited.done() and {1, 2} <= self._lost:
            self._finish()

    def process_exited(self) -> None:
        self._exited.set_result(None)
        self.kill()  # what it started and left behind
        if {1, 2} <= self._lost:
            self._finish()
        else:
            self._loop.call_later(_DRAIN_S, self._finish)

    def _finish(self) -> None:
        self._die()
        if self._transport:
            self._transport.close()

    def _ended_by_us(self) -> bool:
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        return pipe is None or (pipe.is_closing() and 0 not in self._lost)

    def _take(self, message: dict[str, Any]) -> None:
        if "id" not in message:
            if not self._ready.done():
                self._ready.set_result(message)
            return
        number = message["id"]
        if number in self._unfinished:
            if "done" in message or "error" in message:
                self._unfinished.discard(number)
                self._quiet.set()
            return
        if "error" in message:
            message["error"] = without_secrets(str(message["error"]), self._environ)
        if number in self._open:
            self._open[number].incoming.put_nowait(message)
        elif not 0 < number <= self._number:
            raise ValueError("no turn has this number")

    def _broken(self, what: str) -> None:
        """The process lives and cannot be talked with: end it."""
        if not self.death and not self._exited.done():
            self._die(f"the agent's process {what}")
            self.kill()

    def _die(self, how: str = "") -> None:
        if self.death:
            return
        code = self._transport.get_returncode() if self._transport else None
        self.death = how or f"the agent's process ended{_ending(code)}"
        self.death += without_secrets(_last_words(self._tail, self._source), self._environ)
        for exchange in self._open.values():
            exchange.incoming.put_nowait({"died": self.death})
        self._quiet.set()
        if not self._ready.done():
            self._ready.set_result({"failed": f"{self.death}; it was importing the agent"})


def _ending(code: int | None) -> str:
    if code is None:
        return ""
    if code < 0:
        try:
            return f" by {signal.Signals(-code).name}"
        except ValueError:
            return f" by signal {-code}"
    return f" with exit code {code}"


def _last_words(tail: bytearray, source: str) -> str:
    """The place in the agent's source where the interpreter crashed, or the last line on standard error."""
    text = tail.decode("utf-8", errors="replace")
    _, crashed, stack = text.partition("Current thread ")
    frames = re.findall(r'^  File "([^"\n]+)", line (\d+) in (\S+)', stack.partition("\n\n")[0], re.MULTILINE)
    if crashed and frames:
        file, line, name = next((frame for frame in frames if Path(frame[0]).is_relative_to(source)), frames[0])
        return f" ({Path(file).name}:{line} in {name})"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""
