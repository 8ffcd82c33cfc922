"""Personal data in text: finding it and blacking it out.

Two ways of finding: by form (a card number is 13 to 19 digits that satisfy the Luhn formula, an IBAN leaves 1
modulo 97), and by value (a customer's record says what to look for, in whatever notation it is written).
Checksums follow ISO/IEC 7812-1, annex B, and ISO 13616-1; US social security numbers follow the rules of the
Social Security Administration on numbers never assigned.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

from assay.registry.types.base import JsonValue
from assay.registry.types.case import Customer, PersonalDataKind, PersonalDatum

__all__ = [
    "PersonalSpan",
    "find_by_form",
    "find_by_record",
    "is_card_number",
    "is_iban",
    "record_of",
    "redact",
    "redact_json",
    "undisguised",
]


@dataclass(frozen=True, slots=True)
class PersonalSpan:
    """A piece of personal data at `text[start:end]`. `value` is how it is written there."""

    kind: PersonalDataKind
    start: int
    end: int
    value: str


def is_card_number(text: str) -> bool:
    """Whether the digits of `text` satisfy the Luhn formula and are as many as a card number has (13 to 19)."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether `text`, white space, dots and dashes apart, has the form of an IBAN and leaves 1 modulo 97."""
    plain = re.sub(r"[\s.-]", "", text).upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain):
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _is_ssn(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _any(text: str) -> bool:
    return True


_KINDS = frozenset(get_args(PersonalDataKind)) - {"name"}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

_FORMS: tuple[tuple[PersonalDataKind, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), _any),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?:[ .-]?[A-Z0-9]{2,4}){3,8}\b", re.IGNORECASE), is_iban),
    ("card_number", re.compile(r"(?<![\w-])\d(?:[ .,/-]{0,2}\d){12,18}(?![\w-])"), is_card_number),
    ("national_id", re.compile(r"(?<![\d-])\d{3}([-. /]|, )\d{2}\1\d{4}(?![\d-])"), _is_ssn),
    (
        "national_id",
        re.compile(r"(?:social security(?: number)?|ssn)\W{0,3}(?:is |no\.? )?(\d{9})(?!\d)", re.IGNORECASE),
        _is_ssn,
    ),
    (
        "phone",
        re.compile(
            r"(?<![\w-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{3}\)[ ]?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
            r"|\+\d{1,3}[ .-]?(?:\(0?\d{0,4}\)[ .-]?)?\d(?:[ .-]?\d){7,12}(?!\d)"
            r"|(?<![\w$.,#-])[2-9]\d{2}[2-9]\d{6}(?![\w-])"
            # national forms of Europe: a leading nought, and the area code apart
            r"|(?<![\w$.,#/-])(?:\(0\d{2,4}\) ?|0[1-9]\d{1,3}[ /-])\d{3,4}(?:[ -]?\d{2,4}){1,2}(?![\w-]|[.,/]\d)"
        ),
        _any,
    ),
    (
        "account_number",
        re.compile(r"\baccount (?:number|no\.?)\W{0,3}(?:is |of )?((?:\d[ -]?){5,16}\d)(?![\w-])", re.IGNORECASE),
        _any,
    ),
    ("customer_number", re.compile(r"(?<![\w$.,-])\d{8}(?![\w-]|[.,]\d)"), _any),
    (
        "date_of_birth",
        re.compile(
            r"\b(?:born|date of birth|dob|birth ?date|birthday)\b\W{0,3}(?:is |on |was )*"
            r"(\d{4}-\d{2}-\d{2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|[A-Z][a-z]{2,8}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}"
            r"|\d{1,2}(?:st|nd|rd|th)? (?:of )?[A-Z][a-z]{2,8},? \d{4})",
            re.IGNORECASE,
        ),
        _any,
    ),
)


def find_by_form(text: str) -> tuple[PersonalSpan, ...]:
    """Personal data that shows by its form, in order, without overlaps: what is listed first in `_FORMS` wins."""
    plain, places = undisguised(text)
    found: list[PersonalSpan] = []
    for kind, pattern, is_valid in _FORMS:
        for match in pattern.finditer(plain):
            group = match.lastindex if match.lastindex and len(match[match.lastindex]) > 1 else 0
            if is_valid(match[group]):
                start, end = places[match.start(group)], places[match.end(group) - 1] + 1
                found.append(PersonalSpan(kind, start, end, text[start:end]))
    return _without_overlaps(found)


