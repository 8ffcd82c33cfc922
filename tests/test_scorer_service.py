"""Service metrics: time by a simulated clock, cost, circles and dead ends; and what is not known stays unknown."""

from __future__ import annotations

from typing import Literal

import pytest
from conversations import plain_case, plain_run

from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case
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
    TurnRecord,
    Usage,
)
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.service import ServiceScorer, ServiceSettings

SCORER = ServiceScorer(ServiceSettings(), ScorerContext())


def a_case(channel: Literal["chat", "voice"] = "chat", **labels: JsonValue) -> Case:
    return plain_case(
        intent="fee_question",
        channel=channel,
        labels=labels,
    )


def a_run(*turns: tuple[str, float, tuple[AgentEvent, ...]], **changes: object) -> Trajectory:
    """Per turn: what the customer said, the latency in seconds, what the agent did."""
    run = plain_run(
        (
            TurnRecord(index=n, customer=customer, latency_s=latency, events=events)
            for n, (customer, latency, events) in enumerate(turns, start=1)
        )
    )
    return run.model_copy(update=changes)


def said(text: str) -> tuple[AgentEvent, ...]:
    return (Say(step=0, text=text),)


def scored(run: Trajectory, case: Case | None = None) -> dict[str, Result]:
    results = dict(SCORER.score(case or a_case(), run))
    assert set(results) == {metric.name for metric in SCORER.metrics}
    return results


def value(result: Result) -> float:
    assert isinstance(result, Score)
    return result.value


TALK = a_run(("one two three", 2.0, said(" ".join(["word"] * 238))), ("four", 4.0, said("Goodbye.")))


def test_the_simulated_clock_adds_the_customers_time_to_the_agents() -> None:
    results = scored(TALK)
    assert value(results["handle_time_s"]) == pytest.approx(6 + 4 * 60 / 36 + 239 * 60 / 238)
    assert value(results["reply_time_s"]) == 3
    assert value(results["slowest_reply_s"]) == 4
    assert value(scored(TALK, a_case("voice"))["handle_time_s"]) == pytest.approx(6 + 4 * 60 / 150 + 239 * 60 / 183)


def test_a_recording_without_times_is_not_taken_for_a_fast_one() -> None:
    still = a_run(("hi", 0.0, said("hello")), mode="recorded")
    for name in ("handle_time_s", "reply_time_s", "slowest_reply_s"):
        assert isinstance(scored(still)[name], Skipped)
    assert isinstance(scored(TALK.model_copy(update={"mode": "recorded"}))["reply_time_s"], Score)
    half = a_run(("hi", 9.0, said("hello")), ("so", 0.0, said("yes")), mode="recorded")
    assert isinstance(scored(half)["reply_time_s"], Skipped)


def test_usage_that_is_not_reported_is_not_free() -> None:
    results = scored(TALK)
    assert isinstance(results["cost_usd"], Skipped)
    assert isinstance(results["tokens"], Skipped)
    paid = scored(TALK.model_copy(update={"usage": Usage(input_tokens=900, output_tokens=100, cost_usd=0.02)}))
    assert (value(paid["cost_usd"]), value(paid["tokens"])) == (0.02, 1000)


PASSAGE = Passage(document="kb-fees", text="A wire costs $25.", score=1.0)
DONE = ToolCall(step=0, name="block_card", arguments={}, result={"blocked": True})
FAILED = ToolCall(step=0, name="block_card", arguments={}, error="down")
HANDED = Handoff(step=0, packet=HandoffPacket())


@pytest.mark.parametrize(
    ("event", "turn"),
    [
        (DONE, 2),
        (HANDED, 2),
        (Retrieval(step=0, query="q", passages=(PASSAGE,)), 2),
        (Retrieval(step=0, query="q", passages=()), 3),
        (FAILED, 3),
    ],
)
def test_a_matter_is_resolved_when_something_was_last_done(event: AgentEvent, turn: int) -> None:
    run = a_run(("a", 1.0, said("x")), ("b", 1.0, (event,)), ("thanks", 1.0, said("Bye.")))
    assert value(scored(run)["turns_to_resolution"]) == turn


