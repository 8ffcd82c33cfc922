"""Facts that follow from the evidence by arithmetic.

An agent may add up what it was told. How much arithmetic to allow is a trade: with many numbers at hand, nearly
every amount is the sum or difference of some. So an amount may follow only where the sentence speaks of a result
("total", "difference", "remaining", "=", ...), and then from these:

- terms: amounts that the agent stated with support, in order, or that the customer or the instructions state, the
  totals of lists in tool results, and, where they are few, all numbers of tool results;
- a term; the sum of the last n stated amounts; a sum or difference of two of those; any of them times 2 to 6.

A date follows when it lies a number of days, calendar or business, which the claim or the customer states, after
today or after another date of the claim.
"""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

__all__ = ["amount_follows", "date_follows", "speaks_of_result"]

_RESULT = re.compile(
    r"\b(?:total|sum|altogether|combined|together|overall|differ\w*|remain\w*|left|refund\w*|additional|"
    r"in all|owe)\b|[=+×]",
    re.IGNORECASE,
)
_COUNTS = range(1, 7)
_TOLERANCE = 0.005
_MOST_TERMS = 40


def speaks_of_result(sentence: str) -> bool:
    """Whether the sentence presents a worked-out amount."""
    return bool(_RESULT.search(sentence))


def amount_follows(amount: float, stated: Sequence[float], given: Iterable[float]) -> bool:
    """Whether `amount` can be worked out from the amounts `stated` so far, in order, and those `given`."""
    suffixes = accumulate(reversed(stated[-12:]))
    terms = sorted({abs(n) for n in (*stated[-12:], *suffixes, *given) if n})[:_MOST_TERMS]
    for count in _COUNTS:
        wanted = amount / count
        if _contains(terms, wanted):
            return True
        if any(_contains(terms, abs(wanted - n)) or _contains(terms, wanted + n) for n in terms):
            return True
    return False


def _contains(ordered: Sequence[float], wanted: float) -> bool:
    if wanted < _TOLERANCE:
        return False
    at = bisect_left(ordered, wanted - _TOLERANCE)
    return at < len(ordered) and ordered[at] <= wanted + _TOLERANCE


def date_follows(date: dt.date, anchors: Iterable[dt.date], day_counts: Iterable[float]) -> bool:
    """Whether `date` lies one of `day_counts` days, calendar or business, after one of `anchors`."""
    counts = {int(n) for n in day_counts if 0 < n <= 400}
    for anchor in set(anchors):
        gap = (date - anchor).days
        if gap in counts or (0 < gap <= 560 and _business_days(anchor, gap) in counts and date.weekday() < 5):
            return True
    return False


def _business_days(start: dt.date, days: int) -> int:
    """Weekdays among the `days` days that follow `start`."""
    weeks, rest = divmod(days, 7)
    return 5 * weeks + sum((start.weekday() + i) % 7 < 5 for i in range(1, rest + 1))
