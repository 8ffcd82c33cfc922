"""A dataset with personal data blacked out: that of each customer's record, and what shows by its form."""

from __future__ import annotations

import re
from typing import Any

from assay.registry.digest import digest_of
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
    if "state" in plain:
        plain["state"] = redact_json(plain["state"], customer)
    for fixture in plain["tools"]:
        for key in ("arguments", "when", "sets"):
            if key in fixture:
                fixture[key] = redact_json(fixture[key], customer)
        fixture["result"] = redact_json(fixture["result"], customer)
        fixture["error"] = redact_json(fixture["error"], customer)
    expect = plain["expect"]
    expect["must_not_say"] = redact_json(expect["must_not_say"], customer)
    if expect["handoff"]:
        expect["handoff"]["must_mention"] = redact_json(expect["handoff"]["must_mention"], customer)
    plain["labels"] = redact_json(plain["labels"], customer)
    plain["id"] = _name(case.id, customer, "case")
    plain["tags"] = [_name(tag, customer, "tag") for tag in case.tags]
    plain["customer"] = {"name": "[name]"} if customer else None
    return Case.model_validate(plain)


def _name(name: str, customer: Customer | None, what: str) -> str:
    """An id or tag as it is, or one made of its digest where its words tell personal data.

    The digest is of the name and the customer, so that a customer number cannot be found by trying all of them.
    """
    words = re.sub(r"[_.-]+", " ", name)
    if redact(words, customer) == words and redact(name, customer) == name:
        return name
    record = customer.model_dump(mode="json") if customer else None
    return f"{what}-{digest_of([name, record])[:12]}"


def _turn(turn: dict[str, Any], customer: Customer | None) -> None:
    turn["customer"] = redact(turn["customer"], customer)
    turn["golden_reply"] = redact_json(turn["golden_reply"], customer)
    expect = turn["expect"]
    for key in ("must_say", "must_not_say"):
        expect[key] = redact_json(expect[key], customer)
    for call in expect["tool_calls"]:
        call["arguments"] = redact_json(call["arguments"], customer)
