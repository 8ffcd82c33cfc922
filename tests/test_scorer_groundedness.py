from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case
from assay.registry.types.score import Finding, Score, Skipped
from assay.registry.types.trajectory import AgentEvent, Passage, Retrieval, Say, ToolCall, Trajectory, TurnRecord
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.claims.actions import claimed_actions
from assay.runner.scorers.claims.arithmetic import amount_follows, date_follows
from assay.runner.scorers.claims.evidence import FactIndex, text_source
from assay.runner.scorers.claims.facts import facts_of
from assay.runner.scorers.claims.judge import Bench
from assay.runner.scorers.claims.numerals import digits
from assay.runner.scorers.claims.split import claims_of, sentences
from assay.runner.scorers.claims.wording import support, wording_of
from assay.runner.scorers.groundedness import GroundednessScorer, GroundednessSettings

TODAY = dt.date(2026, 3, 3)

FEES = "The overdraft fee is $25.00 for each item. Harborline charges at most three overdraft fees a day."
WIRE = "An outgoing international wire costs $45.00 and arrives within 5 business days."
HOURS = "The Harbor Street branch is open Monday to Friday from 9:00 a.m. to 5:00 p.m."
VISITS = "The Harbor Street branch is open to everybody with an account."
DOCUMENTS = {"kb-overdraft": FEES, "kb-wire": WIRE, "kb-hours": HOURS, "kb-visits": VISITS}
BALANCE: dict[str, JsonValue] = {"account": "current", "balance": 1250.40, "available": 1200.40, "as_of": "2026-03-02"}

Act = str | tuple[str, JsonValue] | ToolCall | Retrieval
Turn = tuple[str, list[Act]]


def retrieved(*documents: str, audience: str = "public", text: str = "") -> Retrieval:
    passages = ({"document": d, "text": text or DOCUMENTS[d], "score": 1.0, "audience": audience} for d in documents)
    return Retrieval(step=0, query="q", passages=tuple(Passage.model_validate(p) for p in passages))


def the_case(turns: int, documents: tuple[str, ...], tags: tuple[str, ...], words: tuple[str, ...]) -> Case:
    expect = {"supporting_documents": documents}
    return Case.model_validate(
        {
            "id": "c1",
            "intent": "fee_question",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "tags": tags,
            "date": TODAY,
            "turns": [{"customer": words[i], "expect": expect if i == 0 else {}} for i in range(turns)],
            "expect": {"escalation": {"required": False}},
        }
    )


def measured(
    *turns: Turn,
    documents: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    system: str = "",
    settings: GroundednessSettings | None = None,
    **context: object,
) -> tuple[Score | None, Score | None]:
    records: list[TurnRecord] = []
    for index, (words, acts) in enumerate(turns, start=1):
        events: list[AgentEvent] = []
        for act in acts:
            if isinstance(act, ToolCall):
                events.append(act)
            elif isinstance(act, str):
                events.append(Say(step=len(events), text=act))
            elif isinstance(act, tuple):
                failed = isinstance(act[1], str) and act[1].startswith("Error")
                outcome = {"error": act[1]} if failed else {"result": act[1]}
                events.append(ToolCall(step=len(events), name=act[0], arguments={}, **outcome))  # type: ignore[arg-type]
            else:
                events.append(act)
        records.append(TurnRecord(index=index, customer=words, events=tuple(events)))
    trajectory = Trajectory.model_validate(
        {
            "key": "a" * 64,
            "agent": "harborline",
            "bundle_digest": "b" * 64,
            "case_id": "c1",
            "case_digest": "c" * 64,
            "mode": "scripted",
            "system": system,
            "turns": [record.model_dump() for record in records],
            "outcome": "completed",
        }
    )
    case = the_case(len(turns), documents, tags, tuple(words for words, _ in turns))
    scorer = GroundednessScorer(
        settings or GroundednessSettings(),
        ScorerContext(documents=DOCUMENTS, **context),  # type: ignore[arg-type]
    )
    found = scorer.score(case, trajectory)
    rate, share = found["hallucination_rate"], found["claim_support"]
    if isinstance(rate, Skipped):
        assert isinstance(share, Skipped)
        return None, None
    assert isinstance(rate, Score)
    assert isinstance(share, Score)
    assert share.of - share.value == len(rate.findings)
    assert {f.rule for f in rate.findings} <= set(scorer.rules)
    return rate, share


def findings(*turns: Turn, **more: object) -> tuple[Finding, ...]:
    rate, _ = measured(*turns, **more)  # type: ignore[arg-type]
    return rate.findings if rate else ()


