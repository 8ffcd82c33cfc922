"""What an agent asked of the world outside in a turn that waits for a tool.

When the result comes, the turn is run again, and an agent that asks a language model would pay for the same answers
twice, or get others. So they are kept in this process until the turn is over. Another process that gets the next
request knows nothing of them and asks anew: nothing but cost and chance depends on it.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from assay.registry.digest import digest_of
from assay.registry.types.base import JsonValue

__all__ = ["OpenTurns", "RememberedCalls"]

_MOST = 1000
"""Turns that are remembered; those that waited longest are forgotten first."""

_Calls = list[tuple[str, JsonValue]]


class RememberedCalls:
    """The `CallLog` of one turn, and the name that its conversation goes by outside."""

    def __init__(self, known: RememberedCalls | None = None) -> None:
        self.conversation = known.conversation if known else secrets.token_hex(16)
        self.made: _Calls = []
        self._known = list(known.made) if known else []

    async def once(self, request: JsonValue, perform: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """The answer that this very call got before, or that it gets now."""
        asked, place = digest_of(request), len(self.made)
        if place < len(self._known) and self._known[place][0] == asked:
            answer = self._known[place][1]
        else:
            self._known = []  # the turn goes another way now
            answer = await perform()
        self.made.append((asked, answer))
        return answer


class OpenTurns:
    """The calls of turns that are not over, by the conversation so far. For one event loop."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._turns: OrderedDict[str, RememberedCalls] = OrderedDict()

    def log(self, key: str, *, again: bool) -> RememberedCalls:
        """The log of a turn that is run for the first time, or again."""
        return RememberedCalls(self._turns.get(key) if again else None)

    def done(self, key: str, log: RememberedCalls, *, waits: bool) -> None:
        """The turn was run: it waits for a tool, or is over."""
        self._turns.pop(key, None)
        if waits:
            self._turns[key] = log
            if len(self._turns) > self._most:
                self._turns.popitem(last=False)
