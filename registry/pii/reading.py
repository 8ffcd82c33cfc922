"""A text as a person reads it, and where in the text each of its characters stands.

Detectors look at the reading, so that no way of writing hides a number: invisible characters are left out, accents
are taken off, full-width and other digits, dashes and spaces become plain ones, Cyrillic and Greek letters that
look like Latin ones become these, and in `read` digits in words ("four one one one") become digits as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Reading", "read", "undisguised"]

_LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТХҮабеѕіјкморстхуԁӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορικ",
    "ABESIJKMHOPCTXYabesijkmopctxydlABEZHIKMNOPTYXavopik",
)
_SPACE = re.compile(r"\s")
_UNSEEN = frozenset({"Cf", "Mn", "Me"})

_UNITS = {"zero": "0", "oh": "0", "nought": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
_UNITS |= {"six": "6", "seven": "7", "eight": "8", "nine": "9"}
_TEENS = {"ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15"}
_TEENS |= {"sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19"}
_TENS = {"twenty": "2", "thirty": "3", "forty": "4", "fifty": "5", "sixty": "6", "seventy": "7", "eighty": "8"}
_TENS |= {"ninety": "9"}
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_NUMBER_WORDS = {**_UNITS, **_TEENS, **_TENS, **_TIMES}
_ANY_WORD = "|".join(_NUMBER_WORDS)
_DIGIT = re.compile(r"\d")
_TOKEN = re.compile(rf"(?:{_ANY_WORD}|\d+)\b", re.IGNORECASE)
_NUMBER_WORD = re.compile(rf"\b(?:{_ANY_WORD})\b", re.IGNORECASE)
_SPELLED = re.compile(rf"\b(?:{_ANY_WORD}|\d+)\b(?:[ ,.-]{{1,3}}(?:{_ANY_WORD}|\d+)\b){{2,}}", re.IGNORECASE)
"""Three or more words for digits, or groups of digits, on end."""
_FEWEST_WORDS = 2
"""Words for digits that such a run has at least."""
_MUDDLED = re.compile(r"(?<![^\W_])[\dOoIl|]*\d[\dOoIl|]*(?:[ .,/-]{1,2}[\dOoIl|]+)*(?![^\W_])")
_FROM_LETTERS = str.maketrans("OoIl|", "00111")


@dataclass(frozen=True, slots=True)
class Reading:
    """`plain[i]` stands at `places[i]` of the text that was read; `places` ends with the length of that text."""

    plain: str
    places: Sequence[int]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where `plain[start:end]`, which is not empty, stands in the text. What follows unseen belongs to it."""
        last = self.places[end - 1]
        return self.places[start], max(self.places[end], last + 1)


def undisguised(text: str) -> tuple[str, Sequence[int]]:
    """The text with every character as it looks, and the place in `text` of each one, its length being the last.

    Digits in words stay words.
    """
    if text.isascii():
        return text, range(len(text) + 1)
    plain: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        folded = character if character.isascii() else _folded(character)
        plain.append(folded)
        places.extend([place] * len(folded))
    places.append(len(text))
    return "".join(plain), places


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    category = unicodedata.category(character)
    if category in _UNSEEN:
        return ""
    if category in ("Pd", "Zs"):
        return "-" if category == "Pd" else " "
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    whole = unicodedata.normalize("NFKD", character).translate(_LOOK_ALIKES)
    shown = "".join(c for c in whole if unicodedata.category(c) not in _UNSEEN)
    return {"−": "-"}.get(shown, shown)


@lru_cache(maxsize=64)
def read(text: str) -> Reading:
    """The text as it looks, with line ends as spaces and digits as digits, however they are written.

    The last few readings are kept: each text is looked at by several detectors in turn.
    """
    plain, places = undisguised(text)
    plain = _SPACE.sub(" ", plain)
    plain = _MUDDLED.sub(_sorted_out, plain) if _DIGIT.search(plain) else plain
    if not _may_spell(plain):
        return Reading(plain, places)
    runs = [run for run in _SPELLED.finditer(plain) if len(_NUMBER_WORD.findall(run[0])) >= _FEWEST_WORDS]
    return _with_digits(plain, places, runs) if runs else Reading(plain, places)


def _may_spell(plain: str) -> bool:
    """Whether a text has words for digits enough to be searched for runs of them, which takes longer than to count."""
    words = re.findall(r"[a-z]+", plain.lower().replace("ı", "i"))
    return sum(map(_NUMBER_WORDS.__contains__, words)) >= _FEWEST_WORDS


def _sorted_out(match: re.Match[str]) -> str:
    """A long number in which letters stand for noughts and ones, as digits: `4l11 1111 1111 llll`."""
    run = match[0]
    digits = sum(map(str.isdigit, run))
    letters = sum(c in "OoIl|" for c in run)
    return run.translate(_FROM_LETTERS) if letters and digits + letters >= 8 and letters <= 2 * digits else run


def _with_digits(plain: str, places: Sequence[int], runs: Iterable[re.Match[str]]) -> Reading:
    """The reading with each run of words for digits as digits; a comma or a full stop in it parts groups."""
    shown: list[str] = []
    stands: list[int] = []
    end = 0
    for run in runs:
        shown.append(plain[end : run.start()])
        stands.extend(places[end : run.start()])
        for digits, place in _digits_of(plain, run):
            shown.append(digits)
            stands.extend([places[place]] * len(digits))
        end = run.end()
    shown.append(plain[end:])
    stands.extend(places[end:])
    return Reading("".join(shown), stands)


def _digits_of(plain: str, run: re.Match[str]) -> Iterator[tuple[str, int]]:
    """Pieces of digits in a run of words, and what parts groups, with their places.

    "double one" is 11, "forty one" 41, "forty" before anything else 40.
    """
    times, ten, start, end, was_digits = 1, "", 0, -1, False
    for match in _TOKEN.finditer(plain, run.start(), run.end()):
        between, word = plain[end : match.start()] if end >= 0 else "", match[0].casefold()
        unit = _UNITS.get(word)
        if ten and not (unit and unit != "0" and between in (" ", "-")):
            yield "0", end - 1
            ten = ""
        if times > 1:
            between = ""  # "double" and what is doubled are one piece
        if was_digits or word[0].isdigit():
            yield from ((between[i], end + i) for i in range(len(between)))
        elif "," in between or "." in between:
            yield " ", end
        start, end, was_digits = match.start() if times == 1 else start, match.end(), word[0].isdigit()
        if word in _TIMES:
            times = _TIMES[word]
            continue
        if word in _TENS:
            ten = _TENS[word]
            yield ten, start
        else:
            ten = ""
            digits = unit or _TEENS.get(word) or word
            yield digits * times if len(digits) == 1 else digits, start
        times = 1
    if ten:
        yield "0", end - 1
