"""What a scorer says about a trajectory. A crash is never a number."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.registry.types.base import Digest, Frozen, Name, Severity

MetricKind = Literal["proportion", "mean"]
Direction = Literal["higher_is_better", "lower_is_better"]
Unit = Literal["conversation", "turn", "claim", "call", "rule", "document"]


class MetricSpec(Frozen):
    """A metric that a scorer measures.

    `proportion`: each score counts `value` of `of` units (both whole numbers, 0 <= value <= of).
    `mean`: each score is one finite number. `direction` says which way is better. `range` is what a mean's
    scores can be at all, where that is bounded (above None where it is not); an interval never reaches beyond it.
    """

    name: Name
    kind: MetricKind
    direction: Direction
    unit: Unit = "conversation"
    range: tuple[float, float | None] | None = None
    description: str

    @property
    def extent(self) -> tuple[float, float]:
        """The least and the greatest that a score per unit can be; infinite where that is not bounded."""
        if self.kind == "proportion":
            return 0.0, 1.0
        least, most = self.range or (-math.inf, None)
        return least, math.inf if most is None else most


class Finding(Frozen):
    """One thing a reviewer should see, anchored to its turn (1-based)."""

    rule: Name
    severity: Severity
    message: str
    turn: Annotated[int, Field(ge=1)] | None = None
    clause: str = ""
    quote: str = ""
    """The words or the call that broke the rule, as they stand in the trajectory."""
    evidence: str = ""


class Score(Frozen):
    """`value` of `of` units for a proportion; one number (`of` = 1) for a mean."""

    kind: Literal["score"] = "score"
    value: float
    of: Annotated[int, Field(ge=1)] = 1
    explanation: str = ""
    findings: tuple[Finding, ...] = ()
    exercised: tuple[Name, ...] | None = None
    """Rules that the conversation gave occasion to break; None where the scorer does not tell."""


class Skipped(Frozen):
    """The metric has nothing to say about this case, and why. Not a pass, not a failure."""

    kind: Literal["skipped"] = "skipped"
    reason: Annotated[str, Field(min_length=1)]


class ScorerFailure(Frozen):
    """The scorer could not measure. Too many of these make a check an ERROR."""

    kind: Literal["failure"] = "failure"
    error: Annotated[str, Field(min_length=1)]


Result = Annotated[Score | Skipped | ScorerFailure, Field(discriminator="kind")]


class ScoreRecord(Frozen):
    """One metric of one trajectory. Keyed by (`trajectory`, `scorer_digest`, `metric`)."""

    case_id: Name
    trial: Annotated[int, Field(ge=0)]
    trajectory: Digest
    scorer: Name
    scorer_digest: Digest
    metric: Name
    result: Result


class ScorerInfo(Frozen):
    """A scorer as it was run: its identity and what it measures."""

    name: Name
    version: str
    digest: Digest
    metrics: Annotated[tuple[MetricSpec, ...], Field(min_length=1)]
    rules: tuple[Name, ...] = ()
    """Rules the scorer can find broken."""

    @model_validator(mode="after")
    def _unique(self) -> ScorerInfo:
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError(f"scorer {self.name!r} declares a metric twice")
        return self
