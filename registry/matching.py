"""When two JSON values count as the same in a tool call and the fixture that answers it."""

from __future__ import annotations

from assay.registry.types.base import JsonValue

__all__ = ["same_json"]


def same_json(a: JsonValue, b: JsonValue) -> bool:
    """JSON equality, with text compared without case and outer white space; true is not 1."""
    if isinstance(a, str) and isinstance(b, str):
        return a.casefold().split() == b.casefold().split()
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b