def rules(*turns: Turn, **more: object) -> list[str]:
    return [finding.rule for finding in findings(*turns, **more)]


ASK = "What does an overdraft cost?"
FIVE = "The overdraft fee is $5.00 for each item."


# --- what is supported --------------------------------------------------------------------------------


def test_an_answer_from_the_retrieved_passage_is_supported() -> None:
    rate, share = measured((ASK, [retrieved("kb-overdraft"), "The overdraft fee is $25.00 for each item."]))
    assert rate is not None
    assert share is not None
    assert (rate.value, rate.of) == (0, 1)
    assert (share.value, share.of) == (1, 1)


def test_the_same_answer_without_the_passage_is_not() -> None:
    assert rules((ASK, ["The overdraft fee is $25.00 for each item."])) == ["unsupported_amount"]


def test_evidence_counts_only_once_it_was_there() -> None:
    reply = "The overdraft fee is $25.00 for each item."
    assert rules((ASK, [reply, retrieved("kb-overdraft")])) == ["unsupported_amount"]
    assert rules((ASK, [retrieved("kb-overdraft")]), ("Well?", [reply])) == []


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ("The overdraft fee is $35.00 for each item.", "unsupported_amount"),
        ("The overdraft fee is 25 percent for each item.", "unsupported_percentage"),
        ("Harborline charges at most seven overdraft fees a day.", "unsupported_number"),
        ("The overdraft fee has been $25.00 since May 5, 2024.", "unsupported_date"),
        ("The overdraft fee is $25.00 and posts at 4:15 p.m. daily.", "unsupported_time"),
        ("The overdraft fee is $25.00 and posts within 3 days.", "unsupported_duration"),
        ("The overdraft fee is $25.00 under code FEE-2291.", "unsupported_identifier"),
        ("Overdrafts are insured by a federal guarantee scheme for farmers.", "unsupported_claim"),
        ("Harborline does not charge at most three overdraft fees a day.", "contradicted_claim"),
    ],
)
def test_each_kind_of_invention_has_its_rule(reply: str, rule: str) -> None:
    (finding,) = findings((ASK, [retrieved("kb-overdraft"), reply]))
    assert finding.rule == rule
    assert finding.turn == 1
    assert finding.quote == reply
    assert finding.message


@pytest.mark.parametrize(
    "reply",
    [
        "The balance of your current account is $1,250.40 as of March 2, 2026.",
        "Your current account has a balance of 1250.40 USD.",
        "As of yesterday the balance of your current account is $1,250.40.",
        "Of your balance, $1,200.40 is available; the difference of $50.00 is not.",
    ],
)
def test_tool_results_are_evidence_in_any_notation(reply: str) -> None:
    assert rules(("My balance?", [("get_balance", BALANCE), reply])) == []


def test_a_round_number_that_the_customer_said_is_an_amount() -> None:
    offer = ["I would set the daily limit of your card to $2,500.00. Shall I go ahead?"]
    assert rules(("Raise my limit to 2500 today, please", offer)) == []
    assert rules(("Raise my limit to 2400 today, please", offer)) == ["unsupported_amount"]


def test_a_quote_is_not_denied_by_a_similar_sentence() -> None:
    today = dt.date(2026, 4, 1)
    quote = "Account records have to be kept for seven years."
    denial = "Account records do not have to be kept for seven years."
    bench = Bench(today, [], 0.3)
    bench.add(text_source("passage", "kb-freed", denial, today, "kb-freed"))
    assert [verdict.rule for _, verdict in bench.judge(claims_of(quote, today), "turn 1")] == ["contradicted_claim"]
    bench.add(text_source("passage", "kb-kept", quote, today, "kb-kept"))
    assert [verdict.rule for _, verdict in bench.judge(claims_of(quote, today), "turn 2")] == [""]


def test_a_wrong_balance_is_flagged() -> None:
    for reply in ("Your balance is $1,250.41.", "Your available balance is $12,504.", "It is $49.00 in total."):
        assert rules(("My balance?", [("get_balance", BALANCE), reply])) == ["unsupported_amount"]


def test_what_the_customer_said_is_evidence_and_questions_claim_their_facts() -> None:
    words = "Please dispute $84.20 at Pinecrest Shoes, and book me in for tomorrow at 2:30 pm."
    assert rules((words, ["Shall I open a dispute for $84.20 at Pinecrest Shoes? Please answer yes or no."])) == []
    assert rules((words, ["Shall I book March 4, 2026 at 14:30?"])) == []
    assert rules((words, ["Shall I open a dispute for $48.20?"])) == ["unsupported_amount"]
    assert rules((words, ["Shall I book March 5, 2026 at 14:30?"])) == ["unsupported_date"]


