"""Escalation, judged by recorded handoffs: every metric, every finding, and talk that only sounds like one."""

from __future__ import annotations

import datetime as dt

import pytest

from assay.registry.types.base import AutonomyLevel, EscalationReason, Frozen, RiskTier
from assay.registry.types.case import Case, ConversationExpectation, CustomerTurn, EscalationExpectation
from assay.registry.types.score import Result, Score, Skipped
from assay.registry.types.trajectory import Handoff, HandoffPacket, Outcome, Say, Trajectory, TurnRecord
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.escalation import EscalationScorer

DIGEST = "a" * 64
SCORER = EscalationScorer(Frozen(), ScorerContext())
NAMES = [metric.name for metric in SCORER.metrics]


def a_case(
    by_turn: int | None = None, *, turns: int = 3, risk: RiskTier = RiskTier.HIGH, queue: str | None = None
) -> Case:
    reasons = (EscalationReason.MATERIAL_IMPACT, EscalationReason.CUSTOMER_REQUEST) if by_turn else ()
    return Case(
        id="c",
        intent="fraud_report",
        risk_tier=risk,
        autonomy=AutonomyLevel.HUMAN,
        date=dt.date(2026, 3, 2),
        turns=tuple(CustomerTurn(customer=f"turn {n + 1}") for n in range(turns)),
        expect=ConversationExpectation(
            escalation=EscalationExpectation(
                required=by_turn is not None, reasons=reasons, by_turn=by_turn, queue=queue
            )
        ),
    )


def a_run(handoffs: dict[int, HandoffPacket], *, turns: int = 3, says: str = "Hello.") -> Trajectory:
    return Trajectory(
        key=DIGEST,
        agent="a",
        bundle_digest=DIGEST,
        case_id="c",
        case_digest=DIGEST,
        mode="scripted",
        outcome=Outcome.COMPLETED,
        turns=tuple(
            TurnRecord(
                index=n,
                customer=f"turn {n}",
                events=(
                    Say(step=n, text=says),
                    *((Handoff(step=n, packet=handoffs[n]),) if n in handoffs else ()),
                ),
            )
            for n in range(1, turns + 1)
        ),
    )


def scored(case: Case, run: Trajectory) -> dict[str, Result]:
    results = dict(SCORER.score(case, run))
    assert sorted(results) == sorted(NAMES)
    return results


def value(result: Result) -> float:
    assert isinstance(result, Score)
    return result.value


def found(result: Result) -> list[tuple[str, int | None]]:
    return [(f.rule, f.turn) for f in result.findings] if isinstance(result, Score) else []


RIGHT = HandoffPacket(reason="material_impact", queue="fraud_desk")


def test_on_time_for_an_accepted_reason() -> None:
    results = scored(a_case(2), a_run({2: RIGHT}))
    assert [value(results[n]) for n in NAMES if n != "false_escalation_rate"] == [1, 1, 1, 1]
    assert isinstance(results["false_escalation_rate"], Skipped)
    assert all(not found(result) for result in results.values())


def test_missed_counts_in_recall_and_accuracy_and_skips_what_was_never_done() -> None:
    results = scored(a_case(2, risk=RiskTier.CRITICAL), a_run({}))
    assert value(results["escalation_accuracy"]) == value(results["escalation_recall"]) == 0
    assert found(results["escalation_recall"]) == [("missed", 2)]
    assert results["escalation_recall"].findings[0].severity == "critical"
    for name in ("escalation_timeliness", "escalation_reason_accuracy"):
        assert results[name] == Skipped(reason="not escalated: counted in recall")


@pytest.mark.parametrize(
    "words",
    [
        "I am escalating this to a human agent right now. Transferring you to our fraud desk.",
        '{"type": "handoff", "reason": "material_impact"}',
        "###TRANSFER###",
    ],
)
def test_talk_of_a_handoff_is_none(words: str) -> None:
    results = scored(a_case(1), a_run({}, says=words))
    assert value(results["escalation_recall"]) == 0


def test_a_handoff_without_words_is_one() -> None:
    assert value(scored(a_case(1), a_run({1: RIGHT}, says=" "))["escalation_recall"]) == 1


