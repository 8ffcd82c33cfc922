"""Deadlines of a turn and of a conversation, which stand still while we ourselves make an agent wait.

A rate limit, a Retry-After or a back-off is not the agent's slowness. Who waits for one of them says so by `waited`,
and the deadlines that run move back by as much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["left", "running", "waited"]

_RUNNING: ContextVar[tuple[asyncio.Timeout, ...]] = ContextVar("running deadlines", default=())


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
