"""Deadlines of a turn and of a conversation, which stand still while we ourselves make an agent wait.

A rate limit, a Retry-After or a back-off is not the agent's slowness. Who waits for one of them says so by `waited`,
and the deadlines that run move back by as much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Clock", "left", "moved", "running", "timed", "took_before", "waited"]

_RUNNING: ContextVar[tuple[asyncio.Timeout, ...]] = ContextVar("running deadlines", default=())


@dataclass
class Clock:
    """What a turn took that its own clock does not show: answers that a former process had waited for."""

    before_s: float = 0.0


_CLOCK: ContextVar[Clock | None] = ContextVar("clock of the turn", default=None)


@contextmanager
def timed(clock: Clock) -> Iterator[None]:
    """Let `took_before` add to this clock, within the block."""
    token = _CLOCK.set(clock)
    try:
        yield
    finally:
        _CLOCK.reset(token)


def took_before(seconds: float) -> None:
    """Tell that an answer which comes at once now had taken `seconds` when it was first given."""
    clock = _CLOCK.get()
    if clock is not None:
        clock.before_s += seconds


def moved() -> float:
    """Where the nearest running deadline stands, to compare: it moves by as much as `waited` was told."""
    running_now = _RUNNING.get()
    return (running_now[-1].when() or 0.0) if running_now else 0.0


@contextmanager
def running(deadline: asyncio.Timeout) -> Iterator[None]:
    """Let `waited` move this deadline too, within the block; it has to be entered already."""
    token = _RUNNING.set((*_RUNNING.get(), deadline))
    try:
        yield
    finally:
        _RUNNING.reset(token)


def waited(seconds: float) -> None:
    """Move the deadlines of the running turn and conversation back. Call it before the wait, not after."""
    for deadline in _RUNNING.get():
        when = deadline.when()
        if when is not None and not deadline.expired():
            deadline.reschedule(when + seconds)


def left() -> float | None:
    """Seconds until the nearest deadline that runs; None where none does."""
    now = asyncio.get_running_loop().time()
    ends = [when for deadline in _RUNNING.get() if (when := deadline.when()) is not None]
    return min(ends) - now if ends else None
