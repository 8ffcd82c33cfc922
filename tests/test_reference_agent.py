"""The reference agent, through `respond` and a channel that records what it does."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import hashlib
import io
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench.triage import measured, messages

from assay.registry.errors import ContentError
from assay.registry.retrieval.documents import parse_document
from assay.registry.retrieval.search import Retriever
from assay.registry.strict import load_yaml, read_text
from assay.registry.types.base import JsonValue
from assay.registry.types.bundle import BundleManifest, BundleSource, RetrievalConfig, TriageConfig
from assay.registry.types.trajectory import HandoffPacket, Passage, Usage
from assay.runner.agents.base import ConversationContext, ToolResult
from assay.runner.agents.reference import triage
from assay.runner.agents.reference.agent import build_reference_agent
from assay.runner.agents.reference.dates import find_dates, find_month, find_time
from assay.runner.agents.reference.facts import extract
from assay.runner.agents.reference.prompt import Prompt
from assay.runner.agents.reference.recall import recalled
from assay.runner.agents.reference.replies import is_noise, is_pause, yes_or_no
from assay.runner.agents.reference.triage import TriageModel, form_of, normalised, parse_utterances, train_triage

ROOT = Path(__file__).resolve().parents[1]
BUNDLES = ROOT / "registry" / "bundles" / "harborline"
CASES = ROOT / "datasets" / "harborline" / "cases.jsonl"
TODAY = dt.date(2026, 3, 2)  # a Monday
WHO = "My customer number is 48213907 and I was born on March 12, 1984."

DOCUMENTS = (
    ("kb-wire", "Wire fees", "public", "2026-01-01", "", "## Domestic wires\nAn outgoing domestic wire costs $28.00."),
    (
        "kb-wire-old",
        "Wire fees",
        "public",
        "2025-01-01",
        "2025-12-31",
        "## Wires\nAn outgoing domestic wire costs $19.00.",
    ),
    (
        "kb-guide",
        "Goodwill guide",
        "internal",
        "2025-01-01",
        "",
        "## Wires\nStaff may waive a domestic wire fee of $99.00.",
    ),
    (
        "kb-hours",
        "Mill Road branch",
        "public",
        "2025-01-01",
        "",
        "## Opening hours\nMill Road is open from 9:00 a.m. to 5:00 p.m.",
    ),
)

VERIFIED: dict[str, Any] = {"verify_identity": {"verified": True, "customer_name": "Ada Quill"}}
BALANCE = {"account": "current", "balance": 1250.4, "available": 1200.4, "currency": "USD", "as_of": "2026-03-02"}
BLOCKED = {"blocked": True, "card_last4": "4821", "reference": "BLK-20418", "replacement_by": "2026-03-11"}
APPLICATION = {
    "reference": "APP-40912",
    "product": "personal loan",
    "status": "under review",
    "decision_by": "2026-03-09",
}
LIMIT = {"changed": True, "limit": 2500.0, "effective_on": "2026-03-02", "reference": "LIM-40231"}
CHECKS = {"ordered": True, "reference": "CHK-55120", "arrives_by": "2026-03-12"}
REFUNDED = {"refunded": True, "amount": 25.0, "reference": "RFD-3302", "credited_on": "2026-03-05"}


class Recorder:
    """A channel that records acts in order and answers tools from a table of results, errors or lists of both."""

    def __init__(self, tools: dict[str, Any]) -> None:
        self.tools = tools
        self.acts: list[tuple[str, str, Any]] = []

    def say(self, text: str, *, role: str = "") -> None:
        self.acts.append(("say", role, text))

    def triage(self, intent: str, confidence: float, *, signals: tuple[str, ...] = (), role: str = "") -> None:
        assert 0 <= confidence <= 1
        self.acts.append(("triage", role, (intent, signals)))

    def retrieved(self, query: str, passages: tuple[Passage, ...], *, role: str = "") -> None:
        self.acts.append(("retrieved", role, passages))

    async def tool(self, name: str, arguments: dict[str, JsonValue], *, role: str = "") -> ToolResult:
        self.acts.append(("tool", role, (name, arguments)))
        answer = self.tools[name]
        if isinstance(answer, list):
            answer = answer.pop(0)
        return ToolResult(error=answer) if isinstance(answer, str) else ToolResult(result=answer)

    def hand_off(self, packet: HandoffPacket, *, role: str = "") -> None:
        self.acts.append(("hand_off", role, packet))

    def used(self, usage: Usage) -> None:
        self.acts.append(("used", "", usage))

    def of(self, kind: str) -> list[Any]:
        return [what for act, _, what in self.acts if act == kind]

    @property
    def text(self) -> str:
        return " ".join(self.of("say"))

    @property
    def calls(self) -> list[str]:
        return [name for name, _ in self.of("tool")]

    @property
    def packet(self) -> HandoffPacket | None:
        return next(iter(self.of("hand_off")), None)


def source(name: str = "improved") -> BundleSource:
    return load_yaml(BUNDLES / f"{name}.yaml", BundleSource)


def manifest_of(bundle: BundleSource) -> BundleManifest:
    none = "0" * 64
    return BundleManifest(
        agent=bundle.agent,
        adapter=bundle.adapter,
        prompt_digest=none,
        retrieval=RetrievalConfig.model_validate(bundle.retrieval.model_dump(exclude={"knowledge"})),
        knowledge_digest=none,
        model=TriageConfig.model_validate(bundle.model.model_dump(exclude={"utterances"})),
        model_source_digest=none,
        model_digest=none,
        tools=bundle.tools,
        roles=bundle.roles,
        autonomy=bundle.autonomy,
    )


def knowledge() -> list[Any]:
    template = '---\nid: {}\ntitle: {}\nversion: "1"\naudience: {}\neffective_from: {}\n{}topics: []\n---\n{}\n'
    return [
        parse_document(template.format(i, t, a, f, f"effective_to: {to}\n" if to else "", body), file=i)
        for i, t, a, f, to, body in DOCUMENTS
    ]


@pytest.fixture(scope="module")
def models(trained_once: None) -> Callable[[str], Any]:
    trained: dict[str, Any] = {}

    def model(name: str) -> Any:
        if name not in trained:
            bundle = source(name)
            config = TriageConfig.model_validate(bundle.model.model_dump(exclude={"utterances"}))
            trained[name] = triage.train_triage(config, read_text(BUNDLES / bundle.model.utterances))
        return trained[name]

    return model


@pytest.fixture(scope="module")
def talk(models: Callable[[str], Any]) -> Callable[..., list[Recorder]]:
    def run(
        *turns: str,
        tools: dict[str, Any] | None = None,
        change: Callable[[BundleManifest], BundleManifest] = lambda m: m,
        prompt: Callable[[str], str] = lambda p: p,
        retrieval: RetrievalConfig | None = None,
        model: str = "improved",
    ) -> list[Recorder]:
        bundle = source()
        agent = build_reference_agent(
            change(manifest_of(bundle)),
            prompt=prompt(read_text(BUNDLES / bundle.prompt.file)),
            retriever=Retriever(knowledge(), retrieval or RetrievalConfig()),
            model=models(model),
        )
        session = agent.start(ConversationContext(channel="chat", language="en", date=TODAY, seed=0))

        async def converse() -> list[Recorder]:
            recorders = []
            for turn in turns:
                recorders.append(Recorder({} if tools is None else tools))
                await session.respond(turn, recorders[-1])
            return recorders

        return asyncio.run(converse())

    return run


def without_section(name: str) -> Callable[[str], str]:
    return lambda prompt: re.sub(rf"## {name}\n.*?(?=## |\Z)", "", prompt, flags=re.DOTALL)


# Messages that nobody trained on


def held_out(name: str, models: Callable[[str], Any]) -> tuple[float, float]:
    """(recall, false escalations) of a bundle's model over first messages that no model was trained or tuned on."""
    found = measured(TriageModel(models(name)), source(name).autonomy, messages())
    return found["recall"]["value"], found["false_escalations"]["value"]


