"""The back office of a golden conversation: tools answer from the case's fixtures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from assay.registry.matching import same_json
from assay.registry.types.base import JsonValue
from assay.registry.types.case import ToolFixture
from assay.runner.agents.base import ToolResult

__all__ = ["FixtureBackend"]


class FixtureBackend:
    """Answers tool calls of one conversation. Fixtures with `times` are used up in order."""

    def __init__(self, fixtures: tuple[ToolFixture, ...]) -> None:
        self._fixtures = fixtures
        self._left = [fixture.times for fixture in fixtures]

    async def call(self, name: str, arguments: Mapping[str, JsonValue]) -> tuple[ToolResult, float, bool]:
        """The answer, its latency in seconds, and whether a fixture matched.

        A call that no fixture answers is an outcome of its own: an error result with `matched` false.
        """
        for index, fixture in enumerate(self._fixtures):
            left = self._left[index]
            if fixture.name != name or left == 0 or not _matches(fixture.arguments, arguments):
                continue
            if left is not None:
                self._left[index] = left - 1
            if fixture.latency_s:
                await asyncio.sleep(fixture.latency_s)
            return ToolResult(result=fixture.result, error=fixture.error), fixture.latency_s, True
        return ToolResult(error=f"no answer: the case has no fixture for this call of {name}"), 0.0, False


def _matches(wanted: Mapping[str, JsonValue], given: Mapping[str, JsonValue]) -> bool:
    return all(key in given and same_json(value, given[key]) for key, value in wanted.items())
