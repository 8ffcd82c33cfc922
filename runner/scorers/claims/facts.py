"""Strict facts in text: amounts, percentages, dates, times, durations, identifiers and bare numbers.

A strict fact is right or wrong; no paraphrase makes it nearly right. Each is normalised, so that
"$1,250" = "1250 USD", "March 4, 2026" = "2026-03-04" = "tomorrow" said on March 3, "2:30 p.m." = "14:30",
"3.1%" = "3.10 percent", "24 hours" = "one day". Values by kind:

| kind | value |
| --- | --- |
| amount | cents (int) |
| percent | hundredths of a percent (int) |
| date | (year or None, month, day) |
| month | (year or None, month) |
| weekday | 0 (Monday) to 6 |
| time | (minutes after midnight, whether a.m. or p.m. was said or is plain) |
| duration | (base unit, count): base `hour` for minutes to weeks, `month` for months and years |
| identifier | lower-case text without separators |
| number | float |
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from assay.runner.scorers.claims.numerals import articles, digits
from assay.runner.scorers.claims.readers import READERS, FactKind, Value, cues_of, has_any, needs_day

__all__ = ["Fact", "FactKind", "facts_of"]


@dataclass(frozen=True, slots=True)
class Fact:
    """`value` is normalised; `text` is how it was written; `rough` where "about" stands before it; `unit` is the
    currency of an amount that is not in dollars.
    """

    kind: FactKind
    value: Value
    text: str
    rough: bool = False
    unit: str = ""


_FOREIGN = re.compile(r"€|£|EUR|GBP|pound", re.IGNORECASE)
_CURRENCIES = {"€": "EUR", "eur": "EUR", "£": "GBP", "gbp": "GBP", "pou": "GBP"}
_OVERLONG = re.compile(r"\S{65,}")
"""No fact is as long as this without a space; the patterns take quadratic time on what is."""
_ROUGH = re.compile(r"\b(?:about|around|approximately|roughly|nearly|almost|some)\s+\$?$", re.IGNORECASE)

_DIGIT = re.compile(r"\d")


def facts_of(text: str, today: dt.date) -> tuple[Fact, ...]:
    """The strict facts of a text, by kind; `today` gives meaning to "tomorrow"."""
    return _facts_of(text, today if needs_day(text) else dt.date.min)


@lru_cache(maxsize=8192)
def _facts_of(text: str, today: dt.date) -> tuple[Fact, ...]:
    if not has_any(text):
        return ()
    rest = _OVERLONG.sub(lambda m: "¦" * len(m[0]), digits(articles(_plain(text))))
    cues, has_digit = cues_of(rest), _DIGIT.search(rest) is not None
    found: list[Fact] = []
    for reader in READERS:
        if not reader.may_read(cues, has_digit):
            continue
        spans: list[tuple[int, int]] = []
        for match in reader.pattern.finditer(rest):
            facts = list(reader.build(match, today))
            if facts:
                rough = bool(_ROUGH.search(rest, max(0, match.start() - 16), match.start()))
                text = match.group().strip()
                found += (Fact(kind, value, text, rough, _currency(kind, text)) for kind, value in facts)
                spans.append(match.span())
        # What one kind has read, no later kind reads again.
        rest = _struck(rest, spans) if spans else rest
    return tuple(found)


def _currency(kind: FactKind, text: str) -> str:
    """The currency of an amount; "" for dollars, and for whatever is no amount."""
    named = _FOREIGN.search(text) if kind == "amount" else None
    return "" if named is None else _CURRENCIES[named[0].lower()[:3]]


def _plain(text: str) -> str:
    """The text as a person reads it: full-width signs and digits are plain ones, invisible characters are gone."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")


def _struck(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with the spans, which are in order and apart, filled in."""
    parts, done = list[str](), 0
    for start, end in spans:
        parts += (text[done:start], "¦" * (end - start))
        done = end
    return "".join((*parts, text[done:]))
