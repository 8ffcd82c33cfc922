"""A model server on loopback that speaks the OpenAI chat-completions protocol and misbehaves on demand.

In a test: `with OpenAIServer(faults=...) as server: ... server.base_url ... server.log`. For measurements, as a process
of its own: `python tests/openai_server.py --latency 0.02 --faults 429:0.1:retry_after=1,500:0.05,hang:0.01`; its first
line of output is its port, `GET /log` tells every request, and it ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web
from openai_answers import altered, broken, built, refused, whole
from openai_faults import ANSWERED, Fault, parse_rates, status
from openai_script import refusal_of, scripted

Handler = Callable[[dict[str, Any]], "dict[str, Any] | str | Fault"]
Faults = Callable[[str, str, int], Fault | None]


@dataclass
class Call:
    """One request as the server saw it."""

    number: int
    id: str
    """What the client calls it (`Idempotency-Key`): the same for every attempt at one call."""
    conversation: str
    digest: str
    """SHA-256 of the body."""
    begun: float
    fault: str | None = None
    completed: bool = False
    """A whole and well-formed answer was written to the end."""


class OpenAIServer:
    """The server.

    `faults` is a function of (conversation, body digest, times asked before), or the fault of each request in order.

    `handler` gives text, a message, a whole answer or a fault for a request; `scripted` where it is not given.
    `key`: the bearer token that is needed. `limit`: requests in flight above which it answers 429.
    """

    def __init__(
        self,
        *,
        handler: Handler = scripted,
        faults: Faults | Sequence[Fault | None] = (),
        latency: float = 0.0,
        models: Sequence[str] = ("test-model",),
        key: str | None = None,
        limit: int | None = None,
        port: int = 0,
    ) -> None:
        self.handler, self.faults, self.latency = handler, faults, latency
        self.models, self.key, self.limit, self.port = tuple(models), key, limit, port
        self.log: list[Call] = []
        self.requests: list[dict[str, Any]] = []
        """The body of every request, where `keep` is set."""
        self.keep = False
        self.headers: list[dict[str, str]] = []
        self.in_flight = self.most_in_flight = 0
        self._asked: Counter[tuple[str, str]] = Counter()
        self._over: asyncio.Event

    @property
    def base_url(self) -> str:
        """What a client is told."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def repeated(self) -> list[tuple[str, str]]:
        """(conversation, body digest) of every call that was asked again after it had been answered."""
        done: set[tuple[str, str]] = set()
        found = []
        for call in self.log:
            name = (call.conversation, call.digest)
            if name in done:
                found.append(name)
            if call.completed:
                done.add(name)
        return found

    # --- life ---

    def __enter__(self) -> OpenAIServer:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with self.running():
            ready.set()
            await self._over.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        """Serve within this loop. Leaving cuts every connection, as a crash would."""
        server = web.Server(self._handle, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.01)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            for connection in server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
            await runner.cleanup()

    # --- answering ---

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/models"):
            return web.json_response({"object": "list", "data": [{"id": name} for name in self.models]})
        if request.path == "/log":
            return web.json_response([asdict(call) for call in self.log])
        body = await request.read()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._complete(request, body)
        except ConnectionError:  # the client has gone
            return web.Response()
        finally:
            self.in_flight -= 1

    def _logged(self, request: web.BaseRequest, body: bytes) -> Call:
        call = Call(
            number=len(self.log),
            id=request.headers.get("Idempotency-Key", ""),
            conversation=request.headers.get("X-Conversation-Id", ""),
            digest=hashlib.sha256(body).hexdigest(),
            begun=time.monotonic(),
        )
        self.log.append(call)
        return call

    async def _complete(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        call = self._logged(request, body)
        if self.latency:
            await asyncio.sleep(self.latency)
        asked = json.loads(body)
        if self.keep:
            self.requests.append(asked)
            self.headers.append(dict(request.headers))
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            given = request.headers.get("Authorization", "no key")
            return refused(status(401, message=f"Incorrect API key provided: {given}.", code="invalid_api_key"))
        if not request.path.endswith("/chat/completions"):
            return refused(status(404, message="Not found"))
        if (why := refusal_of(asked)) is not None:
            return refused(status(400, message=why, code="invalid_request_error"))
        if asked.get("model") not in self.models:
            return refused(
                status(404, message=f"The model {asked.get('model')!r} does not exist", code="model_not_found")
            )
        given = self._fault(call) or self.handler(asked)
        fault = given if isinstance(given, Fault) else None
        call.fault = fault.kind if fault else None
        message = self.handler(asked) if isinstance(given, Fault) else given
        answer = built(scripted(asked) if isinstance(message, Fault) else message, asked)
        if fault is not None and fault.kind not in ANSWERED:
            response = await broken(fault, request, answer, stream=bool(asked.get("stream")))
            call.completed = fault.kind == "drip"
            return response
        response = await whole(altered(answer, fault), request, asked)
        call.completed = True
        return response

    def _fault(self, call: Call) -> Fault | None:
        if self.limit is not None and self.in_flight > self.limit:
            return status(429, message="too many requests in flight")
        if not callable(self.faults):
            return self.faults[call.number] if call.number < len(self.faults) else None
        name = (call.conversation, call.digest)
        self._asked[name] += 1
        return self.faults(call.conversation, call.digest, self._asked[name] - 1)


@contextlib.contextmanager
def server_process(*arguments: str) -> Iterator[str]:
    """The server as a process of its own, with these options; gives its base URL."""
    import subprocess

    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


async def _until_stdin_ends(server: OpenAIServer) -> None:
    async with server.running():
        print(server.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--faults", default="", help="KIND:SHARE[:name=value...],... where KIND may be a status")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--model", action="append", help="a model it has (again for more); default test-model")
    parser.add_argument("--key", help="the bearer token that it asks for")
    parser.add_argument("--limit", type=int, help="requests in flight above which it answers 429")
    given = parser.parse_args()
    asyncio.run(
        _until_stdin_ends(
            OpenAIServer(
                faults=parse_rates(given.faults, given.seed),
                latency=given.latency,
                models=given.model or ("test-model",),
                key=given.key,
                limit=given.limit,
                port=given.port,
            )
        )
    )
