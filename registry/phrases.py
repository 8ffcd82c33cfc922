"""Text as scorers and data checks compare it: what looks equal to a reader is equal here.

- `normalise` undoes what only a machine would notice: Unicode compatibility forms, zero-width characters,
  look-alike letters of other alphabets, typographic quotes and dashes, Markdown emphasis, white space, case.
- `canonical` also writes amounts, dates and times of day in one way: "$1,250.40", "1250.40 USD" and
  "USD 1,250.40" are `$1250.40`; "March 4, 2026" and "4 March 2026" are `2026-03-04`; "2:30 PM" is `14:30`.
  "03/04/2026" stays as it is: nobody can tell which day it means.
- `contains_phrase` finds a phrase between word boundaries in either form. A number ends where its digits end:
  "$12" is neither in "$120" nor in "$12.50", and "12" is not in "1284". "can" is not in "can't".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

__all__ = [
    "amounts",
    "canonical",
    "contains_any",
    "contains_digits",
    "contains_phrase",
    "mentions",
    "normalise",
    "plain_punctuation",
    "quote_of",
    "sentences",
]

_LOOK_ALIKES = str.maketrans(
    # Cyrillic, then Greek
    "асеһіјӏорԛѕԝхуАВСЕНІЈКМОРЅТХУ" + "αινορυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "acehijlopqswxyABCEHIJKMOPSTXY" + "aivopuABEZHIKMNOPTYX",
)
_TYPOGRAPHIC = str.maketrans(
    {**dict.fromkeys("‘’‚‛′ʼ´", "'"), **dict.fromkeys("“”„‟″", '"'), **dict.fromkeys("‐‑‒–—―−", "-")}
)
_PUNCTUATION = _TYPOGRAPHIC | str.maketrans({"«": '"', "»": '"', "…": "...", "*": None, "`": None})
_FOREIGN = re.compile(r"[\u0370-\u03ff\u0400-\u052f]")
_WORD = re.compile(r"\w+")
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
}
"""What Unicode has no glyph for beside format characters: joiners, fillers, variation selectors (DerivedCoreProperties,
Default_Ignorable_Code_Point)."""


@lru_cache(maxsize=8192)
def normalise(text: str) -> str:
    """The text as a reader sees it, in lower case and with single spaces."""
    visible = text.casefold().translate(_PUNCTUATION) if text.isascii() else _visible(text)
    return " ".join(visible.replace("__", "").split())


def plain_punctuation(text: str) -> str:
    """The text with typographic quotes and dashes made plain, as `normalise` has them, and nothing else changed."""
    return text.translate(_TYPOGRAPHIC)


def _visible(text: str) -> str:
    """The text in lower case, without what only a machine would notice."""
    # Again and again: what a pass takes away lets its neighbours combine, and lower case brings back old forms.
    for _ in range(3):
        plain = "".join(c for c in text.translate(_PUNCTUATION) if not _is_unseen(c)).replace("__", "")
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", plain).casefold())
    if _FOREIGN.search(text):
        text = _WORD.sub(lambda word: _folded(word.group()), text)
    return unicodedata.normalize("NFKC", text)


def _is_unseen(character: str) -> bool:
    return character in _UNSEEN or unicodedata.category(character) == "Cf"


def _folded(word: str) -> str:
    """The word in Latin letters, if each of its foreign letters has a Latin look-alike; else the word itself."""
    folded = word.translate(_LOOK_ALIKES)
    return word if _FOREIGN.search(folded) else folded


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sept", "sep"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY = r"(?P<day>3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DATES = (
    re.compile(rf"\b(?P<month>{_MONTH})\.? {_DAY}(?:,? {_YEAR})?\b(?![.,:]\d)"),
    re.compile(rf"\b{_DAY}(?: of)? (?P<month>{_MONTH})\b(?:\.?,? {_YEAR}\b)?"),
)
_DIGIT = re.compile(r"\d")
_MONTH_OF_YEAR = re.compile(rf"\b(?P<month>{_MONTH})\.?,? {_YEAR}\b")
_TIME = re.compile(r"\b(?P<hour>1[0-2]|0?[1-9])(?:[:.](?P<minute>[0-5]\d))? ?(?P<half>[ap])\.?m\b\.?")
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MONEY = (
    re.compile(rf"(?:\b(?:usd|us) ?\$?|\$) ?(?P<amount>{_NUMBER})(?!\d)(?: ?(?:usd|us dollars?|dollars?)\b)?"),
    re.compile(rf"(?<![\d.,$])(?P<amount>{_NUMBER}) ?(?:usd|us dollars?|dollars?)\b"),
)
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_AMOUNT = re.compile(r"\$\d+(?:\.\d+)?|(?<![\d.])\d+(?:\.\d+)? ?(?:%|percent\b)")


@lru_cache(maxsize=8192)
def canonical(text: str) -> str:
    """`normalise`d text with amounts, dates and times of day each written in one way."""
    plain = normalise(text)
    if not _DIGIT.search(plain):
        return plain
    for pattern in _DATES:
        plain = pattern.sub(_iso_date, plain)
    plain = _MONTH_OF_YEAR.sub(lambda m: f"{m['year']}-{_MONTHS[m['month']]:02}", plain)
    plain = _TIME.sub(_iso_time, plain)
    for pattern in _MONEY:
        plain = pattern.sub(lambda m: f"${_amount(m['amount'])}", plain)
    return _GROUPED.sub(lambda m: m.group().replace(",", ""), plain)


def _iso_date(match: re.Match[str]) -> str:
    """`2026-03-04`, or `-03-04` without a year, which stands in every date of that day."""
    return f"{match['year'] or ''}-{_MONTHS[match['month']]:02}-{int(match['day']):02}"


def _iso_time(match: re.Match[str]) -> str:
    hour = int(match["hour"]) % 12 + (12 if match["half"] == "p" else 0)
    return f"{hour:02}:{match['minute'] or '00'}"


def _amount(digits: str) -> str:
    whole, _, cents = digits.replace(",", "").partition(".")
    whole, cents = whole.lstrip("0") or "0", cents.rstrip("0")
    return f"{whole}.{cents:0<2}" if cents else whole


@lru_cache(maxsize=8192)
def amounts(text: str) -> tuple[str, ...]:
    """Amounts of dollars (`$1250.40`) and percentages (`1.50%`, `3%`) in a text, in order."""
    found = _AMOUNT.findall(canonical(text))
    return tuple(a if a.startswith("$") else f"{_amount(a.rstrip('% percnt'))}%" for a in found)


def contains_phrase(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text between word boundaries, in plain or in canonical form."""
    return contains_any(text, (phrase,))


