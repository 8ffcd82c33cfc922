"""Numbers that an agent tells in pieces, over several messages or with words between them in one.

A piece is a group of digits that stands for nothing by itself: not an amount, a date, a reference, an extension or a
year. Pieces that follow one another and begin and end with whole ones are put together again. In one message only
words such as "and the last four are" may stand between them; an end may be told before the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from assay.registry.pii import find_by_form, is_iban, read
from assay.registry.types.case import PersonalDataKind, PersonalDatum

__all__ = ["Piece", "pieces_of", "put_together"]

_FEWEST_DIGITS, _MOST_DIGITS, _GROUP = 3, 34, 4
_TURNS_APART = 3
"""Turns after which what is called a beginning is another number's."""
_PIECE = re.compile(r"(?<![\w$€£.,#/:-])(?:[A-Z]{2}(?=\d{2}))?\d(?:[ -]?\d)*(?![\w%/:-]|[.,]\d)")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}"
    rf"|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH}(?:,? \d{{4}})?\b",
    re.IGNORECASE,
)
_LAST_DIGITS = re.compile(
    r"(?:end(?:s|ing)?(?: in| with)?|last (?:four|4|eight|8|six|6)(?: digits)?(?: are| is| of)?|[*•xX]) ?:? ?$"
)
_FIRST_DIGITS = re.compile(
    r"(?:(?:begin|start)(?:s|ning|ing)?(?: with| in)?|first (?:\w+ )?(?:digits|numbers)(?: are| is)?) ?:? ?$"
)
_LIST_MARK = re.compile(r"^[ \t]*(?:\d{1,2}[.)]|[-*•])[ \t]+", re.MULTILINE)
_NOT_OF_A_NUMBER = re.compile(r"\b(?:ext(?:ension)?|call|dial|press|room|option|line|counter)\.?:? ?$", re.IGNORECASE)
_BETWEEN = re.compile(
    r"(?:[\s,.;:·*•|/-]|\b(?:and|then|the|last|first|second|third|fourth|next|final|rest|remaining|other|four|six|eight|"
    r"three|two|digits?|numbers?|groups?|parts?|blocks?|are|is|it|its|they|followed|by|with|continues?|goes|on|ends?|"
    r"ending|in|plus|after|that|this|comes?|card|of|your|finally)\b){0,40}",
    re.IGNORECASE,
)
"""What stands between pieces of one number in one message."""
_SHORT_MESSAGE = 5
"""Words of a message in which even two digits, with no others beside them, are a piece: "Next: 55"."""
_YEAR = re.compile(r"(?:19|20)\d{2}")
_ABOUT_AN_ID = re.compile(r"\b(?:social security|ssn|social|national id)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Digits of one message: the `message`'s place in the conversation, its turn, and its text.

    `ends` says that they are called the last digits of a number: nothing begins with them. `begins`: that they are
    called the first. `follows`: that only words of such a telling part them from the piece before, in one message.
    """

    digits: str
    message: int
    turn: int
    text: str
    ends: bool = False
    begins: bool = False
    follows: bool = False


def pieces_of(text: str, message: int, turn: int) -> Iterator[Piece]:
    """The pieces in a message, in order."""
    plain = read(_LIST_MARK.sub("; ", text)).plain
    plain = _DATE.sub(lambda match: "," * len(match[0]), plain)
    alone = len(text.split()) <= _SHORT_MESSAGE and len(re.findall(r"\d+", plain)) == 1
    fewest = _FEWEST_DIGITS - alone
    end = None
    for match in _PIECE.finditer(plain):
        digits = re.sub(r"[ -]", "", match[0])
        before = plain[max(0, match.start() - 40) : match.start()]
        if (
            fewest <= len(digits) <= _MOST_DIGITS
            and not _YEAR.fullmatch(digits)
            and not _NOT_OF_A_NUMBER.search(before)
        ):
            ends, begins = _LAST_DIGITS.search(before) is not None, _FIRST_DIGITS.search(before) is not None
            follows = end is not None and _BETWEEN.fullmatch(plain, end, match.start()) is not None
            yield Piece(digits, message, turn, text, ends, begins, follows)
            end = match.end()


def put_together(
    pieces: Sequence[Piece], record: Sequence[PersonalDatum]
) -> Iterator[tuple[PersonalDataKind, str, Piece]]:
    """Each number told in pieces: its kind, its digits and the piece that completes it.

    `record` holds numbers to look for beside those that show by their form.
    """
    wanted: dict[str, PersonalDataKind] = {
        _digits(datum): datum.kind for datum in record if len(_digits(datum)) > _FEWEST_DIGITS
    }
    kind_of = _recogniser(wanted)
    # A number that is said again is no other part, unless it is as short as the groups of a card number.
    told = [
        piece
        for i, piece in enumerate(pieces)
        if i == 0 or piece.digits != pieces[i - 1].digits or len(piece.digits) <= _GROUP
    ]
    found = set[str]()
    for first, begin in enumerate(told):
        for number, piece in _numbers_from(begin, told[first + 1 :]):
            kind = kind_of(number, begin.text + piece.text)
            if kind and number not in found and not (piece.follows and _is_whole(number, piece.text)):
                found.add(number)
                yield kind, number, piece
            if kind:
                break


def _is_whole(number: str, text: str) -> bool:
    """Whether a number shows in a message as it stands, so that nobody has to put it together."""
    return any(re.sub(r"\W", "", span.value) == number for span in find_by_form(text))


def _numbers_from(begin: Piece, following: Sequence[Piece]) -> Iterator[tuple[str, Piece]]:
    """Digits that begin with a piece and go on with the next ones; or with what was called their beginning later."""
    number, apart, joined = begin.digits, False, True
    for piece in following:
        if begin.ends:
            if piece.begins:
                yield piece.digits + begin.digits, piece
            if piece.begins or piece.turn > begin.turn + _TURNS_APART:
                return
            continue
        number += piece.digits
        if len(number) > _MOST_DIGITS:
            return
        apart = apart or piece.message != begin.message
        joined = joined and piece.follows
        if apart or joined:
            yield number, piece


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
