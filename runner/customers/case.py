"""The case that fits a simulated conversation, so that scorers judge what happened and skip what nobody can know.

A scorer reads a case turn by turn. In a simulated conversation the turns are others than the case's, so:

- the customer's turns are those that were said, and what the case expects of its own turns is dropped;
- `simulation.expect` says what has to hold over the whole conversation. Calls are owed by its last turn, forbidden
  tools are forbidden in every turn, and words are owed by the turn that says them, or by the last one where none does;
- `by_turn` is the turn in which the customer made the escalation due, by `simulation.due`. Where that is not said, or
  did not happen, it is None: an escalation has to have happened by the end, and whether in time is not measured;
- where none is required, but the customer ran out of patience and asked for a person, one is from that turn on;
- a handoff owes only what the customer had told, and what the agent had done, when it was made.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.registry.phrases import contains_any
from assay.registry.types.base import EscalationReason
from assay.registry.types.case import (
    Case,
    ConversationExpectation,
    CustomerTurn,
    EscalationExpectation,
    HandoffExpectation,
    TurnExpectation,
)
from assay.registry.types.expectation import TextExpectation
from assay.registry.types.simulation import Simulation
from assay.registry.types.trajectory import Trajectory, TurnRecord
from assay.runner.customers.progress import due_turn
from assay.runner.scorers.person import asks_for_a_person

__all__ = ["simulated_case"]


def simulated_case(case: Case, trajectory: Trajectory) -> Case:
    """The case as scorers are to see it beside a simulated trajectory. Its id, labels and slices stay what they are.

    A case without a simulation is given back as it is: nothing of it was simulated.
    """
    simulation = case.simulation
    if simulation is None:
        return case
    turns = trajectory.turns
    return case.model_copy(
        update={
            "turns": _said(simulation, turns),
            "expect": ConversationExpectation(
                escalation=_escalation(case, simulation, turns),
                handoff=_handoff(case.expect.handoff, turns),
                must_not_say=case.expect.must_not_say,
            ),
        }
    )


def _said(simulation: Simulation, turns: Sequence[TurnRecord]) -> tuple[CustomerTurn, ...]:
    expect = simulation.expect
    if not turns:  # the agent did not even begin: what was owed is owed in the turn that would have been the first
        owed = TurnExpectation(
            must_say=expect.must_say, tool_calls=expect.tool_calls, forbidden_tools=expect.forbidden_tools
        )
        return (CustomerTurn(customer=simulation.opening[0], expect=owed),)
    last = turns[-1].index
    said_in = {wanted: _first_said(wanted, turns) or last for wanted in expect.must_say}
    return tuple(
        CustomerTurn(
            customer=turn.customer,
            expect=TurnExpectation(
                must_say=tuple(wanted for wanted in expect.must_say if said_in[wanted] == turn.index),
                tool_calls=expect.tool_calls if turn.index == last else (),
                forbidden_tools=expect.forbidden_tools,
            ),
        )
        for turn in turns
    )


def _first_said(wanted: TextExpectation, turns: Sequence[TurnRecord]) -> int | None:
    return next((turn.index for turn in turns if contains_any(turn.reply, wanted.any_of)), None)


def _escalation(case: Case, simulation: Simulation, turns: Sequence[TurnRecord]) -> EscalationExpectation:
    expected = case.expect.escalation
    if expected.required:
        return expected.model_copy(update={"by_turn": due_turn(simulation, turns)})
    demanded = next((turn.index for turn in turns if asks_for_a_person(turn.customer)), None)
    if demanded is None:
        return expected
    return EscalationExpectation(required=True, reasons=(EscalationReason.CUSTOMER_REQUEST,), by_turn=demanded)


def _handoff(expected: HandoffExpectation | None, turns: Sequence[TurnRecord]) -> HandoffExpectation | None:
    """What a packet can carry at the first handoff, or at the end where there was none."""
    if expected is None:
        return None
    made = next((turn.index for turn in turns if turn.handoff is not None), len(turns))
    before = [turn for turn in turns if turn.index <= made]
    said = "\n".join(turn.customer for turn in before)
    done = {call.name for turn in before for call in turn.tool_calls}
    return expected.model_copy(
        update={
            "must_mention": tuple(m for m in expected.must_mention if contains_any(said, m.any_of)),
            "prior_actions": tuple(name for name in expected.prior_actions if name in done),
        }
    )
