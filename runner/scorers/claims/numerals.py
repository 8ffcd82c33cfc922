"""Number words to digits, so that "twenty-five dollars" and "$25" are one fact."""

from __future__ import annotations

import re

__all__ = ["articles", "digits"]

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_UNITS = {word: value for value, word in enumerate(_SMALL.split())}
_DECADES = "twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = {word: 10 * n for n, word in enumerate(_DECADES.split(), start=2)}
_SCALES = {"hundred": 100, "thousand": 1000}

_WORD = "|".join([*_UNITS, *_TENS, *_SCALES])
_PHRASE = re.compile(rf"\b(?:{_WORD})(?:(?:[ -]|(?<=hundred) and |(?<=thousand) and )(?:{_WORD}))*\b", re.IGNORECASE)
# "one" is a pronoun more often than a number: it counts where a unit follows.
_ONE_COUNTS = re.compile(
    r"[ -](?:full |more |business |working |calendar )?"
    r"(?:minute|hour|day|week|month|year|dollar|cent|percent|time\b|hundred|thousand)",
    re.IGNORECASE,
)
_SPOKEN = re.compile(rf"\b(?:{_WORD})\b", re.IGNORECASE)


_A_SCALE = re.compile(r"\ban? (?=(?:hundred|thousand)\b)", re.IGNORECASE)
_WITHIN_ONE = re.compile(
    r"\b(within|in under|in less than) an? (?=(?:minute|hour|day|week|month|year)\b)", re.IGNORECASE
)
"""Elsewhere "a day" says how often, not how long."""
_LARGEST = 10**15


def digits(text: str) -> str:
    """`text` with its number words written in digits; text without any comes back as it is."""
    return _PHRASE.sub(_written, text) if _SPOKEN.search(text) else text


def articles(text: str) -> str:
    """`text` with the articles that count written as numbers: "a hundred" is "one hundred", "within an hour" 1 hour."""
    return _A_SCALE.sub("one ", _WITHIN_ONE.sub(r"\1 1 ", text))


def _written(match: re.Match[str]) -> str:
    words = [w for w in re.split(r"[ -]", match.group().lower()) if w != "and"]
    if words == ["one"] and not _ONE_COUNTS.match(match.string, match.end()):
        return match.group()
    if words[0] in _SCALES:
        return match.group()
    value = _value(words)
    return match.group() if value is None or value > _LARGEST else str(value)


def _value(words: list[str]) -> int | None:
    """The number that the words make, or None where they are several numbers in a row, as in "two three"."""
    total = current = 0
    previous = ""
    for word in words:
        if word in _SCALES:
            current = min(max(current, 1) * _SCALES[word], _LARGEST + 1)
            if word == "thousand":
                total, current = total + current, 0
        else:
            follows_tens = previous in _TENS and 0 < _UNITS.get(word, 0) < 10
            if previous and previous not in _SCALES and not follows_tens:
                return None
            current += _UNITS.get(word, _TENS.get(word, 0))
        previous = word
    return total + current