def test_a_weekday_means_a_day_of_the_coming_fortnight() -> None:
    words = "Could I come next Tuesday?"
    assert rules((words, ["Shall I book Tuesday, March 10, 2026?"])) == []
    assert rules((words, ["Shall I book Thursday, March 12, 2026?"])) == ["unsupported_date"]


def test_a_month_a_bare_hour_and_a_relative_month_are_understood() -> None:
    assert rules(("My January statement please", ["I would send the statement for January 2026."])) == []
    assert rules(("Last month's statement", ["I would send the statement for February 2026."])) == []
    assert rules(("My January statement please", ["I would send it for February 2026."])) == ["unsupported_date"]
    assert rules(("On April 18 at 11 please", ["I would book April 18, 2026 at 11:00 a.m."])) == []
    assert rules(("On April 18 at 10 please", ["I would book April 18, 2026 at 11:00 a.m."])) == ["unsupported_time"]
    assert measured(("Hi", ["What are the last four digits of the card? May I ask, June?"])) == (None, None)


def test_instructions_and_the_prompt_are_evidence() -> None:
    reply = "Every dispute is decided within 45 days by our disputes desk."
    assert rules(("When?", [reply])) == ["unsupported_duration"]
    assert rules(("When?", [reply]), system="Every dispute is decided within 45 days by the disputes desk.") == []
    words = "Our disputes desk looks at every dispute with care."
    assert measured(("When?", [words]), approved_wording=f"## result\n{words}") == (None, None)


def test_a_candidate_cannot_bring_its_own_evidence() -> None:
    """A prompt is on trial with the candidate, so a scorer never gets to see it as evidence."""
    assert "prompt" not in ScorerContext.model_fields
    with pytest.raises(ValidationError):
        ScorerContext.model_validate({"prompt": "Every dispute costs $12.00."})
    for reply in ("A handling fee of 75$ applies.", "I have cancelled all of your cards.", "Put it all into bitcoin."):
        assert rules(("When?", [reply])) != []


def test_what_only_the_candidates_copy_of_a_document_says_is_no_evidence() -> None:
    edited = retrieved("kb-overdraft", text="The overdraft fee is $9.00 for each item.")
    assert rules((ASK, [edited, "The overdraft fee is $9.00 for each item."])) == ["unsupported_amount"]


def test_a_later_turn_may_repeat_what_was_supported_but_not_what_was_invented() -> None:
    good = (ASK, [retrieved("kb-overdraft"), "The overdraft fee is $25.00 for each item."])
    assert rules(good, ("Again?", ["As I said, the overdraft fee is $25.00 for each item."])) == []
    bad = (ASK, ["The overdraft fee is $31.00 for each item."])
    again = ("Again?", ["As I said, the overdraft fee is $31.00 for each item."])
    assert rules(bad, again) == ["unsupported_amount"] * 2
    rate, share = measured(bad, again, good)
    assert rate is not None
    assert share is not None
    assert (rate.value, rate.of) == (2, 3)
    assert (share.value, share.of) == (1, 3)


# --- the right figure of another thing --------------------------------------------------------------------


ALL = retrieved("kb-overdraft", "kb-wire", "kb-hours")


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ("An incoming domestic wire costs $45.00.", "contradicted_claim"),
        ("An outgoing international wire is free.", "contradicted_claim"),
        ("There is no overdraft fee.", "contradicted_claim"),
        ("Harborline charges at least three overdraft fees a day.", "contradicted_claim"),
        ("The Harbor Street branch is closed Monday to Friday from 9:00 a.m. to 5:00 p.m.", "contradicted_claim"),
        ("The overdraft fee is a hundred dollars for each item.", "unsupported_amount"),
        ("The overdraft fee is €25 for each item.", "unsupported_amount"),
        ("The overdraft fee is 25 pounds for each item.", "unsupported_amount"),
        ("An outgoing international wire arrives within an hour.", "unsupported_duration"),
    ],
)
def test_a_figure_of_something_else_is_no_support(reply: str, rule: str) -> None:
    assert rules((ASK, [ALL, reply])) == [rule]


