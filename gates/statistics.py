"""Bounds for one proportion or mean.

Every function takes `alpha`, the chance of error at ONE end, and returns (low, high): each end by itself is
a one-sided bound with confidence 1 - alpha, and both together are a two-sided interval with 1 - 2 alpha.
Sums are taken over whole numbers or with `math.fsum`, so that the order of the cases never matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from assay.gates.quantiles import beta_quantile, normal_quantile, t_quantile

__all__ = [
    "FEW_CLUSTERS",
    "Bounds",
    "Cluster",
    "cases_needed",
    "clopper_pearson",
    "clustered_mean",
    "design_effect",
    "effective_n",
    "first_enough",
    "full_design_effect",
    "guarded_mean",
    "ratio_variance",
    "wilson",
]

Bounds = tuple[float, float]
Cluster = tuple[float, int]
"""Sum of the values in one conversation, and how many units they come from."""

FEW_CLUSTERS = 100
"""Below so many conversations the design effect is taken at its full size: estimates of it are too noisy."""

_MOST_CASES = 1_000_000


def clopper_pearson(events: float, n: float, alpha: float) -> Bounds:
    """Exact bounds for a proportion (Clopper and Pearson 1934). `events` and `n` may be fractional.

    Raises:
        ValueError: not 0 <= events <= n, or n is not positive.
    """
    _refuse_impossible(events, n)
    low = 0.0 if events <= 0 else beta_quantile(alpha, events, n - events + 1)
    high = 1.0 if events >= n else beta_quantile(1 - alpha, events + 1, n - events)
    return low, high


def wilson(events: float, n: float, alpha: float) -> Bounds:
    """Score bounds for a proportion (Wilson 1927). `events` and `n` may be fractional.

    Raises:
        ValueError: not 0 <= events <= n, or n is not positive.
    """
    _refuse_impossible(events, n)
    z = normal_quantile(1 - alpha)
    p = events / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if events <= 0 else max(0.0, centre - half)
    high = 1.0 if events >= n else min(1.0, centre + half)
    return low, high


def ratio_variance(clusters: Iterable[Cluster]) -> float:
    """Variance of sum(values) / sum(units) by linearised residuals, clusters drawn independently.

    m / (m - 1) * sum((y - p n)^2) / (sum n)^2; for clusters of one size this is the sample variance of the
    cluster means (ddof 1) divided by m.

    Raises:
        ValueError: fewer than two clusters.
    """
    rows = list(clusters)
    m = len(rows)
    if m < 2:
        raise ValueError("the spread between clusters takes at least two of them")
    units = sum(of for _, of in rows)
    p = math.fsum(value for value, _ in rows) / units
    return m / (m - 1) * math.fsum((value - p * of) ** 2 for value, of in rows) / units**2


def full_design_effect(sizes: Sequence[int]) -> float:
    """The design effect when all units of a conversation agree: sum(n^2) / sum(n); k for k units each (Kish)."""
    return sum(size * size for size in sizes) / sum(sizes)


def design_effect(clusters: Sequence[Cluster], adverse: Literal[0, 1]) -> float:
    """How many clustered units are worth one independent unit, between 1 and `full_design_effect`.

    The plain estimate, SE^2 / (p (1 - p) / n), has a flaw for a gate: the first lone failure shows that failures
    need not come together, and lowers the estimate so much that the bound gets *better* by it (0 of 500
    turns in 100 conversations of five: upper bound .030; 1 of 500: .009). So two conversations that fail as a
    whole are added before it is estimated. Then one more failure never improves a bound; with one such
    conversation it still does. It also gives the full design effect when everything passed, as it should be.

    Args:
        adverse: the value of a failing unit: 0 where higher is better, 1 where lower is better.
    """
    full = full_design_effect([of for _, of in clusters])
    if len(clusters) < FEW_CLUSTERS:
        return full
    failing: Cluster = (adverse * full, 1)
    m, units = len(clusters) + 2, math.fsum(of for _, of in clusters) + 2 * full
    p = math.fsum([*(value for value, _ in clusters), 2 * failing[0]]) / units
    if not 0 < p < 1:
        return full
    residuals = [*((value - p * of) ** 2 for value, of in clusters), 2 * (failing[0] - p * full) ** 2]
    variance = m / (m - 1) * math.fsum(residuals) / units**2
    return min(max(variance / (p * (1 - p) / units), 1.0), full)


def effective_n(clusters: Sequence[Cluster], deff: float, alpha: float) -> float:
    """The number of independent units that the clustered ones are worth (Korn and Graubard 1998).

    n / deff, times the squared ratio of the t quantiles for n - 1 and m - 1 degrees of freedom, at most n.

    Raises:
        ValueError: fewer than two clusters; nothing can be said about the spread between them.
    """
    n, m = sum(of for _, of in clusters), len(clusters)
    if m < 2:
        raise ValueError("the spread between clusters takes at least two of them")
    correction = (t_quantile(1 - alpha, n - 1) / t_quantile(1 - alpha, m - 1)) ** 2
    return min(float(n), n / deff * correction)


def clustered_mean(clusters: Sequence[Cluster], alpha: float) -> Bounds:
    """Student's t bounds for a mean over conversations, by linearised residuals.

    Raises:
        ValueError: fewer than two clusters.
    """
    error = math.sqrt(ratio_variance(clusters))
    mean = math.fsum(value for value, _ in clusters) / sum(of for _, of in clusters)
    half = t_quantile(1 - alpha, len(clusters) - 1) * error
    return mean - half, mean + half


def guarded_mean(
    clusters: Sequence[Cluster],
    worst: float,
    alpha: float,
    method: Callable[[Sequence[Cluster], float], Bounds] = clustered_mean,
) -> Bounds:
    """The bounds of a mean, with that on the side of `worst` as if one more conversation had come out that bad.

    Numbers like latency are skewed towards the worse side, and where the few bad ones happen to be missing both the
    mean and its error look better than they are: at a limit, the plain bound of 100 lognormal numbers (sigma .8) errs
    in .096 of the releases at alpha .05, with one more at the largest it does in .043.

    Raises:
        ValueError: fewer than two clusters.
    """
    low, high = method(clusters, alpha)
    units = sum(of for _, of in clusters)
    mean, of = math.fsum(value for value, _ in clusters) / units, max(1, round(units / len(clusters)))
    guarded_low, guarded_high = method([*clusters, (worst * of, of)], alpha)
    return (min(low, guarded_low), high) if worst <= mean else (low, max(high, guarded_high))


def cases_needed(n: int, shown_at: Callable[[float], bool]) -> int | None:
    """The smallest number of cases, n or more, at which the same rates would show what is asked for.

    Args:
        n: cases there are.
        shown_at: whether so many times the present evidence would show it; once true, it stays true.

    Returns:
        None where a million cases would not do.
    """
    return first_enough(lambda cases: shown_at(cases / n), n, _MOST_CASES)


def first_enough(enough: Callable[[int], bool], start: int = 1, most: float = math.inf) -> int | None:
    """The smallest whole number from `start` on that is enough, by doubling and halving.

    Args:
        enough: once true, it stays true.
        most: no number beyond it is tried while doubling.

    Returns:
        None where none was found up to there.
    """
    low, high = start - 1, start
    while not enough(high):
        low, high = high, high * 2
        if high > most:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _refuse_impossible(events: float, n: float) -> None:
    if not (n > 0 and 0 <= events <= n):
        raise ValueError(f"{events} of {n} is not a proportion")
