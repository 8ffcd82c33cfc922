"""Quantiles of three distributions, typed. SciPy is imported when the first one is asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["beta_quantile", "normal_quantile", "t_quantile"]


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
