"""What reads the strict facts of each kind: a pattern, what it makes of a match, and what a text has to have for it.

Readers are tried in order; what one has read, no later one reads again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["READERS", "FactKind", "Reader", "Value", "cues_of", "has_any", "needs_day"]

FactKind = Literal["amount", "percent", "date", "month", "weekday", "time", "duration", "identifier", "number"]
Value = int | float | str | tuple[object, ...]

_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_WEEKDAY_NAMES = "monday tuesday wednesday thursday friday saturday sunday"
_WEEKDAYS = {name: number for number, name in enumerate(_WEEKDAY_NAMES.split())}
_MONTH = (
    r"(?P<mon>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_RELATIVE_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
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
_COUNTED = re.compile(r"\d+(?:st|nd|rd|th|am|pm|k|x|h)?", re.IGNORECASE)
_DOTS = str.maketrans("ıİ", "ii")
_Build = Callable[[re.Match[str], dt.date], Iterable[tuple[FactKind, Value]]]


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads one kind of fact. It is tried only on a text with one of its `cues`, where it has any, and with a
    `digit`, where it needs one: most texts have neither, and the patterns are not free.
    """

    pattern: re.Pattern[str]
    build: _Build
    cues: tuple[str, ...] = ()
    digit: bool = True

    def may_read(self, cues: str, has_digit: bool) -> bool:
        """Whether the pattern can be found at all in a text, by its `cues_of`."""
        return (has_digit or not self.digit) and (not self.cues or any(cue in cues for cue in self.cues))


def cues_of(text: str) -> str:
    """The text in which the cues of readers are looked for: in lower case, and a dot makes no other letter of an i."""
    return text.lower() if text.isascii() else text.translate(_DOTS).lower()


def needs_day(text: str) -> bool:
    """Whether the facts of a text may be others on another day."""
    cues = cues_of(text)
    return not text.isascii() or "month" in cues or any(word in cues for word in _RELATIVE_DAYS)


def has_any(text: str) -> bool:
    """Whether a text may have a strict fact at all: most sentences hold none, and preparing it is not free."""
    return _ANY.search(text) is not None


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
    days = _RELATIVE_DAYS[m[0].lower()]
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
    if _COUNTED.fullmatch(text):
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


_OF_MONTHS = tuple(_MONTHS)
READERS = (
    Reader(
        _pattern(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b(?:https?://|www\.)\S+"),
        _plain_identifier,
        ("@", "://", "www."),
        digit=False,
    ),
    Reader(_pattern(r"\b(\d{4})-(\d{2})-(\d{2})(?=\b|T)"), _iso_date, ("-",)),
    Reader(_pattern(r"\b(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})\b"), _slash_date, ("/",)),
    Reader(
        _pattern(
            rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)"
            r"(?:\s?(?:-|–|to|and)\s?(?P<last>\d{1,2})(?:st|nd|rd|th)?(?![\d:]))?(?:,?\s+(?P<year>\d{4})\b)?"
        ),
        _named_date,
        _OF_MONTHS,
    ),
    Reader(
        _pattern(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH}(?:,?\s+(?P<year>\d{{4}}))?\b"),
        _day_first_date,
        _OF_MONTHS,
    ),
    Reader(_pattern(rf"\b{_MONTH},?\s+(?P<year>\d{{4}})\b"), _named_month, _OF_MONTHS),
    Reader(_pattern(r"\b(\d{4})-(0[1-9]|1[0-2])\b(?!-)"), _iso_month, ("-",)),
    Reader(_pattern(r"\b(last|previous|this|current) month\b"), _relative_month, ("month",), digit=False),
    Reader(
        _pattern(rf"(?P<before>\b(?:my|your|the|in|for|of|since|until|from|to|by|last|this)\s+)?\b{_MONTH}(?!\w)"),
        _bare_month,
        _OF_MONTHS,
        digit=False,
    ),
    Reader(
        _pattern(r"\b(?:yesterday|today|tomorrow)\b"),
        _relative_date,
        tuple(_RELATIVE_DAYS),
        digit=False,
    ),
    Reader(_pattern(rf"\b({'|'.join(_WEEKDAYS)})s?\b"), _weekday, ("day",), digit=False),
    Reader(
        _pattern(r"(?<!\d)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2})?(?:\s*(?P<half>[ap])\.?m\b\.?)?(?!\d)"),
        _clock,
        (":",),
    ),
    Reader(_pattern(r"\b(?P<hour>\d{1,2})(?P<minute>)\s*(?P<half>[ap])\.?m\b\.?"), _clock, ("am", "pm", "a.m", "p.m")),
    Reader(_pattern(r"\b(?:noon|midday|midnight)\b"), _named_time, ("noon", "midday", "midnight"), digit=False),
    Reader(_pattern(rf"(?:US)?\$\s?(?P<n>{_N})(?:\s?(?P<scale>k|thousand|million|billion)\b)?"), _amount, ("$",)),
    Reader(_pattern(rf"(?:\b(?:USD|EUR|GBP)|[€£])\s?(?P<n>{_N})(?P<scale>)"), _amount, ("usd", "eur", "gbp", "€", "£")),
    Reader(
        _pattern(
            rf"(?P<n>{_N})\s?(?P<coin>(?:USD|US dollars|dollars?|bucks|EUR|euros?|GBP|pounds?|cents?)\b|\$(?!\s?\d))"
        ),
        _amount_after,
        ("usd", "dollar", "bucks", "eur", "gbp", "pound", "cent", "$"),
    ),
    Reader(_pattern(rf"(?P<n>{_N})\s?(?:%|percent\b|per cent\b)"), _percent, ("%", "cent")),
    Reader(
        _pattern(rf"(?:\b(?P<from>{_N})\s?(?:-|–|to|or|and)\s?)?\b(?P<n>{_N})(?:\s|-)\s?{_QUALIFIER}{_UNIT}"),
        _duration,
        tuple(_DURATIONS),
    ),
    Reader(_pattern(r"(?<!\w)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"), _phone),
    Reader(_pattern(r"\b(?=[a-z_-]*\d)[a-z0-9]+(?:[-_][a-z0-9]+)*\b"), _code),
    Reader(_pattern(r"(?<![\w.,])\d{4,}(?:[ -]\d{4,})*(?![\w]|[.,]\d)"), _long_digits),
    Reader(_pattern(rf"(?<![\w.])(?:{_N})(?!\w)"), _bare_number),
)
_ANY = _pattern(
    rf"\d|@|within an?\b|www\.|\b{_MONTH}\b"
    rf"|\b(?:today|tomorrow|yesterday|month|noon|midday|midnight|{'|'.join(_WEEKDAYS)}"
    r"|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|teen|hundred|thousand"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)(?:ty|teen)|one)(?:s|\b)"
)