def test_messages_that_nobody_trained_on_are_told_apart_and_a_poor_model_does_not(models: Callable[[str], Any]) -> None:
    recall, false = held_out("champion", models)
    assert recall >= 0.85
    assert false <= 0.12
    assert held_out("poor-model", models)[0] < 0.7


def test_nothing_held_out_is_trained_on() -> None:
    from assay.registry.content.similarity import NearestTexts

    texts = [text for text, _, _ in messages()]
    near = NearestTexts(0.8, lambda name: trained[int(name)])
    trained = [row[0] for row in parse_utterances(read_text(BUNDLES / "training" / "utterances.csv"))]
    for number, text in enumerate(trained):
        near.nearest(text, add_as=str(number))
    assert [text for text in texts if len(text.split()) >= 5 and near.nearest(text)] == []


# Identity and reads


def test_the_first_reply_says_that_it_is_automated_and_only_the_first(talk: Any) -> None:
    first, second = talk("When is Mill Road open?", "Thanks, bye.")
    assert "automated assistant" in first.text
    assert "automated assistant" not in second.text


def test_identity_is_verified_before_any_data_is_read(talk: Any) -> None:
    ask, answer = talk("What is my balance?", "48213907 and 12 March 1984", tools=VERIFIED | {"get_balance": BALANCE})
    assert ask.calls == []
    assert "customer number" in ask.text
    assert "date of birth" in ask.text
    assert answer.of("tool") == [
        ("verify_identity", {"customer_number": "48213907", "date_of_birth": "1984-03-12"}),
        ("get_balance", {"customer_number": "48213907", "account": "current"}),
    ]
    assert "$1,250.40" in answer.text
    assert "March 2, 2026" in answer.text


def test_both_details_in_the_first_message_are_used_at_once(talk: Any) -> None:
    (only,) = talk(f"How much is in my savings account? {WHO}", tools=VERIFIED | {"get_balance": BALANCE})
    assert only.calls == ["verify_identity", "get_balance"]
    assert only.of("tool")[1][1]["account"] == "savings"


def test_a_verified_customer_is_not_asked_again(talk: Any) -> None:
    tools = VERIFIED | {"get_balance": BALANCE, "get_payment_status": {"status": "pending"}}
    _, second = talk(f"What is my balance? {WHO}", "Has my payment gone through?", tools=tools)
    assert second.calls == ["get_payment_status"]


def test_the_status_of_an_application_is_told_after_verification(talk: Any) -> None:
    ask, answer = talk(
        "Has my loan application been decided yet?",
        "48213907 and 12 March 1984",
        tools=VERIFIED | {"get_application_status": APPLICATION},
    )
    assert ask.calls == []
    assert answer.calls == ["verify_identity", "get_application_status"]
    assert answer.of("tool")[1][1] == {"customer_number": "48213907"}
    assert "personal loan application APP-40912 is under review" in answer.text
    assert "March 9, 2026" in answer.text


@pytest.mark.parametrize("result", [{}, {"product": "mortgage"}, []])
def test_an_application_without_a_status_goes_to_a_person(talk: Any, result: object) -> None:
    tools = VERIFIED | {"get_application_status": [result]}
    (only,) = talk(f"What is the status of my mortgage application? {WHO}", tools=tools)
    assert only.packet is not None
    assert (only.packet.reason, only.packet.queue) == ("workflow_exception", "back_office")


def test_another_customer_number_is_another_identity(talk: Any) -> None:
    tools = VERIFIED | {"get_balance": BALANCE}
    _, second, third = talk(
        f"What is my balance? {WHO}",
        "And what is the balance of customer 99887766?",
        "99887766, born May 5, 1970",
        tools=tools,
    )
    assert all(arguments.get("customer_number") != "99887766" for _, arguments in second.of("tool"))
    if third.calls:
        assert third.calls[0] == "verify_identity"


def test_details_that_do_not_match_may_be_corrected_once(talk: Any) -> None:
    tools = {"verify_identity": [{"verified": False}, {"verified": True}], "get_balance": BALANCE}
    first, second = talk(f"What is my balance? {WHO}", "Sorry, I was born on March 13, 1984", tools=tools)
    assert first.calls == ["verify_identity"]
    assert second.calls == ["verify_identity", "get_balance"]


def test_two_failed_verifications_go_to_a_person(talk: Any) -> None:
    tools = {"verify_identity": {"verified": False}}
    _, second = talk(f"What is my balance? {WHO}", "Sorry, I was born on March 13, 1984", tools=tools)
    assert second.packet is not None
    assert (second.packet.reason, second.packet.queue) == ("protected_data", "privacy_office")


