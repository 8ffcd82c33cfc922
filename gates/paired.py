"""Differences between two agents on the same cases: candidate minus champion, where positive is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.gates.quantiles import normal_quantile, t_quantile
from assay.gates.statistics import Bounds, Cluster

__all__ = ["Counts", "Linearised", "continuity", "effective_counts", "linearised_difference", "tango_bounds", "tango_z"]

_HALVINGS = 60
_ADDED = 2
Counts = tuple[float, float, float]
"""Cases that only the candidate passes, that only the champion passes, and all. They may be fractional."""


def continuity(required: float) -> float:
    """By how many cases Tango's statistic is corrected, so that it errs in no more than `alpha` of the releases.

    Uncorrected it errs in up to .062 of them at a margin, and .085 where a gain is asked for. With these corrections
    the exact sum over all outcomes stays below .05, for margins up to .1, gains from 0 to .1 and 30 to 800 cases
    (tests/test_gates_statistics.py holds a part of it). At a margin that is so at .025, .01 and .001 too, while .1 can
    be .11; where a gain is asked for, .01 can be .0123 and .001 can be .002.
    """
    return 0.25 if required <= 0 else 0.75


def tango_z(gained: float, lost: float, n: float, difference: float, correction: float = 0.0) -> float:
    """Tango's (1998) score statistic against "candidate minus champion = `difference`", for paired yes/no results.

    (b - c - n d) / sqrt(n (2 q + d (1 - d))), where q, the champion-only probability, is estimated under the
    hypothesis: the larger root of A q^2 + B q + C = 0 with A = 2 n, B = -b - c + (2 n - b + c) d,
    C = -c d (1 - d).

    Args:
        gained: cases that only the candidate passes (b).
        lost: cases that only the champion passes (c).
        n: all cases.
        correction: cases by which the numerator is lessened, see `continuity`.

    Returns:
        The statistic; 0 where neither result is ever different from the hypothesis and the variance is 0.

    Raises:
        ValueError: the counts cannot be.
    """
    if not (n > 0 and gained >= 0 and lost >= 0 and gained + lost <= n * (1 + 1e-12)):
        raise ValueError(f"{gained} gained and {lost} lost of {n} cases cannot be")
    a, b = 2 * n, -gained - lost + (2 * n - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    q = (-b + math.sqrt(max(b * b - 4 * a * c, 0.0))) / (2 * a)
    variance = n * (2 * q + difference * (1 - difference))
    distance = gained - lost - n * difference - correction
    if variance <= 1e-15 * n:
        return math.copysign(math.inf, distance) if abs(distance) > 1e-12 * n else 0.0
    return distance / math.sqrt(variance)


def tango_bounds(gained: float, lost: float, n: float, alpha: float, correction: float = 0.0) -> Bounds:
    """The differences that Tango's test does not reject, each end at `alpha`, by bisection."""
    z = normal_quantile(1 - alpha)
    middle = (gained - lost) / n

    def edge(outside: float, sign: float) -> float:
        inside = middle
        for _ in range(_HALVINGS):
            tried = (inside + outside) / 2
            if sign * tango_z(gained, lost, n, tried, sign * correction) > z:
                outside = tried
            else:
                inside = tried
        return inside

    return edge(-1.0, 1.0), edge(1.0, -1.0)


