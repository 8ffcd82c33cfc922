"""The kinds of checks that a gate policy is made of.

Each refuses, when it is read, what would check nothing: a limit that every agent meets, or one that no number of
conversations could show. Whether a metric or a slice exists is known only when a run is judged.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from assay.registry.slices import check_attributes
from assay.registry.types.base import Frozen, Name

__all__ = [
    "Check",
    "CoverageCheck",
    "EveryCaseCheck",
    "GroupCheck",
    "LimitCheck",
    "MeanCheck",
    "NonInferiorityCheck",
    "PassKCheck",
    "QuantileCheck",
    "SimpleCheck",
    "SuperiorityCheck",
    "ZeroToleranceCheck",
    "simple_checks",
]

NoChampion = Literal["inconclusive", "not_applicable"]


class _Blocking(Frozen):
    name: Name
    severity: Literal["block", "warn"] = "block"
    critical: bool = Field(default=False, strict=True, description="A critical check blocks, whatever its severity.")

    @property
    def blocking(self) -> bool:
        """Whether the check can stop a promotion."""
        return self.critical or self.severity == "block"


class _CheckBase(_Blocking):
    metric: Name
    slice: str = Field(default="", description="`attribute=value`, joined by ` & `; empty: all cases.")
    min_n: int = Field(
        default=30,
        ge=1,
        strict=True,
        description="Completed conversations that the metric has to rest on; below it the check is INCONCLUSIVE.",
    )

    @field_validator("slice")
    @classmethod
    def _slice_is_well_formed(cls, text: str) -> str:
        if text:
            check_attributes(text)
        return text


class _Limited(_CheckBase):
    at_least: float | None = Field(default=None, strict=True)
    at_most: float | None = Field(default=None, strict=True)

    @property
    def limit(self) -> float:
        given = self.at_least if self.at_least is not None else self.at_most
        assert given is not None
        return given

    def misses(self, value: float) -> bool:
        """Whether a value lies on the wrong side of the limit."""
        return value < self.limit if self.at_least is not None else value > self.limit

    @model_validator(mode="after")
    def _one_limit(self) -> _Limited:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"check {self.name!r}: give exactly one of 'at_least' and 'at_most'")
        if not math.isfinite(self.limit):
            raise ValueError(f"check {self.name!r}: a limit has to be a finite number")
        return self


class LimitCheck(_Limited):
    """A rate against a limit: its one-sided bound has to meet `at_least` or `at_most`."""

    kind: Literal["limit"]
    interval: Literal["clopper_pearson", "wilson"] = Field(
        default="clopper_pearson",
        description="For proportions with one unit a conversation; others always take the Korn-Graubard bound.",
    )

    @model_validator(mode="after")
    def _limit_means_something(self) -> LimitCheck:
        key = "at_least" if self.at_least is not None else "at_most"
        if not 0 <= self.limit <= 1:
            raise ValueError(
                f"check {self.name!r}: '{key}: {self.limit:g}' is out of range; rates lie between 0 and 1. "
                "A mean, such as seconds or a cost, takes kind 'mean' or 'quantile'"
            )
        if (key, self.limit) in {("at_least", 0), ("at_most", 1)}:
            raise ValueError(f"check {self.name!r}: '{key}: {self.limit:g}' checks nothing: every agent meets it")
        if self.limit in {0, 1}:
            raise ValueError(
                f"check {self.name!r}: '{key}: {self.limit:g}' can never pass: no number of conversations shows it. "
                "Use a limit that can be shown, or kind 'zero_tolerance'"
            )
        return self


class MeanCheck(_Limited):
    """A mean of seconds, money or grades against a limit: its one-sided bound has to meet it."""

    kind: Literal["mean"]
    interval: Literal["clustered_t", "bca"] = Field(
        default="clustered_t",
        description="`bca`: bias-corrected and accelerated bootstrap over conversations, with a fixed seed.",
    )


class QuantileCheck(_Limited):
    """A quantile of a mean metric over its trials, e.g. the 95th percentile of reply times, against a limit."""

    kind: Literal["quantile"]
    quantile: float = Field(gt=0, lt=1, strict=True, description="0.95 for the 95th percentile.")


class ZeroToleranceCheck(_CheckBase):
    """No more than `max_events` events of a metric where lower is better, in at least `min_n` conversations."""

    kind: Literal["zero_tolerance"]
    max_events: int = Field(default=0, ge=0, le=100, strict=True)
    rules_out: float | None = Field(
        default=None, gt=0, lt=1, strict=True, description="The true rate that the upper bound has to rule out."
    )
    min_n: int = Field(
        default=59,
        ge=1,
        strict=True,
        description="Completed conversations needed. No event in 59 rules out a true rate of 5 %, in 299 one of 1 %.",
    )
    critical: bool = Field(default=True, strict=True, description="A critical check blocks, whatever its severity.")

    @model_validator(mode="after")
    def _severity_is_meant(self) -> ZeroToleranceCheck:
        if self.severity == "warn" and "critical" not in self.model_fields_set:
            raise ValueError(
                f"check {self.name!r}: zero tolerance is critical, and blocks whatever its severity; "
                "say 'critical: false' beside 'severity: warn' if it is only to warn"
            )
        return self


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


class PassKCheck(_CheckBase):
    """pass^k: how often k trials of a case all pass, as the mean over cases, against a limit."""

    kind: Literal["pass_k"]
    k: int = Field(ge=1, le=100, strict=True)
    at_least: float = Field(gt=0, lt=1, strict=True)


class EveryCaseCheck(_CheckBase):
    """Each case passes at least `min_passes` of its trials, so that a dead case cannot hide in a rate."""

    kind: Literal["every_case"]
    min_passes: int = Field(ge=1, le=100, strict=True)
    max_cases: int = Field(default=0, ge=0, strict=True, description="Cases that may pass fewer trials.")


class CoverageCheck(_CheckBase):
    """How much of what was planned was measured, and which rules had occasion to be broken."""

    kind: Literal["coverage"]
    max_skipped: float | None = Field(default=None, ge=0, lt=1, description="Share of the planned trials.")
    max_errored: float | None = Field(default=None, ge=0, lt=1, description="Share of trials that did not complete.")
    min_rules: float | None = Field(
        default=None, gt=0, le=1, description="Share of the rules of the metric's scorer that were exercised."
    )
    rules: dict[Name, Annotated[int, Field(ge=1, strict=True)]] = Field(
        default={}, description="For a rule, the conversations that have to exercise it."
    )

    @model_validator(mode="after")
    def _covers_something(self) -> CoverageCheck:
        given = (self.max_skipped, self.max_errored, self.min_rules)
        if not self.rules and all(value is None for value in given):
            raise ValueError(
                f"check {self.name!r}: it checks nothing; give 'max_skipped', 'max_errored', 'min_rules' or 'rules'"
            )
        return self


class GroupCheck(_Blocking):
    """Several checks as one: `all` of them hold, or `any` of them does.

    One of m ways through an `any` is open by chance m times as often, so that each of its members is held to the
    confidence 1 - alpha / m (Bonferroni).
    """

    kind: Literal["all", "any"]
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]

    @property
    def blocking(self) -> bool:
        """Whether the group can stop a promotion: a critical check of it does, whatever the group's severity."""
        return super().blocking or any(_critical(member) for member in self.checks)

    @model_validator(mode="after")
    def _members_have_no_say_of_their_own(self) -> GroupCheck:
        for member in self.checks:
            if member.severity == "warn":
                raise ValueError(f"group {self.name!r}: {member.name!r} cannot only warn; the group's severity counts")
            if self.kind == "any" and _critical(member):
                raise ValueError(
                    f"group {self.name!r}: {member.name!r} cannot be critical where another may pass; "
                    "say 'critical: false' there if that is meant"
                )
        if self.kind == "any" and len(self.checks) < 2:
            raise ValueError(f"group {self.name!r}: 'any' takes two checks or more")
        names = Counter(member.name for member in self.checks)
        if doubled := [name for name, times in names.items() if times > 1]:
            raise ValueError(f"group {self.name!r}: the check name {doubled[0]!r} stands {names[doubled[0]]} times")
        return self


SimpleCheck = (
    LimitCheck
    | MeanCheck
    | QuantileCheck
    | ZeroToleranceCheck
    | NonInferiorityCheck
    | SuperiorityCheck
    | PassKCheck
    | EveryCaseCheck
    | CoverageCheck
)
Check = Annotated[SimpleCheck | GroupCheck, Field(discriminator="kind")]
GroupCheck.model_rebuild()


def _critical(check: Check) -> bool:
    return check.critical or (isinstance(check, GroupCheck) and any(_critical(member) for member in check.checks))


def simple_checks(checks: tuple[Check, ...]) -> list[SimpleCheck]:
    """All checks that look at a metric, those within groups among them."""
    found: list[SimpleCheck] = []
    for check in checks:
        found += simple_checks(check.checks) if isinstance(check, GroupCheck) else [check]
    return found