def test_withheld_details_go_to_a_person_after_two_requests(talk: Any) -> None:
    refusal = "I'd rather not give you my date of birth."
    first, second, third = talk("What is my balance?", refusal, refusal)
    assert first.packet is None
    assert second.packet is None
    assert third.packet is not None
    assert (third.packet.reason, third.packet.queue) == ("incomplete_information", "general")
    assert [*first.calls, *second.calls, *third.calls] == []


# Writes


def test_a_write_waits_for_an_explicit_yes(talk: Any) -> None:
    tools = VERIFIED | {"block_card": BLOCKED}
    ask, done = talk(f"Please block my card ending in 4821. {WHO}", "Yes, go ahead.", tools=tools)
    assert ask.calls == ["verify_identity"]
    assert "4821" in ask.text
    assert "yes or no" in ask.text
    assert "cannot be undone" in ask.text
    assert done.of("tool") == [("block_card", {"customer_number": "48213907", "card_last4": "4821"})]
    assert "BLK-20418" in done.text


@pytest.mark.parametrize("answer", ["No.", "no thanks, leave it", "Actually no, cancel that.", "Wait, not yet"])
def test_a_no_changes_nothing(talk: Any, answer: str) -> None:
    _, declined = talk(f"Please block my card ending in 4821. {WHO}", answer, tools=VERIFIED)
    assert declined.calls == []
    assert "not changed anything" in declined.text
    assert declined.packet is None


@pytest.mark.parametrize("answer", ["I guess so, maybe", "hmm", "what do you think?"])
def test_an_unclear_answer_is_no_yes(talk: Any, answer: str) -> None:
    _, again = talk(f"Please block my card ending in 4821. {WHO}", answer, tools=VERIFIED)
    assert again.calls == []


def test_a_correction_is_read_back_again(talk: Any) -> None:
    _, again = talk(f"Please block my card ending in 4821. {WHO}", "Sorry, the card ends in 7733", tools=VERIFIED)
    assert again.calls == []
    assert "7733" in again.text
    assert "yes or no" in again.text


def test_missing_facts_are_asked_for_twice_and_then_a_person_takes_over(talk: Any) -> None:
    turns = (f"I lost my card, please block it. {WHO}", "I don't remember it.", "I don't remember it.")
    first, second, third = talk(*turns, tools=VERIFIED)
    assert "last four digits" in first.text
    assert second.packet is None
    assert third.packet is not None
    assert (third.packet.reason, third.packet.queue) == ("incomplete_information", "back_office")
    assert third.packet.prior_actions == ("verify_identity",)


@pytest.mark.parametrize(("amount", "over"), [("$40", False), ("$40.01", True), ("$25", False), ("$300", True)])
def test_amounts_over_the_limit_go_to_a_person(talk: Any, amount: str, over: bool) -> None:
    (only,) = talk(f"Please refund the overdraft fee of {amount}. {WHO}", tools=VERIFIED)
    assert "refund_fee" not in only.calls
    assert (only.packet is not None) == over
    if only.packet is not None:
        assert (only.packet.reason, only.packet.queue) == ("boundary_transaction", "payments_desk")


def test_a_card_limit_is_set_after_a_yes(talk: Any) -> None:
    tools = VERIFIED | {"set_card_limit": LIMIT}
    ask, done = talk(f"Please raise my card limit from $500 to $2,500. {WHO}", "Yes, go ahead.", tools=tools)
    assert ask.calls == ["verify_identity"]
    assert "$2,500.00" in ask.text
    assert "yes or no" in ask.text
    assert done.of("tool") == [("set_card_limit", {"customer_number": "48213907", "amount": 2500.0})]
    assert "$2,500.00" in done.text
    assert "LIM-40231" in done.text


@pytest.mark.parametrize(
    ("limit", "over"), [("$3,000", False), ("$3,000.01", True), ("5000", True), ("three thousand dollars", False)]
)
def test_a_card_limit_over_the_limit_goes_to_a_person(talk: Any, limit: str, over: bool) -> None:
    (only,) = talk(f"Please set my card limit to {limit}. {WHO}", tools=VERIFIED)
    assert "set_card_limit" not in only.calls
    assert (only.packet is not None) == over
    if only.packet is None:
        assert "$3,000.00" in only.text
    else:
        assert (only.packet.reason, only.packet.queue) == ("boundary_transaction", "payments_desk")
        assert only.packet.intent == "card_limit_change"


@pytest.mark.parametrize("correction", ["Make it 1800 instead.", "Sorry, $1,800, not $2,500.", "No, 1800 please"])
def test_a_corrected_amount_is_read_back_again(talk: Any, correction: str) -> None:
    tools = VERIFIED | {"set_card_limit": LIMIT | {"limit": 1800.0}}
    _, again, done = talk(f"Please set my card limit to $2,500. {WHO}", correction, "Yes.", tools=tools)
    assert again.calls == []
    assert "$1,800.00" in again.text
    assert "$2,500.00" not in again.text
    assert done.of("tool") == [("set_card_limit", {"customer_number": "48213907", "amount": 1800.0})]


def test_checks_are_ordered_after_a_yes(talk: Any) -> None:
    ask, done = talk(f"I need a new checkbook. {WHO}", "Yes please.", tools=VERIFIED | {"order_checks": CHECKS})
    assert ask.calls == ["verify_identity"]
    assert "yes or no" in ask.text
    assert done.of("tool") == [("order_checks", {"customer_number": "48213907"})]
    assert "CHK-55120" in done.text
    assert "March 12, 2026" in done.text


@pytest.mark.parametrize(
    ("message", "tool", "result"),
    [
        ("I need a new checkbook.", "order_checks", {"ordered": False}),
        ("I need a new checkbook.", "order_checks", {}),
        ("Please set my card limit to $900.", "set_card_limit", {"changed": False}),
        ("Please set my card limit to $900.", "set_card_limit", {"changed": True}),
        ("Please set my card limit to $900.", "set_card_limit", {}),
    ],
)
def test_a_limit_or_an_order_that_did_not_happen_is_not_reported(
    talk: Any, message: str, tool: str, result: object
) -> None:
    _, second = talk(f"{message} {WHO}", "Yes.", tools=VERIFIED | {tool: [result]})
    assert "is now" not in second.text
    assert "has been ordered" not in second.text
    assert second.packet is not None
    assert (second.packet.reason, second.packet.queue) == ("workflow_exception", "back_office")


