"""What a dataset has to live up to, and what a check of it found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from assay.registry.types.base import Digest, EscalationReason, Frozen, Name, RiskTier

AtLeast = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class DataExpectations(Frozen):
    """`expectations.yaml`: coverage that a dataset promises, beyond what every dataset has to keep.

    `risk_tiers`, `intents` and `escalation_reasons` give the least number of cases of each. `knowledge_intents`
    are answered from documents: each of their cases that the agent may close alone names a supporting
    document, unless it has the tag `unanswerable_tag`.
    """

    schema_version: Literal[1] = 1
    min_cases: AtLeast
    min_intents: AtLeast = 1
    risk_tiers: dict[RiskTier, AtLeast] = {}
    intents: dict[Name, AtLeast] = {}
    escalation_reasons: dict[EscalationReason, AtLeast] = {}
    min_multi_turn_share: Share = 0.0
    """Least share of the cases that have two or more customer turns."""
    min_escalation_share: Share = 0.0
    max_escalation_share: Share = 1.0
    knowledge_intents: tuple[Name, ...] = ()
    unanswerable_tag: Name = "unanswerable"


class ExpectationResult(Frozen):
    """One expectation. `cases` are the ids of the cases that break it, where it can be told from single cases."""

    name: Name
    success: bool
    cases: tuple[Name, ...] = ()
    message: str


class DataCheckReport(Frozen):
    """What a check of a dataset found. `success` only where every expectation was evaluated and holds."""

    schema_version: Literal[1] = 1
    dataset_digest: Digest
    expectations_digest: Digest
    success: bool
    expectations: Annotated[tuple[ExpectationResult, ...], Field(min_length=1)]
