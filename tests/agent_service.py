"""A team's agent behind HTTP, on loopback: keeps sessions, remembers its answers by idempotency key, and misbehaves.

`with AgentService(...) as service: ... service.url ... service.seen`
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aiohttp import web

Fault = Callable[[web.Request], "web.StreamResponse | None"] | str


class AgentService:
    """The service. `faults`: what happens to the n-th request in place of an answer, None for nothing; `work` makes the
    answer from the session's memory and the request. `token`: the bearer token that is needed.
    """

    def __init__(
        self,
        work: Callable[[dict[str, Any], dict[str, Any]], Any] | None = None,
        *,
        faults: Sequence[str | None] = (),
        every: str | None = None,
        token: str = "",
    ) -> None:
        self._work = work or _echo
        self._faults = iter(faults)
        self._every, self._token = every, token
        self.seen: list[dict[str, Any]] = []
        """Every request: its body, and its headers under `headers`."""
        self.worked = 0
        """How many turns the agent really worked on."""
        self.sessions: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, Any] = {}

    def __enter__(self) -> AgentService:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve(ready)))
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._stop = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/turns"
        ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append({**body, "headers": dict(request.headers)})
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.json_response({"error": f"no: {request.headers.get('Authorization')}"}, status=401)
        fault = next(self._faults, self._every)
        if fault and fault != "lost":
            return await self._misbehave(fault)
        key = request.headers["Idempotency-Key"]
        if key not in self._answers:
            self.worked += 1
            session = self.sessions.setdefault(request.headers["Assay-Conversation"], {})
            self._answers[key] = self._work(session, body)
        if fault == "lost":  # it has worked, and the answer does not arrive
            assert request.transport is not None
            request.transport.close()
        return web.json_response(self._answers[key])

    async def _misbehave(self, fault: str) -> web.StreamResponse:
        if fault == "hang":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 60)
        if fault.isdigit():
            headers = {"Retry-After": "0.01"} if fault == "429" else {}
            if fault.startswith("3"):
                headers = {"Location": "http://elsewhere.example/turns"}
            return web.json_response({"error": "broken inside"}, status=int(fault), headers=headers)
        return web.Response(text=fault, content_type="application/json")


def _echo(session: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    heard = session.setdefault("heard", [])
    heard.append(body["message"])
    return {"reply": " ".join(heard)}


@contextlib.contextmanager
def nowhere() -> Iterator[str]:
    """The address of a service that is not there."""
    with AgentService() as service:
        url = service.url
    yield url
