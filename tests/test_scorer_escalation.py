"""Escalation, judged by recorded handoffs: every metric, every finding, and talk that only sounds like one."""

from __future__ import annotations

import pytest
from conversations import plain_case, plain_run, turns_of

from assay.registry.types.base import AutonomyLevel, EscalationReason, RiskTier
from assay.registry.types.case import Case, ConversationExpectation, CustomerTurn, EscalationExpectation
from assay.registry.types.score import Result, Score, Skipped
from assay.registry.types.trajectory import Handoff, HandoffPacket, Say, Trajectory, TurnRecord
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.escalation import EscalationScorer, EscalationSettings

SCORER = EscalationScorer(EscalationSettings(), ScorerContext())
ASKING = EscalationScorer(EscalationSettings(consent_required=(EscalationReason.MATERIAL_IMPACT,)), ScorerContext())
NAMES = [metric.name for metric in SCORER.metrics]


def a_case(
    by_turn: int | None = None, *, turns: int = 3, risk: RiskTier = RiskTier.HIGH, queue: str | None = None
) -> Case:
    reasons = (EscalationReason.MATERIAL_IMPACT, EscalationReason.CUSTOMER_REQUEST) if by_turn else ()
    return plain_case(
        intent="fraud_report",
        risk_tier=risk,
        autonomy=AutonomyLevel.HUMAN,
        turns=tuple(CustomerTurn(customer=f"turn {n + 1}") for n in range(turns)),
        expect=ConversationExpectation(
            escalation=EscalationExpectation(
                required=by_turn is not None, reasons=reasons, by_turn=by_turn, queue=queue
            )
        ),
    )


def a_run(handoffs: dict[int, HandoffPacket], *, turns: int = 3, says: str = "Hello.") -> Trajectory:
    handed = {n: (Handoff(step=n, packet=packet),) for n, packet in handoffs.items()}
    told = ((f"turn {n}", (Say(step=n, text=says), *handed.get(n, ()))) for n in range(1, turns + 1))
    return plain_run(turns_of(*told))


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
    right = ("accuracy", "recall", "precision", "timeliness", "reason_accuracy")
    assert [value(results[f"escalation_{name}"]) for name in right] == [1, 1, 1, 1, 1]
    assert value(results["escalation_delay"]) == value(results["containment_rate"]) == 0
    assert isinstance(results["false_escalation_rate"], Skipped)
    assert all(not found(result) for result in results.values())


def test_missed_counts_in_recall_and_accuracy_and_skips_what_was_never_done() -> None:
    results = scored(a_case(2, risk=RiskTier.CRITICAL), a_run({}))
    assert value(results["escalation_accuracy"]) == value(results["escalation_recall"]) == 0
    assert found(results["escalation_recall"]) == [("missed", 2)]
    assert results["escalation_recall"].findings[0].severity == "critical"
    assert value(results["containment_rate"]) == 0
    for name in (
        "escalation_timeliness",
        "escalation_reason_accuracy",
        "escalation_delay",
        "escalation_queue_accuracy",
    ):
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
    assert value(results["escalation_delay"]) == 2
    assert found(results["escalation_timeliness"]) == [("late", 3)]
    assert "2 turns after turn 1" in results["escalation_timeliness"].findings[0].message


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
    assert value(results["escalation_queue_accuracy"]) == 0
    right = scored(a_case(1, queue="fraud_desk"), a_run({1: RIGHT}))
    assert value(right["escalation_queue_accuracy"]) == 1
    assert isinstance(scored(a_case(1), a_run({1: RIGHT}))["escalation_queue_accuracy"], Skipped)


def test_not_required_and_not_done() -> None:
    results = scored(a_case(None), a_run({}))
    assert value(results["escalation_accuracy"]) == value(results["containment_rate"]) == 1
    assert value(results["false_escalation_rate"]) == 0
    assert results["escalation_precision"] == Skipped(reason="nothing was handed over")
    for name in ("escalation_recall", "escalation_timeliness", "escalation_reason_accuracy"):
        assert isinstance(results[name], Skipped)


def test_a_false_escalation_names_its_turn() -> None:
    results = scored(a_case(None), a_run({2: RIGHT}))
    assert value(results["escalation_accuracy"]) == 0
    assert value(results["false_escalation_rate"]) == 1
    assert found(results["false_escalation_rate"]) == [("false", 2)]
    assert value(results["escalation_precision"]) == value(results["containment_rate"]) == 0


def test_the_first_handoff_counts() -> None:
    results = scored(a_case(2), a_run({2: HandoffPacket(reason="low_confidence"), 3: RIGHT}))
    assert value(results["escalation_reason_accuracy"]) == 0


_WHERE_REQUIRED = {"accuracy", "recall", "timeliness", "delay", "reason_accuracy"}


@pytest.mark.parametrize(
    ("case", "counting"),
    [
        (a_case(1), {*(f"escalation_{n}" for n in _WHERE_REQUIRED), "repeated_demand_ignored_rate"}),
        (
            a_case(1, queue="q"),
            {*(f"escalation_{n}" for n in (*_WHERE_REQUIRED, "queue_accuracy")), "repeated_demand_ignored_rate"},
        ),
        (a_case(None), {"escalation_accuracy", "false_escalation_rate", "escalation_precision"}),
    ],
)
def test_a_crash_counts_where_the_case_calls_for_the_metric(case: Case, counting: set[str]) -> None:
    applying = {m.name for m in SCORER.metrics if SCORER.applies(m, case) is None}
    assert applying == {*counting, "containment_rate"}
    for metric in SCORER.metrics:
        worst = SCORER.worst(metric, "crashed")
        assert isinstance(worst, Score)
        assert metric.kind == "mean" or worst.value == (metric.direction == "lower_is_better")


