"""The back office of a golden conversation: tools answer from the case's fixtures, and change its state."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from assay.registry.fixtures import ArgumentError, answers, changed, explain, holds, rendered, uses_state
from assay.registry.matching import same_json
from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case, ToolFixture
from assay.runner.agents.base import ToolResult

__all__ = ["FixtureBackend"]


class FixtureBackend:
    """Answers tool calls of one conversation. Fixtures with `times` are used up in order.

    A call takes effect when it arrives, as a whole, and is answered after the fixture's latency: of two calls at once
    the later one sees the state that the earlier one left. A call that is cancelled while it waits has still happened.
    """

    def __init__(
        self, fixtures: tuple[ToolFixture, ...], state: Mapping[str, Mapping[str, JsonValue]] | None = None
    ) -> None:
        if state is None and any(uses_state(fixture) for fixture in fixtures):
            raise ValueError("these fixtures work on a state: make the back office by FixtureBackend.of(case)")
        self._fixtures = fixtures
        self._left = [fixture.times for fixture in fixtures]
        self._state: Mapping[str, Mapping[str, JsonValue]] = state or {}

    @classmethod
    def of(cls, case: Case) -> FixtureBackend:
        """The back office of a case as it is before the conversation begins."""
        return cls(case.tools, case.state)

    async def call(self, name: str, arguments: Mapping[str, JsonValue]) -> tuple[ToolResult, float, bool]:
        """The answer, its latency in seconds, and whether a fixture matched.

        A call that no fixture answers is an outcome of its own: an error result with `matched` false.
        """
        fixture = self._taken(name, arguments)
        if fixture is None:
            return ToolResult(error=f"no answer: the case has no fixture for this call of {name}"), 0.0, False
        answer = self._answer(fixture, arguments)
        if fixture.latency_s:
            await asyncio.sleep(fixture.latency_s)
        return answer, fixture.latency_s, True

    def confirms(self, name: str, arguments: Mapping[str, JsonValue], result: JsonValue, error: str | None) -> bool:
        """Whether a fixture gives the very answer to a call that somebody says to have carried out. The call counts."""
        fixture = self._taken(name, arguments)
        if fixture is None:
            return False
        answer = self._answer(fixture, arguments)
        return answer.error == error and same_json(answer.result, result)

    def why_unanswered(self, name: str, arguments: Mapping[str, JsonValue]) -> str:
        """What the nearest fixture asks for and the call has not. It tells the expectation: never show it an agent."""
        return explain(self._fixtures, name, arguments)

    def _taken(self, name: str, arguments: Mapping[str, JsonValue]) -> ToolFixture | None:
        for index, fixture in enumerate(self._fixtures):
            left = self._left[index]
            if fixture.name != name or left == 0 or not answers(fixture, arguments) or not holds(fixture, self._state):
                continue
            if left is not None:
                self._left[index] = left - 1
            return fixture
        return None

    def _answer(self, fixture: ToolFixture, arguments: Mapping[str, JsonValue]) -> ToolResult:
        # No await from here to the end: this is what keeps two calls at once apart.
        try:
            self._state = changed(fixture, self._state, arguments)
        except ArgumentError as problem:
            return ToolResult(error=str(problem))
        result = rendered(fixture.result, self._state, arguments)
        error = rendered(fixture.error, self._state, arguments)
        return ToolResult(result=result, error=None if error is None else str(error))
