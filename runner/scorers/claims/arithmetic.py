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

__all__ = ["amount_follows", "broken_equation", "date_follows", "speaks_of_result"]

_RESULT = re.compile(
    r"\b(?:total|sum|altogether|combined|together|overall|differ\w*|remain\w*|left|refund\w*|additional|"
    r"in all|owe)\b|[=+×]",
    re.IGNORECASE,
)
_SUM = re.compile(r"\b(?:total\w*|sum|altogether|combined|together|overall|in all)\b|[+]", re.IGNORECASE)
_DIFFERENCE = re.compile(
    r"\b(?:differ\w*|remain\w*|left|refund\w*|additional|extra|owe|save\w*|savings)\b|\s[–−-]\s", re.IGNORECASE
)
_EACH = re.compile(r"\b(?:per (?:passenger|person|traveler|night|item|day)|each)\b", re.IGNORECASE)
_COUNTS = range(1, 7)
_AMOUNT = r"\$\d[\d,]*(?:\.\d+)?(?<!,)"
_NOTE = r"(?:\s*\([^()$]*\))?"
_CHAIN = rf"{_AMOUNT}{_NOTE}(?:\s*[+–−-]\s*{_AMOUNT}{_NOTE})+"
_EQUATION = re.compile(rf"(?<![×*x/+–−-] )(?P<sum>{_CHAIN})\s*=\s*(?P<result>{_AMOUNT})(?!\s*[×*x/])")
_BREAKDOWN = re.compile(rf"(?P<result>{_AMOUNT})(?: per (?:passenger|person))? \((?P<sum>{_CHAIN})\)")
_TOLERANCE = 0.005
_MOST_TERMS = 40
_RECENT = 6


def speaks_of_result(sentence: str) -> bool:
    """Whether the sentence presents a worked-out amount."""
    return bool(_RESULT.search(sentence))


def amount_follows(
    amount: float, stated: Sequence[float], given: Iterable[float], counts: Iterable[int] = _COUNTS, sentence: str = ""
) -> bool:
    """Whether `amount` can be worked out from the amounts `stated` so far, in order, and those `given`.

    Args:
        counts: how many times a term or a result may be taken, beside once; never in a sentence that gives an
            amount "per passenger" or "each".
        sentence: what is said of the amount. A "total" is no difference, and what is "left" is no sum.
    """
    recent = stated[-_RECENT:]
    near = {abs(n) for n in (*recent, *accumulate(reversed(recent))) if n}
    terms = sorted(near | set(sorted({abs(n) for n in given if n})[:_MOST_TERMS]))
    sums = not sentence or bool(_SUM.search(sentence)) or not _DIFFERENCE.search(sentence)
    differences = not sentence or bool(_DIFFERENCE.search(sentence)) or not _SUM.search(sentence)
    for count in {1} if _EACH.search(sentence) else {1, *counts}:
        wanted = amount / count
        if _contains(terms, wanted):
            return True
        if sums and any(_contains(terms, wanted - n) for n in terms if n < wanted / 2 - _TOLERANCE):
            return True
        if differences and any(_contains(terms, wanted + n) for n in terms):
            return True
    return False


def broken_equation(sentence: str) -> str | None:
    """The first sum that the sentence writes out and that does not come out, as in "$94 + $263 = $368"; or None.

    Read are chains of amounts with + and -, followed by "= $n", and "$n ... ($a + $b)".
    """
    for match in _EQUATION.finditer(sentence):
        if abs(_sum(match["sum"]) - _amount(match["result"])) > _TOLERANCE:
            return match[0]
    for match in _BREAKDOWN.finditer(sentence):
        if abs(_sum(match["sum"]) - _amount(match["result"])) > _TOLERANCE:
            return match[0]
    return None


def _sum(text: str) -> float:
    parts = re.findall(rf"([+–−-])?\s*(?:\([^()$]*\))?\s*({_AMOUNT})", text)
    return sum((-_amount(n) if sign and sign != "+" else _amount(n)) for sign, n in parts)


def _amount(text: str) -> float:
    return float(text.replace("$", "").replace(",", ""))


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
