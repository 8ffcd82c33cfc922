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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from assay.runner.scorers.claims.numerals import articles, digits

__all__ = ["Fact", "FactKind", "facts_of"]

FactKind = Literal["amount", "percent", "date", "month", "weekday", "time", "duration", "identifier", "number"]
Value = int | float | str | tuple[object, ...]


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


_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_WEEKDAY_NAMES = "monday tuesday wednesday thursday friday saturday sunday"
_WEEKDAYS = {name: number for number, name in enumerate(_WEEKDAY_NAMES.split())}
_MONTH = (
    r"(?P<mon>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_N = r"\d[\d,]*(?:\.\d+)?"
_UNIT = r"(?P<unit>minute|min|hour|hr|day|week|month|year)s?\b"
_QUALIFIER = r"(?:(?:full|business|working|banking|calendar|more)\s+)*"
_DURATIONS = {"minute": ("hour", 1 / 60), "min": ("hour", 1 / 60), "hour": ("hour", 1.0), "hr": ("hour", 1.0)} | {
    "day": ("hour", 24.0),
    "week": ("hour", 168.0),
    "month": ("month", 1.0),
    "year": ("month", 12.0),
}
_SCALE = {"k": 1e3, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_FOREIGN = re.compile(r"€|£|EUR|GBP|pound", re.IGNORECASE)
_CURRENCIES = {"€": "EUR", "eur": "EUR", "£": "GBP", "gbp": "GBP", "pou": "GBP"}
_OVERLONG = re.compile(r"\S{65,}")
"""No fact is as long as this without a space; the patterns take quadratic time on what is."""
_ROUGH = re.compile(r"\b(?:about|around|approximately|roughly|nearly|almost|some)\s+\$?$", re.IGNORECASE)

_Build = Callable[[re.Match[str], dt.date], Iterable[tuple[FactKind, Value]]]


def facts_of(text: str, today: dt.date) -> tuple[Fact, ...]:
    """The strict facts of a text, by kind; `today` gives meaning to "tomorrow"."""
    if not _ANY.search(text):
        return ()
    return _facts_of(text, today)


@lru_cache(maxsize=8192)
def _facts_of(text: str, today: dt.date) -> tuple[Fact, ...]:
    rest = _OVERLONG.sub(lambda m: "¦" * len(m[0]), digits(articles(_plain(text))))
    found: list[Fact] = []
    for pattern, build in _PATTERNS:
        spans: list[tuple[int, int]] = []
        for match in pattern.finditer(rest):
            facts = list(build(match, today))
            if facts:
                rough = bool(_ROUGH.search(rest, max(0, match.start() - 16), match.start()))
                text = match.group().strip()
                found += (Fact(kind, value, text, rough, _currency(kind, text)) for kind, value in facts)
                spans.append(match.span())
        # What one kind has read, no later kind reads again.
        rest = _struck(rest, spans)
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


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _date(year: int | None, month: int, day: int) -> Iterator[tuple[FactKind, Value]]:
    try:
        dt.date(year or 2024, month, day)
    except ValueError:
        return
    yield "date", (year, month, day)


def _iso_date(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield from _date(int(m[1]), int(m[2]), int(m[3]))


def _slash_date(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    year = int(m[3])
    yield from _date(year if year > 99 else 2000 + year, int(m[1]), int(m[2]))


def _named_date(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    month = _MONTHS[m["mon"][:3].lower()]
    yield from _date(int(m["year"]) if m["year"] else None, month, int(m["day"]))
    if m["last"]:
        yield from _date(int(m["year"]) if m["year"] else None, month, int(m["last"]))


def _day_first_date(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield from _date(int(m["year"]) if m["year"] else None, _MONTHS[m["mon"][:3].lower()], int(m["day"]))


def _named_month(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "month", (int(m["year"]), _MONTHS[m["mon"][:3].lower()])


def _iso_month(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "month", (int(m[1]), int(m[2]))


def _bare_month(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    # "may" and "march" are words too: only in capitals, and after a word that a month follows.
    if m["mon"].lower() not in ("may", "march", "mar") or (m["mon"][0].isupper() and m["before"]):
        yield "month", (None, _MONTHS[m["mon"][:3].lower()])


def _relative_month(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    first = today.replace(day=1)
    month = first - dt.timedelta(days=1) if m[1].lower() in ("last", "previous") else first
    yield "month", (month.year, month.month)


def _relative_date(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    days = {"yesterday": -1, "today": 0, "tomorrow": 1}[m[0].lower()]
    day = today + dt.timedelta(days=days)
    yield "date", (day.year, day.month, day.day)


def _weekday(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "weekday", _WEEKDAYS[m[1].lower()]


def _clock(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    hour, minute = int(m["hour"]), int(m["minute"] or 0)
    half = (m["half"] or "").lower()[:1]
    if hour > 24 or minute > 59 or (half and hour > 12):
        return
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    yield "time", (hour * 60 + minute, bool(half) or hour > 12)


def _named_time(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "time", (12 * 60 if m[0].lower() in ("noon", "midday") else 0, True)


def _amount(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    scale = _SCALE.get((m["scale"] or "").lower(), 1.0)
    yield "amount", round(_number(m["n"]) * scale * 100)


def _amount_after(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "amount", round(_number(m["n"]) * (1 if m["coin"].lower().startswith("cent") else 100))


def _percent(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "percent", round(_number(m["n"]) * 100)


def _duration(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    base, factor = _DURATIONS[m["unit"].lower()]
    for part in (m["from"], m["n"]):
        if part:
            yield "duration", (base, round(_number(part) * factor, 4))


def _plain_identifier(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "identifier", m[0].lower().rstrip(".,/")


def _phone(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "identifier", re.sub(r"\D", "", m[0])


def _code(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    text = m[0]
    if re.fullmatch(r"\d+(?:st|nd|rd|th|am|pm|k|x|h)?", text, re.IGNORECASE):
        return
    has_digits, has_letters = any(c.isdigit() for c in text), any(c.isalpha() for c in text)
    looks_made = any(c.isupper() for c in text) or "_" in text or re.search(r"\d{3}", text)
    if has_digits and has_letters and looks_made and len(text) >= 4:
        yield "identifier", re.sub(r"[-_]", "", text.lower())


def _long_digits(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    text = re.sub(r"[ -]", "", m[0])
    if not (len(text) == 4 and text[:2] in ("19", "20")):
        yield "identifier", text


def _bare_number(m: re.Match[str], today: dt.date) -> Iterator[tuple[FactKind, Value]]:
    yield "number", _number(m[0])


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_PATTERNS: tuple[tuple[re.Pattern[str], _Build], ...] = (
    (_pattern(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b(?:https?://|www\.)\S+"), _plain_identifier),
    (_pattern(r"\b(\d{4})-(\d{2})-(\d{2})(?=\b|T)"), _iso_date),
    (_pattern(r"\b(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})\b"), _slash_date),
    (
        _pattern(
            rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)"
            r"(?:\s?(?:-|–|to|and)\s?(?P<last>\d{1,2})(?:st|nd|rd|th)?(?![\d:]))?(?:,?\s+(?P<year>\d{4})\b)?"
        ),
        _named_date,
    ),
    (
        _pattern(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH}(?:,?\s+(?P<year>\d{{4}}))?\b"),
        _day_first_date,
    ),
    (_pattern(rf"\b{_MONTH},?\s+(?P<year>\d{{4}})\b"), _named_month),
    (_pattern(r"\b(\d{4})-(0[1-9]|1[0-2])\b(?!-)"), _iso_month),
    (_pattern(r"\b(last|previous|this|current) month\b"), _relative_month),
    (
        _pattern(rf"(?P<before>\b(?:my|your|the|in|for|of|since|until|from|to|by|last|this)\s+)?\b{_MONTH}(?!\w)"),
        _bare_month,
    ),
    (_pattern(r"\b(?:yesterday|today|tomorrow)\b"), _relative_date),
    (_pattern(rf"\b({'|'.join(_WEEKDAYS)})s?\b"), _weekday),
    (_pattern(r"(?<!\d)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?(?:\s*(?P<half>[ap])\.?m\b\.?)?(?!\d)"), _clock),
    (_pattern(r"\b(?P<hour>\d{1,2})(?P<minute>)\s*(?P<half>[ap])\.?m\b\.?"), _clock),
    (_pattern(r"\b(?:noon|midday|midnight)\b"), _named_time),
    (_pattern(rf"(?:US)?\$\s?(?P<n>{_N})(?:\s?(?P<scale>k|thousand|million|billion)\b)?"), _amount),
    (_pattern(rf"(?:\b(?:USD|EUR|GBP)|[€£])\s?(?P<n>{_N})(?P<scale>)"), _amount),
    (
        _pattern(
            rf"(?P<n>{_N})\s?(?P<coin>(?:USD|US dollars|dollars?|bucks|EUR|euros?|GBP|pounds?|cents?)\b|\$(?!\s?\d))"
        ),
        _amount_after,
    ),
    (_pattern(rf"(?P<n>{_N})\s?(?:%|percent\b|per cent\b)"), _percent),
    (
        _pattern(rf"(?:\b(?P<from>{_N})\s?(?:-|–|to|or|and)\s?)?\b(?P<n>{_N})(?:\s|-)\s?{_QUALIFIER}{_UNIT}"),
        _duration,
    ),
    (_pattern(r"(?<!\w)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"), _phone),
    (_pattern(r"\b[a-z0-9]+(?:[-_][a-z0-9]+)*\b"), _code),
    (_pattern(r"(?<![\w.,])\d{4,}(?:[ -]\d{4,})*(?![\w]|[.,]\d)"), _long_digits),
    (_pattern(rf"(?<![\w.])(?:{_N})(?!\w)"), _bare_number),
)
# A quick refusal: most sentences hold no fact, and ten patterns are not free.
_ANY = _pattern(
    rf"\d|@|within an?\b|www\.|\b{_MONTH}\b"
    rf"|\b(?:today|tomorrow|yesterday|month|noon|midday|midnight|{'|'.join(_WEEKDAYS)}"
    r"|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|teen|hundred|thousand"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)(?:ty|teen)|one)(?:s|\b)"
)
