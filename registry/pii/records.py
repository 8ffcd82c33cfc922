"""The personal data of a known customer, in whatever notation it is written."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from assay.registry.pii.reading import read, undisguised
from assay.registry.pii.spans import PersonalSpan, placeholders, without_overlaps
from assay.registry.types.case import Customer, PersonalDataKind, PersonalDatum

__all__ = ["find_by_record", "record_of"]

_NUMBERS = frozenset({"card_number", "iban", "national_id", "phone", "account_number", "customer_number"})
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def record_of(customer: Customer) -> tuple[PersonalDatum, ...]:
    """All personal data of a customer: the listed ones, the name and the customer number."""
    data = [PersonalDatum(kind="name", value=customer.name)] if customer.name.strip() else []
    if customer.customer_number:
        data.append(PersonalDatum(kind="customer_number", value=customer.customer_number))
    return tuple(dict.fromkeys([*data, *customer.personal_data]))


def find_by_record(text: str, data: Iterable[PersonalDatum]) -> tuple[PersonalSpan, ...]:
    """Occurrences of the given data in any usual notation, in order, without overlaps."""
    reading = read(text)
    spans = [PersonalSpan("name", start, end, "") for start, end in placeholders(text)]
    for datum in data:
        for match in _matcher(datum.kind, datum.value).finditer(reading.plain):
            start, end = reading.place(*match.span())
            spans.append(PersonalSpan(datum.kind, start, end, text[start:end]))
    return tuple(span for span in without_overlaps(spans) if span.value)


@lru_cache(maxsize=4096)
def _matcher(kind: PersonalDataKind, value: str) -> re.Pattern[str]:
    """A pattern that finds a value in the notations people use for its kind."""
    value = undisguised(value)[0].strip()
    if kind in _NUMBERS:
        characters = [re.escape(c) for c in value if c.isalnum()]
        if kind == "phone" and len(characters) > 10:
            characters = characters[-10:]
        body = r"[ ().,/_-]{0,3}".join(characters)
        # "+1202..." and "+1 202..." are the same number as "202..."
        return re.compile(rf"(?<!\w)(?:\+?\d{{1,3}})?{body}(?!\w)" if kind == "phone" and body else _alone(body), re.I)
    if kind == "date_of_birth":
        body = "|".join(re.escape(notation).replace(r"\ ", r"\s+") for notation in _date_notations(value))
    elif kind == "address":
        body = _words(value.split(",")[0] if re.search(r"\d", value.split(",")[0]) else value)
    elif kind == "name":
        body = _name(value)
    else:
        body = re.escape(value)
    return re.compile(_alone(body), re.IGNORECASE)


def _alone(body: str) -> str:
    return rf"(?<!\w)(?:{body})(?!\w)" if body else r"(?!)"


def _name(value: str) -> str:
    """Nadia Okafor, Okafor, Nadia, and Ms. Okafor."""
    words = value.split()
    if not words:
        return ""
    last = re.escape(words[-1])
    turned = [rf"{last},?\s+{_words(' '.join(words[:-1]))}"] if len(words) > 1 else []
    return "|".join((_words(value), *turned, rf"(?:mr|mrs|ms|miss|mx|dr)\.?\s+{last}"))


def _words(value: str) -> str:
    return r"[\s,.]+".join(re.escape(word) for word in re.split(r"[\s,.]+", value) if word)


def _date_notations(value: str) -> Iterator[str]:
    yield value
    try:
        day = dt.date.fromisoformat(value)
    except ValueError:
        return
    yield f"{day:%Y%m%d}"
    yield f"{day:%Y/%m/%d}"
    for month in {_MONTHS[day.month - 1], _MONTHS[day.month - 1][:3], f"{_MONTHS[day.month - 1][:3]}."}:
        for number in (str(day.day), f"{day.day}{_ordinal(day.day)}"):
            yield from (f"{month} {number}, {day.year}", f"{month} {number} {day.year}")
            yield from (f"{number} {month} {day.year}", f"{number} of {month} {day.year}")
    for first, second in ((day.month, day.day), (day.day, day.month)):
        for separator in "/.-":
            yield f"{first}{separator}{second}{separator}{day.year}"
            yield f"{first:02d}{separator}{second:02d}{separator}{day.year}"
            yield f"{first:02d}{separator}{second:02d}{separator}{day.year % 100:02d}"


def _ordinal(day: int) -> str:
    return "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
