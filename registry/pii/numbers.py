"""Numbers that check themselves.

Cards: the Luhn formula, ISO/IEC 7812-1, annex B, and the issuers' ranges. IBANs: ISO 13616-1, with the countries'
forms as python-stdnum has them from the SWIFT registry. National ids: python-stdnum, by country.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

__all__ = ["find_cards", "find_ibans", "find_national_ids", "is_card_number", "is_iban"]

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_LENGTHS = (16, 15, 19, 18, 17, 14, 13)
_ISSUERS = (
    # American Express, Diners Club, JCB, Visa, Mastercard, Discover, UnionPay, Maestro
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"3(?:0[0-59]|[689])"), {14, 16, 19}),
    (re.compile(r"35(?:2[89]|[3-8])"), {16, 17, 18, 19}),
    (re.compile(r"4"), {13, 16, 19}),
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"), {16}),
    (re.compile(r"5[06-8]|6"), set(range(13, 20))),
)
_RUN = re.compile(r"\d(?:[ .,/_:|*·•-]{0,3}\d)+")
_GROUP = re.compile(r"\d+")
_CARD_SHAPES = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1)})

_IBAN_START = re.compile(r"(?<![^\W_])[A-Za-z]{2}[ .-]?\d[ .-]?\d")
_IBAN_CHARACTER = re.compile(r"[ .,/-]{0,2}([A-Za-z0-9])")

_ID_WORDS = (
    r"\b(?:ssn|itin|nino|pesel|bsn|cpf|nir|dni|nie|nhs|sin|aadhaar|personnummer|cpr|s\.s\.n|"
    r"social(?: (?:security|insurance))?|"
    r"(?:national|personal|identity|tax(?:payer)?) (?:id|identity|identification|insurance|number|code)|steuer-?id)\b"
)
_ID_WORD = re.compile(_ID_WORDS, re.IGNORECASE)
_ID_CUE = re.compile(_ID_WORDS + r"[\w .:#'-]{0,30}$", re.IGNORECASE)
_LONGEST_CUE = 64
# (country's module in python-stdnum, form, whether a word such as "SSN" has to stand before it)
_NATIONAL_IDS = tuple(
    (module, re.compile(form, re.IGNORECASE), cued)
    for module, form, cued in (
        ("us.ssn", r"(?<![\w-])\d{3}([-. /]|, |--)\d{2}\1\d{4}(?![\w-])", False),
        ("us.itin", r"(?<![\w-])9\d{2}([-. ])\d{2}\1\d{4}(?![\w-])", False),
        ("br.cpf", r"(?<![\w-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])", False),
        ("fr.nir", r"(?<![\w-])[12] ?\d{2} ?[01]\d ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?![\w-])", False),
        ("it.codicefiscale", r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)", False),
        ("es.dni", r"(?<!\w)\d{8}[ -]?[A-Z](?!\w)", False),
        ("es.nie", r"(?<!\w)[XYZ][ -]?\d{7}[ -]?[A-Z](?!\w)", False),
        ("fi.hetu", r"(?<!\w)\d{6}[-+A]\d{3}[0-9A-Z](?!\w)", False),
        ("", r"(?<!\w)(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:\d{2} ?){3}[A-D](?!\w)", False),
        ("pl.pesel", r"(?<!\d)\d{11}(?!\d)", True),
        ("de.idnr", r"(?<!\d)\d{2} ?\d{3} ?\d{3} ?\d{3}(?!\d)", True),
        ("se.personnummer", r"(?<!\d)(?:\d{2})?\d{6}[-+]\d{4}(?!\d)", True),
        ("in_.aadhaar", r"(?<!\d)\d{4} ?\d{4} ?\d{4}(?!\d)", True),
        ("gb.nhs", r"(?<!\d)\d{3} ?\d{3} ?\d{4}(?!\d)", True),
        # Nine digits may be the end of a longer one.
        ("us.ssn", r"(?<!\d)\d(?:[ .,/-]{0,2}\d){8}(?!\d)", True),
        ("ca.sin", r"(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{3}(?!\d)", True),
        ("nl.bsn", r"(?<!\d)\d(?:[ .]?\d){8}(?!\d)", True),
    )
)


def is_card_number(text: str) -> bool:
    """Whether the digits of `text` satisfy the Luhn formula and are as many as a card number has (13 to 19)."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    return sum(d if i % 2 == 0 else _DOUBLED[d] for i, d in enumerate(reversed(digits))) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether `text`, white space and punctuation apart, has the form of its country's IBANs and leaves 1 modulo 97."""
    from stdnum import iban

    plain = re.sub(r"[\s.,/-]", "", text)
    return len(plain) >= 15 and plain.isascii() and plain.isalnum() and iban.is_valid(plain, check_country=False)


