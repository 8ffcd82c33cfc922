"""What can be wrong with the simulated customer of one case, beside what its types refuse."""

from __future__ import annotations

from collections.abc import Iterator

from assay.registry.figures import tells
from assay.registry.phrases import contains_any
from assay.registry.types.case import Case
from assay.registry.types.simulation import Simulation

__all__ = ["lines_of", "simulation_mistakes"]


def simulation_mistakes(case: Case) -> Iterator[str]:
    """A sheet that gives itself away, and expectations that contradict each other or the rest of the case."""
    simulation = case.simulation
    if simulation is None:
        return
    yield from _given_away(simulation)
    yield from _contradictory(case, simulation)
    handoff = case.expect.handoff
    possible = "\n".join(_sayable(simulation))
    for wanted in handoff.must_mention if handoff else ():
        if not contains_any(possible, wanted.any_of):
            yield f"the handoff has to mention {wanted.any_of[0]!r}, which the simulated customer can never say"


def lines_of(simulation: Simulation) -> Iterator[tuple[str, str]]:
    """Everything that a case puts into its simulated customer's mouth as it stands, with where it stands."""
    yield from ((f"opening.{n}", line) for n, line in enumerate(simulation.opening))
    yield from ((f"follow_ups.{n}", line) for n, line in enumerate(simulation.follow_ups))
    yield from ((f"remarks.{n}", remark.say) for n, remark in enumerate(simulation.remarks))
    yield "goal.wants", simulation.goal.wants


def _given_away(simulation: Simulation) -> Iterator[str]:
    for name, fact in simulation.facts.items():
        if fact.reveal == "at_once":
            continue
        for where, line in lines_of(simulation):
            # A person's request may name what it is about; a secret may stand nowhere.
            if tells(line, fact) and (fact.reveal == "never" or not where.startswith("remarks")):
                yield f"{where} tells {name!r}, which is to be told {fact.reveal.replace('_', ' ')}"


def _contradictory(case: Case, simulation: Simulation) -> Iterator[str]:
    escalation, expect, reached = case.expect.escalation, simulation.expect, simulation.goal.reached_when
    if reached.handed_off and not escalation.required:
        yield "its goal is a handoff, and the case requires no escalation"
    if simulation.due is not None and not escalation.required:
        yield "'due' says when an escalation is due, and the case requires none"
    needed = [call.name for call in (*expect.tool_calls, *((reached.called,) if reached.called else ()))]
    yield from (f"{name} is expected and forbidden" for name in dict.fromkeys(needed) if name in expect.forbidden_tools)


def _sayable(simulation: Simulation) -> Iterator[str]:
    yield from (line for _, line in lines_of(simulation))
    yield from (form for fact in simulation.facts.values() if fact.reveal != "never" for form in fact.forms)
