"""Task success and tool calls, the reward of recordings, and the text comparison that they rest on."""

from __future__ import annotations

from typing import Any

import pytest
from conversations import plain_case, plain_run, turns_of
from hypothesis import given
from hypothesis import strategies as st

from assay.registry.phrases import amounts, contains_phrase, mentions, normalise
from assay.registry.types.base import AutonomyLevel, EscalationReason, Frozen, RiskTier
from assay.registry.types.case import (
    Case,
    ConversationExpectation,
    CustomerTurn,
    EscalationExpectation,
    ExpectedCall,
    TextExpectation,
    TurnExpectation,
)
from assay.registry.types.score import Result, Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    HandoffPacket,
    Passage,
    Retrieval,
    Say,
    ToolCall,
    Trajectory,
)
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.reward import RewardScorer
from assay.runner.scorers.task import TaskScorer, TaskSettings

SCORER = TaskScorer(TaskSettings(writes=("refund_fee", "block_card")), ScorerContext())
EMPTY = TurnExpectation()


def a_case(*turns: TurnExpectation, required: bool = False, must_not_say: tuple[str, ...] = ()) -> Case:
    escalation = EscalationExpectation(
        required=required,
        reasons=(EscalationReason.CUSTOMER_REQUEST,) if required else (),
        by_turn=1 if required else None,
    )
    return plain_case(
        risk_tier=RiskTier.MEDIUM,
        autonomy=AutonomyLevel.CONFIRM,
        turns=tuple(CustomerTurn(customer="hi", expect=expect) for expect in turns),
        expect=ConversationExpectation(escalation=escalation, must_not_say=must_not_say),
    )


def a_run(*turns: tuple[AgentEvent, ...], mode: Any = "scripted", labels: dict[str, Any] | None = None) -> Trajectory:
    return plain_run(
        turns_of(*(("hi", events) for events in turns)),
        mode=mode,
        labels=labels or {},
    )


def says(*texts: str) -> TurnExpectation:
    return TurnExpectation(must_say=(TextExpectation(any_of=texts),))


def calls(*expected: ExpectedCall) -> TurnExpectation:
    return TurnExpectation(tool_calls=expected)


def say(text: str) -> Say:
    return Say(step=0, text=text)


def call(name: str, error: str | None = None, **arguments: Any) -> ToolCall:
    return ToolCall(step=0, name=name, arguments=arguments, error=error)


def success(case: Case, run: Trajectory) -> Result:
    return SCORER.score(case, run)["task_success"]


def accuracy(case: Case, run: Trajectory) -> tuple[float, int]:
    result = SCORER.score(case, run)["tool_call_accuracy"]
    assert isinstance(result, Score)
    return result.value, result.of


def rules(result: Result) -> list[tuple[str, int | None]]:
    assert isinstance(result, Score)
    assert bool(result.value) == (not result.findings)
    return [(f.rule, f.turn) for f in result.findings]


def test_words_of_a_turn() -> None:
    case = a_case(says("cannot be undone"), says("$1,250.40"))
    assert rules(success(case, a_run((say("It canno\u200bt be"), say("undone.")), (say("1250.40 USD"),)))) == []
    assert rules(success(case, a_run((say("$1,250.40"),), (say("cannot be undone"),)))) == [
        ("must_say", 1),
        ("must_say", 2),
    ]


def test_words_that_must_not_be_said() -> None:
    turn = a_case(TurnExpectation(must_not_say=("$12",)), EMPTY)
    assert rules(success(turn, a_run((say("$120 or $12.50"),), (say("$12"),)))) == []
    assert rules(success(turn, a_run((say("It is \uff0412."),), ()))) == [("must_not_say", 1)]
    whole = a_case(EMPTY, EMPTY, must_not_say=("guaranteed",))
    assert rules(success(whole, a_run((), (say("guаranteеd!"),)))) == [("must_not_say", 2)]  # Cyrillic a and e


