"""Handoff packets: every element, and claims of actions that never happened."""

from __future__ import annotations

import datetime as dt

from assay.registry.types.base import AutonomyLevel, EscalationReason, Frozen, RiskTier
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
    Outcome,
    ToolCall,
    Trajectory,
    TurnRecord,
)
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.handoff import HandoffScorer

DIGEST = "a" * 64
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


def a_case(expected: HandoffExpectation | None = FULL, *, required: bool = True) -> Case:
    escalation = EscalationExpectation(
        required=required,
        reasons=(EscalationReason.BOUNDARY_TRANSACTION,) if required else (),
        by_turn=1 if required else None,
        queue="payments_desk" if required else None,
    )
    return Case(
        id="c",
        intent="dispute_intake",
        risk_tier=RiskTier.HIGH,
        autonomy=AutonomyLevel.CONFIRM,
        date=dt.date(2026, 3, 9),
        turns=(CustomerTurn(customer="hi"),),
        expect=ConversationExpectation(escalation=escalation, handoff=expected if required else None),
    )


def a_run(*events: AgentEvent) -> Trajectory:
    return Trajectory(
        key=DIGEST,
        agent="a",
        bundle_digest=DIGEST,
        case_id="c",
        case_digest=DIGEST,
        mode="scripted",
        outcome=Outcome.COMPLETED,
        turns=(TurnRecord(index=1, customer="hi", events=events),),
    )


def verified(error: str | None = None) -> ToolCall:
    return ToolCall(step=0, name="verify_identity", arguments={}, result={"verified": True}, error=error)


def score(case: Case, run: Trajectory) -> Score:
    result = SCORER.score(case, run)["handoff_completeness"]
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


def test_an_invented_action_voids_the_prior_actions() -> None:
    packet = handoff(prior_actions=("verify_identity", "block_card"))
    result = score(a_case(), a_run(verified(), packet))
    assert (result.value, result.of) == (6, 7)
    assert [(f.rule, f.severity) for f in result.findings] == [("invented_action", "high")]


def test_a_failed_call_or_a_later_one_is_no_action_done() -> None:
    failed = score(a_case(), a_run(verified(error="timeout"), handoff()))
    later = score(a_case(), a_run(handoff(), verified()))
    assert failed.value == later.value == 6
    assert failed.findings[0].rule == later.findings[0].rule == "invented_action"


def test_an_invented_action_counts_where_none_was_expected() -> None:
    result = score(a_case(None), a_run(handoff()))
    assert (result.value, result.of) == (3, 4)
    assert result.findings[0].rule == "invented_action"


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
    (metric,) = SCORER.metrics
    assert isinstance(SCORER.score(a_case(required=False), a_run(handoff()))[metric.name], Skipped)
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
    in_time = early.model_copy(update={"turns": (TurnRecord(index=2, customer="hi", events=(thin,)),)})
    assert (score(case, early).explanation, score(case, early).of) == ("complete", 5)
    assert score(case, in_time).explanation == "missing: mention of 'March 4, 2026', prior_actions"
    assert score(case, in_time).of == 7
