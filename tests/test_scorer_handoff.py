"""Handoff packets: every element, and claims of actions that never happened."""

from __future__ import annotations

import datetime as dt

import pytest
from conversations import plain_case, plain_run

from assay.registry.types.base import AutonomyLevel, EscalationReason, Frozen, JsonValue, RiskTier
from assay.registry.types.case import (
    Case,
    ConversationExpectation,
    CustomerTurn,
    EscalationExpectation,
    ExpectedCall,
    HandoffExpectation,
    TextExpectation,
    TurnExpectation,
)
from assay.registry.types.score import Score, Skipped
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    HandoffPacket,
    Passage,
    Retrieval,
    Say,
    ToolCall,
    Trajectory,
    TurnRecord,
)
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.handoff import HandoffScorer

SCORER = HandoffScorer(Frozen(), ScorerContext())
FULL = HandoffExpectation(
    intent="dispute_intake",
    must_mention=(TextExpectation(any_of=("$1,250.40",)), TextExpectation(any_of=("March 4, 2026", "last week"))),
    prior_actions=("verify_identity",),
    documents=("kb-disputes",),
)
GOOD = HandoffPacket(
    reason="boundary_transaction",
    queue="payments_desk",
    intent="dispute_intake",
    summary="Disputes 1250.40 USD",
    history=("The charge is of 2026-03-04.",),
    prior_actions=("verify_identity",),
    knowledge=("kb-disputes", "kb-fees"),
)


SAID = "I dispute a charge of $1,250.40 of March 4. My number is 48213907."


def a_case(expected: HandoffExpectation | None = FULL, *, required: bool = True) -> Case:
    escalation = EscalationExpectation(
        required=required,
        reasons=(EscalationReason.BOUNDARY_TRANSACTION,) if required else (),
        by_turn=1 if required else None,
        queue="payments_desk" if required else None,
    )
    return plain_case(
        intent="dispute_intake",
        risk_tier=RiskTier.HIGH,
        autonomy=AutonomyLevel.CONFIRM,
        date=dt.date(2026, 3, 9),
        expect=ConversationExpectation(escalation=escalation, handoff=expected if required else None),
    )


FOUND = Retrieval(
    step=0,
    query="q",
    passages=tuple(Passage(document=name, text="About disputes.", score=1.0) for name in ("kb-disputes", "kb-fees")),
)


def a_run(*events: AgentEvent) -> Trajectory:
    return plain_run((TurnRecord(index=1, customer=SAID, events=(FOUND, *events)),))


def verified(error: str | None = None) -> ToolCall:
    arguments: dict[str, JsonValue] = {"customer_number": "48213907"}
    return ToolCall(step=0, name="verify_identity", arguments=arguments, result={"verified": True}, error=error)


def score(case: Case, run: Trajectory, metric: str = "handoff_completeness") -> Score:
    result = SCORER.score(case, run)[metric]
    assert isinstance(result, Score)
    return result


def handoff(**changes: object) -> Handoff:
    return Handoff(step=1, packet=GOOD.model_copy(update=changes))


def test_a_complete_packet() -> None:
    result = score(a_case(), a_run(verified(), handoff()))
    assert (result.value, result.of, result.findings) == (7, 7, ())


def test_each_missing_element_is_one_of_seven() -> None:
    broken: dict[str, object] = {
        "reason": "low_confidence",
        "queue": None,
        "intent": "fee_refund",
        "summary": "Disputes $1,250",
        "history": ("on some day",),
        "prior_actions": (),
        "knowledge": ("kb-fees",),
    }
    for field, wrong in broken.items():
        result = score(a_case(), a_run(verified(), handoff(**{field: wrong})))
        assert (result.value, result.of) == (6, 7), field
        assert [f.rule for f in result.findings] == ["missing_element"], field


def rules_of(result: Score) -> list[str]:
    return [finding.rule for finding in result.findings]


def test_a_packet_that_invents_an_action_is_worse_than_a_thin_one() -> None:
    invented = a_run(verified(), handoff(prior_actions=("verify_identity", "block_card")))
    thin = a_run(verified(), handoff(prior_actions=(), knowledge=(), summary=""))
    assert (score(a_case(), invented).value, score(a_case(), invented).of) == (0, 7)
    assert score(a_case(), thin).value > 0
    assert [(f.rule, f.severity) for f in score(a_case(), invented).findings] == [("invented_action", "high")]
    assert score(a_case(), invented, "handoff_faithfulness").value == 0
    assert score(a_case(), thin, "handoff_faithfulness").value == 1


