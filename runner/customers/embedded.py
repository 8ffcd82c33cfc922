"""A simulated customer without a language model: a state machine over the facts of the case.

It reads the agent's reply, does one thing, and does the same thing whenever it is given the same seed and the same
replies. In each turn, in this order: has the conversation ended; is there something to say that was planned or has to
be put right; what does the agent ask for; and if it asks for nothing and brought nothing, how long does patience last.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.registry.types.case import Case
from assay.registry.types.simulation import Fact, Simulation, placeholders
from assay.registry.types.trajectory import TurnRecord
from assay.runner.customers.asking import Request, request_of
from assay.runner.customers.phrasing import distinct, phrase, pick, telling
from assay.runner.customers.progress import handed_off_in, reached_in

__all__ = ["EmbeddedCustomer"]

_DEMANDS = 2
"""How often a customer asks for a person before they leave."""


class EmbeddedCustomer:
    """One customer in one conversation."""

    def __init__(self, case: Case, seed: int) -> None:
        assert case.simulation is not None
        self._simulation: Simulation = case.simulation
        self._seed = seed
        self._turn = 1
        self._said: list[str] = []
        self._told: dict[str, str] = {}
        self._put_off: dict[str, int] = {}
        self._wrong: list[str] = []
        self._useless = 0
        self._demands = 0
        self._confirmed = 0
        """Answers to the same question to confirm, since something was last done."""
        self._follow_ups = list(self._simulation.follow_ups)
        self._closing = False

    async def next(self, turns: Sequence[TurnRecord]) -> str | None:
        """What the customer says after `turns`; None ends the conversation."""
        self._turn = len(turns) + 1
        said = self._answer(turns) if turns else self._opening()
        if said is not None:
            said = distinct(said, self._said, self._simulation.persona.manner)
            self._said.append(said)
        return said

    def _opening(self) -> str:
        simulation = self._simulation
        line = pick(simulation.opening, self._seed, "opening")
        named = placeholders(line)
        for name in named:
            line = line.replace(f"{{{name}}}", self._value(name))
        rest = [name for name, fact in simulation.facts.items() if fact.reveal == "at_once" and name not in named]
        return f"{line} {self._tell(rest)}" if rest else line

    def _answer(self, turns: Sequence[TurnRecord]) -> str | None:
        simulation = self._simulation
        if self._closing or handed_off_in(turns) is not None:
            return None
        remark = next((remark.say for remark in simulation.remarks if remark.at_turn == self._turn), None)
        if remark is not None:
            return remark
        if any(call.error is None for call in turns[-1].tool_calls):
            self._confirmed = 0
        request = request_of(turns[-1].reply, simulation.facts)
        if self._wrong:
            self._confirmed = 0
            return self._corrected(request)
        answered = self._asked(request)
        if answered is not None:
            return answered
        if reached_in(simulation, turns) is not None:
            return self._follow_ups.pop(0) if self._follow_ups else self._closed("closes")
        return self._brought_nothing(request, turns[-1])

    def _asked(self, request: Request) -> str | None:
        """The answer to what the agent asks for; None where it asks nothing that the customer can deal with."""
        if request.person:
            return self._offered_a_person()
        if request.facts:
            return self._asked_for(request.facts)
        if request.confirm:
            self._useless += self._simulation.reactions.confirm == "unsure" or self._confirmed > 0
            self._confirmed += 1
            return self._spent() or self._phrase(self._simulation.reactions.confirm)
        return None

    def _asked_for(self, names: Sequence[str]) -> str | None:
        facts = self._simulation.facts
        never = [name for name in names if facts[name].reveal == "never"]
        late = [name for name in names if self._put_off.get(name, 0) < facts[name].late]
        if late:
            for name in late:
                self._put_off[name] = self._put_off.get(name, 0) + 1
            return self._phrase("later")
        tellable = [name for name in names if name not in never]
        again = bool(tellable) and all(name in self._told for name in tellable)
        if again or not tellable:
            self._useless += 1
            spent = self._spent()
            if spent:
                return spent
        if not tellable:
            return self._phrase("refuses")
        told = self._tell(tellable, again=again)
        return f"{told} {self._phrase('refuses_part', never[0].replace('_', ' '))}" if never else told

    def _offered_a_person(self) -> str | None:
        if self._simulation.reactions.offered_a_person == "accepts" or self._demands:
            return self._phrase("takes_person")
        self._useless += 1
        return self._spent() or self._phrase("declines_person")

    def _brought_nothing(self, request: Request, turn: TurnRecord) -> str | None:
        if request.waits and not request.more:
            self._useless += 1
            return self._spent() or self._phrase("waits")
        self._useless += 0 if any(call.error is None for call in turn.tool_calls) else 1
        spent = self._spent()
        if spent or self._closing:
            return spent
        if request.unknown:
            return self._phrase("does_not_know")
        if request.refuses:
            return self._refused()
        return self._phrase("again")

    def _refused(self) -> str | None:
        reaction = self._simulation.reactions.refused
        if reaction == "accepts":
            return self._closed("accepts_refusal")
        return self._demand() if reaction == "asks_for_a_person" else self._phrase("insists")

    def _spent(self) -> str | None:
        """What an impatient customer does; None while patience lasts. Sets `_closing` where they leave."""
        persona = self._simulation.persona
        if self._useless < persona.patience:
            return None
        return self._demand() if persona.out_of_patience == "asks_for_a_person" else self._closed("accepts_refusal")

    def _demand(self) -> str:
        self._demands += 1
        self._useless = max(self._useless, self._simulation.persona.patience)
        if self._demands > _DEMANDS:
            return self._closed("accepts_refusal")
        return self._phrase("wants_person")

    def _closed(self, act: str) -> str:
        self._closing = True
        return self._phrase(act)

    def _corrected(self, request: Request) -> str:
        names, self._wrong = self._wrong, []
        start = self._phrase("wait_wrong" if request.confirm else "corrects")
        for name in names:
            self._told[name] = self._true(name)
        facts = self._simulation.facts
        right = [(name, facts[name], self._told[name]) for name in names]
        return f"{start} {telling(right, 'plain', self._seed, self._turn)}"

    def _tell(self, names: Sequence[str], *, again: bool = False) -> str:
        facts = self._simulation.facts
        parts: list[tuple[str, Fact, str]] = [(name, facts[name], self._value(name)) for name in names]
        return telling(parts, self._simulation.persona.manner, self._seed, self._turn, again=again)

    def _value(self, name: str) -> str:
        """The form in which the customer tells a fact, the same whenever they are asked again."""
        fact = self._simulation.facts[name]
        if name not in self._told and fact.mistaken is not None:
            self._wrong.append(name)
            self._told[name] = fact.mistaken
        return self._told.setdefault(name, self._true(name))

    def _true(self, name: str) -> str:
        return pick(self._simulation.facts[name].forms, self._seed, "form", name)

    def _phrase(self, act: str, what: str = "") -> str:
        persona, wants = self._simulation.persona, what or self._simulation.goal.wants
        return phrase(act, persona.manner, self._seed, self._turn, what=wants, unlike=self._said)