def test_a_call_counts_from_its_turn_on_and_is_not_needed_again() -> None:
    expected = ExpectedCall(name="refund_fee", arguments={"amount": 25})
    case = a_case(EMPTY, calls(expected))
    assert rules(success(case, a_run((call("refund_fee", amount=25.0, note="x"),), ()))) == []
    assert rules(success(case, a_run((), (call("refund_fee", amount=25),)))) == []
    assert rules(success(case, a_run((), (call("refund_fee", amount=26),)))) == [("missing_call", 2)]
    assert rules(success(case, a_run((), (call("refund_fee"),)))) == [("missing_call", 2)]
    too_late = a_case(calls(expected), EMPTY)
    assert rules(success(too_late, a_run((), (call("refund_fee", amount=25),)))) == [("missing_call", 1)]


@pytest.mark.parametrize(
    ("wanted", "given_value", "equal"),
    [
        ("12 Mill  Road", "12 mill road", True),
        ("March 4, 2026", "2026-03-04", True),
        (84.2, 84.20, True),
        (84.2, "84.20", False),
        (1, True, False),
        (["a", {"b": 1}], ["A", {"b": 1.0}], True),
        ({"b": 1}, {"b": 1, "c": 2}, False),
        (None, None, True),
        (None, "", False),
    ],
)
def test_arguments_are_compared_by_what_they_mean(wanted: Any, given_value: Any, equal: bool) -> None:
    case = a_case(calls(ExpectedCall(name="t", arguments={"x": wanted})))
    assert (rules(success(case, a_run((call("t", x=given_value),)))) == []) is equal


def test_forbidden_tools_are_forbidden_in_their_turn() -> None:
    case = a_case(TurnExpectation(forbidden_tools=("block_card",)), EMPTY)
    assert rules(success(case, a_run((), (call("block_card"),)))) == []
    assert rules(success(case, a_run((call("block_card", error="down"),), ()))) == [("forbidden_tool", 1)]


def test_supporting_documents() -> None:
    case = a_case(TurnExpectation(supporting_documents=("kb-a", "kb-b")))
    hit = Retrieval(step=0, query="q", passages=(Passage(document="kb-b", text="t", score=1.0),))
    assert rules(success(case, a_run((hit,)))) == []
    assert rules(success(case, a_run((say("from memory"),)))) == [("unsupported", 1)]


def test_after_a_required_handoff_later_words_are_not_owed() -> None:
    handed = (Handoff(step=0, packet=HandoffPacket()),)
    turns = (EMPTY, TurnExpectation(must_say=says("bye").must_say, forbidden_tools=("block_card",)))
    assert rules(success(a_case(*turns, required=True), a_run(handed, ()))) == []
    assert rules(success(a_case(*turns, required=True), a_run(handed, (call("block_card"),)))) == [
        ("forbidden_tool", 2)
    ]
    assert rules(success(a_case(*turns), a_run(handed, ()))) == [("must_say", 2)]
    same_turn = a_case(says("a colleague"), required=True)
    assert rules(success(same_turn, a_run(handed))) == [("must_say", 1)]
    only_words = a_case(EMPTY, says("bye"), required=True)
    assert isinstance(success(only_words, a_run(handed, ())), Skipped)


def test_a_turn_that_never_came_is_not_met() -> None:
    assert rules(success(a_case(says("a"), says("b")), a_run((say("a"),)))) == [("must_say", 2)]


def test_the_last_turn_of_a_case_stands_for_the_rest_of_a_recording() -> None:
    case = a_case(calls(ExpectedCall(name="refund_fee")))
    late = ((), (), (call("refund_fee"),))
    assert rules(success(case, a_run(*late, mode="recorded"))) == []
    assert rules(success(case, a_run(*late))) == [("missing_call", 1)]


def test_nothing_expected_is_skipped_not_passed() -> None:
    results = SCORER.score(a_case(EMPTY), a_run(()))
    assert all(isinstance(result, Skipped) for result in results.values())
    assert {m.name for m in SCORER.metrics if SCORER.applies(m, a_case(says("a"))) is None} == {"task_success"}