def contains_any(text: str, phrases: Iterable[str]) -> bool:
    """Whether at least one of the phrases stands in the text."""
    return any(_found(normalise(text), normalise(p)) or _found(canonical(text), canonical(p)) for p in phrases)


def _found(text: str, phrase: str) -> bool:
    if not phrase:
        return False
    start = text.find(phrase)
    while start >= 0:
        if _starts_clean(text, start) and _ends_clean(text, start + len(phrase)):
            return True
        start = text.find(phrase, start + 1)
    return False


def _starts_clean(text: str, start: int) -> bool:
    before, first = text[:start], text[start]
    if not first.isalnum():
        return True
    if before and (before[-1].isalnum() or before[-1] == "_"):
        return False
    return not (first.isdigit() and re.search(r"\d[.,]$", before))


def _ends_clean(text: str, end: int) -> bool:
    last, after = text[end - 1], text[end:]
    if not last.isalnum():
        return True
    if after and (after[0].isalnum() or after[0] == "_"):
        return False
    if last.isdigit():
        return not re.match(r"[.,]\d| (?:thousand|million|billion)\b", after)
    return not re.match(r"'t\b", after)


def contains_digits(text: str, number: str) -> bool:
    """Whether a number stands in the text as a whole, however its digits are grouped: "4821 3907", "4821-3907"."""
    digits = re.sub(r"\D", "", normalise(number))
    grouped = r"[\s.\-/]*".join(digits)
    return bool(digits) and re.search(rf"(?<!\d){grouped}(?!\d)", normalise(text)) is not None


def mentions(text: str, value: object) -> bool:
    """Whether a text states a value of a tool's argument or result: a number also as an amount, text as a phrase."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        number = f"{value:.2f}"
        shown = canonical(text)
        return any(_found(shown, form) for form in (f"${_amount(number)}", _amount(number), f"{value:g}"))
    return contains_phrase(text, str(value))


def sentences(text: str) -> tuple[str, ...]:
    """The sentences and lines of a text, as they stand there."""
    parts = re.split(r"(?<=[.!?])[\"')\]]*\s+|\n+", text)
    return tuple(part.strip() for part in parts if part.strip())


def quote_of(text: str, limit: int = 240) -> str:
    """The text on one line, cut to `limit` characters, to be shown as a quote."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."
