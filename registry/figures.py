"""What a customer's words tell, held against what the customer knows: values and figures, however they are written.

Dates, amounts and numbers are compared in one form each, so that "March 4, 1984", "03/04/1984" and "1984-03-04", or
"4821 3907" and "48213907", are the same.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from assay.registry.phrases import amounts, canonical, contains_any, contains_digits
from assay.registry.types.simulation import Fact

__all__ = ["Known", "tells"]

_ISO = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_DAY_OF_YEAR = re.compile(r"(?<!\d)-\d{2}-\d{2}\b")
_NUMERIC = re.compile(r"\b\d{1,2}([/.\-])\d{1,2}\1(?:\d{4}|\d{2})\b")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_RUN = re.compile(r"\d+(?:[ \-]\d+)*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_LEAST = 4
"""Digits of a number that identifies something. Shorter ones count rooms and days."""


def tells(text: str, fact: Fact) -> bool:
    """Whether a text states the value of a fact, in any of its forms or as a date written otherwise."""
    return any(_states(text, form) for form in fact.forms)


def _states(text: str, value: str) -> bool:
    if contains_any(text, (value,)):
        return True
    if len(re.sub(r"\D", "", value)) >= _LEAST and not re.search(r"[^\W\d]", value) and contains_digits(text, value):
        return True
    dates = set(_ISO.findall(canonical(value)))
    return bool(dates) and not dates.isdisjoint(day for found in _dates(text) for day in found)


def _dates(text: str) -> Iterator[frozenset[str]]:
    """Each date of a text as the days that it can mean; "03/04/1984" can mean two."""
    plain = canonical(text)
    yield from (frozenset({found}) for found in _ISO.findall(plain))
    for match in _NUMERIC.finditer(_ISO.sub(" ", plain)):
        first, second, year = (int(part) for part in re.split(r"[/.\-]", match.group()))
        years = (year,) if year > 99 else (1900 + year, 2000 + year)
        days = {day for y in years for day in (_day(y, first, second), _day(y, second, first)) if day}
        if days:
            yield frozenset(days)


def _day(year: int, month: int, day: int) -> str | None:
    try:
        return dt.date(year, month, day).isoformat()
    except ValueError:
        return None


@dataclass
class Known:
    """Figures that a customer may use: those of their sheet, and those that were said in the conversation."""

    _days: set[str] = field(default_factory=set)
    _numbers: set[str] = field(default_factory=set)
    _values: set[float] = field(default_factory=set)
    _addresses: set[str] = field(default_factory=set)

    def add(self, texts: Iterable[str]) -> None:
        """Everything in these texts is known from now on."""
        for text in texts:
            plain = canonical(text)
            self._addresses.update(_EMAIL.findall(plain))
            self._days.update(day for days in _dates(text) for day in days)
            self._days.update(_DAY_OF_YEAR.findall(_ISO.sub(" ", plain)))
            self._values.update(float(found) for found in _NUMBER.findall(plain.replace(",", "")))
            for run in _RUN.findall(_without_dates(plain)):
                self._numbers.update((re.sub(r"\D", "", run), *re.findall(r"\d+", run)))

    def invented(self, text: str) -> str:
        """The first amount, date, address or number of a text that is not known; empty where all are."""
        plain = canonical(text)
        for address in _EMAIL.findall(plain):
            if address not in self._addresses:
                return address
        for days in _dates(text):
            if self._days.isdisjoint(days) and not any(day[4:] in self._days for day in days):
                return min(days)
        for part in _DAY_OF_YEAR.findall(_ISO.sub(" ", plain)):
            if part not in self._days and not any(day.endswith(part) for day in self._days):
                return part.strip("-")
        for amount in amounts(text):
            if float(amount.strip("$%")) not in self._values:
                return amount
        rest = re.sub(r"\$\d+(?:\.\d+)?", " ", _without_dates(plain))
        return next((run for run in _RUN.findall(_EMAIL.sub(" ", rest)) if not self._spelt(run)), "")

    def _spelt(self, run: str) -> bool:
        """Whether a run of digits can be cut, between its groups, into numbers that are known, short, or years."""
        groups = re.findall(r"\d+", run)
        reached = {0}
        for start in range(len(groups)):
            if start in reached:
                for end in range(start + 1, len(groups) + 1):
                    if self._is_known("".join(groups[start:end]), single=end == start + 1):
                        reached.add(end)
        return len(groups) in reached

    def _is_known(self, digits: str, *, single: bool) -> bool:
        if any(digits in number for number in self._numbers):
            return True
        return single and (len(digits) < _LEAST or _YEAR.fullmatch(digits) is not None or float(digits) in self._values)


def _without_dates(plain: str) -> str:
    return _NUMERIC.sub(" | ", _DAY_OF_YEAR.sub(" | ", _ISO.sub(" | ", plain)))
