"""A simulated customer: who speaks, what for, what they know, and when they stop.

It stands beside a case's scripted turns. What may be told when is part of the data, so that a simulator that tells
more is found out, whoever plays it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from assay.registry.types.base import Frozen, JsonValue, Name
from assay.registry.types.expectation import ExpectedCall, TextExpectation

__all__ = [
    "USUAL_QUESTIONS",
    "Due",
    "EmbeddedSimulator",
    "Fact",
    "Goal",
    "Manner",
    "OpenAISimulator",
    "Persona",
    "Reached",
    "Reactions",
    "Remark",
    "SimulatedExpectation",
    "Simulation",
    "SimulatorSettings",
    "asked_by",
    "placeholders",
]

Manner = Literal["plain", "polite", "terse", "chatty", "anxious", "upset"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"\S")]
FactName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]

USUAL_QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "date_of_birth": ("date of birth", "birth date", "birthday", "birthdate", "DOB", "/when were you born/"),
    "customer_number": ("customer number", "customer id", "client number", "/customer (?:no|nr)\\b/"),
    "account_number": ("account number",),
    "card_last4": ("/last (?:four|4)/", "which card", "card number", "/digits of (?:the|your) card/", "/card end/"),
    "amount": ("how much", "amount", "/what (?:limit|sum)/", "which limit", "new limit"),
    "date": ("what date", "which date", "which day", "what day", "/\\bwhen\\b/", "date and time"),
    "time": ("what time", "which time", "date and time", "/\\bwhen\\b/"),
    "name": ("your name", "full name", "/who am i (?:speaking|talking)/"),
    "address": ("new address", "your address", "which address", "what address", "/address\\b.*\\b(?:zip|full)/"),
    "phone": ("phone number", "telephone number", "number to reach you", "mobile number"),
    "email": ("email", "e-mail"),
    "account": ("which account", "what account", "/current or savings|savings or current|checking/"),
    "merchant": ("merchant", "which shop", "which company", "who charged", "/charge\\b.*\\bfrom/", "which store"),
    "reference": ("reference", "confirmation number", "appointment number"),
    "branch": ("branch",),
    "topic": ("topic", "/what\\b.*\\b(?:appointment|meeting)\\b.*\\b(?:about|for)/", "like to discuss"),
    "month": ("month", "which statement", "what period", "which period"),
}
"""Name of a usual fact to what asks for it, for facts without an `asked_by` of their own."""


class Persona(Frozen):
    """How the customer talks, and for how long. A useless turn is one that brings them no further.

    `patience` is how many of them it takes before the customer asks for a person, or leaves.
    """

    manner: Manner = "plain"
    patience: Annotated[int, Field(ge=1, le=10)] = 3
    out_of_patience: Literal["asks_for_a_person", "leaves"] = "asks_for_a_person"


class Fact(Frozen):
    """Something the customer knows: told with the opening, told when asked for, or never told."""

    value: Text
    also: tuple[Text, ...] = ()
    """Other forms of the same value, such as a date in words."""
    reveal: Literal["at_once", "when_asked", "never"] = "when_asked"
    asked_by: tuple[Text, ...] = ()
    """Phrases, or regular expressions between slashes, in a question that asks for it."""
    say: Text | None = None
    """The sentence that tells it, with `{value}` in it."""
    mistaken: Text | None = None
    """What the customer says at first; they put it right in their next turn."""
    late: Annotated[int, Field(ge=0, le=5)] = 0
    """How often the customer puts the question off before they answer it."""

    @field_validator("asked_by")
    @classmethod
    def _compile(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for phrase in given:
            if len(phrase) > 2 and phrase.startswith("/") and phrase.endswith("/"):
                try:
                    re.compile(phrase[1:-1])
                except re.error as error:
                    raise ValueError(f"{phrase} is no regular expression: {error}") from None
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Fact:
        if self.say is not None and "{value}" not in self.say:
            raise ValueError("'say' has to have {value} in it")
        if self.reveal == "never" and (self.mistaken or self.late or self.say):
            raise ValueError("a fact that is never told has no 'say', 'mistaken' or 'late'")
        if self.reveal == "at_once" and self.late:
            raise ValueError("a fact that is told at once is not told 'late'")
        return self

    @property
    def forms(self) -> tuple[str, ...]:
        """Every form of the value."""
        return (self.value, *self.also)


class Reached(Frozen):
    """When the goal is reached: exactly one of these happened."""

    called: ExpectedCall | None = None
    """The tool was called like that, and did not fail."""
    said: TextExpectation | None = None
    """The agent said it."""
    handed_off: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> Reached:
        if sum(part is not None for part in (self.called, self.said, self.handed_off)) != 1:
            raise ValueError("give exactly one of 'called', 'said' and 'handed_off'")
        return self


class Goal(Frozen):
    """What the customer wants, in their own words ("I want my card blocked."), and what tells that they got it."""

    wants: Text
    reached_when: Reached


class Reactions(Frozen):
    """What the customer does when asked to confirm, when refused, and when offered a person."""

    confirm: Literal["yes", "no", "unsure"] = "yes"
    refused: Literal["accepts", "insists", "asks_for_a_person"] = "accepts"
    offered_a_person: Literal["accepts", "declines"] = "accepts"


class Remark(Frozen):
    """Something the customer says at a certain turn of theirs, whatever the agent said before."""

    at_turn: Annotated[int, Field(ge=2, le=50)]
    say: Text


class Due(Frozen):
    """What makes a required escalation due, as it can be told from what the customer said: exactly one."""

    opening: Literal[True] | None = None
    told: FactName | None = None
    """The fact was told."""
    says: TextExpectation | None = None
    asks_for_a_person: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> Due:
        if sum(part is not None for part in (self.opening, self.told, self.says, self.asks_for_a_person)) != 1:
            raise ValueError("give exactly one of 'opening', 'told', 'says' and 'asks_for_a_person'")
        return self


class SimulatedExpectation(Frozen):
    """What has to hold over a whole simulated conversation, whose turns nobody knows beforehand."""

    tool_calls: tuple[ExpectedCall, ...] = ()
    forbidden_tools: tuple[Name, ...] = ()
    must_say: tuple[TextExpectation, ...] = ()


class Simulation(Frozen):
    """A case's simulated customer. `{fact}` in an opening line stands for a fact that is told at once."""

    persona: Persona = Persona()
    goal: Goal
    facts: dict[FactName, Fact] = {}
    opening: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Ways to begin; the seed chooses one."""
    follow_ups: tuple[Text, ...] = ()
    """Asked one by one once the goal is reached."""
    remarks: tuple[Remark, ...] = ()
    reactions: Reactions = Reactions()
    due: Due | None = None
    """Without it, a required escalation has to have happened by the end, and whether in time is not measured."""
    expect: SimulatedExpectation = SimulatedExpectation()
    max_turns: Annotated[int, Field(ge=2, le=50)] | None = None
    """How many times the customer speaks at most, where that is less than the suite allows."""

    @model_validator(mode="after")
    def _consistent(self) -> Simulation:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        for number, line in enumerate(self.opening):
            for name in placeholders(line):
                fact = self.facts.get(name)
                if fact is None:
                    yield f"opening.{number}: no fact is called {name!r}; there is: {', '.join(self.facts) or 'none'}"
                elif fact.reveal != "at_once":
                    yield f"opening.{number}: {name!r} is told {fact.reveal}, an opening line tells it at once"
        for name, fact in self.facts.items():
            if fact.reveal != "at_once" and not asked_by(name, fact):
                known = ", ".join(USUAL_QUESTIONS)
                yield f"facts.{name}: what asks for it? Add 'asked_by'; it is known only for: {known}"
        told = self.due.told if self.due else None
        if told is not None and (told not in self.facts or self.facts[told].reveal == "never"):
            yield f"due.told: no fact {told!r} is ever told; there is: {', '.join(self.facts) or 'none'}"
        turns = [remark.at_turn for remark in self.remarks]
        if len(set(turns)) != len(turns):
            yield "remarks: two of them are for the same turn"
        if self.max_turns is not None and any(turn > self.max_turns for turn in turns):
            yield f"remarks: one is for a turn after 'max_turns', {self.max_turns}"


def placeholders(line: str) -> tuple[str, ...]:
    """Names of the facts that an opening line holds."""
    return tuple(re.findall(r"\{([a-z][a-z0-9_]*)\}", line))


def asked_by(name: str, fact: Fact) -> tuple[str, ...]:
    """What asks for a fact: its own phrases, or the usual ones for its name."""
    return fact.asked_by or USUAL_QUESTIONS.get(name, ())


class EmbeddedSimulator(Frozen):
    """The simulator without a language model. `version` goes up whenever it could say something else."""

    kind: Literal["embedded"] = "embedded"
    version: Literal[1] = 1


class OpenAISimulator(Frozen):
    """A language model behind an OpenAI-compatible endpoint plays the customer.

    Keys come from the environment only. `version` goes up whenever the instructions, or the checks of what it says,
    change.
    """

    kind: Literal["openai"]
    model: Annotated[str, Field(min_length=1)]
    base_url: str | None = None
    """From the environment (OPENAI_BASE_URL) where it is not given."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = "OPENAI_API_KEY"
    """Variable that holds the key; null for an endpoint that needs none."""
    headers: dict[str, str] = {}
    """Sent with each request. `${NAME}` is taken from the environment."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=16)] = 400
    parameters: dict[str, JsonValue] = {}
    """Passed through to the request's body."""
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """How long one attempt at a call may take. The time that a simulator takes is not the agent's."""
    version: Literal[1] = 1


def _named(given: object) -> object:
    return {"kind": given} if isinstance(given, str) else given


SimulatorSettings = Annotated[
    EmbeddedSimulator | OpenAISimulator,
    Field(discriminator="kind"),
    BeforeValidator(_named, json_schema_input_type=Literal["embedded"] | EmbeddedSimulator | OpenAISimulator),
]
"""In YAML `embedded`, or an object with `kind` and settings."""
