"""Bounds for a mean by the bootstrap, for scores whose distribution is skewed. Seeded: equal data give equal bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from assay.gates.statistics import Bounds, Cluster, clustered_mean

__all__ = ["bca_mean", "bootstrap_method"]

_SEED = 20_260_301
_RESAMPLES = 9_999
_MOST_CASES = 2_000
"""The jackknife of the acceleration takes time and memory with the square of the cases; with more, t does as well."""


def bootstrap_method(cases: int) -> str:
    """What `bca_mean` takes for so many cases, in words."""
    if cases > _MOST_CASES:
        return f"clustered t, as there are more than {_MOST_CASES:,} cases for a bootstrap"
    return f"BCa bootstrap, {_RESAMPLES:,} resamples, seed {_SEED}"


def bca_mean(clusters: Sequence[Cluster], alpha: float) -> Bounds:
    """Bias-corrected and accelerated bootstrap bounds (Efron 1987) for sum(values) / sum(units), drawn by conversation.

    Where all conversations have one value the bootstrap has nothing to draw from, and both bounds are that value.

    Raises:
        ValueError: fewer than two clusters.
    """
    if len(clusters) < 2 or len(clusters) > _MOST_CASES:
        return clustered_mean(clusters, alpha)
    rates = {value / of for value, of in clusters}
    if len(rates) == 1:
        return rates.pop(), next(value / of for value, of in clusters)
    numpy, stats = import_module("numpy"), import_module("scipy.stats")
    columns = (numpy.array([v for v, _ in clusters]), numpy.array([float(of) for _, of in clusters]))
    found: Any = stats.bootstrap(
        columns,
        _ratio,
        n_resamples=_RESAMPLES,
        batch=1_000,
        vectorized=True,
        paired=True,
        confidence_level=1 - 2 * alpha,
        method="BCa",
        random_state=numpy.random.default_rng(_SEED),
    )
    low, high = float(found.confidence_interval.low), float(found.confidence_interval.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else clustered_mean(clusters, alpha)


def _ratio(values: Any, units: Any, axis: int = -1) -> Any:
    return values.sum(axis=axis) / units.sum(axis=axis)
