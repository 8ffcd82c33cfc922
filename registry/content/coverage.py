"""What a dataset covers: cases and customer turns by every attribute that slices can name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from assay.registry.slices import ATTRIBUTES
from assay.registry.types.case import Case
from assay.registry.types.datacheck import DataExpectations

__all__ = ["Coverage", "Share", "coverage_of"]


@dataclass
class Share:
    """Cases that have one value of an attribute. `wanted` is what the dataset promises of it, or None."""

    value: str
    cases: int = 0
    customer_turns: int = 0
    escalations: int = 0
    """Those of them that require a person."""
    wanted: int | None = None


@dataclass(frozen=True)
class Coverage:
    """`attributes` gives each attribute's values, the most frequent first; `turns` the cases by customer turns."""

    cases: int
    customer_turns: int
    escalations: int
    golden_replies: int
    attributes: dict[str, tuple[Share, ...]]
    turns: tuple[Share, ...]
    promised: tuple[Share, ...]
    """The slices that `expectations.yaml` promises a number of cases of."""

    @property
    def tables(self) -> dict[str, tuple[Share, ...]]:
        """Everything to show, by what it is about."""
        return {"customer turns": self.turns, **self.attributes}


def coverage_of(cases: Iterable[Case], expectations: DataExpectations | None = None) -> Coverage:
    """Count cases, reading each once."""
    from assay.registry import slices

    promised = {
        text: Share(text, wanted=least) for text, least in (expectations.slices if expectations else {}).items()
    }
    terms = {text: slices.parse(text) for text in promised}
    counted: dict[str, dict[str, Share]] = {name: {} for name in (*ATTRIBUTES, "")}
    total, golden = Share("all"), 0
    for case in cases:
        attributes = case.attributes()
        golden += sum(turn.golden_reply is not None for turn in case.turns)
        _count(total, case)
        _count(counted[""].setdefault(str(len(case.turns)), Share(str(len(case.turns)))), case)
        for name, values in attributes.items():
            for value in dict.fromkeys(values):
                _count(counted[name].setdefault(value, Share(value)), case)
        for text, share in promised.items():
            if slices.matches(terms[text], attributes):
                _count(share, case)
    turns = counted.pop("")
    for name, shares in counted.items():
        for value, share in shares.items():
            share.wanted = next((p.wanted for p in promised.values() if terms[p.value] == ((name, value),)), None)
    return Coverage(
        cases=total.cases,
        customer_turns=total.customer_turns,
        escalations=total.escalations,
        golden_replies=golden,
        attributes={
            name: tuple(sorted(shares.values(), key=lambda share: (-share.cases, share.value)))
            for name, shares in counted.items()
            if shares
        },
        turns=tuple(sorted(turns.values(), key=lambda share: int(share.value))),
        promised=tuple(promised.values()),
    )


def _count(share: Share, case: Case) -> None:
    share.cases += 1
    share.customer_turns += len(case.turns)
    share.escalations += int(case.expect.escalation.required)