def test_accuracy_pairs_calls_and_counts_unexpected_writes() -> None:
    one = ExpectedCall(name="refund_fee", arguments={"amount": 25})
    assert accuracy(a_case(calls(one)), a_run((call("refund_fee", amount=25), call("get_balance")))) == (1, 1)
    assert accuracy(a_case(calls(one)), a_run((call("refund_fee", amount=25), call("block_card")))) == (1, 2)
    assert accuracy(a_case(calls(one)), a_run((call("refund_fee", amount=40),))) == (0, 2)
    assert accuracy(a_case(calls(one, one)), a_run((call("refund_fee", amount=25),))) == (1, 2)
    assert accuracy(a_case(calls(one)), a_run((call("refund_fee", amount=25), call("refund_fee", amount=25)))) == (1, 2)
    retried = a_run((call("refund_fee", amount=25, error="timeout"), call("refund_fee", amount=25)))
    assert accuracy(a_case(calls(one)), retried) == (1, 1)


def test_reward() -> None:
    scorer = RewardScorer(Frozen(), ScorerContext())

    def reward(labels: dict[str, Any]) -> Result:
        return scorer.score(a_case(EMPTY), a_run((), labels=labels))["task_reward"]

    for value in (0, 1, 1.0):
        result = reward({"reward": value})
        assert isinstance(result, Score)
        assert result.value == value
    for labels in ({}, {"reward": None}, {"reward": True}, {"reward": "1"}, {"reward": 0.5}, {"reward": -1}):
        assert isinstance(reward(labels), ScorerFailure)


@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("You owe $120", "$12", False),
        ("You owe $12.50", "$12", False),
        ("You owe $12.00.", "$12", True),
        ("about $12 million", "$12", False),
        ("account 1284", "12", False),
        ("it is 12.", "12", True),
        ("$1,250.40", "1250.40 USD", True),
        ("USD 1,250.40", "$1,250.40", True),
        ("on 4 March 2026", "March 4, 2026", True),
        ("2026-03-04", "Mar 4th, 2026", True),
        ("March 14, 2026", "March 1", False),
        ("2026-03-14", "March 4, 2026", False),
        ("at 2:30 PM", "14:30", True),
        ("for January 2026", "2026-01", True),
        ("I can't help", "I can", False),
        ("we don’t", "we don't", True),
        ("саnnot be undone", "cannot be undone", True),
        ("it **cannot**  be\nundone", "cannot be undone", True),
        ("unguaranteed", "guaranteed", False),
        ("ｆｕｌｌ width", "full width", True),
        ("нет", "her", False),
        ("anything", "\u200b", False),
    ],
)
def test_phrases(text: str, phrase: str, there: bool) -> None:
    assert contains_phrase(text, phrase) is there


def test_amounts_and_mentions() -> None:
    assert amounts("$12, USD 1,000.5 and 2.5 percent, not 7") == ("$12", "$1000.50", "2.50%")
    assert mentions("we refund $84.20", 84.2)
    assert mentions("a fee of 25.00 dollars", 25)
    assert not mentions("a fee of $250", 25)
    assert not mentions("yes", True)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(alphabet="ab $1,.", max_size=12), st.text(alphabet="xyz ", max_size=5))
def test_a_text_contains_itself_between_other_words(phrase: str, other: str) -> None:
    if normalise(phrase):
        assert contains_phrase(f"{other} {phrase} {other}", phrase)


@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=0, max_value=99))
def test_an_amount_is_the_same_in_every_notation(whole: int, cents: int) -> None:
    forms = (f"${whole:,}.{cents:02}", f"{whole}.{cents:02} USD", f"USD {whole:,}.{cents:02}", f"${whole}.{cents:02}")
    assert all(contains_phrase(f"It is {a}.", b) for a in forms for b in forms)
    assert not contains_phrase(f"It is ${whole}5.{cents:02}.", forms[0])