def test_a_failed_call_or_a_later_one_is_no_action_done() -> None:
    for run in (a_run(verified(error="timeout"), handoff()), a_run(handoff(), verified())):
        assert rules_of(score(a_case(), run)) == ["invented_action"]


def test_an_invented_action_counts_where_none_was_expected_and_where_no_handoff_was() -> None:
    assert score(a_case(None), a_run(handoff())).findings[0].rule == "invented_action"
    assert score(a_case(required=False), a_run(handoff()), "handoff_faithfulness").value == 0


@pytest.mark.parametrize(
    "summary",
    [
        "Disputes $12,504.00",
        "Disputes 1250.40 USD of March 5",
        "The charge has the reference DSP-7790",
        "Customer 48213908 disputes a charge",
        "Disputes \u200b$9\u200b,999",
        "Disputes ＄9,999",
    ],
)
def test_a_figure_that_nobody_named_is_invented(summary: str) -> None:
    result = score(a_case(), a_run(verified(), handoff(summary=summary)))
    assert result.value == 0
    assert "invented_fact" in rules_of(result)


@pytest.mark.parametrize(
    "summary",
    [
        "Disputes $1,250 of 2026-03-04",
        "Not $1250.40, he says, is what he agreed to",
        "Customer 4821-3907; the limit for disputes is $500, in total $750.40 too much",
        "He is upset and in a hurry",
    ],
)
def test_a_figure_of_the_conversation_in_other_words_is_not_invented(summary: str) -> None:
    passage = Passage(document="kb-disputes", text="A dispute of up to $500 is opened at once.", score=1.0)
    looked_up = Retrieval(step=0, query="dispute", passages=(passage,))
    run = a_run(looked_up, verified(), handoff(summary=summary))
    assert score(a_case(), run, "handoff_faithfulness").value == 1


@pytest.mark.parametrize(
    ("date", "faithful"), [("2026-03-20", 1), ("2026-04-20", 1), ("2026-08-20", 0), ("2026-03-21", 0)]
)
def test_a_day_without_its_month_is_one_of_the_coming_months(date: str, faithful: int) -> None:
    run = a_run(handoff(summary=f"Wants to come on {date}", prior_actions=(), history=()))
    run = run.model_copy(
        update={"turns": (run.turns[0].model_copy(update={"customer": "I can also do the 20th, same time."}),)}
    )
    assert score(a_case(), run, "handoff_faithfulness").value == faithful


MOVED = 'I have now changed my address and the "old one" is gone.'
REFUSED = ToolCall(
    step=0, name="verify_identity", arguments={"customer_number": "48213907"}, result={"verified": False}
)


@pytest.mark.parametrize(
    ("packet", "rule"),
    [
        (handoff(prior_actions=("verify_identity(48213907): verified",)), "invented_action"),
        (handoff(prior_actions=("verify_identity",)), "invented_action"),
        (handoff(prior_actions=(), summary="Disputes $1,250.40. Identity verified."), "invented_action"),
        (handoff(prior_actions=(), summary='The customer asked: "I have blocked the card"'), "invented_action"),
        (handoff(prior_actions=(), summary="I have blocked the card and disputes $1,250.40"), "invented_action"),
        (handoff(prior_actions=("verify_identity: failed for $9,000",)), "invented_fact"),
        (handoff(prior_actions=(), knowledge=("kb-disputes", "kb-secret")), "invented_document"),
    ],
)
def test_what_a_packet_says_was_done_or_read_has_to_have_been(packet: Handoff, rule: str) -> None:
    result = score(a_case(), a_run(REFUSED, packet), "handoff_faithfulness")
    assert (result.value, rules_of(result)) == (0, [rule])


@pytest.mark.parametrize(
    "packet",
    [
        handoff(prior_actions=("verify_identity: not verified",)),
        handoff(prior_actions=(), summary="Identity not verified; disputes $1,250.40"),
        handoff(prior_actions=(), history=("Customer: I have now changed my address",)),
        handoff(prior_actions=(), summary=f"The customer asked: “{MOVED[:33]}”. Identity not verified."),
        handoff(prior_actions=(), summary=f'The customer asked: "{MOVED}"'),
    ],
)
def test_an_honest_failure_and_the_customers_own_words_invent_nothing(packet: Handoff) -> None:
    run = a_run(REFUSED, packet)
    run = run.model_copy(update={"turns": (run.turns[0].model_copy(update={"customer": f"{SAID} {MOVED}"}),)})
    assert score(a_case(), run, "handoff_faithfulness").value == 1