def find_cards(plain: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each card number among the digits of a reading."""
    for run in _RUN.finditer(plain):
        if sum(map(str.isdigit, run[0])) >= 13 and _stands_alone(plain, run.start(), run.end()):
            yield from _cards_of_run(plain, run)


def _stands_alone(plain: str, start: int, end: int) -> bool:
    """Whether no letter touches a number, as one does in a digest or a reference."""
    before, after = plain[max(0, start - 1) : start], plain[end : end + 1]
    return not before.isalpha() and not after.isalpha()


def _cards_of_run(plain: str, run: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Cards that begin and end with groups of the run.

    Sums over the digits, each doubled in every other place, from the left: the Luhn sum of any stretch of digits is
    then the difference of two of them, so that the time is in proportion to the number of digits.
    """
    groups = [match.span() for match in _GROUP.finditer(plain, run.start(), run.end())]
    digits = "".join(plain[start:end] for start, end in groups)
    values = [int(d) for d in digits]
    sums = [[0, *accumulate(d if i % 2 == parity else _DOUBLED[d] for i, d in enumerate(values))] for parity in (0, 1)]
    begins = [0, *accumulate(end - start for start, end in groups)]
    group_ending_at = {end: number for number, end in enumerate(begins[1:])}
    number = 0
    while number < len(groups):
        first = begins[number]
        for length in _lengths_of(digits[first : first + 4]):
            last = group_ending_at.get(first + length)
            plainly = sums[(first + length - 1) % 2]
            if last is None or (plainly[first + length] - plainly[first]) % 10:
                continue
            if len(set(digits[first : first + length])) > 1 and _evenly_parted(plain, groups[number : last + 1]):
                yield groups[number][0], groups[last][1]
                number = last
                break
        number += 1


@lru_cache(maxsize=10_000)
def _lengths_of(prefix: str) -> Sequence[int]:
    """How many digits a card number that begins so can have, the usual length first."""
    allowed = {length for begin, lengths in _ISSUERS if begin.match(prefix) for length in lengths}
    return tuple(length for length in _LENGTHS if length in allowed)


def _evenly_parted(plain: str, groups: Sequence[tuple[int, int]]) -> bool:
    """Whether groups are parted by the same sign all through, or as cards are: dates and amounts in a row are not."""
    shape = tuple(end - start for start, end in groups)
    between = {plain[one[1] : other[0]] for one, other in pairwise(groups)}
    return len(between) <= 1 or shape in _CARD_SHAPES


def find_ibans(plain: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each IBAN of a reading. Its first letters say how long it is."""
    for match in _IBAN_START.finditer(plain):
        length = _iban_length(match[0][:2].upper())
        place, characters, end = match.start(), 0, match.start()
        while characters < length and (step := _IBAN_CHARACTER.match(plain, place)):
            place = end = step.end()
            characters += 1
        if (
            length
            and characters == length
            and not plain[end : end + 1].isalnum()
            and is_iban(plain[match.start() : end])
        ):
            yield match.start(), end


@lru_cache(maxsize=1024)
def _iban_length(country: str) -> int:
    """Characters of an IBAN of this country, 0 if it has none."""
    from stdnum import numdb

    ((_, properties), *_) = numdb.get("iban").info(country + "00")
    return 4 + sum(map(int, re.findall(r"(\d+)!", properties["bban"]))) if properties else 0


def find_national_ids(plain: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each national id of a reading: by form where that is telling, else after words such as "SSN"."""
    cued_text = _ID_WORD.search(plain) is not None
    for module, form, cued in _NATIONAL_IDS:
        if cued and not cued_text:
            continue
        for match in form.finditer(plain):
            if _id_is_valid(module, match[0]) and (not cued or _has_cue(plain, match.start())):
                yield match.span()


def _has_cue(plain: str, start: int) -> bool:
    return _ID_CUE.search(plain[max(0, start - _LONGEST_CUE) : start]) is not None


def _id_is_valid(module: str, value: str) -> bool:
    if not module:
        return True
    plain = re.sub(r"[ .,/]" if module == "fi.hetu" else r"[ .,/-]", "", value)
    if module == "us.ssn":
        # The advertised number 078-05-1120 and its like are somebody's all the same.
        return plain[:3] not in ("000", "666") and plain[0] != "9" and plain[3:5] != "00" and plain[5:] != "0000"
    return bool(importlib.import_module(f"stdnum.{module}").is_valid(plain))
