"""A verdict with everything it rests on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from assay.registry.types.base import Digest, Frozen, Name


class Verdict(StrEnum):
    """Only `PASS` promotes."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"

    @property
    def exit_code(self) -> int:
        """What a command that ends with this verdict exits with (2 is a usage error)."""
        return {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "ERROR": 4}[self.value]


class Interval(Frozen):
    """A confidence interval for a proportion or a mean, or for a difference of two."""

    low: float
    high: float
    confidence: Annotated[float, Field(gt=0, lt=1)]
    sided: Literal["one", "two"]
    method: str


class Estimate(Frozen):
    """A metric over a slice: the aggregate, its interval, and what is behind it.

    `value` and `interval` are None when nothing was measured. `units` counts the denominator (turns,
    claims, ...), `cases` the conversations they come from. `skipped` and `failed` count trajectories.
    """

    metric: Name
    slice: str = ""
    value: float | None
    interval: Interval | None
    events: float | None = None
    """Sum of the scores' values; for a proportion, the count in the numerator."""
    units: int
    cases: int
    skipped: int
    failed: int
    missing: int
    errored: int
    """Trajectories that did not complete and so count at the worst value."""


class CheckResult(Frozen):
    """What became of one check of a gate policy."""

    check: Name
    kind: Literal[
        "limit",
        "mean",
        "quantile",
        "zero_tolerance",
        "non_inferiority",
        "superiority",
        "pass_k",
        "every_case",
        "coverage",
        "all",
        "any",
    ]
    metric: str
    """Empty for a group of checks."""
    slice: str = ""
    verdict: Verdict
    blocking: bool
    critical: bool
    applicable: bool = True
    """False for a comparison where there is no champion yet and the policy lets the first release go without."""
    limit: str
    """The requirement in words, e.g. `lower 95 % bound >= 0.90`."""
    procedure: str = ""
    """How it was judged: the statistical method with its confidence, and a seed where there is one."""
    reason: str
    """A sentence a person understands."""
    estimate: Estimate | None = None
    baseline: Estimate | None = None
    difference: Interval | None = None
    worst_cases: tuple[Name, ...] = ()
    """Ids of the cases that count against the candidate in this check."""
    breakdown: tuple[str, ...] = ()
    """Slices in which the shortfall is concentrated, worst first, each as a phrase with its figures."""
    members: tuple[CheckResult, ...] = ()
    """The checks of a group, each with its own result."""


class EvidenceRef(Frozen):
    """An evaluation run that a decision rests on."""

    run_id: str
    run_digest: Digest
    bundle_digest: Digest
    bundle_label: str


class Decision(Frozen):
    """The gate's answer. Equal inputs give equal bytes; `decided_at` is an input."""

    schema_version: Literal[1] = 1
    agent: Name
    verdict: Verdict
    summary: str
    decided_at: str
    candidate: EvidenceRef
    baseline: EvidenceRef | None = None
    dataset: Name
    dataset_digest: Digest
    suite: Name
    suite_digest: Digest
    policy: Name
    policy_digest: Digest
    checks: tuple[CheckResult, ...]
    not_measured: tuple[str, ...] = ()
    versions: dict[str, str] = {}