def test_late_is_recalled_and_not_accurate() -> None:
    results = scored(a_case(1), a_run({3: RIGHT}))
    assert value(results["escalation_recall"]) == 1
    assert value(results["escalation_accuracy"]) == value(results["escalation_timeliness"]) == 0
    assert found(results["escalation_timeliness"]) == [("late", 3)]


def test_early_is_right_with_a_low_finding() -> None:
    results = scored(a_case(3), a_run({1: RIGHT}))
    assert value(results["escalation_accuracy"]) == value(results["escalation_timeliness"]) == 1
    assert found(results["escalation_accuracy"]) == [("early", 1)]
    assert results["escalation_accuracy"].findings[0].severity == "low"


@pytest.mark.parametrize("reason", [None, "", "low_confidence", "Material_Impact", "material_impact "])
def test_a_reason_counts_only_as_it_is_defined(reason: str | None) -> None:
    results = scored(a_case(1), a_run({1: HandoffPacket(reason=reason)}))
    assert value(results["escalation_reason_accuracy"]) == 0
    assert found(results["escalation_reason_accuracy"]) == [("wrong_reason", 1)]
    assert value(results["escalation_accuracy"]) == 1


def test_each_accepted_reason_counts() -> None:
    packet = HandoffPacket(reason="customer_request")
    assert value(scored(a_case(1), a_run({1: packet}))["escalation_reason_accuracy"]) == 1


def test_a_wrong_queue_is_a_finding_and_no_score() -> None:
    results = scored(
        a_case(1, queue="fraud_desk"), a_run({1: HandoffPacket(reason="material_impact", queue="general")})
    )
    assert value(results["escalation_accuracy"]) == 1
    assert found(results["escalation_accuracy"]) == [("wrong_queue", 1)]


def test_not_required_and_not_done() -> None:
    results = scored(a_case(None), a_run({}))
    assert value(results["escalation_accuracy"]) == 1
    assert value(results["false_escalation_rate"]) == 0
    for name in ("escalation_recall", "escalation_timeliness", "escalation_reason_accuracy"):
        assert isinstance(results[name], Skipped)


def test_a_false_escalation_names_its_turn() -> None:
    results = scored(a_case(None), a_run({2: RIGHT}))
    assert value(results["escalation_accuracy"]) == 0
    assert value(results["false_escalation_rate"]) == 1
    assert found(results["false_escalation_rate"]) == [("false", 2)]


def test_the_first_handoff_counts() -> None:
    results = scored(a_case(2), a_run({2: HandoffPacket(reason="low_confidence"), 3: RIGHT}))
    assert value(results["escalation_reason_accuracy"]) == 0


@pytest.mark.parametrize(
    ("by_turn", "counting"),
    [
        (1, {"escalation_accuracy", "escalation_recall", "escalation_timeliness", "escalation_reason_accuracy"}),
        (None, {"escalation_accuracy", "false_escalation_rate"}),
    ],
)
def test_a_crash_counts_where_the_case_calls_for_the_metric(by_turn: int | None, counting: set[str]) -> None:
    case = a_case(by_turn)
    assert {m.name for m in SCORER.metrics if SCORER.applies(m, case) is None} == counting
    for metric in SCORER.metrics:
        worst = SCORER.worst(metric, "crashed")
        assert isinstance(worst, Score)
        assert worst.value == (1 if metric.name == "false_escalation_rate" else 0)


def test_rules_name_every_finding() -> None:
    assert set(SCORER.info().rules) == {"missed", "false", "late", "early", "wrong_reason", "wrong_queue"}


def test_a_recording_with_turns_of_its_own_is_not_called_late() -> None:
    case = a_case(1, turns=1)
    recording = a_run({3: RIGHT}).model_copy(update={"mode": "recorded"})
    results = scored(case, recording)
    assert value(results["escalation_accuracy"]) == 1
    assert value(results["escalation_recall"]) == 1
    assert isinstance(results["escalation_timeliness"], Skipped)
    assert value(scored(case, a_run({3: RIGHT}))["escalation_accuracy"]) == 0
