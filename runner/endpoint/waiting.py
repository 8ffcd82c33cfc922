"""Waiting that is not the agent's: rate limits, Retry-After, back-off. Deadlines move back by what was waited."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Mapping
from email.utils import parsedate_to_datetime

from assay.runner import deadline

__all__ = ["backoff", "left_of_turn", "our_wait", "pause", "retry_after"]

_AT_MOST = 24 * 3600.0
"""Longer than anything waits, and short enough to add to a clock."""
_SPREAD = 0.1
"""Share of a Retry-After that is added by chance, so that those who were turned away do not come back as one."""


def left_of_turn() -> float | None:
    """Seconds until the nearest deadline of the running turn and conversation; None where there is none."""
    now = asyncio.get_running_loop().time()
    ends = [when for running in deadline._RUNNING.get() if (when := running.when()) is not None]
    return min(ends) - now if ends else None


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
