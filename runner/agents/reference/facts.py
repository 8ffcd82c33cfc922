"""What a customer's message tells: numbers, dates, amounts, names, as the arguments of tools."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Mapping

from assay.runner.agents.reference.amounts import find_amount
from assay.runner.agents.reference.dates import (
    SMALL_NUMBERS,
    FoundDate,
    find_dates,
    find_month,
    find_time,
    spoken_to_digits,
)
from assay.runner.agents.reference.replies import is_evasive

__all__ = ["Slots", "extract", "reply_of", "without_identity"]

Slots = dict[str, str | float]
"""Argument name to value."""

BRANCHES = ("Harbor Street", "Mill Road", "Northgate", "Old Quay")

_CUSTOMER_NUMBER = re.compile(
    r"(?<![\d$./-])(?:\d{8}|\d{4}[ -]\d{4}|\d{2}[ -]\d{3}[ -]\d{3}|\d{3}[ -]\d{3}[ -]\d{2}|"
    r"(?:\d{2}[ -]){3}\d{2})(?![\d/])"
)
_LONG_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,15}\d(?!\d)")
_LAST4 = re.compile(
    r"(?:end(?:s|ing|ed)?(?: (?:in|with|on))?|last (?:four|4)(?: digits)?(?: (?:are|is|of it))?|card(?: number)?|"
    r"block|freeze|number|it'?s)"
    r"[\s:,]*(?:is\s+)?[x*•.#]*\s*(\d{4})(?![\d/.:-]*\d)",
    re.IGNORECASE,
)
_FOUR_DIGITS = re.compile(r"(?<![\d$.,/-])(\d{4})(?![\d/:-]|[.,]\d)")
_REFERENCE = re.compile(r"\bapt[\s\-#:]*(\d{5})\b", re.IGNORECASE)
_FIVE_DIGITS = re.compile(r"(?<!\d)(\d{5})(?!\d)")
_STREET = (
    r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|pl|terrace|ter|square|sq|"
    r"circle|cir|"
    r"parkway|pkwy|highway|hwy|quay|row|crescent|trail|loop|alley|path|walk|heights|hill|plaza|pike|broadway)"
)
_ADDRESS = re.compile(
    rf"(?<![\d$.,-])(\d{{1,6}}[a-z]?\s+(?:[\w'.-]+\s+){{0,4}}?{_STREET}\b\.?|p\.?\s?o\.?\s+box\s+\d+)(.*)",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER_WORD = "(?:" + "|".join(sorted(SMALL_NUMBERS, key=len, reverse=True)) + ")"
_SAID_HOUSE = re.compile(
    rf"\b({_NUMBER_WORD}(?:[\s-]+{_NUMBER_WORD})*)(?=\s+(?:[\w'-]+\s+){{1,3}}?{_STREET}\b)", re.IGNORECASE
)
_ZIP = re.compile(r"\b\d{5}\b")
_FILLER = re.compile(
    r"\b(?:that(?:'s| is)|it(?:'s| is)|in|the|zip(?: code)?|city(?: of)?|state(?: of)?|and|um+|uh+)\b|[.;]",
    re.IGNORECASE,
)
_ADDRESS_END = re.compile(
    r"(?<!\b[A-Z])(?<!\b[SR]t)(?<!\bA[vp]e)(?<!\bApt)(?<!\bRd)(?<!\bDr)(?<!\bLn)(?<!\bBlvd)[.!?;](?=\s|$)|\n|\s[-–—]\s"
    r"|,?\s+\b(?:and|my|please|thanks|thank|starting|from|as of|effective|since|instead|customer|born|dob|"
    r"date of birth|"
    r"because|so|but|it's|i|we|is|the|if|can|could|with)\b",
)
_NAME = r"(?:[A-Z0-9][\w&'’.-]*)(?:\s+(?:(?:of|and|the|de|la|&)\s+)*[A-Z&][\w&'’.-]*)*"
_MERCHANT_AFTER = re.compile(
    rf"\b(?:from|at|by|to|with|called|named|merchant(?: is| was|:)?|shop(?: is)?|for)\s+(?:the |a |an )?({_NAME})"
)
_MERCHANT_BEFORE = re.compile(
    rf"({_NAME})\s+(?:has |have |just |then )?(?:charged|billed|took|debited|double|overcharged|never|charge|"
    r"added|deducted|withdrew|refuses)\b"
)
_LOWER_MERCHANT = re.compile(
    r"\b(?:from|at|by|to|called|named|merchant(?: is| was|:)?)\s+(?:the |a |"
    r"an )?([a-z][\w&'.-]*(?: [a-z&][\w&'.-]*){0,2}?)"
    r"(?=\s*(?:[,.;!?]|$|\s(?:on|for|that|which|and|but|charged|i|of|was|is|last|yesterday)\b|\s\$?\d))"
)
_NOT_MERCHANTS = re.compile(
    r"^(?:\d{1,2}(?:[ap]m|st|nd|rd|th)?\b|I|My|Me|It|The|This|That|Harborline|USD|APT|Customer|January|February|"
    r"March|April|May|June|July|August|September|"
    r"October|November|December|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|Harbor Street|Mill Road|"
    r"Northgate|Old Quay|Yes|No|And|But|They|He|She|We|You|Someone|Somebody|Hi|Hello|Dear)\b"
)
_MERCHANT_NAMED = re.compile(rf":\s*(?:the |a )?({_NAME})\s*[.!]?\s*$")
_LEAD_IN = re.compile(
    r"^(?:(?:hi|hello|ok(?:ay)?|sure|of course|yes|yeah|well|um+|uh+|so|sorry|oh|and)[,.! ]+)*(?:(?:it(?:'s| is| was)|"
    r"that(?:'s| is| was)|"
    r"the (?:merchant|shop|store|company|address|new address|charge|name|one)(?: is| was)?|my new address is|"
    r"(?:please )?(?:change|update) it to|called|named|from|at|by)\s+)*(?:the shop |a shop |called )?",
    re.IGNORECASE,
)
_TOPIC = re.compile(
    r"\b(?:about|regarding|discuss|talk about|concerning|to (?:open|set up|apply for)|for (?:a|an|my|"
    r"our))\s+([a-z][^.,;!?\n]{2,60})",
    re.IGNORECASE,
)

_ACCOUNT = re.compile(r"\b(savings?|current|checking)\b")
_LONGEST_PLACE = 8
"""Words of a city, a state and a ZIP code."""


def extract(message: str, today: dt.date, expecting: Collection[str] = (), correcting: Collection[str] = ()) -> Slots:
    """Everything in a message that could be an argument of a tool.

    Args:
        message: the customer's words.
        today: the day of the conversation, from which "next Tuesday" is counted.
        expecting: arguments that the customer was just asked for; for those, a bare answer will do.
        correcting: arguments that were just read back, with their values, and may be put right in few words.
    """
    text = spoken_to_digits(message)
    found: Slots = {}
    dates = [d for d in find_dates(text, today) if not _turned_down(text, d)]
    _identity(text, dates, today, found)
    _schedule(text, dates, today, found)
    rest = _without(text, dates)
    _card(rest, found, expecting, correcting)
    amount = find_amount(rest, expected="amount" in expecting, corrected="amount" in correcting)
    if amount is not None:
        found["amount"] = amount
    _address(message, found, "new_address" in expecting, "new_address" in correcting)
    _merchant(message, found, "merchant" in expecting and not is_evasive(message), "merchant" in correcting)
    _appointment(text, found, expecting)
    return found


def reply_of(message: str) -> str:
    """The message without what people say before an answer, such as "well, it's"."""
    return _LEAD_IN.sub("", message.strip(), count=1).strip(" .!\n\"'")


def without_identity(message: str, today: dt.date) -> str:
    """The message without customer numbers and dates, to tell what is asked for beside them."""
    text = spoken_to_digits(message)
    return _CUSTOMER_NUMBER.sub(" ", _without(text, find_dates(text, today)))


def _identity(text: str, dates: list[FoundDate], today: dt.date, found: Slots) -> None:
    number = _CUSTOMER_NUMBER.search(_LONG_CARD.sub(" ", _without(text, dates)))
    if number:
        found["customer_number"] = re.sub(r"\D", "", number[0])
    birth = next((d for d in dates if d.with_year and d.date.year <= today.year - 10), None)
    if birth:
        found["date_of_birth"] = birth.date.isoformat()


def _schedule(text: str, dates: list[FoundDate], today: dt.date, found: Slots) -> None:
    coming = [d for d in dates if d.date >= today]
    coming = [d for d in coming if not (is_evasive(text) and not re.search(r"\d", text[d.start : d.end]))]
    # A plain date beats a weekday beside it; the last one named is the one that is wanted ("from Monday to Friday").
    if coming:
        found["date"] = coming[-1].date.isoformat()
    blanked = _without(text, dates)
    time = find_time(blanked)
    if time:
        found["time"] = time
    births = [d for d in dates if d.with_year and d.date.year <= today.year - 10]
    month = find_month(_without(text, births), today)
    if month:
        found["month"] = month


def _card(text: str, found: Slots, expecting: Collection[str], correcting: Collection[str]) -> None:
    long = _LONG_CARD.search(text)
    text = text if long else _CUSTOMER_NUMBER.sub(" ", text)
    named = [match[1] for match in _LAST4.finditer(text)]
    bare = _FOUR_DIGITS.findall(text) if {"card_last4"} & {*expecting, *correcting} else []
    if long:
        found["card_last4"] = re.sub(r"\D", "", long[0])[-4:]
        return
    held = correcting.get("card_last4") if isinstance(correcting, Mapping) else None
    if held is not None:
        # What was read back is repeated to say that it is wrong: "4417 is another card, mine is 4471".
        fresh = [digits for digits in [*named, *bare] if digits != held]
        named, bare = fresh or named, fresh or bare
    if named or bare:
        found["card_last4"] = (named or bare)[-1 if held is not None else 0]


def _turned_down(text: str, date: FoundDate) -> bool:
    """Whether a date is named to say that it is not wanted: "not the Tuesday"."""
    return not date.with_year and bool(
        re.search(r"\bnot (?:on )?(?:the |this |next )?$", text[: date.start], re.IGNORECASE)
    )


def _address(text: str, found: Slots, expected: bool, corrected: bool) -> None:
    if expected or corrected:
        text = _SAID_HOUSE.sub(_house_number, text)
    match = _ADDRESS.search(text)
    if match:
        end = _ADDRESS_END.search(match[2])
        rest = match[2][: end.start()] if end else match[2]
        further = "" if not expected or _ZIP.search(rest) else _further(match[2])
        found["new_address"] = (match[1].rstrip(".") + further if further else match[1] + rest).strip(" ,.\n")
    elif expected and not is_evasive(text):
        reply = reply_of(text)
        if re.search(r"\d", reply) and re.search(r"[A-Za-z]{3}", reply) and not _CUSTOMER_NUMBER.search(reply):
            found["new_address"] = reply


def _house_number(match: re.Match[str]) -> str:
    return str(sum(SMALL_NUMBERS[word] for word in re.findall(r"[a-z]+", match[1].lower())))


def _further(text: str) -> str:
    """City and ZIP code that are given in a sentence of their own; nothing where there is no ZIP code."""
    zip_code = _ZIP.search(text)
    tail = " ".join(_FILLER.sub(" ", text[: zip_code.end()]).split()) if zip_code else ""
    return f", {tail}" if 0 < len(tail.split()) <= _LONGEST_PLACE else ""


def _merchant(text: str, found: Slots, expected: bool, corrected: bool) -> None:
    named = _MERCHANT_NAMED.search(text) if expected or corrected else None
    if named:
        found["merchant"] = named[1].strip(" .,'’-")
        return
    for pattern in (_MERCHANT_BEFORE, _MERCHANT_AFTER):
        for match in pattern.finditer(text):
            name = match[1].strip(" .,'’-")
            if not _NOT_MERCHANTS.match(name) and re.search(r"[A-Za-z]{2}", name):
                found["merchant"] = name
                return
    if not expected:
        return
    lower = _LOWER_MERCHANT.search(text)
    reply = re.split(r"[,;.]\s|\s(?:on|for)\s|\s\$", lower[1] if lower else reply_of(text))[0].strip(" .,")
    if re.search(r"[A-Za-z]{2}", reply) and len(reply.split()) <= 5:
        found["merchant"] = reply


def _appointment(text: str, found: Slots, expecting: Collection[str]) -> None:
    reference = _REFERENCE.search(text)
    if reference is None and "reference" in expecting:
        reference = _FIVE_DIGITS.search(text)
    if reference:
        found["reference"] = f"APT-{reference[1]}"
    flat = " ".join(text.lower().split())
    branch = next((name for name in BRANCHES if name.lower() in flat or name.lower().replace(" ", "") in flat), None)
    if branch:
        found["branch"] = branch
    account = _account(flat)
    if account:
        found["account"] = "savings" if account.startswith("saving") else "current"
    topic = _TOPIC.search(text)
    if topic:
        found["topic"] = topic[1].strip()


def _account(flat: str) -> str | None:
    """The account that is asked about: of several, the one in the question."""
    asked = " ".join(re.findall(r"[^.!?]*\?", flat))
    found = _ACCOUNT.search(asked) or _ACCOUNT.search(flat)
    return found[1] if found else None


def _without(text: str, dates: list[FoundDate]) -> str:
    """The text with dates blanked out, so that their digits are not read as something else."""
    for date in dates:
        text = text[: date.start] + " " * (date.end - date.start) + text[date.end :]
    return text
