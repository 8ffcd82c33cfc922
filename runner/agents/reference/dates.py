"""Dates, times and months as customers write or say them, counted from the day of the conversation.

Numbers with slashes are read the American way (month first) unless that is impossible.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

__all__ = ["SMALL_NUMBERS", "FoundDate", "find_dates", "find_month", "find_time", "spoken_to_digits"]

_MONTHS = {name.lower(): n for n, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): n for n, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
_MONTH = "(" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\.?"
_DAYS = [name.lower() for name in calendar.day_name]
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?:of\s+)?((?:19|20)\d\d|'\d\d)\b)?"

_ISO = re.compile(r"(?<!\d)((?:19|20)\d\d)[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<![\d$.,/-])(\d{1,2})([/.-])(\d{1,2})\2((?:19|20)\d\d|\d\d)(?!\d)")
_SHORT = re.compile(r"(?<![\d$.,/-])(\d{1,2})/(\d{1,2})(?![\d/])")
_MONTH_DAY = re.compile(rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}(?![\d:]){_YEAR}", re.IGNORECASE)
_DAY_MONTH = re.compile(
    rf"(?<![\d$.,]){_DAY}(?:\s+of)?[\s-]+{_MONTH}(?:[\s,-]*'?((?:19|20)\d\d|(?<=')\d\d)\b)?", re.IGNORECASE
)
_DAY_ONLY = re.compile(r"\bthe (\d{1,2})(?:st|nd|rd|th)\b", re.IGNORECASE)
_WEEKDAY = re.compile(rf"\b(next|this|coming)?\s*\b({'|'.join(_DAYS)})\b( next week| week)?", re.IGNORECASE)
_RELATIVE = re.compile(r"\b(the day after tomorrow|tomorrow|today)\b|\bin (\d{1,2}|two|three) days\b", re.IGNORECASE)
_MONTH_YEAR = re.compile(rf"\b{_MONTH}(?:\s*(?:of\s+)?,?\s*((?:19|20)\d\d))?(?![a-z])", re.IGNORECASE)
_ISO_MONTH = re.compile(
    r"(?<![\d-])((?:19|20)\d\d)-(0[1-9]|1[0-2])(?![\d-])|(?<![\d/])(0?[1-9]|1[0-2])/((?:19|20)\d\d)(?!\d)"
)
_CLOCK = re.compile(r"(?<![\d:$])(\d{1,2})[:.](\d{2})(?!\d)\s*([ap])?\.?m?\b", re.IGNORECASE)
_HOUR = re.compile(r"(?<![\d:.$])(\d{1,2})\s*([ap])\.?\s?m\b", re.IGNORECASE)
_BARE_HOUR = re.compile(
    r"\b(?:at|around|to|for|say)\s+(\d{1,2})(?:\s*o'?clock)?(?![\w:/.,-]*\d)(?!(?:st|nd|rd|th)\b)", re.IGNORECASE
)
_SAID_HOUR = re.compile(
    r"\b(?:at\s+)?(half past )?(\w+)(?: (thirty|o'?clock|in the (?:morning|afternoon)|[ap]\.?m))\b", re.IGNORECASE
)

_UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_NUMBERS = {word: n for n, word in enumerate(_UNITS)} | {"oh": 0, "o": 0}
_TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = {
    word: n
    for n, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2)
}
_SMALL = _NUMBERS | {word: n for n, word in enumerate(_TEENS, start=13)}
SMALL_NUMBERS = {word: n for word, n in _SMALL.items() if n and len(word) > 1} | {
    word: n * 10 for word, n in _TENS.items()
}
"""Number words from one to nineteen and the tens."""
_ORDINALS = {
    word: n
    for n, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
        ],
        start=1,
    )
} | {"thirtieth": 30}


@dataclass(frozen=True)
class FoundDate:
    """A date, where it stands in the text, and whether its year was given."""

    date: dt.date
    start: int
    end: int
    with_year: bool


def find_dates(text: str, today: dt.date) -> list[FoundDate]:
    """Every date in a text, in order; overlapping readings are resolved for the most explicit one."""
    found: list[FoundDate] = []
    taken: list[tuple[int, int]] = []
    for pattern, read in _READERS:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            reading = read(match, today)
            if reading is not None:
                found.append(FoundDate(reading[0], match.start(), match.end(), reading[1]))
                taken.append((match.start(), match.end()))
    return sorted(found, key=lambda item: item.start)


def find_time(text: str) -> str | None:
    """The first time of day as HH:MM. Hours from 1 to 7 without "am" are taken for the afternoon."""
    match = _HOUR.search(text)
    if match:
        return _clock(int(match[1]), 0, match[2])
    for match in _CLOCK.finditer(text):
        if int(match[2]) < 60:
            return _clock(int(match[1]), int(match[2]), match[3])
    if re.search(r"\bnoon\b|\bmidday\b", text, re.IGNORECASE):
        return "12:00"
    match = _SAID_HOUR.search(text)
    if match and match[2].lower() in _NUMBERS:
        half = bool(match[1]) or match[3].lower() == "thirty"
        morning = "morning" in match[3].lower() or match[3].lower().startswith("a")
        return _clock(_NUMBERS[match[2].lower()], 30 if half else 0, "a" if morning else None)
    match = re.search(r"\bhalf past (\w+)", text, re.IGNORECASE)
    if match and (match[1].lower() in _NUMBERS or match[1].isdigit()):
        return _clock(_NUMBERS.get(match[1].lower()) or int(match[1]), 30, None)
    match = _BARE_HOUR.search(text)
    if match:
        morning = re.search(r"in the morning", text, re.IGNORECASE)
        return _clock(int(match[1]), 0, "a" if morning else None)
    return None


def find_month(text: str, today: dt.date) -> str | None:
    """The first month as YYYY-MM; without a year it is the latest one that is not in the future."""
    match = _ISO_MONTH.search(text)
    if match:
        return f"{match[1]}-{match[2]}" if match[1] else f"{match[4]}-{int(match[3]):02d}"
    first = today.replace(day=1)
    if re.search(r"\b(?:last|previous|past) month", text, re.IGNORECASE):
        return f"{first - dt.timedelta(days=1):%Y-%m}"
    if re.search(r"\b(?:this|current) month", text, re.IGNORECASE):
        return f"{first:%Y-%m}"
    for match in _MONTH_YEAR.finditer(text):
        if match[1].lower() == "may" and not match[1][0].isupper():
            continue  # "may" is a verb far more often than a month
        month = _MONTHS[match[1].lower()]
        year = int(match[2]) if match[2] else today.year - (month > today.month)
        return f"{year:04d}-{month:02d}"
    return None


def spoken_to_digits(text: str) -> str:
    """Numbers spelt out on the phone as digits: four or more digit words in a row, years, and days of a month."""
    text = re.sub(
        r"\b(nineteen|twenty)[ -](?:hundred and )?(?:oh[ -](\w+)|(\w+ty)(?:[ -](\w+))?|(\w+teen|ten|eleven|twelve))\b",
        _year,
        text,
        flags=re.IGNORECASE,
    )
    words = "|".join([*_UNITS[:10], "oh", "o"])
    run = rf"\b(?:double\s+|triple\s+)?(?:{words})(?:[\s,-]+(?:double\s+|triple\s+)?(?:{words})){{3,}}\b"
    text = re.sub(run, lambda match: _digits(match[0]), text, flags=re.IGNORECASE)
    ordinals = "|".join(_ORDINALS)
    return re.sub(
        rf"\b(?:(twenty|thirty)[ -])?({ordinals})\b(?=\s+(?:of\s+)?{_MONTH}|\W+(?:19|20)\d\d)|"
        rf"(?<=[a-z] )(?:(twenty|thirty)[ -])?({ordinals})\b",
        lambda m: _ordinal(m, text),
        text,
        flags=re.IGNORECASE,
    )


def _ordinal(match: re.Match[str], text: str) -> str:
    tens, unit = (match[1], match[2]) if match[2] else (match[4], match[5])
    before = re.search(rf"\b{_MONTH}\s+(?:the\s+)?$", text[: match.start()], re.IGNORECASE)
    if not match[2] and not before:
        return match[0]
    return str((_TENS[tens.lower()] * 10 if tens else 0) + _ORDINALS[unit.lower()])


def _year(match: re.Match[str]) -> str:
    century = 1900 if match[1].lower() == "nineteen" else 2000
    if match[2]:
        rest = _SMALL.get(match[2].lower())
    elif match[3]:
        tens = _TENS.get(match[3].lower())
        rest = None if tens is None else tens * 10 + _SMALL.get((match[4] or "zero").lower(), 0)
        if rest is not None and match[4] and match[4].lower() not in _NUMBERS:
            return f"{century + rest} {match[4]}"
    else:
        rest = _SMALL.get(match[5].lower())
    return match[0] if rest is None else str(century + rest)


def _digits(words: str) -> str:
    out, times = "", 1
    for word in re.split(r"[\s,-]+", words.lower()):
        if word in {"double", "triple"}:
            times = 2 if word == "double" else 3
        else:
            out, times = out + str(_NUMBERS[word]) * times, 1
    return out


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def _dated(year: str | None, month: int, day: int, today: dt.date) -> tuple[dt.date, bool] | None:
    """A date with its year, or the next such day from `today` on."""
    if year:
        full = int(year.strip("'"))
        if full < 100:
            full += 2000 if full <= today.year % 100 else 1900
        date = _date(full, month, day)
        return None if date is None else (date, True)
    candidates = (_date(today.year + more, month, day) for more in (0, 1))
    return next(((date, False) for date in candidates if date and date >= today), None)


def _read_numeric(match: re.Match[str], today: dt.date) -> tuple[dt.date, bool] | None:
    first, second = int(match[1]), int(match[3])
    month, day = (first, second) if first <= 12 else (second, first)
    return _dated(match[4], month, day, today)


def _read_weekday(match: re.Match[str], today: dt.date) -> tuple[dt.date, bool]:
    wanted = _DAYS.index(match[2].lower())
    ahead = (wanted - today.weekday()) % 7 or 7
    if (match[1] or "").lower() == "next" or match[3]:
        # "next Tuesday" is the one of the following week, which begins on Monday.
        ahead = 7 - today.weekday() + wanted
    return today + dt.timedelta(days=ahead), False


def _read_relative(match: re.Match[str], today: dt.date) -> tuple[dt.date, bool]:
    if match[2]:
        days = int(match[2]) if match[2].isdigit() else _NUMBERS[match[2].lower()]
    else:
        days = {"today": 0, "tomorrow": 1}.get(match[1].lower(), 2)
    return today + dt.timedelta(days=days), False


def _read_day_only(match: re.Match[str], today: dt.date) -> tuple[dt.date, bool] | None:
    following = (today.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    candidates = (_date(first.year, first.month, int(match[1])) for first in (today, following))
    return next(((date, False) for date in candidates if date and date >= today), None)


def _clock(hour: int, minute: int, half: str | None) -> str | None:
    if half and half.lower() == "p" and hour < 12:
        hour += 12
    elif half and half.lower() == "a" and hour == 12:
        hour = 0
    elif not half and 1 <= hour <= 7:
        hour += 12
    return f"{hour:02d}:{minute:02d}" if hour < 24 else None


_READERS = (
    (_ISO, lambda m, today: _dated(m[1], int(m[2]), int(m[3]), today)),
    (_NUMERIC, _read_numeric),
    (_MONTH_DAY, lambda m, today: _dated(m[3], _MONTHS[m[1].lower()], int(m[2]), today)),
    (_DAY_MONTH, lambda m, today: _dated(m[3], _MONTHS[m[2].lower()], int(m[1]), today)),
    (_SHORT, lambda m, today: _dated(None, int(m[1]), int(m[2]), today) if int(m[1]) <= 12 else None),
    (_DAY_ONLY, _read_day_only),
    (_WEEKDAY, _read_weekday),
    (_RELATIVE, _read_relative),
)