def test_a_question_asked_again_is_one_however_it_is_dressed() -> None:
    run = a_run(
        ("hi", 1.0, said("What is your customer number?")),
        ("hm", 1.0, said("Thank you. **What is your** cust\u200bomer number?")),
        ("48213907", 1.0, said("And what is your date of birth? Is there anything else?")),
        ("no", 1.0, said("Is there anything else? Anything else?")),
    )
    result = scored(run)["repeated_question_rate"]
    assert isinstance(result, Score)
    assert (result.value, result.of) == (1, 3)
    assert [(f.rule, f.turn) for f in result.findings] == [("repeated_question", 2)]


def test_a_question_in_the_imperative_is_one() -> None:
    ask = said("Please tell me your customer number and your date of birth.")
    result = scored(a_run(("hi", 1.0, ask), ("hm", 1.0, said("Sorry.")), ("x", 1.0, ask)))["repeated_question_rate"]
    assert isinstance(result, Score)
    assert (result.value, result.of) == (1, 2)


def test_who_asks_nothing_repeats_nothing() -> None:
    assert isinstance(scored(a_run(("hi", 1.0, said("Hello. Really?"))))["repeated_question_rate"], Skipped)


@pytest.mark.parametrize(
    ("last", "dead"),
    [
        (said("I do not understand. Could you put it in other words?"), True),
        (said(" \u200b"), True),
        ((), True),
        ((FAILED, *said("Sorry, that did not work.")), True),
        ((FAILED, DONE, *said("Your card is blocked.")), False),
        ((DONE, FAILED, *said("Your card is blocked.")), True),
        ((*said("I do not understand. Could you put it in other words?"), HANDED), False),
        (said("A wire costs $25."), False),
    ],
)
def test_a_dead_end_is_where_nothing_more_is_offered(last: tuple[AgentEvent, ...], *, dead: bool) -> None:
    first = said("I do not understand. Could you put it in other words?")
    result = scored(a_run(("x", 1.0, first), ("y", 1.0, last)))["dead_end_rate"]
    assert isinstance(result, Score)
    assert result.value == dead
    assert [f.turn for f in result.findings] == ([2] if dead else [])


@pytest.mark.parametrize(("label", "rate"), [(True, 1), (False, 0)])
def test_whether_the_customer_came_back_is_what_the_source_says(label: bool, rate: int) -> None:
    assert value(scored(TALK, a_case(repeat_contact=label))["repeat_contact_rate"]) == rate
    recorded = TALK.model_copy(update={"labels": {"repeat_contact": label}})
    assert value(scored(recorded, a_case(repeat_contact=not label))["repeat_contact_rate"]) == rate


def test_an_unknown_or_odd_label_is_never_a_number() -> None:
    assert isinstance(scored(TALK)["repeat_contact_rate"], Skipped)
    assert isinstance(scored(TALK, a_case(repeat_contact="no"))["repeat_contact_rate"], ScorerFailure)


def test_a_trajectory_without_turns_is_a_failure_to_measure_and_a_dead_end() -> None:
    results = scored(a_run())
    assert isinstance(results["handle_time_s"], ScorerFailure)
    assert value(results["dead_end_rate"]) == 1


def test_a_crash_counts_as_a_dead_end_and_as_no_time_at_all() -> None:
    counting = {metric.name for metric in SCORER.metrics if SCORER.applies(metric, a_case()) is None}
    assert "dead_end_rate" in counting
    assert "repeated_question_rate" not in counting
    assert SCORER.worst(next(m for m in SCORER.metrics if m.name == "dead_end_rate"), "x").value == 1  # type: ignore[union-attr]
