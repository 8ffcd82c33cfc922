"""Which expectations the rows of a dataset have to meet, as calls of Great Expectations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from assay.registry.content.frame import reason_column
from assay.registry.types.base import AutonomyLevel, RiskTier
from assay.registry.types.datacheck import DataExpectations

__all__ = ["Wanted", "wanted_of"]


@dataclass(frozen=True)
class Wanted:
    """One expectation: its name here, the class in `great_expectations.expectations`, and what it is told.

    `text` says in plain words what has to hold.
    """

    name: str
    kind: str
    text: str
    settings: dict[str, object] = field(default_factory=dict)


def wanted_of(expectations: DataExpectations, intents: Sequence[str]) -> list[Wanted]:
    """What every dataset has to keep, and then the coverage that this one promises."""
    return [*_rules(intents), *_coverage(expectations)]


def _rules(intents: Sequence[str]) -> Iterator[Wanted]:
    yield Wanted("ids-unique", "ExpectColumnValuesToBeUnique", "case ids are unique", {"column": "id"})
    for column in ("id", "intent", "risk_tier", "autonomy"):
        name = column.replace("_", "-")
        yield Wanted(f"{name}-present", "ExpectColumnValuesToNotBeNull", f"{column} is given", {"column": column})
    yield _in_set("intents-declared", "intent", list(intents), "the intent is declared in dataset.yaml")
    yield _in_set("risk-tiers-known", "risk_tier", list(map(str, RiskTier)), "the risk tier is a known one")
    yield _in_set("autonomy-known", "autonomy", list(map(str, AutonomyLevel)), "the autonomy level is a known one")
    yield Wanted(
        "customer-speaks",
        "ExpectColumnValuesToBeBetween",
        "the customer says something",
        {"column": "customer_turns", "min_value": 1},
    )
    yield _in_set("human-escalates", "escalates", [1], "a case of level `human` has to escalate", 'autonomy=="human"')
    yield Wanted(
        "answers-have-documents",
        "ExpectColumnValuesToBeBetween",
        "an answer from knowledge names its supporting documents",
        {"column": "documents", "min_value": 1, **_where("needs_documents==1")},
    )
    for name, column, text in (
        ("documents-exist", "unknown_document_count", "the documents named exist"),
        (
            "documents-quotable",
            "unquotable_document_count",
            "the documents named are public and hold on the case's day",
        ),
        ("calls-answered", "unanswered_call_count", "every expected tool call has a fixture that answers it"),
    ):
        yield _in_set(name, column, [0], text)


def _coverage(expectations: DataExpectations) -> Iterator[Wanted]:
    yield _at_least("cases-covered", expectations.min_cases, "cases")
    yield Wanted(
        "intents-covered",
        "ExpectColumnUniqueValueCountToBeBetween",
        f"there are at least {expectations.min_intents} intents",
        {"column": "intent", "min_value": expectations.min_intents},
    )
    for tier, least in expectations.risk_tiers.items():
        yield _at_least(f"risk-tier-{tier}-covered", least, f"cases of risk tier {tier}", f'risk_tier=="{tier}"')
    for intent, least in expectations.intents.items():
        yield _at_least(f"intent-{intent}-covered", least, f"cases of intent {intent}", f'intent=="{intent}"')
    for reason, least in expectations.escalation_reasons.items():
        text = f"cases that escalate for {reason}"
        yield _at_least(f"reason-{reason}-covered", least, text, f"{reason_column(reason)}==1")
    yield _share("several-turns-share", "several_turns", expectations.min_multi_turn_share, 1.0, "have several turns")
    low, high = expectations.min_escalation_share, expectations.max_escalation_share
    yield _share("escalation-share", "escalates", low, high, "have to escalate")


def _in_set(name: str, column: str, values: list[str] | list[int], text: str, where: str = "") -> Wanted:
    settings = {"column": column, "value_set": values, **_where(where)}
    return Wanted(name, "ExpectColumnValuesToBeInSet", text, settings)


def _at_least(name: str, least: int, what: str, where: str = "") -> Wanted:
    settings = {"min_value": least, **_where(where)}
    return Wanted(name, "ExpectTableRowCountToBeBetween", f"there are at least {least} {what}", settings)


def _share(name: str, column: str, low: float, high: float, what: str) -> Wanted:
    text = f"between {low:.0%} and {high:.0%} of the cases {what}"
    return Wanted(name, "ExpectColumnMeanToBeBetween", text, {"column": column, "min_value": low, "max_value": high})


def _where(condition: str) -> dict[str, object]:
    return {"row_condition": condition, "condition_parser": "pandas"} if condition else {}
