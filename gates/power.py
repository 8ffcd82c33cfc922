"""How many cases it takes to show a rate, a mean or that nothing got worse, with a given chance, if it is so.

For an exact bound the chance to pass goes up and down with the number of cases, as one more failure becomes allowed
only at certain numbers. `cases_for_rate` gives the number from which on the chance stays high enough.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from assay.gates.paired import continuity, tango_z
from assay.gates.quantiles import binomial_cdf, normal_quantile
from assay.gates.statistics import first_enough

__all__ = [
    "allowed_failures",
    "cases_for_difference",
    "cases_for_mean",
    "cases_for_rate",
    "power_of_difference",
    "power_of_rate",
]

_MOST_CASES = 1_000_000
_SETTLED = 30
_DRAWS = 2_000
_SEED = 20_260_301


def allowed_failures(n: int, limit: float, alpha: float) -> int:
    """The most failures in n cases with which the exact lower bound of the passing rate meets the limit; -1 for none.

    The bound of x failures meets it where P(Bin(n, 1 - limit) <= x) <= alpha (Clopper and Pearson 1934).
    """
    low, high = -1, n
    while low < high:
        middle = (low + high + 1) // 2
        if binomial_cdf(middle, n, 1 - limit) <= alpha:
            low = middle
        else:
            high = middle - 1
    return low


def power_of_rate(n: int, limit: float, truth: float, alpha: float) -> float:
    """The chance that n cases of an agent that passes a share of `truth` show that it passes more than `limit`."""
    allowed = allowed_failures(n, limit, alpha) if n > 0 else -1
    return binomial_cdf(allowed, n, 1 - truth) if allowed >= 0 else 0.0


def cases_for_rate(limit: float, truth: float, alpha: float, power: float) -> int | None:
    """The number of cases from which on the chance to show it is at least `power`.

    Returns:
        None where the truth does not lie beyond the limit, or a million cases would not do.
    """
    if truth <= limit:
        return None
    found, held = _first_case_with(0, limit, alpha), 0
    for allowed in range(_MOST_CASES):
        following = _first_case_with(allowed + 1, limit, alpha)
        if following is None or following > _MOST_CASES:
            return None
        if binomial_cdf(allowed, following - 1, 1 - truth) < power:
            found, held = following, 0
        else:
            held += 1
        if held == _SETTLED:
            return found
    return None


def _first_case_with(allowed: int, limit: float, alpha: float) -> int | None:
    """The fewest cases in which so many failures are allowed; None where that is far beyond any number of cases."""
    start = max(allowed, 1)
    return first_enough(lambda n: binomial_cdf(allowed, n, 1 - limit) <= alpha, start, 4 * _MOST_CASES)


def cases_for_mean(distance: float, deviation: float, alpha: float, power: float) -> int | None:
    """The number of cases that show a mean to lie beyond a limit that is `distance` away: ((z_a + z_b) s / d)^2."""
    if distance <= 0:
        return None
    z = normal_quantile(1 - alpha) + normal_quantile(power)
    if z * deviation / distance > math.sqrt(_MOST_CASES):
        return None
    return max(2, math.ceil((z * deviation / distance) ** 2))


def power_of_difference(n: int, discordant: float, truth: float, required: float, alpha: float) -> float:
    """The chance that n paired cases show a difference above `required`, by simulation of Tango's test (seeded).

    Args:
        discordant: share of cases in which only one of the two agents passes.
        truth: true difference, candidate minus champion.
    """
    gain, lose = (discordant + truth) / 2, (discordant - truth) / 2
    if n < 1 or min(gain, lose) < 0:
        return 0.0
    draw, z = random.Random(_SEED), normal_quantile(1 - alpha)  # noqa: S311 - simulation, no secret
    shown = 0
    for _ in range(_DRAWS):
        differing = _binomial(draw, n, gain + lose)
        gained = _binomial(draw, differing, gain / (gain + lose)) if differing else 0
        shown += tango_z(gained, differing - gained, n, required, continuity(required)) > z
    return shown / _DRAWS


def cases_for_difference(discordant: float, truth: float, required: float, alpha: float, power: float) -> int | None:
    """The number of paired cases that show a difference above `required`.

    By (z_a + z_b)^2 (discordant - truth^2) / (truth - required)^2, then raised until a simulation of the test agrees.
    """
    if truth <= required:
        return None
    z = normal_quantile(1 - alpha) + normal_quantile(power)
    first = max(30, math.ceil(z**2 * max(discordant - truth**2, 0.0) / (truth - required) ** 2))
    return _raised(first, lambda n: power_of_difference(n, discordant, truth, required, alpha) >= power)


def _raised(n: int, enough: Callable[[int], bool]) -> int | None:
    while not enough(n):
        n = math.ceil(n * 1.04)
        if n > _MOST_CASES:
            return None
    return n


def _binomial(draw: random.Random, n: int, p: float) -> int:
    """A binomial number; by the normal approximation where n is large, which is as good as the simulation is."""
    if n * p * (1 - p) > 25:
        return min(n, max(0, round(draw.gauss(n * p, math.sqrt(n * p * (1 - p))))))
    return sum(draw.random() < p for _ in range(n))
