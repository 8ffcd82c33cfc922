"""Differences between two agents on the same cases: candidate minus champion, where positive is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.gates.quantiles import normal_quantile, t_quantile
from assay.gates.statistics import Bounds, Cluster

__all__ = ["Linearised", "linearised_difference", "tango_bounds", "tango_z"]

_HALVINGS = 60


def tango_z(gained: float, lost: float, n: float, difference: float) -> float:
    """Tango's (1998) score statistic against "candidate minus champion = `difference`", for paired yes/no results.

    (b - c - n d) / sqrt(n (2 q + d (1 - d))), where q, the champion-only probability, is estimated under the
    hypothesis: the larger root of A q^2 + B q + C = 0 with A = 2 n, B = -b - c + (2 n - b + c) d,
    C = -c d (1 - d).

    Args:
        gained: cases that only the candidate passes (b).
        lost: cases that only the champion passes (c).
        n: all cases.

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
    distance = gained - lost - n * difference
    if variance <= 1e-15 * n:
        return math.copysign(math.inf, distance) if abs(distance) > 1e-12 * n else 0.0
    return distance / math.sqrt(variance)


def tango_bounds(gained: float, lost: float, n: float, alpha: float) -> Bounds:
    """The differences that Tango's test does not reject, each end at `alpha`, by bisection."""
    z = normal_quantile(1 - alpha)
    middle = (gained - lost) / n

    def edge(outside: float, sign: float) -> float:
        inside = middle
        for _ in range(_HALVINGS):
            tried = (inside + outside) / 2
            if sign * tango_z(gained, lost, n, tried) > z:
                outside = tried
            else:
                inside = tried
        return inside

    return edge(-1.0, 1.0), edge(1.0, -1.0)


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
    units1, units0 = sum(new[1] for new, _ in pairs), sum(old[1] for _, old in pairs)
    if m < 2 or not units1 or not units0:
        raise ValueError("a paired difference takes at least two cases with results on both sides")
    p1 = math.fsum(new[0] for new, _ in pairs) / units1
    p0 = math.fsum(old[0] for _, old in pairs) / units0
    residuals = ((new[0] - p1 * new[1]) / units1 - (old[0] - p0 * old[1]) / units0 for new, old in pairs)
    error = math.sqrt(m / (m - 1) * math.fsum(r * r for r in residuals))
    return Linearised(p1 - p0, max(error, math.sqrt(margin * (1 - margin) / m), 1 / m), m)
