"""Gate policies: checks as code.

A policy that checks nothing is invalid, whatever form the nothing takes: no checks, only warnings, only
comparisons that an agent without a champion skips, a limit that every agent meets, or a limit that no
number of conversations could show.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.gates.checks import Check, simple_checks
from assay.registry.types.base import Frozen, Name

__all__ = ["GatePolicy"]


class GatePolicy(Frozen):
    """What a candidate has to show before it is promoted. All blocking checks have to pass."""

    schema_version: Literal[1] = 1
    name: Name
    description: str = ""
    extends: str = Field(
        default="",
        max_length=200,
        description="Another policy, by name (of a file beside this one) or path, whose checks this one tightens. "
        "A check with the name of one of its checks replaces it and takes what it leaves out from there.",
    )
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
            f"the check name {name!r} stands {times} times"
            for name, times in Counter(check.name for check in self.checks).items()
            if times > 1
        ]
        if not self.extends:  # else what it extends blocks already, and nothing of it can be taken away
            problems += self._nothing_blocks()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _nothing_blocks(self) -> list[str]:
        blocking = simple_checks(tuple(check for check in self.checks if check.blocking))
        if not blocking:
            return ["no check blocks: a policy of warnings only would pass every agent"]
        if all(getattr(check, "if_no_champion", "") == "not_applicable" for check in blocking):
            return [
                "without a champion no blocking check applies, so that the first candidate would pass unseen: "
                "add a limit, or use 'if_no_champion: inconclusive'"
            ]
        return []
