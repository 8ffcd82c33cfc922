"""Personal data that shows by its form."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from assay.registry.pii.numbers import find_cards, find_ibans, find_national_ids
from assay.registry.pii.reading import read
from assay.registry.pii.spans import PersonalSpan, placeholders, without_overlaps
from assay.registry.types.case import PersonalDataKind

__all__ = ["find_by_form"]

_EMAIL = re.compile(r"(?<![\w.+%&'-])\w[\w.+%&'-]*@[\w-]+(?:\.[\w-]+)+")
_SPOKEN_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}(?: dot [\w+-]{1,64}){0,4} ?[(\[]?\b ?at\b ?[)\]]? ?[\w-]{1,63}"
    r"(?: ?[(\[]?\bdot\b[)\]]? ?[\w-]{2,63}){0,3} ?[(\[]?\bdot\b[)\]]? ?"
    r"(?:com|net|org|edu|gov|info|biz|io|ai|app|dev|example|test|invalid|co|uk|us|ca|au|de|fr|es|it|nl|be|ch|ie|eu)\b",
    re.IGNORECASE,
)
_DOT = re.compile(r"\bdot\b", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w-])(?:\+?\d{1,3}[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-]{1,2})\d{3}[ .-]{1,2}\d{4}(?![\w-])"
    r"|(?P<international>(?:\+|(?<![\w-])00(?=[1-9]\d? ))\d{1,3}[ .-]?"
    r"(?:\(0?\d{0,4}\)[ .-]?)?\d(?:[ .-]?\d){6,12})(?!\d)"
    r"|(?<![\w$.,#-])[2-9]\d{2}[2-9]\d{6}(?![\w-])"
    # national forms of Europe: a leading nought, and the area code apart
    r"|(?<![\w$.,#/-])(?:\(0\d{2,4}\) ?|0[1-9]\d{1,3}[ /-])\d{3,4}(?:[ -]?\d{2,4}){1,2}(?![\w-]|[.,/]\d)"
)
_ACCOUNT = re.compile(
    r"(?<!\[)\b(?:account|acct\.?|a/c)(?: (?:number|no\.?|num\.?|#))?[ :#=\"']{0,4}(?:is |of |was )?[:#]?"
    r"((?:\d[ -]?){5,16}\d)(?![\w-])",
    re.IGNORECASE,
)
_CUSTOMER_NUMBER = re.compile(r"(?<![\w$.,-])\d{8}(?![\w-]|[.,]\d)")
_BIRTH = re.compile(
    r"(?<!\[)\b(?:born|date of birth|birth ?date|birthday(?:'s)?|dob|d\.o\.b\.?)(?![\w\]])\W{0,4}"
    r"(?:(?:is|on|was) ){0,2}(?:the )?"
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[/. -]\d{1,2}[/. -]\d{2,4}"
    r"|[A-Z]{3,9}\.? (?:the )?\d{1,2}(?:st|nd|rd|th)?,? \d{4}"
    r"|\d{1,2}(?:st|nd|rd|th)? (?:of )?[A-Z]{3,9},? \d{4})(?!\d)",
    re.IGNORECASE,
)
_STREET = (
    r"\d{1,5}[A-Za-z]? (?:[A-Z][\w'.]{0,24} ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Court|Ct|Lane|Ln|Way|Drive|Dr|"
    r"Boulevard|Blvd|Place|Pl|Terrace|Square|Sq|Close|Crescent|Row|Walk|Parkway|Pkwy|Circle|Cir|Quay|Gardens|Highway|Hwy)\b\.?"
    r"(?:,? (?:Apt|Apartment|Unit|Suite|Flat|#)\.? ?\w{1,6})?"
)
_TOWN = r"[A-Z][\w'.-]{1,24}(?: [A-Z][\w'.-]{1,24}){0,2}"
_POSTCODE = r"(?:[A-Z]{2},? \d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})\b"
_ADDRESS = re.compile(rf"(?<![\w$.,-])(?:{_STREET}|P\.?O\.? ?Box \d{{1,6}}\b)(?P<postal>,? {_TOWN},? {_POSTCODE})?")
_HOME = re.compile(
    r"\b(?:(?:live|lives|living|reside[sd]?|resident|moved|moving) (?:at|in|to)|(?:my|your|his|her|their|home|"
    r"postal|mailing|new|old|billing|shipping|delivery|current|previous|registered) address"
    r"(?: on file)?(?: is| was|:| as| to| of)?"
    r"|(?:my|your) (?:house|home|flat|place) (?:is )?at"
    r"|(?:mail|post|ship|send|deliver)(?:ed)? (?:it |them |the card )?to)"
    r"(?: now)?[ :]{1,2}$",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"\b(?:order|ref(?:erence)?|invoice|tracking|confirmation|ticket|case|claim|booking|transaction|payment|receipt|"
    r"dispute|complaint|application|policy)\.?(?: (?:number|no\.?|id|code|is|was))*[ :#=]{0,3}$",
    re.IGNORECASE,
)
_MONTHS = frozenset({"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"})
_BEFORE = 40
_NUMBER_WORDS_OR_SIGN = re.compile(r"[\d@]|\bat\b.{1,70}\bdot\b", re.IGNORECASE)


@lru_cache(maxsize=2048)
def find_by_form(text: str) -> tuple[PersonalSpan, ...]:
    """Personal data that shows by its form, in order, without overlaps: what `_found` gives first wins.

    Names do not show by their form, and an address only in full or after words such as "your address is". What
    `redact` put into a text is no personal data.
    """
    reading = read(text)
    if not _NUMBER_WORDS_OR_SIGN.search(reading.plain):
        return ()
    hidden = [PersonalSpan("name", start, end, "") for start, end in placeholders(text)]
    spans = list(hidden)
    for kind, start, end in _found(reading.plain):
        first, last = reading.place(start, end)
        spans.append(PersonalSpan(kind, first, last, text[first:last]))
    return tuple(span for span in without_overlaps(spans) if span.value)


_Found = Iterator[tuple[PersonalDataKind, int, int]]


def _found(plain: str) -> _Found:
    if "@" in plain:
        yield from _of("email", (match.span() for match in _EMAIL.finditer(plain)))
    if _DOT.search(plain):
        yield from _of("email", (match.span() for match in _SPOKEN_EMAIL.finditer(plain)))
    yield from _of("iban", find_ibans(plain))
    yield from _of("card_number", find_cards(plain))
    yield from _of("date_of_birth", (match.span(1) for match in _BIRTH.finditer(plain) if _is_day(match[1])))
    yield from _of("national_id", find_national_ids(plain))
    yield from _of("account_number", (match.span(1) for match in _ACCOUNT.finditer(plain)))
    phones = (match for match in _PHONE.finditer(plain) if _is_phone(match))
    yield from _of("phone", (match.span() for match in phones if not _other_number(plain, match)))
    numbers = (match for match in _CUSTOMER_NUMBER.finditer(plain) if not _is_recent_day(match[0]))
    yield from _of("customer_number", (match.span() for match in numbers if not _other_number(plain, match)))
    yield from _of("address", (m.span() for m in _ADDRESS.finditer(plain) if m["postal"] or _is_home(plain, m)))


def _of(kind: PersonalDataKind, spans: Iterable[tuple[int, int]]) -> _Found:
    for start, end in spans:
        yield kind, start, end


def _is_home(plain: str, match: re.Match[str]) -> bool:
    return _HOME.search(plain[max(0, match.start() - _BEFORE) : match.start()]) is not None


def _other_number(plain: str, match: re.Match[str]) -> bool:
    """Whether the words before a number say that it is an order's, a payment's or the like."""
    return _OTHER_NUMBER.search(plain[max(0, match.start() - _BEFORE) : match.start()]) is not None


def _is_phone(match: re.Match[str]) -> bool:
    """Whether an international number can be dialled; national ones have shown by their groups."""
    number = match["international"]
    if not number:
        return True
    import phonenumbers

    digits = "".join(c for c in number.replace("(0)", "") if c.isdigit())
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse("+" + digits.removeprefix("00")))
    except phonenumbers.NumberParseException:
        return False


def _is_recent_day(digits: str) -> bool:
    """Whether eight digits are a day on which a payment, not a customer, may have come: 20260304."""
    try:
        return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year in range(2015, 2100)
    except ValueError:
        return False


def _is_day(written: str) -> bool:
    """Whether what stands after "born" can be a day: words have to be a month."""
    word = re.search(r"[A-Za-z]{3,}", written)
    return word is None or word[0][:3].casefold() in _MONTHS
