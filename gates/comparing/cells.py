"""One metric over one slice in two runs: the paired difference, its interval, and a word for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.gates.evidence import Evidence
from assay.gates.limits import unmeasured
from assay.gates.metrics import Sample, collect, estimate_sample
from assay.gates.paired import linearised_difference, tango_bounds, tango_z
from assay.gates.pairing import Pairs, pair_samples
from assay.gates.quantiles import fair_coin, normal_probability, t_probability
from assay.gates.statistics import Bounds
from assay.registry.errors import NotMeasuredError
from assay.registry.types.comparison import Change, MetricChange
from assay.registry.types.decision import Interval

__all__ = ["CONFIDENCE", "holm", "measure"]

CONFIDENCE = 0.95
"""Of each interval, two-sided."""
_ALPHA = (1 - CONFIDENCE) / 2
_FAILURE_SHARE = 0.05
"""Share of scorer failures above which a metric is not compared."""
_FEW = 30
"""With fewer cases the linearised interval is not trusted by itself: an exact sign test has to agree with it."""
_TINY = 1e-12


def measure(metric: str, part: str, a: Evidence, b: Evidence, refused: str = "") -> MetricChange:
    """A metric over a slice in B against A; `refused` is why its values cannot be compared at all."""
    spec = b.metrics.get(metric) or a.metrics[metric]
    nothing = MetricChange(metric=metric, slice=part, spec=spec, change=Change.NOT_MEASURED, reason=refused)
    if refused:
        return nothing
    try:
        old, new = collect(a, metric, part), collect(b, metric, part)
    except NotMeasuredError as error:
        return nothing.model_copy(update={"reason": str(error)})
    estimates = {side: estimate_sample(s, CONFIDENCE, "wilson", "two") for side, s in (("a", old), ("b", new))}
    measured = nothing.model_copy(update=estimates)
    if problem := _unmeasured(old, new):
        return measured.model_copy(update={"reason": problem})
    pairs = pair_samples(new, old)
    if not pairs.binary and len(pairs.cases) < 2:
        return measured.model_copy(update={"reason": "there is one conversation only."})
    return measured.model_copy(update=_compared(pairs, old, new))


def _unmeasured(old: Sample, new: Sample) -> str:
    """Which run did not measure it and why, or nothing."""
    in_a, in_b = (unmeasured(sample, _FAILURE_SHARE, "a comparison") for sample in (old, new))
    if in_a == in_b:
        return in_a and f"in both runs {in_a}"
    return f"in A {in_a}" if in_a else f"in B {in_b}"


def _compared(pairs: Pairs, old: Sample, new: Sample) -> dict[str, Any]:
    """The fields of a cell that was measured in both runs."""
    test = _test(pairs)
    change, reason = test.change, ""
    failures = len(old.failed) + len(new.failed)
    if failures:
        reason = f"{failures} trials could not be scored."
        strict = _test(pair_samples(new.with_failures_at_worst(), old.with_failures_at_worst()))
        if change is Change.IMPROVED and strict.change is not Change.IMPROVED:
            change, reason = Change.NOISE, f"{reason} Were they all against B, it would not be an improvement."
        elif change is Change.SAME:
            change = Change.NOISE
    gained, lost, cases = pairs.counts
    least, most = new.spec.extent
    low, high = max(least - most, test.bounds[0]), min(most - least, test.bounds[1])
    return {
        "change": change,
        "reason": reason,
        "difference": test.difference,
        "interval": Interval(low=low, high=high, confidence=CONFIDENCE, sided="two", method=test.method),
        "p_regressed": test.p_regressed,
        "cases": cases,
        "gained": gained,
        "lost": lost,
        "doubtful": len(pairs.doubtful),
    }


@dataclass(frozen=True)
class _Test:
    difference: float
    bounds: Bounds
    p_regressed: float
    p_improved: float
    method: str
    differing: int
    """Cases in which one run is better than the other."""

    @property
    def change(self) -> Change:
        if not self.differing and abs(self.difference) < _TINY:
            return Change.SAME
        if self.bounds[1] < 0 and self.p_regressed <= _ALPHA + _TINY:
            return Change.REGRESSED
        return Change.IMPROVED if self.bounds[0] > 0 and self.p_improved <= _ALPHA + _TINY else Change.NOISE


def _test(pairs: Pairs) -> _Test:
    """Tango's (1998) score test for one yes or no a case; else Student's t on linearised residuals."""
    gained, lost, n = pairs.counts
    if pairs.binary:
        z = tango_z(gained, lost, n, 0.0)
        bounds = tango_bounds(gained, lost, n, _ALPHA)
        p = normal_probability(z), normal_probability(-z)
        return _Test((gained - lost) / n, bounds, *p, "Tango score", gained + lost)
    found = linearised_difference(pairs.clusters, 0.0)
    t = found.difference / found.error
    worse, better = t_probability(t, n - 1), t_probability(-t, n - 1)
    if n < _FEW:
        worse, better = max(worse, fair_coin(lost, gained + lost)), max(better, fair_coin(gained, gained + lost))
    return _Test(found.difference, found.bounds(_ALPHA), worse, better, "linearised paired t", gained + lost)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected by Holm (1979), so that all of them together err with the chance of one."""
    corrected = [1.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, p_values[place] * (len(p_values) - rank))
        corrected[place] = min(1.0, least)
    return corrected
