"""What a claim may rest on, and whether a strict fact stands in it.

A `Source` is one piece of evidence: a passage, a tool call, a customer's turn, a paragraph of instructions, or
something the agent said before. It knows its words and its strict facts.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeGuard

from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import ToolCall
from assay.runner.scorers.claims.actions import failed
from assay.runner.scorers.claims.acts import is_reading
from assay.runner.scorers.claims.facts import Fact, FactKind, facts_of
from assay.runner.scorers.claims.wording import Wording, wording_of

__all__ = ["FactIndex", "Source", "SourceKind", "arguments_index", "text_index", "text_source", "tool_source"]

SourceKind = Literal["passage", "tool", "customer", "system", "wording", "agent"]

_FactMap = Mapping[FactKind, frozenset[object]]
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DIGITS_AT_END = re.compile(r"\d+$")


_ROUND = re.compile(r"[1-9]\d{2,4}0")
_COUNTING = re.compile(
    r"seat|\bcount\b|_count|count_|quantity|passenger|bag|number|year|age\b|days?\b|minute|hour|score|\bid\b|zip|phone"
    r"|last[ _]?(?:4|four)",
    re.IGNORECASE,
)
"""Keys under which a number is no money: 12 free seats are no $12."""
_KEYS: frozenset[FactKind] = frozenset({"date", "month", "time", "identifier"})
"""What somebody looks up by."""
_LONGEST_ARGUMENT = 40
"""A longer argument is free text, in which an agent may write down whatever it is going to say."""
_NO_NUMBER = 10**40
_PRICED = re.compile(
    r"\b(?:amount|price|total|fee|cost|balance|fare|refund|paid)s?(?: is| was| of|:| =)? "
    r"(?P<n>\d[\d,]*(?:\.\d+)?)(?![\d%])",
    re.IGNORECASE,
)
_LEAST_SPOKEN_AMOUNT = 10
"""A smaller number that a customer says without a unit counts something; "raise it to 2500" is money."""


class FactIndex:
    """The strict facts of one source, ready to be asked about."""

    __slots__ = ("_by_kind", "_foreign", "_money", "bare", "today")

    def __init__(
        self, facts: Iterable[Fact], today: dt.date, *, bare: bool = False, money: Iterable[float] | None = None
    ) -> None:
        by_kind: dict[FactKind, set[object]] = {}
        foreign: set[tuple[str, object]] = set()
        for fact in facts:
            if fact.unit:
                foreign.add((fact.unit, fact.value))
            else:
                by_kind.setdefault(fact.kind, set()).add(fact.value)
        self._by_kind = by_kind
        self._foreign = foreign
        self._money = None if money is None else frozenset(money)
        self.today = today
        self.bare = bare
        """Whether numbers may stand here without their units, as in a tool's result or a customer's message."""

    def values(self, kind: FactKind) -> set[object]:
        """The values of one kind."""
        return self._by_kind.get(kind, set())

    def has(self, fact: Fact) -> bool:
        """Whether the fact stands here, in whatever notation."""
        if fact.unit:
            # A number without its currency may be of any.
            return (fact.unit, fact.value) in self._foreign or (self.bare and self._has_number(fact))
        if fact.value in self.values(fact.kind):
            return True
        if not self._by_kind:
            return False
        return _EQUALS[fact.kind](self, fact)

    def _has_number(self, fact: Fact) -> bool:
        wanted = float(fact.value) / 100  # type: ignore[arg-type]
        return any(abs(wanted - float(n)) < 0.004 for n in self.values("number") if isinstance(n, int | float))

    def numbers(self) -> Iterator[float]:
        """Every plain number and amount, as a number; round ones of four digits too, which "raise it to 3000" means."""
        yield from (float(v) for v in self.values("number") if isinstance(v, int | float))
        yield from (float(v) for v in self.values("identifier") if isinstance(v, str) and _ROUND.fullmatch(v))
        yield from self.amounts()

    def amounts(self) -> Iterator[float]:
        """Every amount, in whole units of currency."""
        yield from (v / 100 for v in self.values("amount") if isinstance(v, int))

    def money(self) -> Iterator[float]:
        """Every number that may be an amount: all amounts, and bare numbers that do not count something else."""
        yield from self.amounts()
        if self._money is not None:
            yield from self._money
        elif self.bare:
            yield from (n for n in self.numbers() if n >= _LEAST_SPOKEN_AMOUNT)

    def dates(self) -> list[tuple[int | None, int, int]]:
        """Every date as (year or None, month, day)."""
        return [value for value in self.values("date") if isinstance(value, tuple)]  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Source:
    """One piece of evidence. `name` says what it is to a reader: a document id, a tool, a turn."""

    kind: SourceKind
    name: str
    text: str
    wording: Wording
    facts: FactIndex
    document: str | None = None
    amounts: tuple[float, ...] = field(default=())
    """Numbers of a tool result with which sums may be worked out."""
    totals: tuple[float, ...] = field(default=())
    """Sums over the lists of a tool result, such as the price of all flights."""
    counts: frozenset[int] = field(default=frozenset())
    """How many objects the lists of a tool result have, from 2 to 9: passengers, nights, items."""
    records: tuple[tuple[frozenset[object], frozenset[float]], ...] = field(default=())
    """For each object in a tool result that has identifiers of its own and money: both."""


@lru_cache(maxsize=4096)
def text_index(text: str, today: dt.date, *, bare: bool = False) -> FactIndex:
    """The facts of a text; `bare` as in `FactIndex`."""
    return FactIndex(facts_of(text, today), today, bare=bare)


def text_source(kind: SourceKind, name: str, text: str, today: dt.date, document: str | None = None) -> Source:
    """A source made of text."""
    return Source(kind, name, text, wording_of(text), text_index(text, today, bare=kind == "customer"), document)


def tool_source(call: ToolCall, today: dt.date) -> Source:
    """A source made of a tool call: its name and what came back.

    Arguments are what the agent put in. Of those of a call that looked something up, dates, times and identifiers say
    what was found under them; all others bear nothing out. Of a call that failed only figures in the tool's own words
    count, such as the price in "total price is 305", and those only where no argument has them.
    """
    lines = [call.name.replace("_", " ")]
    facts: list[Fact] = []
    amounts: list[float] = []
    totals: list[float] = []
    counts: set[int] = set()
    if failed(call):
        put_in = arguments_index(call, today, sys.maxsize)
        _read(call.error if call.error is not None else call.result, "", today, [], facts, amounts)
        facts = [fact for fact in facts if not put_in.has(fact)]
        amounts = [n for n in amounts if n not in set(put_in.numbers())]
    else:
        _read(call.result, "", today, lines, facts, amounts)
        totals += _totals(call.result)
        counts.update(_counts(call.result))
        if is_reading(call.name):
            short = (text for text in _texts(call.arguments) if len(text) <= _LONGEST_ARGUMENT)
            facts += (fact for text in short for fact in facts_of(text, today) if fact.kind in _KEYS)
    text = "; ".join(lines)
    return Source(
        "tool",
        call.name,
        text,
        wording_of(text),
        FactIndex(facts, today, bare=True, money=amounts),
        None,
        tuple(amounts),
        tuple(totals),
        frozenset(counts),
        () if failed(call) else tuple(_records(call.result, today)),
    )


def arguments_index(call: ToolCall, today: dt.date, longest: int = _LONGEST_ARGUMENT) -> FactIndex:
    """The facts of a call's arguments of up to `longest` characters: what it was made with."""
    facts = [fact for text in _texts(call.arguments) if len(text) <= longest for fact in facts_of(text, today)]
    return FactIndex(facts, today, bare=True, money=[float(f.value) for f in facts if f.kind == "number"])  # type: ignore[arg-type]


