"""Two runs side by side: what changed in the agent's behaviour from A to B."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from assay.registry.types.base import Digest, Frozen, Name
from assay.registry.types.decision import Estimate, Interval
from assay.registry.types.score import MetricSpec

__all__ = ["Change", "Comparison", "Flip", "Flips", "MetricChange", "Regressions", "RunRef"]


class Change(StrEnum):
    """What became of a metric from A to B, the gravest first."""

    REGRESSED = "regressed"
    """The interval of the difference lies below 0."""
    IMPROVED = "improved"
    """The interval of the difference lies above 0."""
    NOISE = "within noise"
    """There is a difference, and its interval contains 0."""
    SAME = "same"
    """No case differs. That is no proof that the agents are equal: see the interval."""
    NOT_MEASURED = "not measured"


class RunRef(Frozen):
    """A run that is compared."""

    run_id: str
    created_at: str
    bundle_label: str
    bundle_digest: Digest


class MetricChange(Frozen):
    """A metric over a slice (all cases where `slice` is empty), in A and in B.

    `difference` and `interval` are B minus A with the sign turned so that positive is better; None where nothing
    can be told. `gained` and `lost` count cases in which B is better and worse; a case that did not complete
    in either run has the worst value in B and the best in A, and is one of the `doubtful`.
    """

    metric: Name
    slice: str = ""
    spec: MetricSpec
    change: Change
    reason: str = ""
    """Why it was not measured, or what else has to be known about the word."""
    a: Estimate | None = None
    b: Estimate | None = None
    difference: float | None = None
    interval: Interval | None = None
    p_regressed: float | None = None
    """One-sided, uncorrected, against "B is no worse than A"."""
    p_corrected: float | None = None
    """The same, corrected by Holm over all cells of the comparison that have one."""
    cases: int = 0
    gained: int = 0
    lost: int = 0
    doubtful: int = 0


class Flip(Frozen):
    """A case that reads otherwise in B than in A. `a` and `b` say how: `passed`, `failed`, `did not complete`, ..."""

    case_id: Name
    intent: str
    risk_tier: str
    a: str
    b: str


class Flips(Frozen):
    """Cases that flipped in one metric, the gravest risk tier first.

    `undecided` are cases that did not complete or were not scored in a run, and count as neither lost nor gained.
    """

    metric: Name
    lost: tuple[Flip, ...]
    gained: tuple[Flip, ...]
    undecided: tuple[Flip, ...]


class Regressions(Frozen):
    """What regressed, with the chance that anything at all is listed without reason held at `alpha`."""

    method: Literal["Holm"] = "Holm"
    comparisons: int
    """How many cells the correction is over."""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    found: tuple[MetricChange, ...]


class Comparison(Frozen):
    """B against A. Equal inputs give equal bytes."""

    schema_version: Literal[1] = 1
    agent: Name
    a: RunRef
    b: RunRef
    dataset: Name
    dataset_digest: Digest
    suite: Name
    cases: int
    trials: int
    metrics: tuple[MetricChange, ...]
    """Each metric over all cases, and then over each slice."""
    regressed: Regressions
    flips: tuple[Flips, ...]
    notes: tuple[str, ...] = ()
    """What else a reader has to know."""
