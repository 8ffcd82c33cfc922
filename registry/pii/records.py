"""The personal data of a known customer, in whatever notation it is written."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
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


_BETWEEN_DIGITS = re.compile(r"[ ().,/_-]{0,3}")
_BETWEEN_WORDS = re.compile(r"[\s,.]+")
_COMMA = re.compile(r",?\s+")
_TITLE = re.compile(r"(?:mr|mrs|ms|miss|mx|dr)\.?\s+", re.IGNORECASE)


def record_of(customer: Customer) -> tuple[PersonalDatum, ...]:
    """All personal data of a customer: the listed ones, the name and the customer number."""
    return _record(customer.name, customer.customer_number, customer.personal_data)


@lru_cache(maxsize=256)
def _record(name: str, number: str | None, others: tuple[PersonalDatum, ...]) -> tuple[PersonalDatum, ...]:
    data = [PersonalDatum(kind="name", value=name)] if name.strip() else []
    if number:
        data.append(PersonalDatum(kind="customer_number", value=number))
    return tuple(dict.fromkeys([*data, *others]))


def find_by_record(text: str, data: Iterable[PersonalDatum]) -> tuple[PersonalSpan, ...]:
    """Occurrences of the given data in any usual notation, in order, without overlaps."""
    reading = read(text)
    spans = [PersonalSpan("name", start, end, "") for start, end in placeholders(text)]
    characters = _characters(reading.plain)
    # An e-mail address may hold the name.
    for datum in sorted(data, key=lambda datum: datum.kind == "name"):
        if _least_of(datum.kind, datum.value) not in characters:
            continue
        for place in _places(datum.kind, datum.value, reading.plain):
            start, end = reading.place(*place)
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


_Form = tuple[re.Pattern[str], ...]
"""A notation of a value: patterns that follow one another. None leaves a choice to the ones before it."""


def _places(kind: PersonalDataKind, value: str, plain: str) -> Iterator[tuple[int, int]]:
    """Where a value stands by itself in a reading, in one of the notations people use for its kind."""
    forms, done = _forms(kind, value), 0
    for start in sorted({match.start() for form in forms for match in form[0].finditer(plain)}):
        if start < done or _is_of_word(plain[start - 1 : start]):
            continue
        ends = (_end_of(form, plain, start) for form in forms)
        end = next((end for end in ends if end is not None and not _is_of_word(plain[end : end + 1])), None)
        if end is not None:
            yield start, end
            done = end


def _end_of(form: _Form, plain: str, start: int) -> int | None:
    """Where a notation that begins at `start` ends; None where it does not stand there."""
    for pattern in form:
        match = pattern.match(plain, start)
        if match is None:
            return None
        start = match.end()
    return start


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_"


@lru_cache(maxsize=4096)
def _forms(kind: PersonalDataKind, value: str) -> tuple[_Form, ...]:
    """The notations of a value, the preferred one first. Made of patterns that values share, which are dear to make."""
    value = undisguised(value)[0].strip()
    if kind == "name":
        return _name(value)
    if kind == "phone":
        return _phone(value)
    if kind in _NUMBERS:
        characters = [_literal(c) for c in value if c.isalnum()]
        return (_joined(characters, _BETWEEN_DIGITS),) if characters else ()
    if kind in ("date_of_birth", "address"):
        return ((_alone(_date(value) if kind == "date_of_birth" else _address(value)),),)
    return ((_literal(value),),) if value else ()


@lru_cache(maxsize=4096)
def _literal(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text), re.IGNORECASE)


def _joined(parts: Sequence[re.Pattern[str]], between: re.Pattern[str]) -> _Form:
    return tuple(pattern for part in parts for pattern in (between, part))[1:]


def _phone(value: str) -> tuple[_Form, ...]:
    """The last ten digits: "+1202..." and "+1 202..." are the same number as "202..."."""
    body = r"[ ().,/_-]{0,3}".join([re.escape(c) for c in value if c.isalnum()][-10:])
    return ((_alone(rf"(?:\+?\d{{1,3}}[ .-]?)?\(?{body}"),),) if body else ()


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


def _alone(body: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{body})(?!\w)" if body else r"(?!)", re.IGNORECASE)


def _name(value: str) -> tuple[_Form, ...]:
    """Nadia Okafor; Okafor, Nadia; and Ms. Okafor."""
    *first, last = value.split() or [""]
    if not last:
        return ()
    turned = (_literal(last), _COMMA, *_joined(_literals(" ".join(first)), _BETWEEN_WORDS))
    forms = (_joined(_literals(value), _BETWEEN_WORDS), turned if first else (), (_TITLE, _literal(last)))
    return tuple(form for form in forms if form)


def _literals(value: str) -> list[re.Pattern[str]]:
    return [_literal(word) for word in _BETWEEN_WORDS.split(value) if word]


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
