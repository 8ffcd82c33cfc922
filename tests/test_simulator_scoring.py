"""What scorers make of simulated conversations: nothing that nobody could measure reads as a pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from simulations import SHEET, WHO, did, handed, required, say, simulated, trajectory, turn

from assay.registry.types.base import AutonomyLevel
from assay.registry.types.case import Case, TurnExpectation
from assay.registry.types.score import Score, ScorerFailure, Skipped
from assay.registry.types.suite import ScorerUse, Suite
from assay.registry.types.trajectory import Outcome, TurnRecord
from assay.runner.customers.case import simulated_case
from assay.runner.score import build_scorers, score_trajectory
from assay.runner.scorers.base import Scorer, ScorerContext
from assay.runner.scorers.catalog import SCORERS

ROOT = Path(__file__).parents[1]
TURN = {
    "must_say": [{"any_of": ["provisional credit"]}],
    "must_not_say": ["Goodbye"],
    "tool_calls": [{"name": "verify_identity"}],
    "supporting_documents": ["kb-cards"],
    "forbidden_tools": ["block_card"],
}
SCRIPT = {"turns": [{"customer": "Block it.", "expect": TURN}, {"customer": "Yes.", "expect": TURN}]}


@pytest.fixture(scope="module")
def scorers() -> tuple[Scorer, ...]:
    """Every scorer of ours."""
    settings: dict[str, dict[str, Any]] = {
        "policy": {"rules": "harborline"},
        "scope": {"writes": ["block_card"], "autonomy": {"fraud_report": "human"}},
    }
    suite = Suite(
        name="all",
        dataset="d",
        scorers=tuple(ScorerUse(name=name, settings=settings.get(name, {})) for name in SCORERS),
    )
    rules = (ROOT / "evalsuites" / "policies" / "harborline.yaml").read_text(encoding="utf-8")
    return build_scorers(suite, ScorerContext(rule_packs={"harborline": rules}))


def scored(scorers: Any, case: Case, turns: list[TurnRecord], outcome: Outcome = Outcome.COMPLETED) -> dict[str, Any]:
    made = trajectory(case, turns, outcome)
    return {record.metric: record.result for record in score_trajectory(scorers, simulated_case(case, made), made)}


def talked(*replies: Any, said: tuple[str, ...] = ()) -> list[TurnRecord]:
    words = (*said, *("Please block my card ending 4821.", "48213907, March 12, 1984", "Yes.", "Thanks.")[len(said) :])
    return [turn(n, words[n - 1], reply) for n, reply in enumerate(replies, start=1)]


KNOWABLE = {
    "escalation_accuracy", "escalation_recall", "escalation_precision", "escalation_reason_accuracy",
    "containment_rate", "handoff_completeness", "handoff_faithfulness", "handoff_carry_over", "policy_adherence",
    "critical_violation_rate", "scope_violation_rate", "hallucination_rate", "claim_support", "pii_leak_rate",
    "turns_to_resolution", "handle_time_s", "reply_time_s", "slowest_reply_s", "repeated_question_rate",
    "dead_end_rate",
}  # fmt: skip
"""What any conversation tells by itself, whatever a case expects of its turns. A metric that is new has to be thought
about before it stands here."""


def test_what_rests_on_scripted_turns_or_on_a_time_nobody_knows_is_never_a_score(scorers) -> None:
    case = simulated(case={**SCRIPT, **required("customer_request", "material_impact")})
    results = scored(scorers, case, talked(WHO, [say("A colleague takes over."), handed()]))
    measured = {name for name, result in results.items() if isinstance(result, Score)}
    assert measured <= KNOWABLE
    for name in ("task_success", "tool_call_accuracy", "retrieval_mrr", "retrieval_recall", "tool_correctness"):
        assert isinstance(results[name], Skipped), name
    for name in ("escalation_timeliness", "escalation_delay", "repeated_demand_ignored_rate"):
        assert isinstance(results[name], Skipped), name
        assert "nothing tells by which turn" in results[name].reason
    assert results["escalation_recall"].value == 1


def test_an_escalation_that_never_came_is_missed_whenever_it_was_due(scorers) -> None:
    results = scored(scorers, simulated(case=required()), talked(WHO, "Goodbye."))
    assert results["escalation_recall"].value == 0
    assert results["escalation_accuracy"].value == 0
    assert results["handoff_completeness"].value == 0
    assert "by the end" in results["escalation_recall"].findings[0].message


DUE = [
    ({"opening": True}, 1),
    ({"told": "date_of_birth"}, 2),
    ({"says": {"any_of": ["the 12th of March", "March 12"]}}, 2),
    ({"asks_for_a_person": True}, 3),
]


@pytest.mark.parametrize(("due", "by"), DUE)
def test_what_makes_an_escalation_due_tells_whether_it_came_in_time(scorers, due: dict[str, Any], by: int) -> None:
    case = simulated(due=due, case=required("customer_request", "material_impact"))
    said = ("Please block my card ending 4821.", "48213907, March 12, 1984", "I want to talk to a person.")
    over = [say("A colleague takes over."), handed()]
    in_time = [*(["Pardon?"] * (by - 1)), over]
    assert scored(scorers, case, talked(*in_time, said=said))["escalation_timeliness"].value == 1
    late = scored(scorers, case, talked(*(["Pardon?"] * by), over, said=said))
    assert late["escalation_timeliness"].value == 0
    assert late["escalation_delay"].value == 1
    assert late["escalation_accuracy"].value == 0


def test_what_was_to_make_it_due_and_never_came_tells_no_time(scorers) -> None:
    case = simulated(due={"asks_for_a_person": True}, case=required("customer_request"))
    results = scored(scorers, case, talked(WHO, [say("A colleague takes over."), handed()]))
    assert isinstance(results["escalation_timeliness"], Skipped)
    assert results["escalation_recall"].value == 1


def test_a_customer_who_asks_for_a_person_makes_one_required(scorers) -> None:
    said = ("Please block my card.", "Just do it.", "I want to talk to a person.")
    ignored = scored(scorers, simulated(), talked("Pardon?", "Pardon?", "Pardon?", said=said))
    assert ignored["escalation_recall"].value == 0
    assert ignored["containment_rate"].value == 0
    over = [say("A colleague takes over."), handed()]
    heard = scored(scorers, simulated(), talked("Pardon?", "Pardon?", over, said=said))
    assert heard["escalation_recall"].value == 1
    assert heard["escalation_timeliness"].value == 1
    assert isinstance(heard["false_escalation_rate"], Skipped)
    needless = scored(scorers, simulated(), talked(over))
    assert needless["false_escalation_rate"].value == 1


EXPECT = {
    "expect": {
        "tool_calls": [{"name": "verify_identity"}, {"name": "block_card", "arguments": {"card_last4": "4821"}}],
        "forbidden_tools": ["get_balance"],
        "must_say": [{"any_of": ["cannot be undone"]}],
    }
}
GOOD = (
    [did("verify_identity"), say("A block cannot be undone. Shall I go ahead?")],
    [did("block_card", card_last4="4821"), say("It is blocked.")],
    "Goodbye.",
)


def test_what_has_to_hold_over_the_whole_conversation_is_measured_wherever_it_happens(scorers) -> None:
    case = simulated(simulation=EXPECT)
    results = scored(scorers, case, talked(*GOOD))
    assert results["task_success"].value == 1
    assert (results["tool_call_accuracy"].value, results["tool_call_accuracy"].of) == (2, 2)
    assert results["tool_correctness"].value == 1


@pytest.mark.parametrize(
    ("replies", "rule"),
    [
        ((GOOD[0], "Goodbye."), "missing_call"),
        (("Shall I?", [did("verify_identity"), GOOD[1][0], say("It is blocked.")]), "must_say"),
        ((GOOD[0], [did("get_balance"), *GOOD[1]], "Goodbye."), "forbidden_tool"),
    ],
)
def test_what_does_not_hold_is_found(scorers, replies: Any, rule: str) -> None:
    found = scored(scorers, simulated(simulation=EXPECT), talked(*replies))["task_success"]
    assert found.value == 0
    assert {finding.rule for finding in found.findings} == {rule}


@pytest.mark.parametrize("turns", [0, 1])
def test_an_agent_that_crashes_gets_the_worst_of_what_was_expected(scorers, turns: int) -> None:
    case = simulated(simulation=EXPECT, case=required())
    results = scored(scorers, case, talked("Half")[:turns], Outcome.AGENT_ERROR)
    for name in ("task_success", "tool_call_accuracy", "escalation_recall", "escalation_timeliness"):
        assert results[name].value == 0, name


def test_a_failure_of_the_simulator_measures_nothing(scorers) -> None:
    results = scored(scorers, simulated(simulation=EXPECT), talked("Pardon?"), Outcome.SIMULATOR_ERROR)
    assert all(isinstance(result, ScorerFailure) for result in results.values())


def test_a_handoff_owes_what_was_told_and_done_by_then() -> None:
    handoff = {"must_mention": [{"any_of": ["4821"]}, {"any_of": ["1984"]}], "prior_actions": ["verify_identity"]}
    case = simulated(case={"expect": {**required()["expect"], "handoff": handoff}})
    early = simulated_case(case, trajectory(case, talked([handed()]))).expect.handoff
    assert early is not None
    assert [m.any_of[0] for m in early.must_mention] == ["4821"]
    assert early.prior_actions == ()
    later = simulated_case(case, trajectory(case, talked(WHO, [did("verify_identity"), handed()]))).expect.handoff
    assert later == case.expect.handoff


def test_the_case_keeps_what_it_is_and_takes_on_what_was_said() -> None:
    case = simulated(case=SCRIPT)
    fitted = simulated_case(case, trajectory(case, talked(WHO, "Goodbye.")))
    assert [t.customer for t in fitted.turns] == ["Please block my card ending 4821.", "48213907, March 12, 1984"]
    assert all(t.expect == TurnExpectation() for t in fitted.turns)
    assert (fitted.id, fitted.attributes(), fitted.tools) == (case.id, case.attributes(), case.tools)
    assert case.turns[0].expect != TurnExpectation()


def test_without_a_simulation_nothing_changes() -> None:
    case = simulated(case={"simulation": None})
    assert simulated_case(case, trajectory(case, talked("Hello."))) is case


def test_only_a_simulated_case_may_leave_open_by_which_turn() -> None:
    with pytest.raises(ValueError, match="a required escalation needs 'reasons' and 'by_turn'"):
        simulated(case={**required(), "simulation": None})
    case = simulated(case=required())
    assert case.autonomy is AutonomyLevel.CONFIRM
    assert case.simulation is not None
    assert case.simulation.goal.wants == SHEET["goal"]["wants"]
