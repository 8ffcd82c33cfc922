"""Gate policies: checks as code.

A policy that checks nothing is invalid, whatever form the nothing takes: no checks, only warnings, only
comparisons that an agent without a champion skips, a limit that every agent meets, or a limit that no
number of conversations could show. Whether a metric or a slice exists is known only when a run is judged;
a wrong name is an ERROR of the check then.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from assay.registry.slices import check_attributes
from assay.registry.types.base import Frozen, Name

__all__ = ["Check", "GatePolicy", "LimitCheck", "NonInferiorityCheck", "SuperiorityCheck", "ZeroToleranceCheck"]

NoChampion = Literal["inconclusive", "not_applicable"]


class _CheckBase(Frozen):
    name: Name
    metric: Name
    slice: str = Field(default="", description="`attribute=value`, joined by ` & `; empty: all cases.")
    min_n: int = Field(
        default=30,
        ge=1,
        strict=True,
        description="Completed conversations that the metric has to rest on; below it the check is INCONCLUSIVE.",
    )
    severity: Literal["block", "warn"] = "block"
    critical: bool = Field(default=False, strict=True, description="A critical check blocks, whatever its severity.")

    @property
    def blocking(self) -> bool:
        """Whether the check can stop a promotion."""
        return self.critical or self.severity == "block"

    @field_validator("slice")
    @classmethod
    def _slice_is_well_formed(cls, text: str) -> str:
        if text:
            check_attributes(text)
        return text


class LimitCheck(_CheckBase):
    """A metric against a limit: its one-sided bound has to meet `at_least` or `at_most`."""

    kind: Literal["limit"]
    at_least: float | None = Field(default=None, strict=True)
    at_most: float | None = Field(default=None, strict=True)
    interval: Literal["clopper_pearson", "wilson"] = Field(
        default="clopper_pearson",
        description="For proportions with one unit a conversation; others always take the Korn-Graubard bound.",
    )

    @model_validator(mode="after")
    def _one_limit_that_means_something(self) -> LimitCheck:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"check {self.name!r}: give exactly one of 'at_least' and 'at_most'")
        key, limit = ("at_least", self.at_least) if self.at_most is None else ("at_most", self.at_most)
        assert limit is not None
        if not 0 <= limit <= 1:
            raise ValueError(f"check {self.name!r}: '{key}: {limit:g}' is out of range; rates lie between 0 and 1")
        if (key, limit) in {("at_least", 0), ("at_most", 1)}:
            raise ValueError(f"check {self.name!r}: '{key}: {limit:g}' checks nothing: every agent meets it")
        if limit in {0, 1}:
            raise ValueError(
                f"check {self.name!r}: '{key}: {limit:g}' can never pass: no number of conversations shows it. "
                "Use a limit that can be shown, or kind 'zero_tolerance'"
            )
        return self


class ZeroToleranceCheck(_CheckBase):
    """No more than `max_events` events of a metric where lower is better, in at least `min_n` conversations."""

    kind: Literal["zero_tolerance"]
    max_events: int = Field(default=0, ge=0, le=100, strict=True)
    critical: bool = Field(default=True, strict=True, description="A critical check blocks, whatever its severity.")


class NonInferiorityCheck(_CheckBase):
    """The candidate is at most `margin` worse than the champion on the same cases."""

    kind: Literal["non_inferiority"]
    margin: float = Field(
        gt=0, le=0.25, strict=True, description="How much worse is still tolerated, as a difference of rates."
    )
    if_no_champion: NoChampion = "inconclusive"


class SuperiorityCheck(_CheckBase):
    """The candidate is better than the champion on the same cases, by more than `by`."""

    kind: Literal["superiority"]
    by: float = Field(default=0.0, ge=0, lt=0.5)
    if_no_champion: NoChampion = "inconclusive"


Check = Annotated[
    LimitCheck | ZeroToleranceCheck | NonInferiorityCheck | SuperiorityCheck,
    Field(discriminator="kind"),
]


class GatePolicy(Frozen):
    """What a candidate has to show before it is promoted. All blocking checks have to pass."""

    schema_version: Literal[1] = 1
    name: Name
    description: str = ""
    confidence: float = Field(default=0.95, ge=0.8, le=0.9999, description="One-sided, for every bound.")
    max_failure_share: float = Field(
        default=0.0,
        ge=0,
        le=0.2,
        description="Share of scorer failures above which a check is ERROR. Within it, a check passes only if it "
        "would pass with all of them counted against the agent.",
    )
    require_data_checks: bool = Field(
        default=True, strict=True, description="ERROR where the dataset has no expectations of its own to be held to."
    )
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _checks_something(self) -> GatePolicy:
        problems = [
            f"the check name {name!r} stands {times} times" if times > 1 else ""
            for name, times in Counter(check.name for check in self.checks).items()
        ]
        blocking = [check for check in self.checks if check.blocking]
        if not blocking:
            problems.append("no check blocks: a policy of warnings only would pass every agent")
        elif all(getattr(check, "if_no_champion", "") == "not_applicable" for check in blocking):
            problems.append(
                "without a champion no blocking check applies, so that the first candidate would pass unseen: "
                "add a limit, or use 'if_no_champion: inconclusive'"
            )
        if problems := list(filter(None, problems)):
            raise ValueError("; ".join(problems))
        return self
