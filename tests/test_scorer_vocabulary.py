"""Names in policy rules that neither the dataset nor the bundle knows: refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conversations import DIGEST, plain_case

from assay.registry.content import load_dataset, load_rule_packs
from assay.registry.errors import ContentError
from assay.registry.store.contents import read_bundle
from assay.registry.types.bundle import BundleManifest
from assay.registry.types.case import CustomerTurn, Dataset, DatasetInfo, ExpectedCall, ToolFixture, TurnExpectation
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.policy import PolicyScorer, PolicySettings
from assay.runner.scorers.vocabulary import Vocabulary, vocabulary_of

ROOT = Path(__file__).resolve().parents[1]
PACK = """
name: p
version: "1"
description: d
writes: [refund_fee]
verified: [get_balance]
rules:
  - id: r
    title: t
    clause: c
    severity: high
    {}
"""
WORDS = Vocabulary(
    arguments={
        "refund_fee": ("amount", "customer_number", "to", "to.account"),
        "get_balance": ("customer_number",),
        "verify_identity": ("customer_number", "date_of_birth"),
    },
    results={"verify_identity": ("verified",), "get_balance": ("balance",)},
    intents=("complaint", "fee_refund"),
    queues=("care_team", "fraud_desk"),
)


def read(condition: str, words: Vocabulary = WORDS, **context: Any) -> PolicyScorer:
    text = PACK.format(condition)
    return PolicyScorer(PolicySettings(rules="p"), ScorerContext(rule_packs={"p": text}, vocabulary=words, **context))


@pytest.mark.parametrize(
    ("sentence", "column", "told"),
    [
        ("never calls refund_fee (amuont > 1)", 25, "'refund_fee' has no 'amuont'"),
        ("never calls writes (amuont > 1)", 21, "Did you mean 'amount'?"),
        ("never calls refund* (amuont > 1)", 22, "Did you mean 'amount'?"),
        ("never calls (amuont > 1)", 14, "Did you mean 'amount'?"),
        ("never calls refund_fee (to.acount = x)", 25, "Did you mean 'to.account'?"),
        ("never calls verify_identity giving (verfied = true)", 37, "Did you mean 'verified'?"),
        ("never triages (intent = complant)", 25, "no intent is named 'complant'. Did you mean 'complaint'?"),
        ("never hands off (queue = care_teem)", 26, "no queue is named 'care_teem'. Did you mean 'care_team'?"),
        ("never hands off (intent != complant)", 28, "Did you mean 'complaint'?"),
        (
            "calls refund_fee needs calls verify_identity before with the same customer_nmber",
            67,
            "Did you mean 'customer_number'?",
        ),
    ],
)
def test_an_unknown_name_in_a_sentence_is_shown_where_it_stands(sentence: str, column: int, told: str) -> None:
    with pytest.raises(ContentError) as error:
        read(f"holds: {sentence}")
    message = str(error.value)
    assert "rule pack p" in message
    assert "r.holds" in message
    assert told in message
    assert f"at column {column}" in message


@pytest.mark.parametrize(
    ("condition", "where", "told"),
    [
        ("tool_argument: {tools: [refund_fee], argument: amuont, at_most: 40}", "tool_argument.argument", "'amount'"),
        ("confirm_before: {tools: writes, asked: [ok], lists: {refund_fee: [amuont]}}", "lists.refund_fee", "'amount'"),
        (
            "requires_before: {tools: verified, needs: {tool: verify_identity, result: {verfied: true}}}",
            "requires_before.needs.result",
            "'verified'",
        ),
        (
            "requires_before: {tools: verified, needs: {tool: verify_identity, result: {verified: true}}, "
            "same_argument: customer_nmber}",
            "requires_before.same_argument",
            "'customer_number'",
        ),
        ("scope: {intents: [complant]}\n    max_handoffs: {limit: 1}", "scope.intents", "'complaint'"),
    ],
)
def test_an_unknown_name_in_a_condition_names_its_key(condition: str, where: str, told: str) -> None:
    with pytest.raises(ContentError) as error:
        read(condition)
    assert where in str(error.value)
    assert f"Did you mean {told}?" in str(error.value)


@pytest.mark.parametrize(
    "sentence",
    [
        "never calls refund_fee (amount > 1, to.account = x)",
        "never calls verify_identity giving (verified = false)",
        "never calls wire (amuont > 1)",  # nothing is known of that tool
        "never calls wire | refund_fee (fee_code = 1)",
        "never calls refund_fee giving (refnded = true)",  # nor of what this one returns
        "never calls *verif* giving (success = true)",  # a pattern is meant for tools that are elsewhere, too
        "never triages (intent = null)",
        "never triages (signal = complant)",
        "never hands off (intent matches /complant/)",
        "calls refund_fee needs calls verify_identity before with the same customer_number",
    ],
)
def test_what_is_known_or_cannot_be_known_is_accepted(sentence: str) -> None:
    assert read(f"holds: {sentence}").rules == ("r",)


def test_without_anything_known_nothing_is_refused() -> None:
    assert read("holds: never calls refund_fee (amuont > 1)", Vocabulary()).rules == ("r",)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ContentError) as error:
        read("holds: never calls refund_fe (a = 1) or triages (intent = complant)", tools=("refund_fee",))
    assert "refund_fe'" in str(error.value)
    assert "complant" in str(error.value)


def test_names_are_known_from_cases_fixtures_and_the_manifest() -> None:
    turn = CustomerTurn(
        customer="hi", expect=TurnExpectation(tool_calls=(ExpectedCall(name="pay", arguments={"a": {"b": 1}}),))
    )
    fixture = ToolFixture(name="pay", arguments={"c": 1}, result={"ok": {"id": 1}})
    case = plain_case(turns=(turn,), tools=(fixture,))
    info = DatasetInfo(name="d", version="1", description="d", licence="l", intents=("i",), queues=("q",))
    dataset = Dataset(info=info, cases=(case,), case_digests={}, documents={}, digest=DIGEST)
    alone = vocabulary_of(dataset, None)
    assert set(alone.arguments["pay"]) == {"a", "a.b", "c"}
    assert set(alone.results["pay"]) == {"ok", "ok.id"}
    assert (alone.intents, alone.queues) == (("i",), ("q",))
    both = vocabulary_of(dataset, champion())
    assert "amount" in both.arguments["refund_fee"]
    assert "fraud_report" in both.intents
    assert "fraud_desk" in both.queues


@pytest.mark.parametrize("pack", ["harborline", "contact-center"])
@pytest.mark.parametrize("recorded", [True, False])
def test_the_shipped_packs_name_what_the_shipped_dataset_knows(pack: str, recorded: bool) -> None:
    dataset = load_dataset(ROOT / "datasets" / "harborline")
    manifest = None if recorded else champion()
    context = ScorerContext(
        manifest=manifest,
        rule_packs=load_rule_packs(ROOT / "evalsuites" / "policies"),
        tools=dataset.info.tools,
        vocabulary=vocabulary_of(dataset, manifest),
    )
    assert PolicyScorer(PolicySettings(rules=pack), context).rules


def champion() -> BundleManifest:
    files = read_bundle(ROOT / "registry" / "bundles" / "harborline" / "champion.yaml")
    source = files.source
    return BundleManifest(
        agent=source.agent,
        adapter=source.adapter,
        prompt_digest=DIGEST,
        retrieval=files.retrieval.config,
        knowledge_digest=files.retrieval.knowledge_digest,
        model=files.model,
        model_source_digest=files.model_source_digest,
        model_digest=DIGEST,
        tools=source.tools,
        roles=source.roles,
        autonomy=source.autonomy,
    )