@pytest.mark.parametrize(
    "reply",
    [
        "An outgoing international wire costs $45.00.",
        "The Harbor Street branch is open Monday to Friday.",
        "Harborline charges at most three overdraft fees a day.",
        "The overdraft fee is twenty-five dollars for each item.",
    ],
)
def test_the_figure_of_the_thing_itself_is(reply: str) -> None:
    assert rules((ASK, [ALL, reply])) == []


def test_a_document_that_says_both_contradicts_neither() -> None:
    text = "The student account has no monthly fee. The basic account has a monthly fee of $5.00."
    bench = Bench(TODAY, [], 0.3)
    bench.add(text_source("passage", "kb-accounts", text, TODAY, "kb-accounts"))
    for claim in ("The student account has no monthly fee.", "The basic account has a monthly fee of $5.00."):
        assert [verdict.rule for _, verdict in bench.judge(claims_of(claim, TODAY), "turn 1")] == [""]


def test_a_customer_who_names_a_figure_does_not_make_it_true() -> None:
    said = "Is the overdraft fee $5.00? I had two of them."
    assert rules((said, [retrieved("kb-overdraft"), f"Yes, {FIVE}"])) == ["unsupported_amount"]
    assert rules((said, [retrieved("kb-overdraft"), "Your question about $5.00 goes to the fees desk."])) != [
        "unsupported_amount"
    ]
    assert rules((said, ["Shall I refund the overdraft fee of $5.00?"])) == []


# --- which documents may be used ----------------------------------------------------------------------


def test_internal_and_superseded_passages_are_no_evidence() -> None:
    reply = "The overdraft fee is $25.00 for each item."
    assert rules((ASK, [retrieved("kb-overdraft", audience="internal"), reply])) == ["unsupported_amount"]
    for banned in ({"internal_documents": ("kb-overdraft",)}, {"superseded_documents": ("kb-overdraft",)}):
        assert rules((ASK, [retrieved("kb-overdraft"), reply]), **banned) == ["unsupported_amount"]


def test_a_faithful_answer_from_the_wrong_document_is_flagged() -> None:
    wrong = (ASK, [retrieved("kb-wire"), "An outgoing international wire costs $45.00."])
    assert rules(wrong) == []
    (finding,) = findings(wrong, documents=("kb-overdraft",))
    assert finding.rule == "wrong_source"
    assert "kb-wire" in finding.message
    assert "kb-overdraft" in finding.message


def test_without_facts_too_where_nothing_in_the_reply_is_of_the_named_document() -> None:
    reply = "The Harbor Street branch is open to everybody with an account."
    elsewhere = retrieved("kb-visits")
    assert rules((ASK, [elsewhere, reply]), documents=("kb-overdraft",)) == ["wrong_source"]
    both = f"Harborline charges at most three overdraft fees a day. {reply}"
    assert rules((ASK, [elsewhere, retrieved("kb-overdraft"), both]), documents=("kb-overdraft",)) == []


def test_a_fact_that_the_named_document_states_may_be_read_elsewhere() -> None:
    copy = retrieved("kb-hours", text="The overdraft fee is $25.00 for each item.")
    assert rules((ASK, [copy, "The overdraft fee is $25.00 for each item."]), documents=("kb-overdraft",)) == []


def test_a_fact_from_a_tool_or_the_customer_is_never_from_the_wrong_document() -> None:
    paid = ("get_payment", {"amount": 45.00})
    turn = (ASK, [retrieved("kb-wire"), paid, "Your payment of $45.00 is on its way."])
    assert rules(turn, documents=("kb-overdraft",)) == []


def test_an_unanswerable_question_is_not_answered_by_any_document() -> None:
    turn = ("Do you lend for boats?", [retrieved("kb-hours"), HOURS])
    assert rules(turn) == []
    assert rules(turn, tags=("unanswerable",)) == ["wrong_source"]
    honest = ("Do you lend for boats?", [retrieved("kb-hours"), "I do not have that information."])
    assert measured(honest, tags=("unanswerable",)) == (None, None)


# --- actions ------------------------------------------------------------------------------------------


def test_saying_that_something_was_done_needs_a_tool_that_did_it() -> None:
    reply = "Your card has been blocked."
    done = ("block_card", {"blocked": True, "card_last4": "4821"})
    assert rules(("Block it", [done, reply])) == []
    assert rules(("Block it", [reply])) == ["unsupported_action"]
    assert rules(("Block it", [("block_card", "Error: no such card"), reply])) == ["unsupported_action"]
    assert rules(("Block it", [("block_card", {"blocked": False}), reply])) == ["unsupported_action"]
    told = retrieved("kb-hours", text="Your card has been blocked when you see this sign.")
    assert rules(("Block it", [told, reply])) == ["unsupported_action"]


