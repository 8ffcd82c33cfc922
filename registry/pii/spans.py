"""A piece of personal data and where it stands."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from assay.registry.types.case import PersonalDataKind

__all__ = ["PersonalSpan", "placeholder", "placeholders", "without_overlaps"]


@dataclass(frozen=True, slots=True)
class PersonalSpan:
    """A piece of personal data at `text[start:end]`. `value` is how it is written there."""

    kind: PersonalDataKind
    start: int
    end: int
    value: str


def placeholder(kind: str) -> str:
    """What stands in a redacted text where a datum of this kind stood, such as `[card number]`."""
    return f"[{kind.replace('_', ' ')}]"


_PLACEHOLDER = re.compile("|".join(re.escape(placeholder(kind)) for kind in get_args(PersonalDataKind)))


def placeholders(text: str) -> list[tuple[int, int]]:
    """Where the placeholders of a redacted text stand, in order."""
    return [match.span() for match in _PLACEHOLDER.finditer(text)] if "[" in text else []


def without_overlaps(spans: Iterable[PersonalSpan]) -> tuple[PersonalSpan, ...]:
    """The spans in order of place; of two that overlap the one given first stays."""
    kept: list[PersonalSpan] = []
    for span in spans:
        place = bisect_left(kept, span.start, key=lambda other: other.start)
        after_one = place > 0 and kept[place - 1].end > span.start
        before_one = place < len(kept) and kept[place].start < span.end
        if not after_one and not before_one:
            kept.insert(place, span)
    return tuple(kept)
