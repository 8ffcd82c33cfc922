"""Which expectations the tables of a dataset have to meet, as Great Expectations knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from assay.registry.content.frame import slice_column
from assay.registry.types.base import AutonomyLevel, RiskTier
from assay.registry.types.datacheck import CheckSeverity, DataExpectations

__all__ = ["TableName", "Wanted", "wanted_of"]

TableName = Literal["cases", "documents", "texts"]


@dataclass(frozen=True)
class Wanted:
    """One expectation: its name here, Great Expectations' type and keyword arguments, and the table it is about.

    `text` says in plain words what has to hold.
    """

    name: str
    type: str
    text: str
    kwargs: dict[str, object] = field(default_factory=dict)
    severity: CheckSeverity = "critical"
    table: TableName = "cases"

    @property
    def column(self) -> str:
        return str(self.kwargs.get("column", ""))


def wanted_of(
    expectations: DataExpectations, intents: Sequence[str], *, with_documents: bool, with_texts: bool
) -> list[Wanted]:
    """What every dataset has to keep, then the coverage that this one promises, then its own expectations."""
    return [
        *_rules(intents),
        *_labels(),
        *(_texts() if with_texts else ()),
        *_copies(expectations.max_similarity),
        *_coverage(expectations, with_documents=with_documents),
        *(Wanted(own.name, own.type, own.text, dict(own.kwargs), own.severity) for own in expectations.expectations),
    ]


def _rules(intents: Sequence[str]) -> Iterator[Wanted]:
    yield Wanted("ids-unique", "expect_column_values_to_be_unique", "case ids are unique", {"column": "id"})
    for column in ("id", "intent", "risk_tier", "autonomy"):
        name = column.replace("_", "-")
        yield Wanted(f"{name}-present", "expect_column_values_to_not_be_null", f"{column} is given", {"column": column})
    yield _in_set("intents-declared", "intent", list(intents), "the intent is declared in dataset.yaml")
    yield _in_set("risk-tiers-known", "risk_tier", list(map(str, RiskTier)), "the risk tier is a known one")
    yield _in_set("autonomy-known", "autonomy", list(map(str, AutonomyLevel)), "the autonomy level is a known one")
    yield _between("customer-speaks", "customer_turns", 1, "the customer says something")
    yield _in_set("human-escalates", "escalates", [1], "a case of level `human` has to escalate", 'autonomy=="human"')
    text = "a case that has to escalate says for which reason"
    yield _between("escalations-reasoned", "escalation_reasons", 1, text, where="escalates==1")
    text = "an answer from knowledge names its supporting documents"
    yield _between("answers-have-documents", "documents", 1, text, where="needs_documents==1")


def _labels() -> Iterator[Wanted]:
    for name, column, text in (
        ("documents-exist", "unknown_documents", "the documents named exist"),
        ("documents-quotable", "unquotable_documents", "the documents named are public and hold on the case's day"),
        ("calls-answered", "unanswered_calls", "every expected tool call has a fixture that answers it"),
        ("fixtures-in-use", "idle_fixtures", "every fixture can answer some call"),
        ("simulations-consistent", "simulation_mistakes", "a simulated customer can be played as the case asks"),
        ("calls-consistent", "contradictory_calls", "no tool call is both expected and forbidden"),
        ("one-level-per-intent", "other_level", "an intent has one autonomy level"),
        ("turns-said", "blank_turns", "in every customer turn something is said"),
        ("phrases-possible", "impossible_phrases", "what has to be said can be said"),
        ("golden-replies-fit", "golden_reply_mistakes", "golden replies meet their own expectations"),
        ("answers-supported", "unsupported_answers", "what an answer has to say stands in its documents"),
        ("handoffs-askable", "unaskable_handoffs", "a handoff asks only for what was said and done in time"),
        ("personal-data-invented", "personal_data", "no personal data that could be somebody's"),
    ):
        yield _in_set(name, column, [0], text)
    for name, column, text in (
        (
            "handoffs-consistent",
            "inconsistent_handoffs",
            "a handoff is of the case's intent, and no call is due after it",
        ),
        ("escalations-routed", "unrouted_escalations", "a case that has to escalate says where to and what to carry"),
        ("turns-readable", "long_turns", "no customer turn is longer than anybody writes"),
    ):
        yield _in_set(name, column, [0], text, severity="warning")
    text = "a case asks something of the agent besides whether to escalate"
    yield _between("cases-ask-something", "expectations", 1, text, severity="warning")


def _texts() -> Iterator[Wanted]:
    text = "no knowledge document and no wording holds a card number or national id that could be somebody's"
    kwargs: dict[str, object] = {"column": "personal_data", "max_value": 0}
    yield Wanted("texts-without-personal-data", "expect_column_sum_to_be_between", text, kwargs, table="texts")


def _copies(most: float) -> Iterator[Wanted]:
    yield _in_set("no-near-duplicates", "near_duplicates", [0], f"no two cases are {most:.0%} alike or more")
    text = f"no customer turn is {most:.0%} like an utterance that a model is trained on, or more"
    yield _in_set("not-trained-on", "training_overlap", [0], text)


def _coverage(expectations: DataExpectations, *, with_documents: bool) -> Iterator[Wanted]:
    yield _rows("cases-covered", expectations.min_cases, "cases")
    turns = expectations.min_customer_turns
    yield _sum("turns-covered", "customer_turns", turns, f"there are at least {turns} customer turns")
    yield Wanted(
        "intents-covered",
        "expect_column_unique_value_count_to_be_between",
        f"there are at least {expectations.min_intents} intents",
        {"column": "intent", "min_value": expectations.min_intents},
    )
    if with_documents or expectations.min_documents:
        yield _rows("documents-covered", expectations.min_documents, "knowledge documents", table="documents")
    for text, least in expectations.slices.items():
        yield _sum(f"slice {text}", slice_column(text), least, f"there are at least {least} cases of {text}")
    wanted = expectations.long_conversations
    if wanted:
        what = f"have {wanted.customer_turns} or more customer turns"
        yield _share("long-conversations-share", "long_conversation", wanted.min_share, 1.0, what)
    low, high = expectations.min_escalation_share, expectations.max_escalation_share
    yield _share("escalation-share", "escalates", low, high, "have to escalate")


def _in_set(
    name: str,
    column: str,
    values: list[str] | list[int],
    text: str,
    where: str = "",
    severity: CheckSeverity = "critical",
) -> Wanted:
    kwargs = {"column": column, "value_set": values, **_where(where)}
    return Wanted(name, "expect_column_values_to_be_in_set", text, kwargs, severity)


def _between(
    name: str, column: str, least: int, text: str, *, where: str = "", severity: CheckSeverity = "critical"
) -> Wanted:
    kwargs = {"column": column, "min_value": least, **_where(where)}
    return Wanted(name, "expect_column_values_to_be_between", text, kwargs, severity)


def _rows(name: str, least: int, what: str, table: TableName = "cases") -> Wanted:
    text = f"there are at least {least} {what}"
    return Wanted(name, "expect_table_row_count_to_be_between", text, {"min_value": least}, table=table)


def _sum(name: str, column: str, least: int, text: str) -> Wanted:
    return Wanted(name, "expect_column_sum_to_be_between", text, {"column": column, "min_value": least})


def _share(name: str, column: str, low: float, high: float, what: str) -> Wanted:
    text = f"between {low:.0%} and {high:.0%} of the cases {what}"
    return Wanted(
        name, "expect_column_mean_to_be_between", text, {"column": column, "min_value": low, "max_value": high}
    )


def _where(condition: str) -> dict[str, object]:
    return {"row_condition": condition, "condition_parser": "pandas"} if condition else {}