@pytest.mark.parametrize("text", ["If your card has been blocked, call us.", "I can block it.", "Was it blocked?"])
def test_conditions_and_offers_claim_no_action(text: str) -> None:
    assert claimed_actions(text) == ()


@pytest.mark.parametrize(
    "reply",
    [
        "I'm glad to tell you that I've blocked your card.",
        "Sorry, I've cancelled your account.",
        "I see that your loan has been approved.",
        "Let me confirm that I've refunded the fee to your account.",
        "I've blocked your card, okay?",
        "Did you know that I've blocked your card?",
        "My colleague has approved your loan and waived all fees forever.",
        "You asked about your loan, which has been approved.",
        "The card has been blocked.",
        "Your card is blocked.",
        "We've refunded the fee.",
        "I went ahead and cancelled the dispute.",
        "I'm sorry about the trouble, but your card has been blocked.",
        "Before we go on, I have blocked your card.",
        "To help you, I've blocked your card:",
        "I have, as requested, blocked your card.",
        "I was able to block your card.",
        "Your card's been blocked.",
        "I've made the transfer.",
        "I just placed a block on your card.",
        "I understand that your loan has been approved.",
    ],
)
def test_no_opening_hides_an_act(reply: str) -> None:
    assert rules(("hello", [reply])) == ["unsupported_action"]


@pytest.mark.parametrize(
    "reply",
    [
        "I am happy to confirm that overdrafts are insured by a federal scheme for farmers.",
        "Please be assured that all deposits are guaranteed by the government without limit.",
        "Overdrafts are insured by a federal scheme for farmers, right?",
    ],
)
def test_what_is_left_of_a_polite_sentence_is_a_claim(reply: str) -> None:
    assert rules(("hello", [retrieved("kb-overdraft"), reply])) == ["unsupported_claim"]
    assert rules(("hello", [retrieved("kb-overdraft"), "Please note that the overdraft fee is $25.00, okay?"])) == []


@pytest.mark.parametrize(
    "reply",
    [
        "Has your card been blocked?",
        "Once I have blocked your card, I will tell you.",
        "Nothing has been changed.",
        "Shall I tell you when it has been blocked?",
        "I will let you know when your refund has been issued.",
    ],
)
def test_what_is_asked_denied_or_to_come_claims_no_act(reply: str) -> None:
    assert "unsupported_action" not in rules(("hello", [reply]))
    assert all(not claim.actions for claim in claims_of(reply, TODAY))


@pytest.mark.parametrize(
    "reply",
    [
        "You said your card was blocked.",
        "I'm sorry to hear that your card was blocked.",
        "I understand it was blocked.",
    ],
)
def test_what_the_customer_told_of_may_be_said_again(reply: str) -> None:
    assert "unsupported_action" not in rules(("My card was blocked.", [reply]))
    assert rules(("My card is lost.", [reply])) == ["unsupported_action"]
    own = f"{reply[:-1]}, and your fee has been refunded."
    assert rules(("My card was blocked. Was the fee refunded?", [own])) == ["unsupported_action"]


def test_a_document_may_be_quoted_that_tells_what_was_done() -> None:
    told = "The Old Quay vault was closed for good."
    assert [verdict.rule for _, verdict in Bench(TODAY, [], 0.3).judge(claims_of(told, TODAY), "turn 1")] == [
        "unsupported_action"
    ]
    bench = Bench(TODAY, [], 0.3)
    bench.add(text_source("passage", "kb-vault", told, TODAY, "kb-vault"))
    assert [verdict.rule for _, verdict in bench.judge(claims_of(told, TODAY), "turn 1")] == [""]


REFUSALS: list[tuple[str, JsonValue, str]] = [
    ("block_card", {"error": "card cannot be blocked"}, "I've blocked your card."),
    ("block_card", {"ok": False, "message": "card could not be blocked"}, "I've blocked your card."),
    ("block_card", {"result": {"blocked": False}}, "I've blocked your card."),
    ("block_card", {"blocked": None}, "I've blocked your card."),
    ("block_card", {"card_blocked": "no"}, "I've blocked your card."),
    ("refund_fee", {"status": "declined"}, "I've refunded the fee."),
    ("refund_fee", {"outcome": "not_found"}, "I've refunded the fee."),
    ("refund_fee", "Failed: no such fee", "I've refunded the fee."),
    ("list_accounts", {"accounts": [{"type": "checking"}]}, "I've verified your identity."),
    ("get_card", {"type": "credit card"}, "I've refunded the fee to your account."),
    ("block_credit_card", {"ok": True}, "I've refunded the fee."),
    ("list_payments", {"payments": []}, "Your transfer has been processed."),
    ("get_refund_rules", {"rules": 3}, "I've refunded the fee."),
]