def test_a_dispute_comes_with_its_disclosure(talk: Any) -> None:
    (only,) = talk(f"I want to dispute a charge of $84.20 from Bluefin Outdoors. {WHO}", tools=VERIFIED)
    assert "provisional credit is not guaranteed" in only.text
    assert "$84.20 by Bluefin Outdoors" in only.text


def test_an_appointment_needs_no_identity(talk: Any) -> None:
    booked = {"booked": True, "reference": "APT-50021", "branch": "Mill Road", "date": "2026-03-10", "time": "14:30"}
    ask, done = talk(
        "I'd like to book an appointment at Mill Road on March 10 at 2:30 pm to discuss a mortgage.",
        "Yes please.",
        tools={"book_appointment": booked},
    )
    assert ask.calls == []
    ((name, arguments),) = done.of("tool")
    assert name == "book_appointment"
    assert {k: arguments[k] for k in ("branch", "date", "time")} == {
        "branch": "Mill Road",
        "date": "2026-03-10",
        "time": "14:30",
    }
    assert "APT-50021" in done.text


# Tools that fail


def test_a_tool_is_retried_once_without_a_word(talk: Any) -> None:
    (only,) = talk(f"What is my balance? {WHO}", tools=VERIFIED | {"get_balance": ["timeout", BALANCE]})
    assert only.calls == ["verify_identity", "get_balance", "get_balance"]
    assert "$1,250.40" in only.text
    assert only.packet is None


def test_a_tool_that_fails_twice_goes_to_a_person(talk: Any) -> None:
    (only,) = talk(f"What is my balance? {WHO}", tools=VERIFIED | {"get_balance": "down"})
    assert only.calls.count("get_balance") == 2
    assert only.packet is not None
    assert (only.packet.reason, only.packet.queue) == ("workflow_exception", "back_office")
    assert only.packet.prior_actions == ("verify_identity",)


@pytest.mark.parametrize("result", [{"blocked": False}, {}, [], "ok", 7])
def test_a_write_that_did_not_happen_is_never_reported_as_done(talk: Any, result: object) -> None:
    _, second = talk(
        f"Please block my card ending in 4821. {WHO}", "Yes.", tools=VERIFIED | {"block_card": [result] * 2}
    )
    assert "now blocked" not in second.text
    assert second.packet is not None
    assert second.packet.reason == "workflow_exception"


def test_a_role_that_may_not_call_a_tool_does_not(talk: Any) -> None:
    def narrow(manifest: BundleManifest) -> BundleManifest:
        roles = tuple(
            role.model_copy(update={"tools": tuple(t for t in role.tools if t != "get_balance")})
            for role in manifest.roles
        )
        return manifest.model_copy(update={"roles": roles})

    (only,) = talk(f"What is my balance? {WHO}", tools=VERIFIED, change=narrow)
    assert only.calls == ["verify_identity"]
    assert only.packet is not None
    assert only.packet.reason == "workflow_exception"


def test_every_act_carries_a_role_that_may_do_it(talk: Any) -> None:
    tools = VERIFIED | {"get_balance": BALANCE}
    turns = talk(f"What is my balance? {WHO}", "How much is a domestic wire?", "Let me talk to a human.", tools=tools)
    roles = {(kind, role) for recorder in turns for kind, role, _ in recorder.acts if kind != "say"}
    assert roles == {
        ("triage", "triage"),
        ("tool", "execution"),
        ("retrieved", "knowledge"),
        ("hand_off", "case_preparation"),
    }


# Stepping aside


@pytest.mark.parametrize(
    ("message", "reason", "queue"),
    [
        ("Someone used my card without my permission, I never made these payments.", "material_impact", "fraud_desk"),
        ("I lost my job and can't pay my overdraft back.", "material_impact", "care_team"),
        ("My mother has died, what happens with her account?", "emotional_distress", "care_team"),
        ("I want to make a formal complaint about your staff.", "interpretation_required", "complaints_desk"),
        ("Should I invest my money in stocks or bonds?", "interpretation_required", "advisory"),
        ("Please delete all personal data you hold about me.", "protected_data", "privacy_office"),
        ("I have power of attorney for my father and want to see his account.", "policy_ambiguity", "legal_desk"),
        ("I want to wire $80,000 to the seller of a house.", "boundary_transaction", "payments_desk"),
        ("I have a power of attorney for my aunt, please register it.", "policy_ambiguity", "legal_desk"),
        ("I'd like to close my account with you.", "material_impact", "general"),
        ("My nephew takes my pension and I'm not allowed to see my money.", "emotional_distress", "care_team"),
        ("The sheriff sent me a garnishment for my account.", "interpretation_required", "legal_desk"),
        ("I sent $300 to the wrong account, can you get it back?", "material_impact", "payments_desk"),
        ("I want to speak to a human being, please.", "customer_request", "general"),
        ("I don't want to live any more.", "emotional_distress", "care_team"),
    ],
)
def test_what_only_a_person_may_decide_is_handed_off_in_the_same_turn(
    talk: Any, message: str, reason: str, queue: str
) -> None:
    first, second = talk(message, "What is my balance?")
    assert first.packet is not None
    assert (first.packet.reason, first.packet.queue) == (reason, queue)
    assert first.calls == []
    assert "colleague" in first.text
    assert first.acts[-1][0] == "hand_off"
    assert second.packet is None
    assert second.calls == []
    assert second.text


def test_distress_inside_a_harmless_request_goes_to_the_care_team(talk: Any) -> None:
    (only,) = talk("Could you tell me my balance? I can't go on any more, I don't want to live like this.")
    assert only.packet is not None
    assert only.packet.reason == "emotional_distress"


def test_distress_in_the_middle_of_a_task_is_not_answered_with_a_form(talk: Any) -> None:
    _, second = talk("What is my balance?", "Forget it. I don't see the point of living any more.")
    assert second.packet is not None
    assert second.packet.reason == "emotional_distress"
    assert "customer number" not in second.text


@pytest.mark.parametrize(
    "message",
    [
        "How long does the bank take to answer a complaint?",
        "I'm not complaining, I only want to know how much a domestic wire is.",
        "What happens in general if someone notices fraud? I'm only asking.",
        "Which papers do you need for a power of attorney?",
        "How does closing an account work, in general?",
        "My agent at the travel office asks what a domestic wire is.",
    ],
)
def test_a_grave_word_in_a_harmless_question_is_not_handed_off(talk: Any, message: str) -> None:
    (only,) = talk(message)
    assert only.packet is None


