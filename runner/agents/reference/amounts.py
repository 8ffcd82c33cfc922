"""Amounts of money as customers write or say them."""

from __future__ import annotations

import re

from assay.runner.agents.reference.dates import SMALL_NUMBERS

__all__ = ["find_amount"]

_MONEY = re.compile(
    r"(?:\$|usd\s?)\s?(\d[\d,]*(?:\.\d+)?)\s*(k\b|thousand|million|grand)?"
    r"|(?<![\d.,$])(\d[\d,]*(?:\.\d+)?)\s*(k|thousand|million|grand)?\s?(?:dollars?|usd|bucks|"
    r"\$)(?:\s+and\s+(\d{1,2})\s+cents)?",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"(?<![\d.,$])(?!401)(\d{1,3}(?:\.\d{1,2})?)\s?k\b", re.IGNORECASE)
_BARE_MONEY = re.compile(r"(?<![\d.,$/:-])(\d{1,6}\.\d{2}|\d{1,3}(?:,\d{3})+(?:\.\d{2})?)(?![\d/:-])")
_PLAIN_NUMBER = re.compile(r"(?<![\d.,$/:-])(\d{1,5}(?:\.\d{1,2})?)(?![\d/:-])(?!(?:st|nd|rd|th)\b)")
_NO_TIME = r"(?![\d/:-])(?!\s*(?:[ap]\.?m\b|o'?clock|st\b|nd\b|rd\b|th\b))"
_LIMITS = tuple(
    re.compile(pattern + _NO_TIME, re.IGNORECASE)
    for pattern in (
        r"\blimit\b.*?\bto\s+(?:be\s+)?(\d{2,5})",
        r"\blimit\b.*?\b(?:at|of|be|is)\s+(\d{2,5})",
        r"\blimit\s+(\d{2,5})",
        r"\bto\s+(\d{2,5})\b.*?\blimit\b",
    )
)
"""A round number beside the word "limit" is an amount even without a currency."""
_CORRECTED = re.compile(
    rf"\b(?:make (?:it|that)|i mean(?:t)?|rather|only|just|instead|to|better|actually)[\s,:]+"
    rf"(?P<a>\d{{1,5}}(?:\.\d{{2}})?){_NO_TIME}"
    r"|^\W*(?:(?:no|sorry|wait|hm+|ok|okay)\W+)*(?P<b>\d{2,5}(?:\.\d{2})?)(?:\W+(?:please|pls|instead|then))?\W*$",
    re.IGNORECASE,
)
_SAID = "|".join([*sorted(SMALL_NUMBERS, key=len, reverse=True), "hundred", "thousand", "grand"])
_SAID_NUMBER = re.compile(
    rf"\b(?:an?\s+(?=hundred|thousand|grand))?((?:{_SAID})(?:(?:[\s-]+|\s+and\s+)(?:{_SAID}))*)\b"
    r"(?P<unit>\s+(?:million\s+)?(?:dollars?|bucks|cents?)\b)?",
    re.IGNORECASE,
)
_LARGE = re.compile(r"\b(?:hundred|thousand|grand)\b", re.IGNORECASE)
_SUM = r"(?:\$|usd)?\s?\d[\d,]*(?:\.\d+)?(?:\s?(?:k\b|thousand|grand))?(?:\s?(?:dollars?|bucks|usd))?"
_THOUSAND = re.compile(r"\d\s?k\b|thousand|grand", re.IGNORECASE)
_PASSED_OVER = re.compile(
    rf"\b(?:not|instead of|rather than)\s+{_SUM}"
    rf"|\bfrom\s+{_SUM}(?=\s+(?:up\s+|down\s+)?to\b)"
    rf"|{_SUM}\s+(?:right now|now|currently|at the moment|at present)\b"
    r"|\b(?:right now|now|currently|at the moment|at present)\s*,?\s+(?:it'?s |it is |is )?(?:at |set at |set to )?"
    rf"{_SUM}",
    re.IGNORECASE,
)
"""Amounts that are named to say what is not wanted: the one that holds now, or the one that was a mistake."""
_TOTAL = re.compile(
    rf"(?P<a>{_SUM})\s*,?\s+(?:all together|altogether|together|in all|all in all|in total|total|combined)\b"
    rf"|\b(?:in total|totals|totaling|totalling|altogether|adds? up to|(?:the|a) (?:total|sum)(?: is| of)?)"
    rf"(?: is| it'?s|,)?\s+(?P<b>{_SUM})",
    re.IGNORECASE,
)
"""Where a customer adds up what they name, the sum is meant and not its first part."""
_COUNTED = re.compile(r"\b(both|two|three|four)\b", re.IGNORECASE)
_COUNTS = {"both": 2, "two": 2, "three": 3, "four": 4}
_CLAUSE_END = re.compile(r"[.!?;]\s|,\s|\n|\b(?:and|but|so|while)\b", re.IGNORECASE)
_ASKED_FOR = re.compile(
    r"\b(?:refund\w*|back|disput\w+|charg\w+|fees?|bill(?:ed)?|took|taken|added|deducted|debited|cost|limit|set|raise|"
    r"lower|increase|put|make it)\b",
    re.IGNORECASE,
)
_OWNED = re.compile(
    r"\b(?:earn\w*|salary|income|saved|savings?|(?:i|we) (?:keep|own|have)|balance|(?:a|per) (?:year|month)|"
    r"in (?:my|that|this|the|our) account|worth)\b",
    re.IGNORECASE,
)
"""What stands beside an amount tells whether it is the one asked about or one that the customer has."""
_CARD_DIGITS = re.compile(
    r"\b(?:end(?:s|ing|ed)?(?: (?:in|with|on))?|last (?:four|4)(?: digits)?|card)\s+\d{4}\b", re.IGNORECASE
)


