"""A dataset with personal data blacked out: that of each customer's record, and what shows by its form."""

from __future__ import annotations

from typing import Any

from assay.registry.pii import redact, redact_json
from assay.registry.types.case import Case, Customer, Dataset

__all__ = ["redacted"]


def redacted(dataset: Dataset) -> Dataset:
    """The dataset with its cases redacted. Its digests are those of the dataset as it is."""
    return dataset.model_copy(update={"cases": tuple(map(_case, dataset.cases))})


def _case(case: Case) -> Case:
    customer = case.customer
    plain: dict[str, Any] = case.model_dump(mode="json")
    for turn in plain["turns"]:
        _turn(turn, customer)
    for fixture in plain["tools"]:
        fixture["arguments"] = redact_json(fixture["arguments"], customer)
        fixture["result"] = redact_json(fixture["result"], customer)
        fixture["error"] = redact_json(fixture["error"], customer)
    expect = plain["expect"]
    expect["must_not_say"] = redact_json(expect["must_not_say"], customer)
    if expect["handoff"]:
        expect["handoff"]["must_mention"] = redact_json(expect["handoff"]["must_mention"], customer)
    plain["labels"] = redact_json(plain["labels"], customer)
    plain["customer"] = {"name": "[name]"} if customer else None
    return Case.model_validate(plain)


def _turn(turn: dict[str, Any], customer: Customer | None) -> None:
    turn["customer"] = redact(turn["customer"], customer)
    turn["golden_reply"] = redact_json(turn["golden_reply"], customer)
    expect = turn["expect"]
    for key in ("must_say", "must_not_say"):
        expect[key] = redact_json(expect[key], customer)
    for call in expect["tool_calls"]:
        call["arguments"] = redact_json(call["arguments"], customer)