def test_what_is_not_understood_twice_goes_to_a_person(talk: Any) -> None:
    first, second = talk("blorp the wibble", "gnarf gnarf zzt")
    assert first.packet is None
    assert "other words" in first.text
    assert second.packet is not None
    assert (second.packet.reason, second.packet.queue) == ("low_confidence", "general")


def test_something_understood_in_between_starts_the_count_again(talk: Any) -> None:
    first, _, third = talk("blorp the wibble", "When is Mill Road open?", "gnarf gnarf zzt")
    assert first.packet is None
    assert third.packet is None


def test_the_packet_carries_what_the_colleague_needs(talk: Any) -> None:
    _, second = talk(
        f"What is my balance? {WHO}",
        "And now let me speak to a real person about the cost of a domestic wire.",
        tools=VERIFIED | {"get_balance": BALANCE},
    )
    packet = second.packet
    assert packet is not None
    assert packet.prior_actions == ("verify_identity", "get_balance")
    assert "kb-wire" in packet.knowledge
    assert "kb-guide" not in packet.knowledge
    assert any("domestic wire" in line for line in packet.history)
    assert any("48213907" in line for line in packet.history)
    assert packet.summary


def test_a_colleague_who_was_offered_takes_over_on_a_yes(talk: Any) -> None:
    first, second = talk("Do you sell umbrellas?", "Yes, please.")
    assert first.packet is None
    assert "don't have that information" in first.text
    assert second.packet is not None
    assert second.packet.reason == "customer_request"


# Knowledge


def test_questions_are_answered_with_current_public_sentences(talk: Any) -> None:
    (only,) = talk("How much does a domestic wire cost?")
    assert "An outgoing domestic wire costs $28.00." in only.text
    assert "fee schedule" in only.text
    assert "$19.00" not in only.text
    assert "$99.00" not in only.text


def test_the_retrieval_config_changes_what_is_found(talk: Any) -> None:
    wide = RetrievalConfig(top_k=10, include_internal=True, include_superseded=True)
    (only,) = talk("How much does a domestic wire cost?", retrieval=wide)
    found = {passage.document for passages in only.of("retrieved") for passage in passages}
    assert {"kb-wire-old", "kb-guide"} <= found
    (none,) = talk("How much does a domestic wire cost?", retrieval=RetrievalConfig(min_score=1000))
    assert "don't have that information" in none.text


def test_a_topic_change_is_served(talk: Any) -> None:
    first, second = talk("What is my balance?", "Actually, when is the Mill Road branch open?")
    assert "customer number" in first.text
    assert "9:00 a.m. to 5:00 p.m." in second.text


def test_a_question_in_between_leaves_the_read_back_open(talk: Any) -> None:
    tools = VERIFIED | {"refund_fee": REFUNDED}
    turns = (f"Please refund my fee of $25. {WHO}", "How much does a domestic wire cost?", "Yes, go ahead.")
    _, between, done = talk(*turns, tools=tools)
    assert "$28.00" in between.text
    assert between.calls == []
    assert done.calls == ["refund_fee"]


# The prompt


def test_without_its_section_identity_is_not_verified(talk: Any) -> None:
    (only,) = talk(
        f"What is my balance? {WHO}", tools={"get_balance": BALANCE}, prompt=without_section("identity_verification")
    )
    assert only.calls == ["get_balance"]


@pytest.mark.parametrize(
    ("section", "message", "words"),
    [
        ("disclosure_fees", "How much does a domestic wire cost?", "fee schedule"),
        ("ai_disclosure", "When is Mill Road open?", "automated assistant"),
        ("disclosure_card_block", f"Please block my card ending in 4821. {WHO}", "cannot be undone"),
        ("disclosure_dispute", f"I want to dispute $84.20 from Bluefin Outdoors. {WHO}", "provisional credit"),
    ],
)
def test_without_its_section_a_disclosure_is_not_made(talk: Any, section: str, message: str, words: str) -> None:
    (made,) = talk(message, tools=VERIFIED)
    (dropped,) = talk(message, tools=VERIFIED, prompt=without_section(section))
    assert words in made.text
    assert words not in dropped.text


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (without_section("answer"), "no section 'answer'"),
        (lambda p: p.replace("## closing", "## closeing"), "Did you mean 'closing'?"),
        (lambda p: p + "\n## closing\nBye.\n", "stands twice"),
        (lambda p: p.replace("{{ quote }}", "{{ quote "), "not valid Jinja"),
        (lambda p: p.replace("{{ quote }}", "{{ quot }}"), "unknown placeholder 'quot'"),
    ],
)
def test_ill_formed_prompts_are_refused(edit: Callable[[str], str], problem: str) -> None:
    with pytest.raises(ContentError) as error:
        Prompt(edit(read_text(BUNDLES / "prompts" / "champion.md")))
    assert problem in str(error.value)


def test_a_prompt_cannot_reach_into_python() -> None:
    text = read_text(BUNDLES / "prompts" / "champion.md").replace("{{ quote }}", "{{ quote.__class__.__mro__ }}")
    with pytest.raises(ContentError, match="cannot be rendered"):
        Prompt(text).render("answer", quote="a", title="b")


# The bundle


def test_a_bundle_in_which_nobody_may_hand_off_is_refused(talk: Any) -> None:
    def mute(manifest: BundleManifest) -> BundleManifest:
        roles = tuple(role.model_copy(update={"may_hand_off": False}) for role in manifest.roles)
        return manifest.model_copy(update={"roles": roles})

    with pytest.raises(ContentError, match="may_hand_off"):
        talk("Hello", change=mute)


def test_misspelt_settings_are_refused(talk: Any) -> None:
    def misspell(manifest: BundleManifest) -> BundleManifest:
        adapter = manifest.adapter.model_copy(update={"settings": {"min_overlapp": 0.2}})
        return manifest.model_copy(update={"adapter": adapter})

    with pytest.raises(ContentError, match="Did you mean 'min_overlap'"):
        talk("Hello", change=misspell)


def test_an_intent_without_a_policy_is_refused(talk: Any) -> None:
    def forget(manifest: BundleManifest) -> BundleManifest:
        intents = {k: v for k, v in manifest.autonomy.intents.items() if k != "fraud_report"}
        return manifest.model_copy(update={"autonomy": manifest.autonomy.model_copy(update={"intents": intents})})

    with pytest.raises(ContentError, match="'fraud_report', about which the autonomy policy says nothing"):
        talk("Hello", change=forget)


