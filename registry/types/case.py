"""Golden conversations: what a customer says, what the back office answers, what is expected."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from assay.registry.types.base import AutonomyLevel, EscalationReason, Frozen, JsonValue, Name, RiskTier
from assay.registry.types.expectation import ExpectedCall, TextExpectation
from assay.registry.types.fixture import State, ToolFixture, state_problems
from assay.registry.types.simulation import Simulation

__all__ = [
    "Case",
    "ConversationExpectation",
    "Customer",
    "CustomerTurn",
    "Dataset",
    "DatasetInfo",
    "EscalationExpectation",
    "ExpectedCall",
    "HandoffExpectation",
    "PersonalDataKind",
    "PersonalDatum",
    "TextExpectation",
    "ToolFixture",
    "TurnExpectation",
]

PersonalDataKind = Literal[
    "name",
    "date_of_birth",
    "customer_number",
    "account_number",
    "card_number",
    "iban",
    "national_id",
    "phone",
    "email",
    "address",
]


class PersonalDatum(Frozen):
    """One piece of a customer's personal data, as it may appear in text."""

    kind: PersonalDataKind
    value: Annotated[str, Field(min_length=1)]


class Customer(Frozen):
    """The customer record of a case. All of it is invented."""

    name: str
    customer_number: str | None = None
    personal_data: tuple[PersonalDatum, ...] = ()


class TurnExpectation(Frozen):
    """What the agent owes the customer in answer to one customer turn."""

    must_say: tuple[TextExpectation, ...] = ()
    must_not_say: tuple[str, ...] = ()
    supporting_documents: tuple[Name, ...] = ()
    tool_calls: tuple[ExpectedCall, ...] = ()
    forbidden_tools: tuple[Name, ...] = ()


class CustomerTurn(Frozen):
    """One thing the customer says. `golden_reply` is a reply that a good agent would give."""

    customer: Annotated[str, Field(min_length=1)]
    expect: TurnExpectation = TurnExpectation()
    golden_reply: str | None = None


class HandoffExpectation(Frozen):
    """What the handoff packet has to carry, so that the customer does not start again."""

    intent: Name | None = None
    must_mention: tuple[TextExpectation, ...] = ()
    prior_actions: tuple[Name, ...] = ()
    documents: tuple[Name, ...] = ()


class EscalationExpectation(Frozen):
    """Whether a person has to take over, why, and from which customer turn on (1-based).

    `by_turn` may be left out only in a case with a simulation, which tells when the escalation becomes due.
    `near_miss_of` are the reasons for which it looks as if a person had to take over although none has to.
    """

    required: bool
    reasons: tuple[EscalationReason, ...] = ()
    by_turn: Annotated[int, Field(ge=1)] | None = None
    queue: Name | None = None
    near_miss_of: tuple[EscalationReason, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> EscalationExpectation:
        if self.required and not self.reasons:
            raise ValueError("a required escalation needs 'reasons' and 'by_turn'")
        if not self.required and (self.reasons or self.by_turn is not None or self.queue is not None):
            raise ValueError("an escalation that is not required has no 'reasons', 'by_turn' or 'queue'")
        if self.required and self.near_miss_of:
            raise ValueError(
                "an escalation that is required is no near miss: 'near_miss_of' goes with 'required: false'"
            )
        return self


class ConversationExpectation(Frozen):
    """What has to hold over the whole conversation."""

    escalation: EscalationExpectation
    handoff: HandoffExpectation | None = None
    must_not_say: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _handoff_only_when_required(self) -> ConversationExpectation:
        if self.handoff is not None and not self.escalation.required:
            raise ValueError("'handoff' is expected but 'escalation.required' is false")
        return self


class Case(Frozen):
    """A golden conversation.

    `date` is the day on which the conversation takes place: "next Tuesday" is counted from it. `labels`
    holds facts about the case that a dataset's source supplies and that scorers may read, such as a
    benchmark's reward; no agent ever sees them.
    """

    schema_version: Literal[1] = 1
    id: Name
    intent: Name
    risk_tier: RiskTier
    autonomy: AutonomyLevel
    channel: Literal["chat", "email", "voice"] = "chat"
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    tags: tuple[Name, ...] = ()
    date: dt.date
    customer: Customer | None = None
    turns: Annotated[tuple[CustomerTurn, ...], Field(min_length=1)]
    state: State = Field(default={}, exclude_if=lambda given: not given)
    """What the back office knows when the conversation begins, for fixtures that read and change it."""
    tools: tuple[ToolFixture, ...] = ()
    expect: ConversationExpectation
    simulation: Simulation | None = Field(default=None, exclude_if=lambda given: given is None)
    """Who speaks in `simulated` mode, in place of `turns`."""
    labels: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _turns_exist(self) -> Case:
        escalation, by_turn = self.expect.escalation, self.expect.escalation.by_turn
        if escalation.required and by_turn is None and self.simulation is None:
            _raise([(("expect", "escalation"), "a required escalation needs 'reasons' and 'by_turn'")])
        if by_turn is not None and by_turn > len(self.turns):
            raise ValueError(
                f"'expect.escalation.by_turn' is {by_turn} but the case has {len(self.turns)} customer turns"
            )
        return self

    @model_validator(mode="after")
    def _state_exists(self) -> Case:
        _raise(list(state_problems(self.state, self.tools)))
        return self

    def attributes(self) -> dict[str, tuple[str, ...]]:
        """The attributes that slices can name, each with all values this case has for it."""
        escalation = self.expect.escalation
        return {
            "intent": (self.intent,),
            "risk_tier": (self.risk_tier.value,),
            "autonomy": (self.autonomy.value,),
            "channel": (self.channel,),
            "language": (self.language,),
            "tag": self.tags,
            "escalation": _escalation_values(escalation),
            "escalation_reason": tuple(reason.value for reason in escalation.reasons),
            "near_miss": tuple(reason.value for reason in escalation.near_miss_of),
        }


def _raise(problems: list[tuple[tuple[str | int, ...], str]]) -> None:
    """Raise problems, each at its own place in the case."""
    found = [
        InitErrorDetails(type=PydanticCustomError("value_error", "{text}", {"text": text}), loc=loc, input=None)
        for loc, text in problems
    ]
    if found:
        raise ValidationError.from_exception_data("Case", found)


def _escalation_values(escalation: EscalationExpectation) -> tuple[str, ...]:
    if escalation.required:
        return ("required",)
    return ("not_required", "near_miss" if escalation.near_miss_of else "ordinary")


class DatasetInfo(Frozen):
    """`dataset.yaml`: what a dataset is, and the names its cases may use."""

    schema_version: Literal[1] = 1
    name: Name
    version: str
    description: str
    licence: str
    cases: str = "cases.jsonl"
    knowledge: str | None = None
    wording: str | None = None
    """Markdown file of sentences that the business approved for the agent to say, with `{{ placeholders }}`."""
    intents: Annotated[tuple[Name, ...], Field(min_length=1)]
    tools: tuple[Name, ...] = ()
    queues: tuple[Name, ...] = ()


class Dataset(Frozen):
    """A versioned set of cases. `digest` covers the cases, the knowledge they refer to and the approved wording."""

    info: DatasetInfo
    cases: tuple[Case, ...]
    case_digests: dict[str, str]
    documents: dict[str, str]
    """Document id to the SHA-256 of its content, whatever its line ends, for each of its knowledge documents."""
    wording: str = ""
    """The approved wording."""
    expectations: str = ""
    """Text of the `expectations.yaml` that the dataset is checked against; empty where there is none."""
    digest: str
