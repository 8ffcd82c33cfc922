"""How far two people label the same conversations alike: Cohen's kappa, field by field.

Kappa is (p_o - p_e) / (1 - p_e), the agreement beyond what chance would give with the same habits of labelling
(Cohen 1960, Educational and Psychological Measurement 20:37-46). Its interval is that of statsmodels'
`cohens_kappa`, from the large-sample variance of Fleiss, Cohen and Everitt (1969).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from assay.registry.digest import canonical_json
from assay.registry.errors import ContentError
from assay.registry.types.case import Case

_NOTHING = "(none)"
"""No name has brackets, so that nothing is called like it."""

__all__ = ["Agreement", "Disagreement", "FieldAgreement", "compare_labels"]


@dataclass(frozen=True)
class FieldAgreement:
    """Agreement on one field over `n` units (conversations, or customer turns).

    `kappa` and its 95 % interval are None where both labellers used one and the same value throughout: chance alone
    would give as much, and the figure says nothing.
    """

    field: str
    n: int
    agreed: int
    kappa: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Disagreement:
    """A conversation, or a customer turn of it (from 1), on which the two differ in a field."""

    case: str
    turn: int | None
    field: str
    first: str
    second: str


@dataclass(frozen=True)
class Agreement:
    """`only_first` and `only_second` are ids of conversations that one of the two has not labelled."""

    fields: tuple[FieldAgreement, ...]
    disagreements: tuple[Disagreement, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def compare_labels(first: Sequence[Case], second: Sequence[Case]) -> Agreement:
    """Compare two labellings of the same conversations.

    Raises:
        ContentError: no conversation is in both, or one of them has other customer turns in the two: then the labels
            are not of the same thing.
    """
    one, other = ({case.id: case for case in cases} for cases in (first, second))
    shared = [name for name in one if name in other]
    if not shared:
        raise ContentError("the two have no case in common, so there is nothing to compare")
    for name in shared:
        if [t.customer for t in one[name].turns] != [t.customer for t in other[name].turns]:
            raise ContentError(f"case {name!r} has other customer turns in the two: label the same text")
    units: dict[str, list[tuple[Disagreement, bool]]] = {}
    for name in shared:
        for unit in _units(one[name], other[name]):
            units.setdefault(unit.field, []).append((unit, unit.first == unit.second))
    return Agreement(
        fields=tuple(_field(name, [unit for unit, _ in found]) for name, found in units.items()),
        disagreements=tuple(unit for found in units.values() for unit, same in found if not same),
        only_first=tuple(name for name in one if name not in other),
        only_second=tuple(name for name in other if name not in one),
    )


def _units(one: Case, other: Case) -> Iterator[Disagreement]:
    for field, read in _CASE_FIELDS.items():
        yield Disagreement(one.id, None, field, read(one), read(other))
    if one.expect.escalation.required and other.expect.escalation.required:
        for field, read in _ESCALATION_FIELDS.items():
            yield Disagreement(one.id, None, field, read(one), read(other))
    for field, read_turn in _TURN_FIELDS.items():
        for number in range(len(one.turns)):
            yield Disagreement(one.id, number + 1, field, read_turn(one, number), read_turn(other, number))


def _field(name: str, units: Sequence[Disagreement]) -> FieldAgreement:
    pairs = [(unit.first, unit.second) for unit in units]
    kappa, interval = _kappa(pairs)
    return FieldAgreement(name, len(pairs), sum(a == b for a, b in pairs), kappa, interval)


def _kappa(pairs: Sequence[tuple[str, str]]) -> tuple[float | None, tuple[float, float] | None]:
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    values = sorted({value for pair in pairs for value in pair})
    if len(values) < 2:
        return None, None
    place = {value: index for index, value in enumerate(values)}
    table = np.zeros((len(values), len(values)))
    for a, b in pairs:
        table[place[a], place[b]] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Any = cohens_kappa(table)
    kappa, low, high = float(found.kappa), float(found.kappa_low), float(found.kappa_upp)
    if not math.isfinite(kappa):
        return None, None
    return kappa, (max(-1.0, low), min(1.0, high)) if math.isfinite(low) and math.isfinite(high) else None


def _list(values: Sequence[object]) -> str:
    return ", ".join(sorted(map(str, values))) or _NOTHING


def _json(value: BaseModel | None) -> str:
    return _NOTHING if value is None else canonical_json(value).decode("utf-8", errors="surrogatepass")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


_CASE_FIELDS: Mapping[str, Callable[[Case], str]] = {
    "intent": lambda case: case.intent,
    "risk_tier": lambda case: case.risk_tier.value,
    "autonomy": lambda case: case.autonomy.value,
    "escalation.required": lambda case: _yes(case.expect.escalation.required),
    "escalation.near_miss_of": lambda case: _list(case.expect.escalation.near_miss_of),
    "channel": lambda case: case.channel,
    "language": lambda case: case.language,
    "tags": lambda case: _list(case.tags),
    "must_not_say": lambda case: _list(case.expect.must_not_say),
    "handoff": lambda case: _json(case.expect.handoff),
}
_ESCALATION_FIELDS: Mapping[str, Callable[[Case], str]] = {
    "escalation.first_reason": lambda case: case.expect.escalation.reasons[0].value,
    "escalation.reasons": lambda case: _list([reason.value for reason in case.expect.escalation.reasons]),
    "escalation.by_turn": lambda case: str(case.expect.escalation.by_turn),
    "escalation.queue": lambda case: case.expect.escalation.queue or _NOTHING,
}
_TURN_FIELDS: Mapping[str, Callable[[Case, int], str]] = {
    "turn.supporting_documents": lambda case, n: _list(case.turns[n].expect.supporting_documents),
    "turn.tool_calls": lambda case, n: _list([_json(call) for call in case.turns[n].expect.tool_calls]),
    "turn.must_say": lambda case, n: _list([_list(wanted.any_of) for wanted in case.turns[n].expect.must_say]),
    "turn.must_not_say": lambda case, n: _list(case.turns[n].expect.must_not_say),
    "turn.forbidden_tools": lambda case, n: _list(case.turns[n].expect.forbidden_tools),
}