def _texts(value: JsonValue) -> Iterator[str]:
    """Every text and number within a value."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif isinstance(value, str) or _is_number(value):
        yield str(value)


def _is_number(value: JsonValue) -> TypeGuard[int | float]:
    """Whether a value is a number that an agent could tell; what no float holds is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _NO_NUMBER


def _read(
    value: JsonValue,
    key: str,
    today: dt.date,
    lines: list[str],
    facts: list[Fact],
    amounts: list[float],
    counting: bool = False,
) -> None:
    """Collect the words, facts and amounts of a JSON value. A key whose value is false is read as its denial.

    `counting`: a key above says that numbers here count something.
    """
    counting = counting or _counts_something(key)
    label = key.replace("_", " ")
    if isinstance(value, Mapping):
        for name, item in value.items():
            facts += facts_of(name, today)
            _read(item, name, today, lines, facts, amounts, counting)
    elif isinstance(value, list | tuple):
        facts.append(Fact("number", float(len(value)), key))
        for item in value:
            _read(item, key, today, lines, facts, amounts, counting)
    elif isinstance(value, bool):
        lines.append(label if value else f"not {label}")
    elif _is_number(value):
        lines.append(f"{label} {value:g}")
        facts += _number_facts(value, key)
        if not counting:
            amounts.append(float(value))
    elif isinstance(value, str):
        lines.append(f"{label} {value}".strip())
        told = facts_of(value, today)
        facts += told
        if not counting and len(told) == 1 and told[0].kind == "number" and told[0].text == value.strip():
            amounts.append(float(told[0].value))  # type: ignore[arg-type]
        amounts += (float(m["n"].replace(",", "")) for m in _PRICED.finditer(value) if len(m["n"]) < _LONGEST_ARGUMENT)