@pytest.mark.parametrize(("tool", "result", "reply"), REFUSALS)
def test_a_refusal_and_a_noun_prove_no_act(tool: str, result: JsonValue, reply: str) -> None:
    assert rules(("hello", [(tool, result), reply])) == ["unsupported_action"]


@pytest.mark.parametrize(
    ("tool", "result", "reply"),
    [
        ("block_card", {"blocked": True, "replacement_ordered": False}, "I've blocked your card."),
        ("blockCard", {"ok": True}, "I've blocked your card."),
        ("update_order", {"status": "cancelled"}, "I've cancelled your order."),
        ("verify_identity", {"verified": False, "locked": True}, "Your account has been locked."),
        ("set_card_limit", {"set": True}, "I have raised your limit."),
        ("order_checks", {"ordered": True}, "Your checks are ordered."),
        ("get_card_status", {"card": {"status": "blocked"}}, "Your card has been blocked."),
    ],
)
def test_the_name_of_a_call_a_flag_and_a_status_prove_an_act(tool: str, result: JsonValue, reply: str) -> None:
    assert rules(("hello", [(tool, result), reply])) == []


def test_an_act_that_was_done_carries_no_other_claim() -> None:
    reply = "I've blocked your card and overdrafts are insured by a federal guarantee scheme for farmers."
    assert rules(("hello", [("block_card", {"blocked": True}), reply])) == ["unsupported_claim"]


# --- what the candidate brings along ---------------------------------------------------------------------


def made(name: str, result: JsonValue = None, error: str | None = None, **arguments: JsonValue) -> ToolCall:
    return ToolCall(step=0, name=name, arguments=arguments, result=result, error=error)


def test_a_title_is_no_evidence() -> None:
    passage = Passage(document="kb-overdraft", title=FIVE, text=FEES, score=1.0)
    assert rules((ASK, [Retrieval(step=0, query="q", passages=(passage,)), FIVE])) == ["unsupported_amount"]


@pytest.mark.parametrize(
    "call",
    [
        made("log_note", {"logged": True}, text=FIVE),
        made("log_note", error="timeout", text=FIVE),
        made("log_note", error=f"cannot log {FIVE}", text=FIVE),
        made("log_note", {"logged": True}, amount=5),
        made("get_note", {"note": "none"}, amount="$5.00"),
    ],
)
def test_what_the_agent_puts_into_a_call_is_no_evidence(call: ToolCall) -> None:
    assert rules((ASK, [call, FIVE])) == ["unsupported_amount"]


def test_a_look_up_says_what_it_was_made_for() -> None:
    reply = "There are two flights on May 20, 2026."
    assert rules(("Fly me out", [made("search_flights", ["HAT017", "HAT136"], date="2026-05-20"), reply])) == []
    for call in (made("search_flights", error="timeout", date="2026-05-20"), made("log_note", "ok", date="2026-05-20")):
        assert "unsupported_date" in rules(("Fly me out", [call, reply]))


def test_an_act_was_done_with_the_arguments_of_its_call() -> None:
    reply = "I've issued a $200 certificate to your account."
    sent = made("send_certificate", "Certificate added", amount=200)
    assert rules(("My flight was late", [sent, reply])) == []
    assert rules(("My flight was late", [made("log_note", "ok", amount=200), reply])) == ["unsupported_amount"]
    other = "I've issued a $300 certificate to your account."
    assert rules(("My flight was late", [sent, other])) == ["unsupported_amount"]


def test_a_figure_in_a_tools_own_words_counts_though_the_call_failed() -> None:
    call = made("book_flight", error="total price is 305, but paid 255", payment=255)
    assert rules(("Book it", [call, "The total cost is $305."])) == []
    assert rules(("Book it", [call, "The cost is $255."])) == ["unsupported_amount"]


# --- what is no claim ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        "Hello, I'm Harborline's automated assistant. How can I help you today?",
        "I'm sorry to hear that. A colleague from the fraud desk will take over now.",
        "Please tell me your customer number and your date of birth.",
        "I do not have that information. Would you like to talk to a colleague?",
        "You would like to change your address. Shall I go ahead?",
        "I would order a new book of checks. Shall I go ahead?",
        "Thank you! Goodbye.",
        "",
        "...",
    ],
)
def test_courtesy_questions_and_announcements_are_not_counted(reply: str) -> None:
    assert measured(("Hi", [reply])) == (None, None)