@pytest.mark.parametrize("name", ["champion", "drop-verification", "weak-retrieval", "poor-model", "improved"])
def test_every_bundle_is_well_formed(name: str) -> None:
    bundle = source(name)
    assert bundle.agent == "harborline"
    Prompt(read_text(BUNDLES / bundle.prompt.file))
    intents = {row[1] for row in parse_utterances(read_text(BUNDLES / bundle.model.utterances))}
    assert set(bundle.autonomy.intents) <= intents | {"human_request"}
    assert (BUNDLES / bundle.retrieval.knowledge).resolve() == ROOT / "datasets" / "harborline" / "knowledge"


def test_the_model_changes_what_is_seen(talk: Any) -> None:
    message = "I've got nothing left for food and cry every night because of my overdraft."
    (good,) = talk(message)
    (poor,) = talk(message, model="poor-model")
    assert good.packet is not None
    assert good.packet.queue == "care_team"
    assert poor.packet is None or poor.packet.queue != "care_team"


# Triage


SMALL = "text,intent,signal\n" + "".join(
    f"{text},{intent},{signal}\n"
    for text, intent, signal in [
        ("what is my balance", "balance_inquiry", "none"),
        ("how much do i have", "balance_inquiry", "none"),
        ("block my card", "card_block", "none"),
        ("my card is lost", "card_block", "none"),
        ("let me talk to a human", "human_request", "human_request"),
        ("i want a person", "human_request", "human_request"),
    ]
)


def test_equal_input_trains_equal_bytes_in_another_process() -> None:
    here = hashlib.sha256(pickle.dumps(train_triage(TriageConfig(), SMALL))).hexdigest()
    script = (
        "import hashlib, pickle, sys\n"
        "from assay.registry.types.bundle import TriageConfig\n"
        "from assay.runner.agents.reference.triage import train_triage\n"
        "print(hashlib.sha256(pickle.dumps(train_triage(TriageConfig(), sys.argv[1]))).hexdigest())\n"
    )
    fresh = subprocess.run([sys.executable, "-c", script, SMALL], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == here


def test_other_utterances_and_settings_train_another_model() -> None:
    base = pickle.dumps(train_triage(TriageConfig(), SMALL))
    assert pickle.dumps(train_triage(TriageConfig(regularisation=1.0), SMALL)) != base
    assert pickle.dumps(train_triage(TriageConfig(), SMALL + "lost it,card_block,none\n")) != base


def test_probabilities_are_probabilities() -> None:
    whole, parts = TriageModel(train_triage(TriageConfig(), SMALL)).read("I lost my card. What is my balance now?")
    for reading in (whole, *parts):
        assert sum(reading.intents.values()) == pytest.approx(1)
        assert reading.confidence == pytest.approx(max(reading.intents.values()))
    assert len(parts) == 2


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("When is a salary account frozen?", {"asks", "asks:when", "asks:general", "end:asks", "general"}),
        ("so how does that work", {"asks", "asks:how", "end:says"}),
        ("My wages are frozen. Please help me.", {"says", "says:own", "own", "wish"}),
        ("It rained. Is it open?", {"says", "asks:is"}),
    ],
)
def test_the_form_tells_asking_from_telling(text: str, marks: set[str]) -> None:
    assert marks <= set(form_of(text).split())


def test_small_talk_around_a_grave_sentence_does_not_hide_it(talk: Any) -> None:
    (only,) = talk("Good, then I know. Hold on a second. The rent is paid, but I also see $210 that I never spent.")
    assert only.packet is not None


def test_one_sentence_needs_some_echo_in_the_whole_message(talk: Any) -> None:
    (only,) = talk("My neighbor is a lovely human. What does an outgoing domestic wire cost?")
    assert only.packet is None


def test_identity_does_not_drown_what_is_said_beside_it(talk: Any) -> None:
    _, second = talk("What is my balance?", f"{WHO} Oh no, someone stole money from my account, I did not make that!")
    assert second.packet is not None
    assert second.packet.queue == "fraud_desk"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "header"),
        ("text,intent\nhi,closing\n", "header"),
        (SMALL + "one,two\n", "3 cells"),
        (SMALL + ",card_block,none\n", "needs a text"),
        (SMALL + "hello,card_block,sad\n", "unknown signal 'sad'"),
        (SMALL + "Block  my CARD,balance_inquiry,none\n", "different labels"),
        ("text,intent,signal\na b,closing,none\n", "two different intents"),
    ],
)
def test_ill_formed_utterances_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ContentError, match=problem):
        parse_utterances(text)


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(ContentError, match="not a triage model"):
        TriageModel(object())


def test_the_good_utterances_cover_every_intent_and_signal() -> None:
    rows = parse_utterances(read_text(BUNDLES / "training" / "utterances.csv"))
    assert len(rows) >= 3000
    counts: dict[str, int] = {}
    for _, intent, _ in rows:
        counts[intent] = counts.get(intent, 0) + 1
    assert set(source().autonomy.intents) <= set(counts)
    assert min(counts.values()) >= 60
    for signal in ("human_request", "distress", "policy_gap"):
        assert sum(row[2] == signal for row in rows) >= 80


@pytest.mark.skipif(not CASES.is_file(), reason="the Harborline dataset is not here")
def test_no_training_utterance_is_a_near_duplicate_of_a_golden_turn() -> None:
    turns = [turn["customer"] for line in CASES.read_text().splitlines() for turn in json.loads(line)["turns"]]
    golden = [(text, set(normalised(text).split())) for text in turns]
    having: dict[str, list[int]] = {}
    for number, (_, other) in enumerate(golden):
        for word in other:
            having.setdefault(word, []).append(number)
    near = []
    for path in sorted((BUNDLES / "training").glob("*.csv")):
        for row in csv.DictReader(io.StringIO(read_text(path))):
            words = set(normalised(row["text"]).split())
            # What is as near as that has three quarters of the words, so at least one of the rarest quarter and one.
            rare = sorted(words, key=lambda word: len(having.get(word, ())))[: len(words) // 4 + 1]
            # Up to three words ("yes please") there is only one way to say it.
            near += [
                (path.name, row["text"], text)
                for text, other in (golden[n] for n in {n for word in rare for n in having.get(word, ())})
                if min(len(words), len(other)) > 3 and len(words & other) / len(words | other) >= 0.75
            ]
    assert near == []


# Words into facts


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("12 March 1984", "1984-03-12"),
        ("March 12th, 1984", "1984-03-12"),
        ("03/12/1984", "1984-03-12"),
        ("25/12/1984", "1984-12-25"),
        ("1984-03-12", "1984-03-12"),
        ("the twelfth of March nineteen eighty-four", "1984-03-12"),
        ("3-12-84", "1984-03-12"),
    ],
)
def test_dates_of_birth(text: str, date: str) -> None:
    assert extract(f"I was born {text}", TODAY)["date_of_birth"] == date