def effective_counts(pairs: Sequence[tuple[Cluster, Cluster]], alpha: float) -> Counts:
    """What conversations of several units are worth as independent pairs, for Tango's test.

    After Korn and Graubard (1998): the variance of the difference over conversations, by linearised residuals, tells
    how many independent pairs with the same rates of gains and losses have that variance. That is no more than there
    are units, and no fewer than (sum w)^2 / sum w^2 for conversations of the weights w, where all units of a
    conversation go together. As in `statistics.design_effect`, two conversations lost as a whole are added before the
    variance is estimated: it is too small where by chance none was lost. The t quantiles correct for the number of
    conversations, of which large ones count for more than small ones. A unit less in a conversation that was gained as
    a whole can make it more regular, and raise Tango's statistic by a few hundredths; no other loss raises it near a
    margin.

    Args:
        pairs: for each case, (good units, units) of the candidate and of the champion.

    Returns:
        The counts; gained - lost is n times the difference of the two rates.

    Raises:
        ValueError: fewer than two cases, or a side without units.
    """
    units1, units0, difference, residuals = _residuals(pairs)
    units = (units1 + units0) / 2
    weights = [(new[1] / units1 + old[1] / units0) / 2 for new, old in pairs]
    shares = [residual + difference * weight for residual, weight in zip(residuals, weights, strict=True)]
    gained, lost = math.fsum(max(s, 0.0) for s in shares), math.fsum(max(-s, 0.0) for s in shares)
    excess = max(0.0, gained + lost - 1) / 2
    gained, lost = gained - excess, lost - excess

    heavy = math.fsum(w * w for w in weights)
    whole, m = 1 + _ADDED * heavy, len(pairs) + _ADDED
    mean = (difference - _ADDED * heavy) / whole
    squares = math.fsum((s - mean * w) ** 2 for s, w in zip(shares, weights, strict=True))
    variance = m / (m - 1) * (squares + _ADDED * (heavy * (1 + mean)) ** 2) / whole**2
    single = (gained + lost + _ADDED * heavy) / whole - mean**2
    n = min(max(single / variance / whole, 1 / heavy), units) if variance > 0 else 1 / heavy
    few, many = max(1 / heavy - 1, 1.0), max(units - 1, 1.0)
    n = min(units, n * (t_quantile(1 - alpha, many) / t_quantile(1 - alpha, few)) ** 2)
    return gained * n, lost * n, n


@dataclass(frozen=True)
class Linearised:
    """A difference of two ratios over the same cases, its standard error, and the number of cases."""

    difference: float
    error: float
    cases: int

    def bounds(self, alpha: float, scale: float = 1.0) -> Bounds:
        """Student's t bounds, as they would be with `scale` times as many cases."""
        half = t_quantile(1 - alpha, max(self.cases * scale - 1, 1)) * self.error / math.sqrt(scale)
        return self.difference - half, self.difference + half


def linearised_difference(pairs: Sequence[tuple[Cluster, Cluster]], margin: float) -> Linearised:
    """The difference of two ratio estimates (candidate's first), with its standard error over cases.

    The residual of a case is (y1 - p1 n1) / N1 - (y0 - p0 n0) / N0, with N the total units of each side. The
    error is never taken smaller than that of Tango's test when no pair differs, sqrt(margin (1 - margin) / m),
    nor than 1 / m, that of one case lost: agreement on few cases is no evidence of equality.

    Args:
        pairs: for each case, (sum of values, units) of the candidate and of the champion.
        margin: the tolerated difference, 0 for superiority.

    Raises:
        ValueError: fewer than two cases, or a side without units.
    """
    m = len(pairs)
    _, _, difference, residuals = _residuals(pairs)
    error = math.sqrt(m / (m - 1) * math.fsum(r * r for r in residuals))
    return Linearised(difference, max(error, math.sqrt(margin * (1 - margin) / m), 1 / m), m)


def _residuals(pairs: Sequence[tuple[Cluster, Cluster]]) -> tuple[int, int, float, list[float]]:
    """Units of both sides, the difference of the rates, and each case's residual of it."""
    units1, units0 = sum(new[1] for new, _ in pairs), sum(old[1] for _, old in pairs)
    if len(pairs) < 2 or not units1 or not units0:
        raise ValueError("a paired difference takes at least two cases with results on both sides")
    p1 = math.fsum(new[0] for new, _ in pairs) / units1
    p0 = math.fsum(old[0] for _, old in pairs) / units0
    residuals = [(new[0] - p1 * new[1]) / units1 - (old[0] - p0 * old[1]) / units0 for new, old in pairs]
    return units1, units0, p1 - p0, residuals
