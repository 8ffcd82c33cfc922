"""What a customer's message tells: numbers, dates, amounts, names, as the arguments of tools."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection

from assay.runner.agents.reference.dates import (
    SMALL_NUMBERS,
    FoundDate,
    find_dates,
    find_month,
    find_time,
    spoken_to_digits,
)

__all__ = ["Slots", "extract", "reply_of"]

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
    r"number|it'?s)"
    r"[\s:,]*(?:is\s+)?[x*•.#]*\s*(\d{4})(?![\d/.:-]*\d)",
    re.IGNORECASE,
)
_FOUR_DIGITS = re.compile(r"(?<![\d$.,/-])(\d{4})(?![\d/:-]|[.,]\d)")
_MONEY = re.compile(
    r"(?:\$|usd\s?)\s?(\d[\d,]*(?:\.\d+)?)\s*(k\b|thousand|million|grand)?"
    r"|(?<![\d.,$])(\d[\d,]*(?:\.\d+)?)\s*(k|thousand|million|grand)?\s?(?:dollars?|usd|bucks|"
    r"\$)(?:\s+and\s+(\d{1,2})\s+cents)?",
    re.IGNORECASE,
)
_BARE_MONEY = re.compile(r"(?<![\d.,$/:-])(\d{1,6}\.\d{2}|\d{1,3}(?:,\d{3})+(?:\.\d{2})?)(?![\d/:-])")
_PLAIN_NUMBER = re.compile(r"(?<![\d.,$/:-])(\d{1,5}(?:\.\d{1,2})?)(?![\d/:-])(?!(?:st|nd|rd|th)\b)")
_SAID_MONEY = re.compile(
    rf"\b({'|'.join(SMALL_NUMBERS)})\b(?=\s+(?:thousand|grand|million)?\s*(?:dollars?|bucks)\b)", re.IGNORECASE
)
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
    rf"({_NAME})\s+(?:has |have |just |then )?(?:charged|billed|took|debited|double|overcharged|never|charge)\b"
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
_LEAD_IN = re.compile(
    r"^(?:(?:hi|hello|ok(?:ay)?|sure|yes|yeah|well|um+|uh+|so|sorry|oh|and)[,.! ]+)*(?:(?:it(?:'s| is| was)|"
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


def extract(message: str, today: dt.date, expecting: Collection[str] = ()) -> Slots:
    """Everything in a message that could be an argument of a tool.

    Args:
        message: the customer's words.
        today: the day of the conversation, from which "next Tuesday" is counted.
        expecting: arguments that the customer was just asked for; for those, a bare answer will do.
    """
    text = spoken_to_digits(message)
    found: Slots = {}
    dates = find_dates(text, today)
    _identity(text, dates, today, found)
    _schedule(text, dates, today, found)
    rest = _without(text, dates)
    _card(rest, found, expecting)
    _money(rest, found, expecting)
    _address(message, found, expecting)
    _merchant(message, found, expecting)
    _appointment(text, found, expecting)
    return found


def reply_of(message: str) -> str:
    """The message without what people say before an answer, such as "well, it's"."""
    return _LEAD_IN.sub("", message.strip(), count=1).strip(" .!\n\"'")


def _identity(text: str, dates: list[FoundDate], today: dt.date, found: Slots) -> None:
    number = _CUSTOMER_NUMBER.search(_LONG_CARD.sub(" ", _without(text, dates)))
    if number:
        found["customer_number"] = re.sub(r"\D", "", number[0])
    birth = next((d for d in dates if d.with_year and d.date.year <= today.year - 10), None)
    if birth:
        found["date_of_birth"] = birth.date.isoformat()


def _schedule(text: str, dates: list[FoundDate], today: dt.date, found: Slots) -> None:
    coming = [d for d in dates if d.date >= today]
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


def _card(text: str, found: Slots, expecting: Collection[str]) -> None:
    long = _LONG_CARD.search(text)
    text = text if long else _CUSTOMER_NUMBER.sub(" ", text)
    match = _LAST4.search(text)
    if long:
        found["card_last4"] = re.sub(r"\D", "", long[0])[-4:]
    elif match:
        found["card_last4"] = match[1]
    elif "card_last4" in expecting and (bare := _FOUR_DIGITS.search(text)):
        found["card_last4"] = bare[1]


def _money(text: str, found: Slots, expecting: Collection[str]) -> None:
    match = _MONEY.search(_SAID_MONEY.sub(lambda said: str(SMALL_NUMBERS[said[1].lower()]), text))
    if match:
        value = float((match[1] or match[3]).replace(",", ""))
        unit = (match[2] or match[4] or "").lower()
        scale = 1_000_000 if unit == "million" else 1000 if unit else 1
        found["amount"] = round(value * scale + int(match[5] or 0) / 100, 2)
        return
    bare = _BARE_MONEY.search(text)
    if bare is None and "amount" in expecting:
        bare = _PLAIN_NUMBER.search(text)
    if bare:
        found["amount"] = round(float(bare[1].replace(",", "")), 2)


def _address(text: str, found: Slots, expecting: Collection[str]) -> None:
    match = _ADDRESS.search(text)
    if match:
        end = _ADDRESS_END.search(match[2])
        found["new_address"] = (match[1] + (match[2][: end.start()] if end else match[2])).strip(" ,.\n")
    elif "new_address" in expecting:
        reply = reply_of(text)
        if re.search(r"\d", reply) and re.search(r"[A-Za-z]{3}", reply) and not _CUSTOMER_NUMBER.search(reply):
            found["new_address"] = reply


def _merchant(text: str, found: Slots, expecting: Collection[str]) -> None:
    for pattern in (_MERCHANT_BEFORE, _MERCHANT_AFTER):
        for match in pattern.finditer(text):
            name = match[1].strip(" .,'’-")
            if not _NOT_MERCHANTS.match(name) and re.search(r"[A-Za-z]{2}", name):
                found["merchant"] = name
                return
    if "merchant" not in expecting:
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
    account = re.search(r"\b(savings?|current|checking)\b", flat)
    if account:
        found["account"] = "savings" if account[1].startswith("saving") else "current"
    topic = _TOPIC.search(text)
    if topic:
        found["topic"] = topic[1].strip()


def _without(text: str, dates: list[FoundDate]) -> str:
    """The text with dates blanked out, so that their digits are not read as something else."""
    for date in dates:
        text = text[: date.start] + " " * (date.end - date.start) + text[date.end :]
    return text
