"""The worker: loads the agent's code, answers turns, and ends when Assay does."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import faulthandler
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from .driving import AnswerError, drive, drive_async, is_stream
from .loading import LoadError, load_target, told
from .shapes import Target, understand
from .turn import Conversation, Exchange, Turn, TurnOverError
from .wire import TooLongError, Wire, end_with_children

__all__ = ["main"]

GRACE_S = 2.0
"""How long `atexit` functions of the agent's code may take once Assay is done or gone."""


def main() -> None:
    """Run until Assay closes the pipe."""
    wire = Wire()
    _die_with_parent()
    faulthandler.enable()
    atexit.register(end_with_children)  # registered first, so it runs last
    first: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    worker = Worker(wire)
    threading.Thread(target=worker.listen, args=(first,), daemon=True).start()
    config = first.get()
    if not config:
        return
    wire.longest = config["longest"]
    try:
        worker.load(config)
    except BaseException as error:
        text = str(error) if isinstance(error, LoadError) else told(error, os.path.realpath(config["source"]))
        wire.send({"failed": text[:2000]})
        return
    wire.send({"ready": {"stateful": worker.target.stateful}})
    asyncio.run(worker.stay())


class Worker:
    """Dispatches messages: to the event loop for async code, to threads for all other."""

    target: Target

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._threads = _Threads()
        self._turns: dict[int, Exchange] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._sessions: dict[int, Callable[[Turn], Any]] = {}
        self._ready = threading.Event()

    def load(self, config: dict[str, Any]) -> None:
        """Find the agent's code. Raises LoadError, and whatever a factory raises."""
        self._source = os.path.realpath(config["source"])
        self._prompt, self._retrieval = config["prompt"], config["retrieval"]
        self.target = understand(load_target(config["target"], self._source), config["target"].partition(":")[2])

    async def stay(self) -> None:
        """Keep the event loop until Assay closes the pipe."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()

    def listen(self, first: queue.SimpleQueue[dict[str, Any]]) -> None:
        """Take messages until there are no more, then end the process, by force where it does not end by itself."""
        messages = self._wire.messages()
        first.put(next(messages, {}))
        for message in messages:
            self._ready.wait()
            self._take(message)
        timer = threading.Timer(GRACE_S, end_with_children)
        timer.daemon = True
        timer.start()
        if self._ready.is_set():
            self._loop.call_soon_threadsafe(self._stop.set)
        else:
            end_with_children()

    def _take(self, message: dict[str, Any]) -> None:
        kind, number = message["do"], message.get("id", 0)
        if kind == "turn":
            exchange = self._turns[number] = Exchange(number, self._wire.send)
            if self.target.is_async:
                self._loop.call_soon_threadsafe(self._begin_task, message, exchange)
            else:
                self._threads.run(lambda: self._in_thread(message, exchange))
        elif kind == "answers" and number in self._turns:
            self._turns[number].answered(message["ask"], message["answers"])
        elif kind == "cancel" and number in self._turns:
            self._turns[number].end()
            self._loop.call_soon_threadsafe(self._cancel_task, number)
        elif kind == "forget":
            self._sessions.pop(message["session"], None)

    def _in_thread(self, message: dict[str, Any], exchange: Exchange) -> None:
        try:
            turn = self._turn(message, exchange)
            respond = self._responder(turn, message["session"])
            while True:
                value = respond(turn)
                if is_stream(value):
                    again = asyncio.run_coroutine_threadsafe(_guarded(value, exchange), self._loop).result()
                else:
                    again = drive(value, exchange)
                if again is None:
                    break
                self._add_results(turn, again)
        except BaseException as error:
            self._failed(exchange, error)
        else:
            self._done(exchange)

    def _begin_task(self, message: dict[str, Any], exchange: Exchange) -> None:
        self._tasks[exchange.number] = self._loop.create_task(self._in_loop(message, exchange))

    async def _in_loop(self, message: dict[str, Any], exchange: Exchange) -> None:
        try:
            turn = self._turn(message, exchange)
            respond = self._responder(turn, message["session"])
            while True:
                again = await drive_async(respond(turn), exchange)
                if again is None:
                    break
                self._add_results(turn, again)
        except BaseException as error:
            self._failed(exchange, error)
        else:
            self._done(exchange)
        finally:
            self._tasks.pop(exchange.number, None)

    def _turn(self, message: dict[str, Any], exchange: Exchange) -> Turn:
        request = message["turn"]
        return Turn(request, Conversation(request, self._prompt, self._retrieval), exchange)

    def _responder(self, turn: Turn, session: int) -> Callable[[Turn], Any]:
        if not self.target.stateful:
            return self.target.open(turn.conversation)
        if session not in self._sessions:
            self._sessions[session] = self.target.open(turn.conversation)
        return self._sessions[session]

    def _add_results(self, turn: Turn, answers: Any) -> None:
        if not self.target.sees_results:
            raise AnswerError("tool_calls: the function would not see the answers; let it take (turn), or yield")
        turn.tool_results = [*turn.tool_results, *answers]

    def _cancel_task(self, number: int) -> None:
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()

    def _done(self, exchange: Exchange) -> None:
        self._turns.pop(exchange.number, None)
        exchange.end()  # a thread of the agent's own that goes on in the background can't add anything
        self._wire.send({"id": exchange.number, "done": True})

    def _failed(self, exchange: Exchange, error: BaseException) -> None:
        self._turns.pop(exchange.number, None)
        exchange.end()
        if isinstance(error, (AnswerError, LoadError, TurnOverError)):
            text = str(error)
        elif isinstance(error, TooLongError):
            text = f"the agent's answer is too long: {error}"
        elif isinstance(error, (TypeError, ValueError, RecursionError)) and _from_wire(error):
            text = f"the agent's answer cannot be written as JSON: {' '.join(str(error).split())[:200]}"
        else:
            text = told(error, self._source)
        self._wire.send({"id": exchange.number, "error": text[:2000]})


async def _guarded(value: Any, exchange: Exchange) -> Any:
    """Whatever is raised in it goes to the thread that waits for it, and never ends the event loop."""
    try:
        return await drive_async(value, exchange)
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"{type(error).__name__}: the agent wanted to end the program") from error


def _from_wire(error: BaseException) -> bool:
    """Whether it was raised while a message was written."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is Wire.send.__code__:
            return True
        trace = trace.tb_next
    return False


class _Threads:
    """As many threads as there is work at once; one that is stuck in the agent's code is never waited for."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def run(self, work: Callable[[], None]) -> None:
        with self._lock:
            fresh = self._idle <= 0
            self._idle -= 0 if fresh else 1
        if fresh:
            threading.Thread(target=self._loop, args=(work,), daemon=True).start()
        else:
            self._work.put(work)

    def _loop(self, work: Callable[[], None]) -> None:
        while True:
            work()
            with self._lock:
                self._idle += 1
            work = self._work.get()


def _die_with_parent() -> None:
    """Ask Linux to end this process with Assay, also where the agent's code never lets the interpreter go."""
    if sys.platform.startswith("linux"):
        import ctypes

        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