def _number_facts(value: float, key: str) -> Iterator[Fact]:
    yield Fact("number", float(value), key)
    if isinstance(value, int) and abs(value) > 999:
        yield Fact("identifier", str(value), key)


def _totals(value: JsonValue) -> Iterator[float]:
    """The sum of each number that the objects of a list have in common, for every list within a value."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    sums: dict[str, float] = {}
    for item in items:
        if isinstance(value, list) and isinstance(item, dict):
            for key, number in item.items():
                if _is_number(number):
                    sums[key] = sums.get(key, 0.0) + number
        yield from _totals(item)
    yield from sums.values()


def _counts(value: JsonValue) -> Iterator[int]:
    """How many objects each list within a value has, where that is a small number."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, list) and 2 <= len(value) <= 9 and all(isinstance(item, dict) for item in value):
        yield len(value)
    for item in items:
        yield from _counts(item)


def _money(value: JsonValue, key: str) -> Iterator[float]:
    """The numbers within a value that do not count anything."""
    if _counts_something(key):
        return
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _money(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _money(item, key)
    elif _is_number(value):
        yield float(value)


@lru_cache(maxsize=4096)
def _counts_something(key: str) -> bool:
    return bool(_COUNTING.search(key))


def _records(value: JsonValue, today: dt.date) -> Iterator[tuple[frozenset[object], frozenset[float]]]:
    """The objects within a value that carry an identifier and money, each with both."""
    if isinstance(value, dict):
        named = (fact for v in value.values() if isinstance(v, str) for fact in facts_of(v, today))
        identifiers = frozenset(fact.value for fact in named if fact.kind == "identifier")
        money = frozenset(_money(value, "")) if identifiers else frozenset[float]()
        if money:
            yield identifiers, money
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _records(item, today)


# --- when two notations say the same -----------------------------------------------------------------


def _same_amount(index: FactIndex, fact: Fact) -> bool:
    wanted = float(fact.value) / 100  # type: ignore[arg-type]
    known = index.money()
    margin = 0.05 * wanted if fact.rough else 0.004
    return any(abs(wanted - abs(n)) <= margin for n in known)


def _same_percent(index: FactIndex, fact: Fact) -> bool:
    wanted = float(fact.value) / 100  # type: ignore[arg-type]
    known = index.numbers() if index.bare else ()
    return any(abs(wanted - n) < 1e-6 or abs(wanted - 100 * n) < 1e-6 for n in known)


def _same_date(index: FactIndex, fact: Fact) -> bool:
    year, month, day = fact.value  # type: ignore[misc]
    for other_year, other_month, other_day in index.dates():
        if (month, day) == (other_month, other_day) and (year is None or other_year is None or year == other_year):
            return True
    # "next Tuesday", said by anyone, is a Tuesday of the coming fortnight.
    date = _full_date(year, month, day, index.today)
    return date is not None and 0 <= (date - index.today).days <= 14 and date.weekday() in index.values("weekday")


def _full_date(year: object, month: object, day: object, today: dt.date) -> dt.date | None:
    try:
        return dt.date(year if isinstance(year, int) else today.year, month, day)  # type: ignore[arg-type]
    except ValueError:
        return None


def _same_month(index: FactIndex, fact: Fact) -> bool:
    year, month = fact.value  # type: ignore[misc]
    known = [*index.values("month"), *(date[:2] for date in index.dates())]
    return any(m == month and (year is None or y is None or y == year) for y, m in known)  # type: ignore[misc]


def _same_weekday(index: FactIndex, fact: Fact) -> bool:
    dates = (_full_date(*date, index.today) for date in index.dates())
    return any(date is not None and date.weekday() == fact.value for date in dates)


def _same_time(index: FactIndex, fact: Fact) -> bool:
    minutes, plain = fact.value  # type: ignore[misc]
    for other, other_plain in index.values("time"):  # type: ignore[misc]
        if minutes == other or ((not plain or not other_plain) and (minutes - other) % 720 == 0):
            return True
    # "the 18th, at 11"
    hour, rest = divmod(int(minutes), 60)  # type: ignore[call-overload]
    return index.bare and not rest and not {float(hour), float((hour - 1) % 12 + 1)}.isdisjoint(index.numbers())


def _same_duration(index: FactIndex, fact: Fact) -> bool:
    if not index.bare:
        return False
    written = _NUMBER.search(fact.text)
    return written is not None and float(written.group()) in set(index.numbers())


def _same_identifier(index: FactIndex, fact: Fact) -> bool:
    wanted = str(fact.value)
    if wanted.isdigit():
        as_number = float(wanted)
        if any(n == as_number for n in index.numbers()):
            return True
        # The last digits of a card, or the number inside `gift_card_7091239`.
        return len(wanted) >= 4 and any(str(v).endswith(wanted) for v in index.values("identifier"))
    return any(str(v) == wanted for v in index.values("identifier"))


def _same_number(index: FactIndex, fact: Fact) -> bool:
    wanted = float(fact.value)  # type: ignore[arg-type]
    if any(abs(wanted - n) < 1e-9 for n in index.numbers()):
        return True
    if any(isinstance(v, int) and v == round(wanted * 100) for v in index.values("percent")):
        return True
    if any(wanted == year for year, _, _ in index.dates()):
        return True
    text = str(int(wanted)) if wanted.is_integer() else ""
    return bool(text) and any(_ends_in_number(str(v), text) for v in index.values("identifier"))


def _ends_in_number(identifier: str, digits: str) -> bool:
    tail = _DIGITS_AT_END.search(identifier)
    return tail is not None and (tail.group() == digits or (len(digits) >= 4 and tail.group().endswith(digits)))


_EQUALS = {
    "amount": _same_amount,
    "percent": _same_percent,
    "date": _same_date,
    "month": _same_month,
    "weekday": _same_weekday,
    "time": _same_time,
    "duration": _same_duration,
    "identifier": _same_identifier,
    "number": _same_number,
}
