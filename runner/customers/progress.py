"""How far a simulated conversation has come, told from what was said and done alone."""

from __future__ import annotations

from collections.abc import Sequence

from assay.registry.figures import tells
from assay.registry.phrases import contains_any
from assay.registry.types.simulation import Simulation
from assay.registry.types.trajectory import TurnRecord
from assay.runner.scorers.person import asks_for_a_person
from assay.runner.scorers.values import is_call

__all__ = ["due_turn", "handed_off_in", "reached_in"]


def reached_in(simulation: Simulation, turns: Sequence[TurnRecord]) -> int | None:
    """The turn (1-based) in which the goal was reached; None where it was not."""
    return next((turn.index for turn in turns if _reached(simulation, turn)), None)


def handed_off_in(turns: Sequence[TurnRecord]) -> int | None:
    """The turn of the first handoff."""
    return next((turn.index for turn in turns if turn.handoff is not None), None)


def due_turn(simulation: Simulation, turns: Sequence[TurnRecord]) -> int | None:
    """The customer turn that made a required escalation due, by the case's `due`; None where it never came."""
    due = simulation.due
    if due is None:
        return None
    if due.opening:
        return 1
    for turn in turns:
        said = turn.customer
        if due.told is not None and tells(said, simulation.facts[due.told]):
            return turn.index
        if due.says is not None and contains_any(said, due.says.any_of):
            return turn.index
        if due.asks_for_a_person and asks_for_a_person(said):
            return turn.index
    return None


def _reached(simulation: Simulation, turn: TurnRecord) -> bool:
    wanted = simulation.goal.reached_when
    if wanted.called is not None:
        return any(call.error is None and is_call(call, wanted.called) for call in turn.tool_calls)
    if wanted.said is not None:
        return contains_any(turn.reply, wanted.said.any_of)
    return turn.handoff is not None
