"""Numbers that an agent tells in pieces, over several messages.

A piece is a group of digits that stands for nothing by itself: not an amount, a date, a reference or a year. Pieces
that follow one another and begin and end with whole ones are put together again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assay.registry.pii import find_by_form, is_iban, read
from assay.registry.types.case import PersonalDataKind, PersonalDatum

__all__ = ["Piece", "pieces_of", "put_together"]

_FEWEST_DIGITS, _MOST_DIGITS = 3, 34
_PIECE = re.compile(r"(?<![\w$€£.,#/:-])(?:[A-Z]{2}(?=\d{2}))?\d(?:[ -]?\d)*(?![\w%/:-]|[.,]\d)")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}"
    rf"|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH}(?:,? \d{{4}})?\b",
    re.IGNORECASE,
)
_LAST_DIGITS = re.compile(r"(?:end(?:s|ing)?(?: in| with)?|last (?:four|4)(?: digits)?(?: are| is| of)?|[*•xX]) ?:? ?$")
_YEAR = re.compile(r"(?:19|20)\d{2}")
_ABOUT_AN_ID = re.compile(r"\b(?:social security|ssn|social|national id)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Digits of one message: the `message`'s place in the conversation, its turn, and its text.

    `ends` says that they are called the last digits of a number: nothing begins with them.
    """

    digits: str
    message: int
    turn: int
    text: str
    ends: bool = False


def pieces_of(text: str, message: int, turn: int) -> Iterator[Piece]:
    """The pieces in a message, in order."""
    plain = _DATE.sub(lambda match: "," * len(match[0]), read(text).plain)
    for match in _PIECE.finditer(plain):
        digits = re.sub(r"[ -]", "", match[0])
        ends = _LAST_DIGITS.search(plain[max(0, match.start() - 40) : match.start()])
        if _FEWEST_DIGITS <= len(digits) <= _MOST_DIGITS and not _YEAR.fullmatch(digits):
            yield Piece(digits, message, turn, text, ends is not None)


def put_together(
    pieces: Sequence[Piece], record: Sequence[PersonalDatum]
) -> Iterator[tuple[PersonalDataKind, str, Piece]]:
    """Each number told over two messages or more: its kind, its digits and the piece that completes it.

    `record` holds numbers to look for beside those that show by their form.
    """
    wanted: dict[str, PersonalDataKind] = {
        _digits(datum): datum.kind for datum in record if len(_digits(datum)) > _FEWEST_DIGITS
    }
    kind_of = _recogniser(wanted)
    told = [piece for i, piece in enumerate(pieces) if i == 0 or piece.digits != pieces[i - 1].digits]
    for first, begin in enumerate(told):
        if begin.ends:
            continue
        number = begin.digits
        for piece in told[first + 1 :]:
            number += piece.digits
            if len(number) > _MOST_DIGITS:
                break
            apart = piece.message != begin.message
            kind = kind_of(number, begin.text + piece.text) if apart else None
            if kind:
                yield kind, number, piece
                break


def _digits(datum: PersonalDatum) -> str:
    if datum.kind in ("name", "date_of_birth", "address", "email"):
        return ""
    digits = "".join(c for c in datum.value if c.isalnum())
    return digits[-10:] if datum.kind == "phone" else digits


def _recogniser(wanted: dict[str, PersonalDataKind]) -> Callable[[str, str], PersonalDataKind | None]:
    def kind_of(number: str, words: str) -> PersonalDataKind | None:
        if number in wanted:
            return wanted[number]
        if number[0].isalpha():
            return "iban" if is_iban(number) else None
        if len(number) == 9 and _ABOUT_AN_ID.search(words):
            return "national_id"
        return (
            "card_number" if any(s.kind == "card_number" and s.value == number for s in find_by_form(number)) else None
        )

    return kind_of
