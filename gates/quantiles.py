"""Quantiles and probabilities of a few distributions, typed. SciPy is imported when the first one is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

__all__ = [
    "beta_quantile",
    "binomial_cdf",
    "fair_coin",
    "normal_probability",
    "normal_quantile",
    "t_probability",
    "t_quantile",
]


@cache
def _special() -> Any:
    return import_module("scipy.special")


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Quantile of Beta(a, b)."""
    return float(_special().betaincinv(a, b, probability))


def t_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t with `degrees` degrees of freedom."""
    return float(_special().stdtrit(degrees, probability))


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    return float(_special().ndtri(probability))


def t_probability(value: float, degrees: float) -> float:
    """P(T <= value) for Student's t with `degrees` degrees of freedom."""
    return float(_special().stdtr(degrees, value))


def normal_probability(value: float) -> float:
    """P(Z <= value) for the standard normal distribution."""
    return float(_special().ndtr(value))


def fair_coin(heads: int, tosses: int) -> float:
    """P(at least so many heads) in tosses of a fair coin."""
    return 1.0 if heads <= 0 else float(_special().bdtrc(heads - 1, tosses, 0.5))


def binomial_cdf(most: int, n: int, probability: float) -> float:
    """The chance of no more than `most` successes in n trials."""
    if most < 0:
        return 0.0
    return 1.0 if most >= n else float(_special().bdtr(most, n, probability))
