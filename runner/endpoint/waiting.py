"""Waiting that is not the agent's: rate limits, Retry-After, back-off. Deadlines move back by what was waited."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Self

from assay.runner import deadline

__all__ = ["backoff", "fair_timeout", "our_wait", "pause", "retry_after"]

_AT_MOST = 24 * 3600.0
"""Longer than anything waits, and short enough to add to a clock."""
_SPREAD = 0.1
"""Share of a Retry-After that is added by chance, so that those who were turned away do not come back as one."""


async def pause(seconds: float) -> None:
    """Sleep, at no cost to the agent's deadlines."""
    await our_wait(asyncio.sleep(seconds), seconds)


async def our_wait(what: Awaitable[object], at_most: float = _AT_MOST) -> float:
    """Await something that takes at most `at_most` seconds, at no cost to the agent's deadlines; what it took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    deadline.waited(at_most)
    try:
        await what
    finally:
        took = clock() - began
        deadline.waited(took - at_most)
    return took


class fair_timeout:  # noqa: N801 - reads as the function that it stands in for
    """`asyncio.timeout`, except that it gives the time back for which the event loop itself was not there.

    Where the loop was held up past the deadline, what was awaited may lie there, received and unread: it gets as long
    again to be read, before it is given up.
    """

    _LATE_S = 0.01

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._due(self._loop.time() + self._seconds)
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> bool | None:
        self._timer.cancel()
        return await self._timeout.__aexit__(*raised)

    def expired(self) -> bool:
        """Whether the time ran out."""
        return self._timeout.expired()

    def _due(self, when: float) -> None:
        self._timer = self._loop.call_at(when, self._look, when)

    def _look(self, when: float) -> None:
        now = self._loop.time()
        if now - when > self._LATE_S:
            self._due(now + (now - when))
        else:
            self._timeout.reschedule(now)


def backoff(failed: int, first_s: float, longest_s: float) -> float:
    """How long to wait after the `failed`-th failure (from 1): evenly from 0 to `first_s` times 2 to the `failed` - 1.

    Source: "full jitter" in Brooker, Exponential Backoff And Jitter (AWS Architecture Blog, 2015).
    """
    return random.uniform(0, min(longest_s, first_s * 2 ** min(failed - 1, 32)))  # noqa: S311 - no secret rests on it


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that an endpoint wants to be left alone, a little spread; None where it does not say, or nothing usable.

    Both forms of RFC 9110, section 10.2.3, and the `retry-after-ms` that some endpoints add.
    """
    seconds: float | None = None
    if (text := headers.get("retry-after-ms")) is not None:
        seconds = _number(text, 1000)
    if seconds is None and (text := headers.get("Retry-After")) is not None:
        seconds = _number(text)
        if seconds is None:
            try:
                seconds = parsedate_to_datetime(text).timestamp() - (time.time() if now is None else now)
            except (ValueError, TypeError, OverflowError):
                return None
    if seconds is None or seconds <= 0:
        return None
    return min(seconds, _AT_MOST) * random.uniform(1, 1 + _SPREAD)  # noqa: S311 - no secret rests on it


def _number(text: str, divisor: float = 1) -> float | None:
    try:
        number = float(text) / divisor
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None
