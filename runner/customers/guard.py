"""What no simulated customer may do, held against every word of every simulator.

A simulator that breaks one of these has not played the customer of the case, so what the agent did after it measures
nothing of the agent. Each is told from the words, the customer's sheet and the conversation alone:

- it says nothing, or the same thing again and again;
- it tells a fact that it must not tell, or one that nobody asked for;
- it uses an amount, a date, an address or a number that stands neither in its sheet nor in what was said;
- it speaks as the agent;
- it goes on long after its goal was reached or a person took over, or stops for a reason that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assay.registry.content.simulation_labels import lines_of
from assay.registry.figures import Known, tells
from assay.registry.phrases import normalise, sentences
from assay.registry.types.case import Case
from assay.registry.types.simulation import Fact, Simulation
from assay.registry.types.trajectory import TurnRecord
from assay.runner.customers.asking import mentions_asking
from assay.runner.customers.base import Customer, SimulatorError
from assay.runner.customers.progress import handed_off_in, reached_in

__all__ = ["GuardedCustomer"]

_LONGEST = 2000
_SAME_AGAIN, _SAME_SHORT = 2, 4
_FEW_WORDS = 4
_PATIENT = 3
"""Customer turns that may follow the end of what a customer came for, and for each further question as many."""
_PARROTED = 10
_AS_THE_AGENT = re.compile(
    r"^\W*(?:agent|assistant|bot|system|representative)\s*:"
    r"|\bhow (?:can|may) i (?:help|assist) you\b|\bis there anything else i can\b"
    r"|\bi(?:'m| am) (?:an?|the|your|[\w-]+'s) (?:\w+ ){0,2}(?:assistant|language model|ai|chatbot|bot)\b"
    r"|\bas an ai\b|\bplease (?:give|tell|provide) me (?:with )?your (?:customer|date|card|account|full)\b"
    r"|\bthank you for (?:calling|contacting|banking)\b"
    r"|\bi(?:'ll| will|'ve| have)? (?:now )?(?:verified|transfer(?:red)?|connect(?:ed)?|forward(?:ed)?) you\b"
)


class GuardedCustomer:
    """Lets through what a customer may say and raises `SimulatorError` for everything else."""

    def __init__(self, inner: Customer, case: Case, max_turns: int) -> None:
        assert case.simulation is not None
        self._inner = inner
        self._simulation: Simulation = case.simulation
        self._max_turns = min(max_turns, case.simulation.max_turns or max_turns)
        self._known = Known()
        self._known.add(_sheet(case))
        self._open = Known()
        """As far as nothing was asked for."""
        told = (fact for fact in self._simulation.facts.values() if fact.reveal == "at_once")
        self._open.add([*_lines(self._simulation), case.date.isoformat(), *(t for fact in told for t in _forms(fact))])

    async def next(self, turns: Sequence[TurnRecord]) -> str | None:
        """What the customer says after `turns`; None ends the conversation, as the last turn allowed does.

        Raises:
            SimulatorError: it may not say that; says why.
        """
        if len(turns) >= self._max_turns:
            return None
        said = await self._inner.next(turns)
        if said is None and turns:
            return None
        problem = self._problem(said, turns)
        if problem:
            raise SimulatorError(problem)
        return said

    def _problem(self, said: str | None, turns: Sequence[TurnRecord]) -> str:
        if said is None:
            return "it ended the conversation before it said anything"
        if not normalise(said):
            return "it said nothing"
        if len(said) > _LONGEST:
            return f"it said {len(said):,} characters at once; no customer says more than {_LONGEST:,}"
        return (
            self._overdue(turns)
            or _repeats(said, turns)
            or _in_the_agents_place(said, turns)
            or self._reveals(said, turns)
            or self._invents(said, turns)
        )

    def _overdue(self, turns: Sequence[TurnRecord]) -> str:
        handed, reached = handed_off_in(turns), reached_in(self._simulation, turns)
        if handed is not None and len(turns) >= handed + _PATIENT:
            return f"it goes on although a person took over in turn {handed}"
        more = _PATIENT * (1 + len(self._simulation.follow_ups) + len(self._simulation.remarks))
        if reached is not None and len(turns) >= reached + more:
            return f"it goes on although its goal was reached in turn {reached}"
        return ""

    def _reveals(self, said: str, turns: Sequence[TurnRecord]) -> str:
        replies = [turn.reply for turn in turns]
        allowed = _lines(self._simulation)
        self._open.add([text for turn in turns[-1:] for text in (turn.customer, turn.reply)])
        closed: list[tuple[str, Fact]] = []
        for name, fact in self._simulation.facts.items():
            if fact.reveal != "at_once" and (fact.reveal == "never" or not mentions_asking(replies, name, fact)):
                closed.append((name, fact))
            else:
                self._open.add(_forms(fact))
        for name, fact in closed:
            # The agent may have told it, or the case itself have put it into the customer's mouth.
            if tells(said, fact) and not any(tells(text, fact) for text in (*replies, *allowed)):
                return f"it told {name!r}{_too_early(fact)}"
        part = re.sub(r"\D", "", self._open.invented(said))
        for name, fact in closed:
            if part and any(part in re.sub(r"\D", "", form) for form in fact.forms):
                return f"it told a part of {name!r}{_too_early(fact)}"
        return ""

    def _invents(self, said: str, turns: Sequence[TurnRecord]) -> str:
        self._known.add([turn.reply for turn in turns[-1:]])
        found = self._known.invented(said)
        return f"it used {found!r}, which stands neither in its sheet nor in what the agent said" if found else ""


def _too_early(fact: Fact) -> str:
    return ", which it must never tell" if fact.reveal == "never" else " before anybody asked for it"


def _repeats(said: str, turns: Sequence[TurnRecord]) -> str:
    plain = normalise(said)
    same = sum(normalise(turn.customer) == plain for turn in turns)
    if same >= (_SAME_AGAIN if len(plain.split()) >= _FEW_WORDS else _SAME_SHORT):
        return f"it said the same thing {same + 1} times"
    return ""


def _in_the_agents_place(said: str, turns: Sequence[TurnRecord]) -> str:
    for sentence in sentences(said):
        found = _AS_THE_AGENT.search(normalise(sentence))
        if found:
            return f"it spoke as the agent: {found.group().strip()!r}"
    last = {normalise(s) for turn in turns for s in sentences(turn.reply) if len(s.split()) >= _PARROTED}
    if any(normalise(sentence) in last for sentence in sentences(said)):
        return "it repeated a sentence of the agent's as its own"
    return ""


def _sheet(case: Case) -> list[str]:
    """Every text that the customer of a case may draw on."""
    simulation = case.simulation
    assert simulation is not None
    told = (fact for fact in simulation.facts.values() if fact.reveal != "never")
    return [*_lines(simulation), *(text for fact in told for text in _forms(fact)), case.date.isoformat()]


def _forms(fact: Fact) -> tuple[str, ...]:
    return (*fact.forms, fact.mistaken or "", fact.say or "")


def _lines(simulation: Simulation) -> list[str]:
    """What the case lets the customer say by itself."""
    return [line for _, line in lines_of(simulation)]