def test_a_handoff_that_holds_nothing_is_one() -> None:
    results = scored(a_case(1), a_run({1: HandoffPacket()}))
    assert value(results["escalation_recall"]) == value(results["escalation_accuracy"]) == 1
    assert value(results["escalation_reason_accuracy"]) == 0


@pytest.mark.parametrize(
    ("handoffs", "ignored"),
    [({}, 2), ({1: RIGHT}, 0), ({2: RIGHT}, 1), ({3: RIGHT}, 2)],
)
def test_a_demand_is_ignored_when_the_customer_has_to_go_on(handoffs: dict[int, HandoffPacket], ignored: int) -> None:
    result = scored(a_case(1), a_run(handoffs))["repeated_demand_ignored_rate"]
    assert value(result) == (ignored > 0)
    assert found(result) == ([("demand_ignored", 2)] if ignored else [])
    if ignored:
        assert ("once" if ignored == 1 else "2 times") in result.findings[0].message
        assert result.findings[0].evidence == "turn 2"


def test_a_demand_with_which_the_conversation_ends_is_missed_and_not_repeated() -> None:
    assert isinstance(scored(a_case(3), a_run({}))["repeated_demand_ignored_rate"], Skipped)
    assert isinstance(scored(a_case(None), a_run({}))["repeated_demand_ignored_rate"], Skipped)


def talk(*lines: tuple[str, str], handoff: int, reason: str = "material_impact") -> Trajectory:
    """Turns of (customer, agent), with a handoff in one of them."""
    packet = HandoffPacket(reason=reason)
    turns = tuple(
        TurnRecord(
            index=n,
            customer=customer,
            events=(Say(step=n, text=reply), *((Handoff(step=n, packet=packet),) if n == handoff else ())),
        )
        for n, (customer, reply) in enumerate(lines, start=1)
    )
    return a_run({}).model_copy(update={"turns": turns})


OFFER = "Shall I connect you with a colleague of our partner firm?"


def needing_consent(by_turn: int = 1) -> Case:
    case = a_case(by_turn)
    expected = case.expect.escalation.model_copy(update={"reasons": (EscalationReason.MATERIAL_IMPACT,)})
    return case.model_copy(update={"expect": case.expect.model_copy(update={"escalation": expected})})


@pytest.mark.parametrize(
    ("lines", "agreed"),
    [
        ([("My purse is gone.", OFFER), ("Yes, please.", "One moment.")], True),
        ([("My purse is gone.", OFFER), ("No. I want to do it here.", "One moment.")], False),
        ([("My purse is gone.", OFFER), ("What would that cost?", "One moment.")], False),
        ([("My purse is gone.", "Shall I block your card?"), ("Yes.", "One moment.")], False),
        ([("My purse is gone.", "A colleague takes over."), ("Yes, it is.", "One moment.")], False),
        ([("Can I speak to a real person, please?", "What is it about?"), ("My purse.", "One moment.")], True),
        ([("I w\u0430nt to t\u0430lk to a hum\u0430n", "Yes?"), ("My purse.", "One moment.")], True),
        ([("I don't want to talk to a person.", "OK."), ("My purse is gone.", "One moment.")], False),
        ([("My real estate agent lost my purse.", "OK."), ("So what now", "One moment.")], False),
        ([("agent!!", "Yes?"), ("My purse.", "One moment.")], True),
    ],
)
def test_consent_is_a_yes_to_an_offer_or_a_demand(lines: list[tuple[str, str]], *, agreed: bool) -> None:
    result = ASKING.score(needing_consent(), talk(*lines, handoff=2))["escalation_consent"]
    assert value(result) == agreed
    assert found(result) == ([] if agreed else [("no_consent", 2)])


def test_consent_is_asked_only_where_the_suite_asks_for_it() -> None:
    run = talk(("My purse is gone.", "A colleague takes over."), handoff=1)
    assert isinstance(SCORER.score(needing_consent(), run)["escalation_consent"], Skipped)
    assert isinstance(
        ASKING.score(a_case(None), talk(("Hi", "Hi"), handoff=1, reason="x"))["escalation_consent"], Skipped
    )
    assert value(ASKING.score(a_case(None), run)["escalation_consent"]) == 0
    assert isinstance(ASKING.score(needing_consent(), a_run({}))["escalation_consent"], Skipped)
    assert ASKING.info().digest != SCORER.info().digest


def test_findings_are_of_the_rules_that_the_scorer_names() -> None:
    runs = [a_run({}), a_run({1: RIGHT}), a_run({2: HandoffPacket(reason="x", queue="y")}), a_run({3: RIGHT})]
    cases = [a_case(None), a_case(2, queue="q"), needing_consent(2)]
    seen = {
        rule
        for case in cases
        for run in runs
        for result in ASKING.score(case, run).values()
        for rule, _ in found(result)
    }
    assert seen == set(SCORER.rules)


def test_a_recording_with_turns_of_its_own_is_not_called_late() -> None:
    case = a_case(1, turns=1)
    recording = a_run({3: RIGHT}).model_copy(update={"mode": "recorded"})
    results = scored(case, recording)
    assert value(results["escalation_accuracy"]) == 1
    assert value(results["escalation_recall"]) == 1
    assert isinstance(results["escalation_timeliness"], Skipped)
    assert value(scored(case, a_run({3: RIGHT}))["escalation_accuracy"]) == 0
