"""No more requests than an endpoint is meant to get: per minute, and at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from assay.runner.endpoint.waiting import our_wait

__all__ = ["Gate", "PerMinute"]


class PerMinute:
    """A token bucket that holds what a second brings, so that a minute never sees more than the limit and one second.

    Who comes takes its place in the line at once and is told how long the line is.
    """

    def __init__(self, limit: float, clock: Callable[[], float]) -> None:
        self._per_second, self._clock = limit / 60, clock
        self._holds = max(1.0, self._per_second)
        self._level, self._at = self._holds, clock()

    def take(self, amount: float) -> float:
        """Take so much; the seconds to wait before it may be used. More than a second's worth takes its time too."""
        now = self._clock()
        self._level = min(self._holds, self._level + (now - self._at) * self._per_second)
        self._at = now
        self._level -= amount
        return max(0.0, -self._level / self._per_second)

    def correct(self, amount: float) -> None:
        """It was so much more than what had been taken, or less where it is negative."""
        self._level -= amount


class Gate:
    """How many requests are in flight: at most `most`, fewer after the endpoint turned many away, then more again.

    Additive increase, multiplicative decrease, by rounds of as many answers as there may be in flight (at least 20): a
    round of which more than a fifth was turned away takes three tenths off; any other adds a sixteenth of `most`. A few
    refusals do not count: endpoints refuse for reasons that have nothing to do with how many ask at once.
    """

    _ROUND, _TOLERATED, _DECREASE = 20, 0.2, 0.7

    def __init__(self, most: int) -> None:
        self.window = float(most)
        self._most, self._increase = most, max(1.0, most / 16)
        self._in_flight = self._answers = self._refused = self._decreases = 0
        self._line: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> tuple[int, float]:
        """Wait for a place. What `leave` has to be given, and the seconds waited."""
        if self._in_flight < int(self.window) and not self._line:
            self._in_flight += 1
            return self._decreases, 0.0
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            took = await our_wait(place)
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._in_flight -= 1
            self._admit()
            raise
        return self._decreases, took

    def leave(self, entered: int, *, refused: bool) -> None:
        """Give the place back. `refused`: the endpoint asked for fewer requests."""
        self._in_flight -= 1
        if entered == self._decreases:  # what was sent before the last decrease says nothing about the window now
            self._answers += 1
            self._refused += refused
            self._judge(max(self._ROUND, int(self.window)))
        if self._line:
            self._admit()

    def _judge(self, size: int) -> None:
        if self._refused > self._TOLERATED * size:
            self.window = max(1.0, self.window * self._DECREASE)
            self._decreases += 1
        elif self._answers >= size:
            self.window = min(float(self._most), self.window + self._increase)
        else:
            return
        self._answers = self._refused = 0

    def _admit(self) -> None:
        while self._line and self._in_flight < int(self.window):
            place = self._line.popleft()
            if not place.done():
                self._in_flight += 1
                place.set_result(None)
