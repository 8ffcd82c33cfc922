"""What can go wrong with an endpoint for good."""

from __future__ import annotations

from assay.registry.errors import AssayError

__all__ = ["EndpointError"]


class EndpointError(AssayError):
    """An endpoint gave no usable answer, however often it was asked."""
