"""The personal data of a known customer, in whatever notation it is written."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
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
    characters = _characters(reading.plain)
    # An e-mail address may hold the name.
    for datum in sorted(data, key=lambda datum: datum.kind == "name"):
        if _least_of(datum.kind, datum.value) not in characters:
            continue
        for match in _matcher(datum.kind, datum.value).finditer(reading.plain):
            start, end = reading.place(*match.span())
            spans.append(PersonalSpan(datum.kind, start, end, text[start:end]))
    return tuple(span for span in without_overlaps(spans) if span.value)


@lru_cache(maxsize=64)
def _characters(plain: str) -> str:
    return re.sub(r"[\W_]+", "", plain.lower())


@lru_cache(maxsize=4096)
def _least_of(kind: PersonalDataKind, value: str) -> str:
    """Letters and digits that every notation of a value has on end. Most texts do not, and need no closer look."""
    value = undisguised(value)[0].strip()
    if kind == "date_of_birth" and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return value[2:4]
    if kind == "name":
        value = value.split()[-1] if value else ""
    elif kind == "address":
        value = _street(value)
    elif kind == "phone":
        return _characters(value)[-10:]
    return _characters(value)


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
        return re.compile(
            rf"(?<!\w)(?:\+?\d{{1,3}}[ .-]?)?\(?{body}(?!\w)" if kind == "phone" and body else _alone(body), re.I
        )
    if kind == "date_of_birth":
        body = _date(value)
    elif kind == "address":
        body = _address(value)
    elif kind == "name":
        body = _name(value)
    else:
        body = re.escape(value)
    return re.compile(_alone(body), re.IGNORECASE)


def _first_line(address: str) -> str:
    """House number and street where the address begins with them, else all of it."""
    line = address.split(",")[0]
    return line if re.search(r"\d", line) else address


def _street(address: str) -> str:
    """The first line without the house number before it."""
    return re.sub(r"^\W*\d+\w?\s+(?=\D{4})", "", _first_line(address))


def _address(address: str) -> str:
    """The first line; or the street and then the town, which is as much to go by."""
    line, street = _first_line(address), _street(address)
    following = next((part for part in address.split(",")[1:] if re.search(r"[^\W\d]{3}", part)), "")
    if street == line or not following.strip():
        return _words(line)
    return rf"{_words(line)}|{_words(street)}[\s,.]+(?:in\s+)?{_words(following.strip())}"


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


def _date(value: str) -> str:
    """1984-03-12, 12/03/84, March 12th, 1984, 12 of Mar. 1984; day and month in either order, as both are usual."""
    try:
        day = dt.date.fromisoformat(value)
    except ValueError:
        return re.escape(value).replace(r"\ ", r"\s+")
    month = _MONTHS[day.month - 1]
    name = rf"{month[:3]}(?:\.|{month[3:]})?" if month[3:] else month
    number, d, m = f"{day.day}(?:{_ordinal(day.day)})?", f"0?{day.day}", f"0?{day.month}"
    forms = [rf"{day.year}[-/.]?{day:%m}[-/.]?{day:%d}", rf"{name}\s+(?:the\s+)?{number},?\s+(?:in\s+)?{day.year}"]
    forms += [rf"{number}\s+(?:of\s+)?{name},?\s+(?:in\s+)?{day.year}"]
    return "|".join((*forms, rf"(?:{d}[-/. ]{m}|{m}[-/. ]{d})[-/. ](?:{day.year}|{day.year % 100:02d})"))


def _ordinal(day: int) -> str:
    return "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
