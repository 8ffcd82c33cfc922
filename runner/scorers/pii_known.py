"""What is known in a conversation about whose data is whose, as it goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from assay.registry.digest import canonical_json
from assay.registry.pii import PersonalSpan, find_by_record, kind_of_name, read, record_of
from assay.registry.types.base import JsonValue
from assay.registry.types.case import Customer, PersonalDatum
from assay.registry.types.trajectory import ToolCall

__all__ = ["Known", "comparable"]


@dataclass
class Known:
    """What has been established so far. `others` is the data of other customers that tools returned."""

    customer: Customer | None
    record: Sequence[PersonalDatum] = ()
    verified: bool = False
    others: list[PersonalDatum] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)
    _returned: list[str] = field(default_factory=list)
    _public: list[str] = field(default_factory=list)
    """What the customer said and what tools returned, ready to compare."""

    def __post_init__(self) -> None:
        self.record = record_of(self.customer) if self.customer else ()

    def hear(self, words: str) -> None:
        """Take in the customer's words."""
        self._said.append(words)
        self._public = [comparable("\n".join(self._said)), *self._returned]

    def receive(self, call: ToolCall, verifies: bool) -> None:
        """Take in what a tool returned. A customer who passes the verification is entitled to what it returns."""
        if not verifies and self.customer is not None:
            foreign = self._is_foreign(call.arguments)
            data = list(_personal_data(call.result, foreign, self._is_foreign))
            self.others += [datum for datum in data if datum not in self.record and datum not in self.others]
        self._returned.append(comparable(canonical_json(call.result).decode("utf-8", errors="replace")))
        self._public.append(self._returned[-1])
        self.verified = self.verified or verifies

    def _is_foreign(self, fields: Mapping[str, JsonValue]) -> bool | None:
        """Whether an object is about another customer: by its customer number, else a name. None: it does not say."""
        numbers, names = set[str](), set[str]()
        for key, value in fields.items():
            kind = kind_of_name(key)
            if kind == "customer_number" and isinstance(value, str | int):
                numbers.add(comparable(str(value)))
            if kind == "name" and isinstance(value, str) and value.strip():
                names.add(_name(value))
        assert self.customer is not None
        if numbers and self.customer.customer_number:
            return numbers != {comparable(self.customer.customer_number)}
        return _name(self.customer.name) not in names if names else None

    def own(self, text: str) -> tuple[PersonalSpan, ...]:
        """Where a text tells of this customer's record."""
        return find_by_record(text, self.record)

    def of_others(self, text: str) -> tuple[PersonalSpan, ...]:
        """Where a text tells what tools returned about another customer and this one has not said."""
        found = find_by_record(text, self.others) if self.others else ()
        return tuple(span for span in found if not self.said(span, self.others))

    def said(self, span: PersonalSpan, data: Sequence[PersonalDatum] | None = None) -> bool:
        """Whether the customer said this datum, in any notation: one of `data`, which is the record by default."""
        same_kind = [datum for datum in (self.record if data is None else data) if datum.kind == span.kind]
        of_span = [datum for datum in same_kind if find_by_record(span.value, [datum])]
        return bool(of_span) and any(find_by_record(words, of_span) for words in self._said)

    def said_or_returned(self, span: PersonalSpan) -> bool:
        """Whether the customer or a tool told this, word for word."""
        wanted = comparable(span.value)
        return any(wanted in text for text in self._public)


def comparable(text: str) -> str:
    """Text in lower case, with the separators of numbers and the commas of addresses taken out."""
    plain = read(text).plain.lower().replace(",", " ") if any(c.isalpha() for c in text) else read(text).plain
    return re.sub(r"(?<=[\d)])[\s().-]+(?=[\d(])|[(]| +(?= )", "", plain)


def _name(value: str) -> str:
    return " ".join(sorted(re.findall(r"\w+", read(value).plain.casefold())))


_Tells = Callable[[Mapping[str, JsonValue]], bool | None]


def _personal_data(value: JsonValue, foreign: bool | None, is_foreign: _Tells) -> Iterator[PersonalDatum]:
    """All data that stands in objects about another customer, and in what they contain."""
    if isinstance(value, list):
        for item in value:
            yield from _personal_data(item, foreign, is_foreign)
    if not isinstance(value, dict):
        return
    told = is_foreign(value)
    foreign = foreign if told is None else told
    for key, item in value.items():
        kind = kind_of_name(key) or ("name" if key == "name" else None)
        if foreign and kind and isinstance(item, str | int) and not isinstance(item, bool) and str(item).strip():
            yield PersonalDatum(kind=kind, value=str(item))
        else:
            yield from _personal_data(item, foreign, is_foreign)