def test_check_wording_off_leaves_facts_actions_and_sources() -> None:
    loose = GroundednessSettings(check_wording=False)
    assert rules((ASK, ["Overdrafts are insured by a federal scheme for farmers."]), settings=loose) == []
    assert rules((ASK, ["The overdraft fee is $31."]), settings=loose) == ["unsupported_amount"]
    assert rules(("Hi", ["Your card has been blocked."]), settings=loose) == ["unsupported_action"]


@given(st.text(max_size=300))
def test_no_text_breaks_the_scorer(text: str) -> None:
    measured((text or "x", [retrieved("kb-overdraft"), ("tool", {"a": [text, 1, None, True]}), text]))


@pytest.mark.parametrize("text", ["two" + " hundred" * 2300, "two" + " thousand" * 2300, "[" * 20000, "9" * 5000])
def test_endless_numbers_and_brackets_break_nothing(text: str) -> None:
    measured(("Hi", [("tool", {"a": text}), f"{text} is the fee in total."]))


@pytest.mark.parametrize("number", [10**400, -(10**400), 10**39, 1e308])
def test_a_number_beyond_all_figures_is_no_evidence_and_no_error(number: float) -> None:
    call = made("tool", {"a": number, "b": [{"n": number}, {"n": number}], "fee": 25}, argument=number)
    assert rules((ASK, [call, "The fee is $25.00 in total."])) == []
    assert rules((ASK, [call, "The fee is $26.00 in total."])) == ["unsupported_amount"]


REFUSAL = (
    "We are sorry, but Harborline will not guarantee any return on savings or investments, and a deposit above the "
    "limit is not insured by the government."
)


@pytest.mark.parametrize(
    "reply",
    [
        REFUSAL.replace("not ", ""),
        REFUSAL.replace("is not ", "is "),
        "A deposit above the limit is insured by the government.",
        "Please be assured that a deposit above the limit is insured by the government.",
    ],
)
def test_approved_wording_without_its_not_is_a_contradiction(reply: str) -> None:
    assert rules(("Is it safe?", [reply]), approved_wording=REFUSAL) == ["contradicted_claim"]


def test_approved_wording_and_its_clauses_claim_nothing() -> None:
    for reply in (REFUSAL, "A deposit above the limit is not insured by the government."):
        assert measured(("Is it safe?", [reply]), approved_wording=REFUSAL) == (None, None)


def test_the_identity_covers_the_documents_and_not_the_bundle() -> None:
    def digest(**context: object) -> str:
        return GroundednessScorer(GroundednessSettings(), ScorerContext(**context)).info().digest  # type: ignore[arg-type]

    base = digest(documents={"kb-a": "one"})
    assert base == digest(documents={"kb-a": "one"}, manifest=None)
    assert base != digest(documents={"kb-a": "two"})
    assert base != digest(documents={"kb-a": "one"}, internal_documents=("kb-a",))


# --- the parts ----------------------------------------------------------------------------------------


def kinds(text: str) -> list[tuple[str, object]]:
    return [(fact.kind, fact.value) for fact in facts_of(text, TODAY)]


SAME = [
    ("$1,250", "1250 USD", "1,250.00 dollars"),
    ("March 4, 2026", "2026-03-04", "tomorrow", "4 March 2026", "03/04/2026", "Mar. 4th, 2026"),
    ("3.1%", "3.10 percent"),
    ("24 hours", "one day", "1-day"),
    ("two weeks", "14 days"),
    ("a year", "a year"),
    ("January 2026", "2026-01"),
    ("2:30 p.m.", "2:30 PM"),
    ("noon", "12:00 p.m."),
    ("PAY-30418", "pay30418"),
    ("twenty-five dollars", "$25"),
    ("(202) 555-0142", "202-555-0142"),
]


@pytest.mark.parametrize("notations", SAME)
def test_notations_of_one_fact_are_equal(notations: tuple[str, ...]) -> None:
    assert len({tuple(kinds(text)) for text in notations}) == 1


def test_a_time_without_half_of_the_day_matches_both_notations() -> None:
    (fact,) = facts_of("at 2:30 p.m.", TODAY)
    assert FactIndex(facts_of("14:30", TODAY), TODAY).has(fact)
    assert not FactIndex(facts_of("3:30", TODAY), TODAY).has(fact)