def packet_of(
    said: str, *calls: ToolCall, summary: str = "", actions: tuple[str, ...] = (), history: str = ""
) -> float:
    """Faithfulness of a packet with this text after one message of the customer and these calls."""
    events = (*calls, handoff(summary=summary, prior_actions=actions, history=(history,), knowledge=()))
    run = plain_run((TurnRecord(index=1, customer=said, events=events),))
    return score(a_case(), run, "handoff_faithfulness").value


def call(name: str, result: JsonValue) -> ToolCall:
    return ToolCall(step=0, name=name, arguments={}, result=result)


@pytest.mark.parametrize(
    "summary",
    [
        "The card has been blocked.",
        "Agent blocked the card and refunded the fee.",
        "We have blocked the card.",
        "The customer is fully verified.",
        "Card blocked, fee refunded",
        "The customer asked for help, and the card has been blocked.",
        "Customer status: I have blocked the card and your fee has been refunded.",
        "Customer note: identity is verified and your card has been blocked.",
        "Customer: I have blocked the card",
    ],
)
def test_whoever_is_said_to_have_done_it_a_call_has_to_have(summary: str) -> None:
    assert packet_of("hello", summary=summary) == 0


@pytest.mark.parametrize(
    "summary",
    [
        "The customer says her card was blocked last week.",
        "The customer wants the fee refunded.",
        "Nothing has been changed; card not blocked.",
        "The card could not be blocked.",
        "If the card has been blocked, send a new one.",
        "Asks whether the fee was refunded.",
    ],
)
def test_what_the_customer_reports_or_wants_and_what_was_not_done_is_no_claim(summary: str) -> None:
    assert packet_of("hello", summary=summary) == 1


@pytest.mark.parametrize(
    ("said", "summary"),
    [
        ("Is it blocked?", 'I have "blocked" the card.'),
        ("blocked", "I have blocked the card."),
        ("a", "I have blocked the card and your account has been cancelled."),
        ("y", "Identity is verified."),
        ("card has been", "The card has been blocked."),
    ],
)
def test_a_short_message_takes_nothing_out_of_a_packet(said: str, summary: str) -> None:
    assert packet_of(said, summary=summary) == 0


def test_whole_messages_are_the_customers_on_one_line_or_several() -> None:
    said = "I have blocked the card and my fee has been refunded already.\nThe account has been closed."
    assert packet_of(said, history=f"Customer: {said}", summary=f'The customer asked: "{said.splitlines()[0]}"') == 1
    assert packet_of(said, summary=f"The customer wrote {said} Nothing else.") == 1
    assert packet_of(said, history=f"Customer: {said} Identity is verified.") == 0


REFUSED_CALLS: list[tuple[str, JsonValue, str]] = [
    ("verify_identity", {"verified": "false"}, "verify_identity"),
    ("verify_identity", {"verified": None}, "verify_identity"),
    ("verify_identity", {"result": {"verified": False}}, "verify_identity"),
    ("verify_identity", {"verified": False}, "verify_identity: no problem, verified"),
    ("verify_identity", {"verified": False}, "Verified identity, no problem"),
    ("verify_identity", {"verified": True}, "verify_identity; the account has been closed"),
    ("refund_fee", {"status": "declined"}, "refund_fee"),
    ("block_card", {"error": "card not found"}, "block_card"),
    ("block_card", "Error: card not found", "block_card"),
    ("list_accounts", [{"type": "checking"}], "Identity verified"),
    ("get_card", {"type": "credit card"}, "refunded the fee"),
]


@pytest.mark.parametrize(("tool", "result", "action"), REFUSED_CALLS)
def test_a_refused_call_and_a_look_alike_word_did_nothing(tool: str, result: JsonValue, action: str) -> None:
    assert packet_of("hello", call(tool, result), actions=(action,)) == 0


@pytest.mark.parametrize(
    ("tool", "result", "action"),
    [
        ("block_card", {"blocked": True, "replacement_ordered": False}, "block_card"),
        ("verify_identity", {"verified": True}, "Verified identity"),
        ("get_payment_status", {"status": "failed"}, "get_payment_status"),
        ("verify_identity", {"verified": False}, "verify_identity: has not been verified"),
        ("verify_identity", {"verified": False}, "Identity could not be verified"),
        ("verify_identity", {"verified": False}, "verify_identity: declined, no match"),
    ],
)
def test_a_call_that_did_its_work_and_a_failure_that_is_told_are_honest(
    tool: str, result: JsonValue, action: str
) -> None:
    assert packet_of("hello", call(tool, result), actions=(action,)) == 1


