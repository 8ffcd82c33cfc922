"""What a dataset has to live up to, and what a check of it found."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.registry.types.base import Digest, Frozen, JsonValue, Name

AtLeast = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
CheckSeverity = Literal["critical", "warning"]
"""A suite refuses a dataset that fails a `critical` expectation; a `warning` is shown to the reviewer."""


_RESERVED = frozenset(
    [
        *("batch_id", "catch_exceptions", "description", "expectation_context", "id", "meta", "notes"),
        *("rendered_content", "result_format", "severity", "success_on_last_run", "windows"),
    ]
)
"""What Great Expectations takes beside an expectation's own arguments: with it one could pose as another."""


class LongConversations(Frozen):
    """The least share of the cases that have at least so many customer turns."""

    customer_turns: AtLeast
    min_share: Share


class OwnExpectation(Frozen):
    """An expectation of Great Expectations, over a column of the table that `assay dataset check --table` writes.

    `type` and `kwargs` are Great Expectations' own; `text` says in plain words what has to hold.
    """

    name: Name
    text: Annotated[str, Field(min_length=1)]
    type: Annotated[str, Field(pattern=r"^expect_[a-z_]+$")]
    kwargs: dict[str, JsonValue]
    severity: CheckSeverity = "critical"

    @model_validator(mode="after")
    def _own_arguments_only(self) -> OwnExpectation:
        reserved = sorted(_RESERVED & self.kwargs.keys())
        if reserved:
            raise ValueError(f"{reserved[0]!r} is not an argument of an expectation here: a check sets it itself")
        try:
            json.dumps(self.kwargs, allow_nan=False)
        except ValueError:
            raise ValueError("an argument is infinite or no number: leave a bound out where there is none") from None
        return self


class DataExpectations(Frozen):
    """`expectations.yaml`: coverage that a dataset promises, beyond what every dataset has to keep.

    `slices` gives the least number of cases of each slice (`attribute=value`, joined by ` & `). `knowledge_intents`
    are answered from documents: each of their cases that the agent may close alone names a supporting
    document, unless it has the tag `unanswerable_tag`. `max_similarity` is how alike two cases, or a case's turn
    and an utterance that a model is trained on, may be: the Jaccard similarity of their 5-letter shingles.
    """

    schema_version: Literal[1] = 1
    min_cases: AtLeast = 1
    min_customer_turns: AtLeast = 1
    min_intents: AtLeast = 1
    min_documents: Annotated[int, Field(ge=0)] = 0
    slices: dict[str, AtLeast] = {}
    long_conversations: LongConversations | None = None
    min_escalation_share: Share = 0.0
    max_escalation_share: Share = 1.0
    knowledge_intents: tuple[Name, ...] = ()
    unanswerable_tag: Name = "unanswerable"
    max_similarity: Annotated[float, Field(ge=0.5, le=1)] = 0.8
    expectations: tuple[OwnExpectation, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> DataExpectations:
        names = [own.name for own in self.expectations]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two of 'expectations' are called {name!r}")
        if self.min_escalation_share > self.max_escalation_share:
            raise ValueError("'min_escalation_share' is above 'max_escalation_share'")
        return self


class Place(Frozen):
    """Where an expectation is broken: the case, its line in the cases file, and what is wrong there."""

    case: str
    line: AtLeast
    detail: str = ""


class ExpectationResult(Frozen):
    """One expectation. `places` are the cases that break it, where it can be told from single cases."""

    name: str
    success: bool
    severity: CheckSeverity = "critical"
    places: tuple[Place, ...] = ()
    message: str

    @property
    def cases(self) -> tuple[str, ...]:
        """Ids of the cases that break it."""
        return tuple(place.case for place in self.places)


class DataCheckReport(Frozen):
    """What a check of a dataset found. `success` only where every critical expectation was evaluated and holds.

    `expectations_digest` covers all that the check rests on besides the dataset: the expectations, the texts that
    models are trained on, and other datasets it was held against.
    """

    schema_version: Literal[2] = 2
    dataset: Name
    dataset_digest: Digest
    expectations_digest: Digest
    file: str
    """Name of the file in the dataset's folder that lines are counted in."""
    cases: AtLeast
    success: bool
    expectations: Annotated[tuple[ExpectationResult, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> DataCheckReport:
        if self.success != all(e.success for e in self.expectations if e.severity == "critical"):
            raise ValueError("'success' contradicts the expectations")
        return self

    @property
    def failed(self) -> tuple[ExpectationResult, ...]:
        """The expectations that do not hold, critical ones first."""
        broken = [e for e in self.expectations if not e.success]
        return tuple(sorted(broken, key=lambda e: e.severity != "critical"))