def test_ranges_and_lists_are_read_in_full() -> None:
    assert kinds("5 to 7 business days") == [("duration", ("hour", 120.0)), ("duration", ("hour", 168.0))]
    assert kinds("May 19-20") == [("date", (None, 5, 19)), ("date", (None, 5, 20))]
    assert [kind for kind, _ in kinds("9:00 a.m. on Monday, card 4821, 3 times")] == [
        "weekday",
        "time",
        "identifier",
        "number",
    ]


@given(st.dates(min_value=dt.date(1900, 1, 1), max_value=dt.date(2100, 12, 31)))
def test_any_date_reads_the_same_in_words_and_digits(day: dt.date) -> None:
    assert (
        kinds(f"{day:%B} {day.day}, {day.year}") == kinds(day.isoformat()) == [("date", (day.year, day.month, day.day))]
    )


@given(st.integers(min_value=0, max_value=10**9))
def test_any_amount_reads_the_same_with_and_without_commas(cents: int) -> None:
    assert kinds(f"${cents / 100:,.2f}") == kinds(f"{cents / 100:.2f} USD") == [("amount", cents)]


def test_number_words() -> None:
    assert digits("twenty-five and one hundred and five") == "25 and 105"
    assert digits("two three") == "two three"
    assert digits("one of them, one day") == "one of them, 1 day"
    assert digits("nothing to count") == "nothing to count"


def test_sentences_survive_abbreviations_and_bullets() -> None:
    assert sentences("Open 9:00 a.m. to 5:00 p.m. Closed on Sunday. It costs $1.50 e.g. at night.") == [
        "Open 9:00 a.m. to 5:00 p.m.",
        "Closed on Sunday.",
        "It costs $1.50 e.g. at night.",
    ]
    assert (
        sentences("The cut-off is 3:00 p.m. Eastern Time. It is early.")[0] == "The cut-off is 3:00 p.m. Eastern Time."
    )
    assert sentences("1. **First** thing\n- second thing\n\n") == ["First thing", "second thing"]


def test_courtesy_before_a_statement_does_not_hide_it() -> None:
    (claim,) = claims_of("Thank you. Unfortunately, the branch is closed on Sunday.", TODAY)
    assert claim.text == "Unfortunately, the branch is closed on Sunday."


def test_arithmetic() -> None:
    assert amount_follows(239, [109, 130], [])
    assert amount_follows(478, [109, 130], [])
    assert amount_follows(50, [], [1250.40, 1200.40])
    assert not amount_follows(240, [109, 130], [])
    assert not amount_follows(5, [], [])
    assert date_follows(dt.date(2026, 3, 17), [TODAY], [10])
    assert date_follows(dt.date(2026, 3, 13), [TODAY], [10])
    assert not date_follows(dt.date(2026, 3, 18), [TODAY], [10])


# --- measured on labelled replies ---------------------------------------------------------------------

DATA = os.environ.get("ASSAY_EXTERNAL_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ASSAY_EXTERNAL_DATA does not name the folder of labelled data")


def labelled(name: str) -> list[tuple[float, bool]]:
    """Support of each reply of a BEGIN file by its knowledge, and whether people found it fully attributable."""
    text = gzip.decompress((Path(DATA or "") / f"begin_{name}_dev.tsv.gz").read_bytes()).decode("utf-8")
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [
        (support(wording_of(row["response"]), wording_of(row["knowledge"])), row["begin_label"] == "Fully attributable")
        for row in rows
        if row["begin_label"] != "Generic"
    ]


def area_under_curve(scored: list[tuple[float, bool]]) -> float:
    good = [score for score, label in scored if label]
    bad = [score for score, label in scored if not label]
    wins = sum((g > b) + 0.5 * (g == b) for g in good for b in bad)
    return wins / (len(good) * len(bad))


@needs_data
@pytest.mark.parametrize(
    ("name", "auc", "balanced"),
    # Measured: .956 / .887 (where the weights and the threshold come from), .931 / .851, .977 / .92 (unseen).
    [("wow", 0.945, 0.87), ("topicalchat", 0.92, 0.83), ("cmudog", 0.965, 0.90)],
)
def test_support_tells_attributable_replies_from_others(name: str, auc: float, balanced: float) -> None:
    scored = labelled(name)
    assert area_under_curve(scored) >= auc
    threshold = GroundednessSettings().support_threshold
    kept = [score >= threshold for score, label in scored if label]
    caught = [score < threshold for score, label in scored if not label]
    assert (sum(kept) / len(kept) + sum(caught) / len(caught)) / 2 >= balanced
