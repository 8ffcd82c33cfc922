"""What is drawn for simulated releases: outcomes whose true rates, differences and means are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from gates_evidence import Outcomes

Draw = Callable[[np.random.Generator, int], Outcomes]
"""Draws the outcomes of so many releases."""


def units(truth: float, sizes: np.ndarray, icc: float = 0.0) -> Draw:
    """Successes in conversations of these sizes, each with a rate from a beta distribution: beta-binomial."""

    def draw(rng: np.random.Generator, releases: int) -> Outcomes:
        rates = _rates(rng, truth, icc, (releases, len(sizes)))
        return _single(rng.binomial(sizes, rates), sizes)

    return draw


def trials(truth: float, sizes: np.ndarray, times: int, icc: float) -> Draw:
    """The same, for so many trials of each case at its own rate."""

    def draw(rng: np.random.Generator, releases: int) -> Outcomes:
        rates = _rates(rng, truth, icc, (releases, len(sizes)))
        runs = [_single(rng.binomial(sizes, rates), sizes) for _ in range(times)]
        return np.concatenate(runs, axis=3)

    return draw


def metrics(*draws: Draw) -> Draw:
    """Several metrics of the same cases, independent of each other."""
    return lambda rng, releases: np.concatenate([draw(rng, releases) for draw in draws], axis=4)


def joined(*draws: Draw) -> Draw:
    """The cases of several draws, one after the other."""
    return lambda rng, releases: np.concatenate([draw(rng, releases) for draw in draws], axis=1)


def crashing(made: Draw, share: float) -> Draw:
    """Some trials, drawn independently, do not complete."""

    def draw(rng: np.random.Generator, releases: int) -> Outcomes:
        outcomes = made(rng, releases)
        outcomes[rng.random(outcomes.shape[:4]) < share, ..., 1] *= -1
        return outcomes

    return draw


def pairs(gain: float, loss: float, n: int) -> Draw:
    """Cases that only the candidate passes, only the champion passes, both, or neither (one in a hundred)."""
    cells = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])

    def draw(rng: np.random.Generator, releases: int) -> Outcomes:
        kinds = rng.choice(4, p=[gain, loss, 0.99 - gain - loss, 0.01], size=(releases, n))
        return np.concatenate([_single(cells[kinds, side], np.ones(n, int)) for side in (0, 1)], axis=2)

    return draw


def paired_units(gain: float, loss: float, sizes: np.ndarray, icc: float) -> Draw:
    """Turns where the champion passes 90 %; of the others the candidate gains some, of these it loses some.

    The rates of conversations, champion's and candidate's, are beta distributed and independent: the expected
    difference is gain - loss.
    """

    def draw(rng: np.random.Generator, releases: int) -> Outcomes:
        shape = (releases, len(sizes))
        old = rng.binomial(sizes, _rates(rng, 0.9, icc, shape))
        lost = rng.binomial(old, _rates(rng, loss / 0.9, icc, shape))
        gained = rng.binomial(sizes - old, _rates(rng, gain / 0.1, icc, shape))
        return np.concatenate([_single(old - lost + gained, sizes), _single(old, sizes)], axis=2)

    return draw


def lognormal(mean: float, sigma: float, n: int) -> Draw:
    """One number a case, skewed to the right as latency is."""

    def draw(rng: np.random.Generator, releases: int) -> Outcomes:
        values = rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, (releases, n))
        return _single(values, np.ones(n))

    return draw


def even_spread(m: int) -> np.ndarray:
    """Sizes from 1 to 20, as many of each."""
    return 1 + np.arange(m) % 20


def long_tenth(m: int) -> np.ndarray:
    """Two turns, and 20 in one conversation of ten."""
    return np.where(np.arange(m) % 10 == 0, 20, 2)


def _rates(rng: np.random.Generator, mean: float, icc: float, shape: tuple[int, int]) -> np.ndarray:
    if not icc or mean in {0.0, 1.0}:
        return np.full(shape, mean)
    weight = (1 - icc) / icc
    return rng.beta(mean * weight, (1 - mean) * weight, shape)


def _single(values: np.ndarray, sizes: np.ndarray) -> Outcomes:
    """(releases, cases) of values and the cases' units, as outcomes of one side, one trial and one metric."""
    return np.stack(np.broadcast_arrays(values, sizes), axis=-1).astype(float)[:, :, None, None, None, :]
