"""Which customer speaks in which mode of replay."""

from __future__ import annotations

from collections.abc import Callable

from assay.registry.errors import AssayError
from assay.registry.types.suite import ReplaySettings
from assay.runner.conversation import Trial
from assay.runner.customers.base import Customer
from assay.runner.replay import scripted

__all__ = ["customers_for"]


def customers_for(settings: ReplaySettings) -> Callable[[Trial], Customer]:
    """Makes the customer of a trial."""
    if settings.mode == "simulated":
        raise AssayError("simulated customers cannot be had yet")
    return scripted
