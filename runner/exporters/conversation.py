"""What is said and done in a golden conversation when the agent does what is expected of it.

Expected calls get the result that the case's fixtures give them, in order; the transfer to a person stands in the
last turn in which it is in time.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any

from assay.registry.types.case import Case
from assay.runner.fixtures import FixtureBackend
from assay.runner.importers.golden import Call, Turn

__all__ = ["Told", "expected_outcome", "told"]


@dataclass(frozen=True)
class Told:
    """A case, and its turns as they are to go."""

    case: Case
    turns: tuple[Turn, ...]

    @property
    def unanswered(self) -> int:
        """Expected calls that no fixture answers."""
        return sum(not call.answered for turn in self.turns for call in turn.calls)


def told(case: Case) -> Told:
    """The conversation of a case."""
    backend = FixtureBackend(tuple(fixture.model_copy(update={"latency_s": 0.0}) for fixture in case.tools), case.state)
    escalation = case.expect.escalation
    turns: list[Turn] = []
    for number, turn in enumerate(case.turns, start=1):
        calls = tuple(_answered(backend, Call(c.name, dict(c.arguments))) for c in turn.expect.tool_calls)
        handoff: dict[str, Any] | None = None
        if escalation.required and number == escalation.by_turn:
            handoff = {"reason": escalation.reasons[0].value}
            handoff |= {"queue": escalation.queue} if escalation.queue else {}
        turns.append(Turn(turn.customer, turn.golden_reply, calls, handoff))
    return Told(case, tuple(turns))


def expected_outcome(case: Case) -> str:
    """How the conversation should end, in words."""
    escalation = case.expect.escalation
    if escalation.required:
        reasons = " or ".join(reason.value for reason in escalation.reasons)
        queue = f", queue {escalation.queue}" if escalation.queue else ""
        when = "in time" if escalation.by_turn is None else f"by customer turn {escalation.by_turn}"
        ending = f"A person takes over {when}, because of {reasons}{queue}."
    else:
        ending = "The agent deals with it; no person takes over."
    names = dict.fromkeys(call.name for turn in case.turns for call in turn.expect.tool_calls)
    return f"{ending} The agent calls {', '.join(names)}." if names else ending


def _answered(backend: FixtureBackend, call: Call) -> Call:
    answer, _, matched = _now(backend.call(call.name, call.arguments))
    if not matched:
        return replace(call, error=answer.error, answered=False)
    return replace(call, result=answer.result, error=answer.error)


def _now(steps: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits: fixtures without latency."""
    try:
        steps.send(None)
    except StopIteration as done:
        return done.value
    finally:
        steps.close()
    raise RuntimeError("a fixture without latency waited for something")
