"""An endpoint: one pool of connections, its limits, and calls that are made until they are answered.

What is asked again: attempts that were answered by 408, 409, 425, 429 or 5xx, that failed to connect, that broke off,
that took too long, or that brought something that is no chat completion. What was received whole is never asked for
again. What is not: any other 4xx, a redirect, a certificate that does not hold, an answer without end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson

from assay.registry.errors import nearest
from assay.runner.deadline import left
from assay.runner.endpoint.answers import Answer
from assay.runner.endpoint.errors import AttemptError, EndpointError
from assay.runner.endpoint.pacing import Gate, PerMinute
from assay.runner.endpoint.settings import EndpointSettings, Target, target_of
from assay.runner.endpoint.statistics import Statistics
from assay.runner.endpoint.waiting import backoff, pause

if TYPE_CHECKING:
    import aiohttp

    from assay.runner.endpoint.exchange import Exchange

__all__ = ["Endpoint"]

_WITHOUT_DEADLINE = 60.0
"""Seconds that an attempt may take where nobody says how long, neither the settings nor a running turn."""
_NEVER_ANSWERED = 10.0
"""An endpoint that never gave anything is given up sooner: most often its address is wrong."""
_TRIES_ON_THE_DEAD = 3
_CHARACTERS_PER_TOKEN = 4


@dataclass
class _Asking:
    """One call, over its attempts."""

    began: float
    attempts: int = 0
    failed: int = 0
    unreachable: int = 0
    throttled: int = 0
    waited: float = 0.0


class Endpoint:
    """A client of one OpenAI-compatible endpoint. Use it as an asynchronous context manager, within one event loop.

    Args:
        settings: where it is and how much it may be asked.
        environ: where keys come from; the process's own environment where it is not given.
        prices: US dollars per million tokens of input and of output, for the statistics.
        share: the part of the settings' limits that is this client's, where several processes share them; in (0, 1].
        key: where the settings stand, for errors.

    Raises:
        ContentError: a variable of the environment that the settings name is not set or cannot be used.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        *,
        environ: Mapping[str, str] | None = None,
        prices: tuple[float, float] = (0.0, 0.0),
        share: float = 1.0,
        key: str = "adapter.settings",
    ) -> None:
        self.settings = settings
        self.statistics = Statistics()
        self._target: Target = target_of(settings, os.environ if environ is None else environ, key=key)
        self._prices, self._share = prices, share
        self._users = 0
        self._session: aiohttp.ClientSession | None = None
        self._exchange: Exchange
        self._gate: Gate
        self._requests: PerMinute | None = None
        self._tokens: PerMinute | None = None
        self._answered_ever = False
        self._failing_since: float | None = None
        self._models: asyncio.Task[list[str]] | None = None

    @property
    def url(self) -> str:
        """Where requests go, without user info and query."""
        return self._target.shown

    @property
    def window(self) -> int:
        """How many requests may be in flight now."""
        return int(self._gate.window)

    async def __aenter__(self) -> Self:
        self._users += 1
        if self._users > 1:
            return self
        import aiohttp

        from assay.runner.endpoint.exchange import Exchange

        clock = asyncio.get_running_loop().time
        settings = self.settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),  # the gate is the limit
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/json", "User-Agent": "assay", **self._target.headers},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # each attempt has its own
            trust_env=settings.use_proxy,
        )
        self._exchange = Exchange(self._session, self._target)
        self._gate = Gate(max(1, int(settings.max_in_flight * self._share)))
        requests, tokens = settings.requests_per_minute, settings.tokens_per_minute
        self._requests = None if requests is None else PerMinute(requests * self._share, clock)
        self._tokens = None if tokens is None else PerMinute(tokens * self._share, clock)
        self._failing_since, self._models = None, None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._users -= 1
        if self._users == 0 and self._session is not None:
            if self._models is not None:
                self._models.cancel()
            session, self._session = self._session, None
            await session.close()

    async def complete(self, request: dict[str, Any], *, conversation: str = "") -> Answer:
        """The model's answer to a chat-completions request.

        Args:
            request: the body; `stream: true` in it is honoured, the answer is whole all the same.
            conversation: goes along as `X-Conversation-Id`, so that a gateway can keep a conversation together.

        Raises:
            EndpointError: there is no usable answer, after all that was worth trying.
        """
        body = _encoded(request)
        # The same for every attempt at this call, so that a gateway that knows the header bills it once.
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        if conversation:
            headers["X-Conversation-Id"] = conversation
        answer: Answer = await self._until_answered(body, headers, request)
        self._count(answer, body)
        return answer

    async def _until_answered(self, body: bytes, headers: dict[str, str], request: dict[str, Any]) -> Any:
        """What the exchange reads from the answer to a body, attempt after attempt.

        Args:
            request: what a refusal is to speak of.

        Raises:
            EndpointError: there is no usable answer, after all that was worth trying.
        """
        if self._session is None:
            raise RuntimeError("the endpoint is not open: use it within 'async with'")
        asking = _Asking(began=asyncio.get_running_loop().time())
        self.statistics.calls += 1
        while True:
            try:
                answer = await self._attempt(body, headers, asking)
            except AttemptError as failed:
                await self._wait_after(failed, asking, request)
            else:
                self._answered_ever, self._failing_since = True, None
                self.statistics.answered += 1
                return answer

    async def _attempt(self, body: bytes, headers: dict[str, str], asking: _Asking) -> Any:
        if self._requests is not None or self._tokens is not None:
            await self._keep_to_limits(body)
        entered, took = await self._gate.enter()
        self.statistics.waited_s += took
        asking.attempts += 1
        self.statistics.attempts += 1
        throttled = False
        try:
            return await self._exchange.post(body, headers, self._attempt_timeout())
        except AttemptError as failed:
            throttled = failed.throttled
            raise
        finally:
            self._gate.leave(entered, refused=throttled)

    def _attempt_timeout(self) -> float:
        if self.settings.attempt_timeout_s is not None:
            return self.settings.attempt_timeout_s
        remaining = left()
        return _WITHOUT_DEADLINE if remaining is None else max(remaining / 2, 0.001)

    async def _keep_to_limits(self, body: bytes) -> None:
        wait = 0.0
        if self._requests is not None:
            wait = self._requests.take(1)
        if self._tokens is not None:
            wait = max(wait, self._tokens.take(_estimated(body)))
        if wait:
            self.statistics.waited_s += wait
            await pause(wait)

    async def _wait_after(self, failed: AttemptError, asking: _Asking, request: dict[str, Any]) -> None:
        """Wait until the next attempt, if there is to be one. Raises EndpointError otherwise."""
        retries = self.settings.retries
        now = asyncio.get_running_loop().time()
        if failed.throttled:
            asking.throttled += 1
            self.statistics.throttled += 1
        else:
            asking.failed += 1
            asking.unreachable += failed.unreachable
            self.statistics.failed += 1
            self._failing_since = self._failing_since or now
        if not failed.retry:
            raise await self._refused(failed, asking, request)
        if not failed.throttled and (silent := self._dead_for(asking, now)):
            raise self._gave_up(failed, asking, f"; nothing usable has come from it for {silent:.3g} s")
        if asking.failed - asking.unreachable >= retries.max_attempts:
            raise self._gave_up(failed, asking, "")
        count = asking.throttled if failed.throttled else asking.failed
        wait = failed.after or backoff(count, retries.first_wait_s, retries.longest_wait_s)
        if asking.waited + wait > retries.patience_s:
            wants = f"; it wants to be left alone for {failed.after:.3g} s" if failed.after else ""
            raise self._gave_up(failed, asking, f"{wants}, and a call waits no more than {retries.patience_s:g} s")
        asking.waited += wait
        self.statistics.waited_s += wait
        await self._rest(wait)

    async def _rest(self, seconds: float) -> None:
        """Leave the endpoint alone for a while; whose time that is depends on what the endpoint is."""
        await pause(seconds)

    def _dead_for(self, asking: _Asking, now: float) -> float:
        """Seconds for which nothing usable has come, where that is so long that trying on is of no use; or 0."""
        after = self.settings.retries.dead_after_s
        after = after if self._answered_ever else min(after, _NEVER_ANSWERED)
        silent = now - (self._failing_since or now)
        return silent if silent > after and asking.failed >= _TRIES_ON_THE_DEAD else 0.0

    def _gave_up(self, failed: AttemptError, asking: _Asking, more: str) -> EndpointError:
        seconds = asyncio.get_running_loop().time() - asking.began
        tries = "1 attempt" if asking.attempts == 1 else f"{asking.attempts} attempts"
        problem = f"gave no usable answer in {tries} over {seconds:.3g} s{more}. The last: {failed}"
        return EndpointError(self.url, problem, attempts=asking.attempts, seconds=seconds, status=failed.status)

    async def _refused(self, failed: AttemptError, asking: _Asking, request: dict[str, Any]) -> EndpointError:
        seconds = asyncio.get_running_loop().time() - asking.began
        says = f" It says: {failed.says}" if failed.says else ""
        problem = f"refused: {failed.what}.{says}"
        if failed.status in {401, 403}:
            variable = self._target.key_variable
            wanted = f"the environment variable {variable} should hold a key that it accepts"
            hint = wanted if variable else "no key was sent, see 'api_key_env'"
            problem = f"refused ({failed.what}): {hint}.{says}"
        elif failed.status == 404:
            known = await self._known_models()
            model = str(request.get("model"))
            problem = f"does not know the model {model!r} ({failed.what}).{nearest(model, known)}{says}"
        return EndpointError(self.url, problem, attempts=asking.attempts, seconds=seconds, status=failed.status)

    async def _known_models(self) -> list[str]:
        """What the endpoint's list of models names; asked once, and shared by all who ask."""
        if self._models is None:
            self._models = asyncio.create_task(self._exchange.models())
        return await asyncio.shield(self._models)

    def _count(self, answer: Answer, body: bytes) -> None:
        counts, usage = self.statistics, answer["usage"]
        if usage is None:
            counts.without_usage += 1
            return
        counts.input_tokens += usage["input"]
        counts.output_tokens += usage["output"]
        counts.cost_usd += (usage["input"] * self._prices[0] + usage["output"] * self._prices[1]) / 1e6
        if self._tokens is not None:
            self._tokens.correct(usage["input"] + usage["output"] - _estimated(body))


def _encoded(request: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(request)
    except TypeError:  # half a character, which JSON can hold as an escape only
        import json

        return json.dumps(request).encode()


def _estimated(body: bytes) -> float:
    """Tokens that a request will take, before anybody has counted."""
    return len(body) / _CHARACTERS_PER_TOKEN