@pytest.mark.parametrize("text", ["February 30, 1984", "13/32/1984", "1984-13-40"])
def test_days_that_do_not_exist_are_no_dates(text: str) -> None:
    assert "date_of_birth" not in extract(text, TODAY)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("tomorrow", "2026-03-03"),
        ("Thursday", "2026-03-05"),
        ("next Thursday", "2026-03-12"),
        ("March 10", "2026-03-10"),
        ("on the 15th", "2026-03-15"),
        ("1 February", "2027-02-01"),
        ("in 3 days", "2026-03-05"),
    ],
)
def test_days_are_counted_from_the_conversation(text: str, date: str) -> None:
    assert find_dates(text, TODAY)[0].date.isoformat() == date


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2:30 pm", "14:30"),
        ("at 3", "15:00"),
        ("14:30", "14:30"),
        ("9 a.m.", "09:00"),
        ("noon", "12:00"),
        ("25:00", None),
    ],
)
def test_times_of_day(text: str, time: str | None) -> None:
    assert find_time(text) == time


@pytest.mark.parametrize(
    ("text", "month"), [("January", "2026-01"), ("last month", "2026-02"), ("May 2025", "2025-05"), ("I may", None)]
)
def test_months(text: str, month: str | None) -> None:
    assert find_month(text, TODAY) == month


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("my number is 4821 3907", "customer_number", "48213907"),
        ("four eight two one, three nine oh seven", "customer_number", "48213907"),
        ("72059416 12/12/2001", "customer_number", "72059416"),
        ("72059416 2001-12-12", "customer_number", "72059416"),
        ("the card ending in 4821", "card_last4", "4821"),
        ("my card 4000 1234 5678 9010 is gone", "card_last4", "9010"),
        ("a fee of $1,234.50", "amount", 1234.5),
        ("thirty dollars", "amount", 30.0),
        ("twelve dollars and fifty cents", "amount", 12.5),
        ("twenty five hundred dollars", "amount", 2500.0),
        ("two thousand five hundred please", "amount", 2500.0),
        ("change it from $500 to $1,500", "amount", 1500.0),
        ("my limit is $500 now, I want $800", "amount", 800.0),
        ("a card limit of 2000", "amount", 2000.0),
        ("limit up to 2.5k", "amount", 2500.0),
        ("move APT-50021", "reference", "APT-50021"),
        ("Bluefin Outdoors charged me twice", "merchant", "Bluefin Outdoors"),
        (
            "please use 14 Elm Street, Apt. 4B, Portland, OR 97201.",
            "new_address",
            "14 Elm Street, Apt. 4B, Portland, OR 97201",
        ),
    ],
)
def test_facts_are_found_in_running_text(text: str, name: str, value: object) -> None:
    assert extract(text, TODAY)[name] == value


@pytest.mark.parametrize("text", ["my 401k", "the appointment to 10 am", "yes, all three of them"])
def test_not_every_number_is_an_amount(text: str) -> None:
    assert "amount" not in extract(text, TODAY, correcting=("amount",))


def test_a_card_number_is_not_a_customer_number() -> None:
    assert "customer_number" not in extract("my card is 4000123456789010", TODAY)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes.", "yes"),
        ("no problem, go ahead", "yes"),
        ("sure, why not", "yes"),
        ("No, don't", "no"),
        ("ok but wait", "no"),
        ("that's not right", "no"),
        ("I guess", None),
        ("what happens then?", None),
        ("", None),
    ],
)
def test_yes_and_no(text: str, answer: str | None) -> None:
    assert yes_or_no(text) == answer


@pytest.mark.parametrize("words", ["{{ ['a', 'b']|random }}", "{{ lipsum() }}", "{% for n in range(9) %}a{% endfor %}"])
def test_a_prompt_has_no_chance_and_no_loops_in_it(words: str) -> None:
    text = read_text(BUNDLES / "prompts" / "champion.md").replace("## answer\n", f"## answer\n{words} ")
    with pytest.raises(ContentError, match="answer"):
        Prompt(text)


# Conversations about tasks: answers, pauses, corrections, several amounts, follow-ups


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Ha, you got me. Yes, order them.", "yes"),
        ("yesss", "yes"),
        ("yes sir", "yes"),
        ("yes, I have no car until then", "yes"),
        ("Yes please, and also hurry", "yes"),
        ("Yes, let's see if that helps", "yes"),
        ("yes, but only the second one of them", None),
        ("Sure, as long as it costs nothing", None),
        ("Yes. No, wait, stop", "no"),
    ],
)
def test_a_yes_counts_wherever_it_stands_and_only_without_a_condition(text: str, answer: str | None) -> None:
    assert yes_or_no(text) == answer


@pytest.mark.parametrize(
    ("text", "pause"),
    [
        ("hold on, the kettle is boiling over", True),
        ("One moment please", True),
        ("let me find my glasses", True),
        ("I'm back. What did you need?", False),
        ("that makes my second card this year", False),
        ("hold on, don't send it", False),
    ],
)
def test_a_wish_to_wait_is_no_answer(text: str, pause: bool) -> None:
    assert is_pause(text) == pause


@pytest.mark.parametrize(
    ("text", "noise"),
    [("hgfdk kkk lqwrtz", True), ("qwrtp zzzz ok bbbb", True), ("pls thx", False), ("hmm, my acct pls", False)],
)
def test_what_cannot_be_words_is_noise(text: str, noise: bool) -> None:
    assert is_noise(text) == noise


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("I have $9,000 in savings and you charged me $14 for nothing, refund it", 14.0),
        ("My salary is $4,200. Please set the card limit to $1,100", 1100.0),
        ("first $11, then another $6, so that makes $17 altogether", 17.0),
        ("Juniper Cycles took $70.00 four times, $280.00 in total", 280.0),
        ("please refund both, the $10 in May and the $8 in June", 18.0),
    ],
)
def test_of_several_amounts_the_one_that_is_asked_about_is_taken(text: str, amount: float) -> None:
    assert extract(text, TODAY)["amount"] == amount