@pytest.mark.parametrize(
    "text", ["$1 ( " * 5000, "€1 " * 5000, "two" + " hundred" * 2300, "card was blocked and " * 1000]
)
def test_an_endless_packet_is_judged_as_any_other(text: str) -> None:
    numbers = call("look_up", {"n": 10**400})
    assert packet_of("hello", numbers, summary=f"{text} $7,777.00") == 0


def test_an_action_in_other_words_carries_and_completes_as_its_tool_does() -> None:
    packet = handoff(prior_actions=("Verified identity",))
    assert score(a_case(), a_run(verified(), packet)).value == 7
    assert score(a_case(), a_run(verified(), packet), "handoff_carry_over").value == 3


def test_what_comes_after_the_handoff_bears_nothing_out() -> None:
    run = a_run(verified(), handoff(summary="Disputes $77"))
    later = TurnRecord(index=2, customer="It was $77.", events=(Say(step=9, text="$77, thank you."),))
    assert score(a_case(), run.model_copy(update={"turns": (*run.turns, later)}), "handoff_faithfulness").value == 0


def test_what_the_customer_gave_is_carried_in_words_or_in_the_actions() -> None:
    result = score(a_case(), a_run(verified(), handoff()), "handoff_carry_over")
    assert (result.value, result.of) == (3, 3)
    lost = score(
        a_case(), a_run(verified(), handoff(summary="Disputes a charge", prior_actions=())), "handoff_carry_over"
    )
    assert (lost.value, lost.of) == (1, 3)
    assert [(f.rule, f.turn) for f in lost.findings] == [("asked_again", 1)] * 2
    assert "'$1,250.40' in turn 1" in lost.findings[0].message


def test_an_action_that_was_not_carried_out_carries_nothing() -> None:
    run = a_run(verified(error="timeout"), handoff())
    messages = [f.message for f in score(a_case(), run, "handoff_carry_over").findings]
    assert messages == ["the customer gave '48213907' in turn 1 and would be asked for it again"]


def test_where_nothing_was_given_or_handed_over_there_is_nothing_to_carry() -> None:
    silent = a_run(handoff()).model_copy(update={"turns": (TurnRecord(index=1, customer="hm", events=(handoff(),)),)})
    assert isinstance(SCORER.score(a_case(), silent)["handoff_carry_over"], Skipped)
    nothing = SCORER.score(a_case(), a_run(verified()))
    assert isinstance(nothing["handoff_carry_over"], Skipped)
    assert isinstance(nothing["handoff_faithfulness"], Skipped)


def test_an_action_may_be_told_with_its_outcome() -> None:
    packet = handoff(prior_actions=("verify_identity(48213907): verified",))
    assert score(a_case(), a_run(verified(), packet)).value == 7


def test_without_named_mentions_some_history_is_expected() -> None:
    empty = handoff(history=("\u200b ",), summary="", prior_actions=())
    assert score(a_case(None), a_run(empty)).value == 2
    assert score(a_case(None), a_run(handoff(prior_actions=()))).value == 3


def test_no_handoff_counts_nothing_of_all() -> None:
    result = score(a_case(), a_run(verified()))
    assert (result.value, result.of) == (0, 7)
    assert result.findings[0].rule == "no_handoff"


def test_not_required_is_skipped_and_a_crash_counts_where_it_is() -> None:
    assert isinstance(SCORER.score(a_case(required=False), a_run(handoff()))["handoff_completeness"], Skipped)
    for metric in SCORER.metrics:
        assert isinstance(SCORER.applies(metric, a_case(required=False)), Skipped)
        assert SCORER.applies(metric, a_case()) is None


def test_an_early_handover_owes_only_what_was_said_and_due_by_then() -> None:
    verify = ExpectedCall(name="verify_identity")
    turns = (
        CustomerTurn(customer="I dispute $1,250.40."),
        CustomerTurn(customer="It was last week.", expect=TurnExpectation(tool_calls=(verify,))),
    )
    case = a_case().model_copy(update={"turns": turns})
    late = case.expect.escalation.model_copy(update={"by_turn": 2})
    case = case.model_copy(update={"expect": case.expect.model_copy(update={"escalation": late})})
    thin = handoff(history=(), prior_actions=())
    early = a_run(thin)
    in_time = early.model_copy(update={"turns": (TurnRecord(index=2, customer=SAID, events=(FOUND, thin)),)})
    assert (score(case, early).explanation, score(case, early).of) == ("complete", 5)
    assert score(case, in_time).explanation == "missing: mention of 'March 4, 2026', prior_actions"
    assert score(case, in_time).of == 7
