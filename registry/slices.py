"""Slices: which cases `risk_tier=high & intent=fraud_report` names.

A slice is one or more terms `attribute=value`, joined by `&`; a case is in it when it meets every term. An
attribute with several values (tags, escalation reasons) meets a term when one of them is equal. A slice that
names nothing is an error wherever it is used: a metric over no cases must not look like a measurement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from assay.registry.errors import ContentError, nearest

__all__ = ["ATTRIBUTES", "Attributes", "SliceError", "Terms", "check_attributes", "matches", "parse", "select"]

Terms = tuple[tuple[str, str], ...]
Attributes = Mapping[str, tuple[str, ...]]

ATTRIBUTES = (
    "intent",
    "risk_tier",
    "autonomy",
    "channel",
    "language",
    "tag",
    "escalation",
    "escalation_reason",
    "near_miss",
)
"""What a term can name: the keys of `Case.attributes()`."""

_TERM = re.compile(r"\s*(?P<attribute>[A-Za-z_]+)\s*=\s*(?P<value>[A-Za-z0-9][A-Za-z0-9_.\-]*)\s*")


class SliceError(ContentError, ValueError):
    """A slice is ill-formed or names nothing. A ValueError too, so that pydantic's validators report it."""


def parse(text: str) -> Terms:
    """The (attribute, value) terms of a slice, in the order in which they stand.

    Raises:
        SliceError: a part between the `&` is not `attribute=value`, or a term stands twice.
    """
    terms: list[tuple[str, str]] = []
    for part in text.split("&"):
        found = _TERM.fullmatch(part)
        if found is None:
            raise SliceError(f"slice {text!r}: {part.strip()!r} is not of the form attribute=value")
        term = (found["attribute"], found["value"])
        if term in terms:
            raise SliceError(f"slice {text!r}: {part.strip()!r} stands twice")
        terms.append(term)
    return tuple(terms)


def check_attributes(text: str) -> Terms:
    """`parse`, and every attribute is one that cases have.

    Raises:
        SliceError: the slice is ill-formed or names an unknown attribute; the nearest known one is named.
    """
    terms = parse(text)
    for attribute, _ in terms:
        if attribute not in ATTRIBUTES:
            raise SliceError(f"slice {text!r}: no attribute {attribute!r}.{nearest(attribute, ATTRIBUTES)}")
    return terms


def matches(terms: Terms, attributes: Attributes) -> bool:
    """Whether a case with these attributes meets every term."""
    return all(value in attributes.get(attribute, ()) for attribute, value in terms)


def select(text: str, cases: Mapping[str, Attributes]) -> tuple[str, ...]:
    """Ids of the cases that are in a slice, in the order given. `cases` maps a case's id to its attributes.

    Raises:
        SliceError: the slice is ill-formed, names an unknown attribute, names a value that no case has, or
            selects no case.
    """
    terms = check_attributes(text)
    for attribute, value in terms:
        known = {v for attributes in cases.values() for v in attributes.get(attribute, ())}
        if value not in known:
            raise SliceError(f"slice {text!r}: no case has {attribute}={value}.{nearest(value, known)}")
    found = tuple(name for name, attributes in cases.items() if matches(terms, attributes))
    if not found:
        raise SliceError(f"slice {text!r}: no case meets all its terms")
    return found