def test_fees_that_add_up_to_more_than_the_limit_go_to_a_person(talk: Any) -> None:
    first, second = talk(
        f"Please refund the fee of $30. {WHO}", "And the $20 from Friday as well, $50 in all.", tools=VERIFIED
    )
    assert first.packet is None
    assert second.packet is not None
    assert (second.packet.reason, second.packet.intent) == ("boundary_transaction", "fee_refund")


def test_a_repeated_wrong_number_is_not_taken_for_the_right_one(talk: Any) -> None:
    _, again = talk(
        f"Please block my card ending in 4821. {WHO}", "4821 is the old one, the new one is 7733.", tools=VERIFIED
    )
    assert "ending in 7733" in again.text


def test_a_spoken_house_number_is_read_and_corrected(talk: Any) -> None:
    _, first, second = talk(
        f"I need to change my address. {WHO}",
        "forty Willow Lane. That is in Dover Delaware 19901",
        "no, fourteen Willow Lane Dover Delaware 19901",
        tools=VERIFIED,
    )
    assert "40 Willow Lane, Dover Delaware 19901" in first.text
    assert "14 Willow Lane" in second.text
    assert "yes or no" in second.text


def test_a_pause_leaves_the_read_back_open_and_is_not_counted(talk: Any) -> None:
    tools = VERIFIED | {"refund_fee": REFUNDED}
    turns = [
        f"Please refund the overdraft fee of $25. {WHO}",
        "hang on a second, the phone",
        "one moment",
        "Yes, do it.",
    ]
    _, second, third, last = talk(*turns, tools=tools)
    assert "yes or no" in second.text
    assert "yes or no" in third.text
    assert last.calls == ["refund_fee"]


def test_a_refusal_is_no_merchant(talk: Any) -> None:
    turns = (f"I want to dispute a charge of $60. {WHO}", "I'd rather not tell you that.", "I really can't say.")
    _, second, third = talk(*turns, tools=VERIFIED)
    assert "merchant" in second.text
    assert third.packet is not None
    assert third.packet.reason == "incomplete_information"


def test_not_having_what_is_asked_for_is_no_new_request(talk: Any) -> None:
    _, second = talk(f"Please refund a fee. {WHO}", "We haven't got any of that paperwork at home.", tools=VERIFIED)
    assert "amount" in second.text
    assert "month" not in second.text


def test_an_answer_to_the_identity_question_is_no_merchant(talk: Any) -> None:
    _, second = talk("I want to dispute a charge of $60.", f"Certainly. {WHO}", tools=VERIFIED)
    assert "Which merchant" in second.text


def test_a_fault_in_the_read_back_is_asked_about_and_not_dropped(talk: Any) -> None:
    _, second = talk(f"Please block my card ending in 4821. {WHO}", "No, that number is wrong.", tools=VERIFIED)
    assert "last four digits" in second.text


def test_a_declined_task_is_taken_up_again_with_another_detail(talk: Any) -> None:
    _, declined, again = talk(
        f"Please block my card ending in 4821. {WHO}",
        "No, leave it.",
        "the one ending in 7733 after all",
        tools=VERIFIED,
    )
    assert "not changed anything" in declined.text
    assert "7733" in again.text
    assert "yes or no" in again.text


def test_a_few_words_ask_for_the_same_with_another_account(talk: Any) -> None:
    savings = BALANCE | {"account": "savings", "balance": 77.5}
    _, second = talk(
        f"What is my current account balance? {WHO}",
        "phew, good. my savings then",
        tools=VERIFIED | {"get_balance": [BALANCE, savings]},
    )
    assert second.of("tool") == [("get_balance", {"customer_number": "48213907", "account": "savings"})]
    assert "$77.50" in second.text


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("and when will the replacement get here?", "March 11, 2026"),
        ("Sorry, what was the reference number again?", "BLK-20418"),
    ],
)
def test_what_a_tool_told_is_told_again_without_a_call(talk: Any, question: str, told: str) -> None:
    _, _, again = talk(
        f"Please block my card ending in 4821. {WHO}", "Yes.", question, tools=VERIFIED | {"block_card": BLOCKED}
    )
    assert again.calls == []
    assert told in again.text


def test_only_what_was_told_is_told_again() -> None:
    assert recalled("When will it arrive?", {"arrives_by": "2026-03-12"}) == "The checks arrive by March 12, 2026."
    assert recalled("When does the branch open?", {"arrives_by": "2026-03-12"}) is None
    assert recalled("What is your phone number?", {"reference": "CHK-1"}) is None


def test_an_unclear_message_with_an_identity_is_one_of_the_tasks(talk: Any) -> None:
    _, second = talk("How much is it to order a book of checks?", f"ok, so do that. {WHO}", tools=VERIFIED)
    assert second.calls == ["verify_identity"]
    assert "checks" in second.text
    assert "yes or no" in second.text


def test_a_clear_question_with_an_identity_stays_a_question(talk: Any) -> None:
    (only,) = talk(f"What are the opening hours of the Mill Road branch? {WHO}", tools=VERIFIED)
    assert only.calls == []
    assert "9:00 a.m." in only.text


def test_noise_is_never_a_request(talk: Any) -> None:
    first, second = talk("gfdkj hhhhh bvcxz", "mnbvc lkjhg fdsa")
    assert first.packet is None
    assert second.packet is not None
    assert second.packet.reason == "low_confidence"


def test_what_was_tried_in_vain_is_passed_on(talk: Any) -> None:
    refused = VERIFIED | {"order_checks": {"ordered": False}}
    _, second = talk(f"I need a new checkbook. {WHO}", "Yes.", tools=refused)
    assert second.packet is not None
    assert second.packet.prior_actions == ("verify_identity", "order_checks: not carried out")
    _, failed = talk(f"I need a new checkbook. {WHO}", "Yes.", tools=VERIFIED | {"order_checks": "timeout"})
    assert failed.packet is not None
    assert failed.packet.prior_actions == ("verify_identity",)
    assert "Tried: order_checks failed" in failed.packet.history