def undisguised(text: str) -> tuple[str, Sequence[int]]:
    """The text as a person reads it (no invisible characters, full-width and other digits as plain ones, every
    dash and space the plain one), and where in `text` each of its characters stands.
    """
    if text.isascii():
        return text, range(len(text))
    plain: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if category == "Cf":
            continue
        folded = {"Pd": "-", "Zs": " "}.get(category) or unicodedata.normalize("NFKC", character)
        digit = unicodedata.digit(character, None)
        folded = str(digit) if digit is not None else folded
        plain.append(folded if len(folded) == 1 else character)
        places.append(place)
    return "".join(plain), places


def record_of(customer: Customer) -> tuple[PersonalDatum, ...]:
    """All personal data of a customer: the listed ones, the name and the customer number."""
    data = [PersonalDatum(kind="name", value=customer.name)] if customer.name.strip() else []
    if customer.customer_number:
        data.append(PersonalDatum(kind="customer_number", value=customer.customer_number))
    return tuple(dict.fromkeys([*data, *customer.personal_data]))


def find_by_record(text: str, data: Iterable[PersonalDatum]) -> tuple[PersonalSpan, ...]:
    """Occurrences of the given data in any usual notation, in order, without overlaps."""
    found = (
        PersonalSpan(datum.kind, match.start(), match.end(), match[0])
        for datum in data
        for match in _matcher(datum.kind, datum.value).finditer(text)
    )
    return _without_overlaps(found)


def redact(text: str, customer: Customer | None = None) -> str:
    """`text` with personal data replaced by its kind in brackets, such as `[card number]`.

    With a customer, everything in the customer's record is replaced too. Redacting twice changes nothing more.
    """
    known = find_by_record(text, record_of(customer)) if customer else ()
    parts, end = list[str](), 0
    for span in _without_overlaps([*known, *find_by_form(text)]):
        parts += (text[end : span.start], f"[{span.kind.replace('_', ' ')}]")
        end = span.end
    return "".join((*parts, text[end:]))


def redact_json(value: JsonValue, customer: Customer | None = None) -> JsonValue:
    """`value` with all text in it redacted, and what stands under the name of a kind of personal data replaced."""
    if isinstance(value, str):
        return redact(value, customer)
    if isinstance(value, list):
        return [redact_json(item, customer) for item in value]
    if isinstance(value, dict):
        return {
            key: f"[{key.replace('_', ' ')}]"
            if key in _KINDS and isinstance(item, str)
            else redact_json(item, customer)
            for key, item in value.items()
        }
    return value


def _without_overlaps(spans: Iterable[PersonalSpan]) -> tuple[PersonalSpan, ...]:
    """The spans in order of place; of two that overlap the one given first stays."""
    kept: list[PersonalSpan] = []
    for span in spans:
        place = bisect_left(kept, span.start, key=lambda other: other.start)
        after_one = place > 0 and kept[place - 1].end > span.start
        before_one = place < len(kept) and kept[place].start < span.end
        if not after_one and not before_one:
            kept.insert(place, span)
    return tuple(kept)


@lru_cache(maxsize=4096)
def _matcher(kind: PersonalDataKind, value: str) -> re.Pattern[str]:
    """A pattern that finds a value in the notations people use for its kind."""
    if kind in ("card_number", "iban", "national_id", "phone", "account_number", "customer_number"):
        characters = [re.escape(c) for c in value if c.isalnum()]
        if kind == "phone" and len(characters) > 10:
            characters = characters[-10:]
        body = r"[\s().-]{0,2}".join(characters)
    elif kind == "date_of_birth":
        body = "|".join(re.escape(notation).replace(r"\ ", r"\s+") for notation in _date_notations(value))
    elif kind == "address":
        body = _words(value.split(",")[0] if re.search(r"\d", value.split(",")[0]) else value)
    elif kind == "name":
        last = re.escape(value.split()[-1]) if value.split() else ""
        body = rf"{_words(value)}|(?:mr|mrs|ms|miss|mx|dr)\.?\s+{last}"
    else:
        body = re.escape(value)
    return re.compile(rf"(?<!\w)(?:{body})(?!\w)" if body else r"(?!)", re.IGNORECASE)


def _words(value: str) -> str:
    return r"[\s,.]+".join(re.escape(word) for word in re.split(r"[\s,.]+", value) if word)


def _date_notations(value: str) -> Iterator[str]:
    yield value
    try:
        day = dt.date.fromisoformat(value)
    except ValueError:
        return
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