def find_amount(text: str, *, expected: bool = False, corrected: bool = False) -> float | None:
    """The amount that a message is about, in US dollars.

    Args:
        text: the customer's words, without the dates in them.
        expected: the customer was just asked for an amount, so that a plain number will do.
        corrected: an amount was just read back, so that "make it 300" will do.
    """
    text = _SAID_NUMBER.sub(_in_digits, text)
    wanted = _PASSED_OVER.sub(" ", text)
    total = _TOTAL.search(wanted)
    if total:
        return _number(total["a"] or total["b"])
    found = _best(wanted, expected=expected, corrected=corrected)
    return _best(text, expected=expected, corrected=corrected) if found is None else found


def _best(text: str, *, expected: bool, corrected: bool) -> float | None:
    matches = list(_MONEY.finditer(text))
    if matches:
        return _chosen(text, matches)
    thousands = _THOUSANDS.search(text)
    if thousands:
        return round(float(thousands[1]) * 1000, 2)
    bare = _BARE_MONEY.search(text) or next((m for p in _LIMITS if (m := p.search(text))), None)
    if bare is None and corrected:
        bare = _CORRECTED.search(text)
    if bare is None and expected:
        bare = _PLAIN_NUMBER.search(_CARD_DIGITS.sub(" ", text))
    return None if bare is None else _number(next(filter(None, bare.groups())))


def _chosen(text: str, matches: list[re.Match[str]]) -> float:
    """Of several amounts the one that is asked about; the sum where their number is named ("both fees")."""
    counted = _COUNTED.search(text)
    fits = [_fit(text, match) for match in matches]
    if counted and len(matches) == _COUNTS[counted[1].lower()] and min(fits) >= 0:
        return round(sum(_value(match) for match in matches), 2)
    return _value(matches[fits.index(max(fits))])


def _fit(text: str, match: re.Match[str]) -> int:
    before = [end.end() for end in _CLAUSE_END.finditer(text, 0, match.start())]
    after = _CLAUSE_END.search(text, match.end())
    clause = text[before[-1] if before else 0 : after.start() if after else len(text)]
    return bool(_ASKED_FOR.search(clause)) - 2 * bool(_OWNED.search(clause))


def _value(match: re.Match[str]) -> float:
    value = float((match[1] or match[3]).replace(",", ""))
    unit = (match[2] or match[4] or "").lower()
    scale = 1_000_000 if unit == "million" else 1000 if unit else 1
    return round(value * scale + int(match[5] or 0) / 100, 2)


def _number(text: str) -> float:
    """The value of an amount as `_SUM` finds it, with or without a currency."""
    digits = re.sub(r"[^\d.]", "", text).strip(".")
    return round(float(digits) * (1000 if _THOUSAND.search(text) else 1), 2)


def _in_digits(match: re.Match[str]) -> str:
    """A number in words as digits, where it is clearly one of dollars or cents."""
    unit = match["unit"] or ""
    if not unit and not _LARGE.search(match[1]):
        return match[0]
    total = part = 0
    for word in re.findall(r"[a-z]+", match[1].lower()):
        if word == "hundred":
            part = max(part, 1) * 100
        elif word in {"thousand", "grand"}:
            total, part = total + max(part, 1) * 1000, 0
        else:
            part += SMALL_NUMBERS.get(word, 0)
    return f"{total + part}{unit or ' dollars'}"
