"""Estimates: every planned trial is accounted for, and a run that contradicts itself is refused."""

from __future__ import annotations

import pytest
from gating import BROKEN, SKIP, cases, digest, make_run, record, spec, unit

from assay.gates.metrics import estimate, summarise
from assay.gates.statistics import clopper_pearson
from assay.registry.errors import NotMeasuredError
from assay.registry.types.run import EvalRun
from assay.registry.types.score import Score, ScorerInfo
from assay.registry.types.trajectory import Outcome

HARM = spec("harm", direction="lower_is_better")


def test_a_proportion_with_its_exact_one_sided_bounds():
    found = estimate(make_run(cases(45, 3)), "quality")
    assert (found.value, found.events, found.units, found.cases) == (45 / 48, 45, 48, 48)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(clopper_pearson(45, 48, 0.05))
    assert (found.interval.sided, found.interval.method) == ("one", "Clopper-Pearson")


def test_a_two_sided_interval_splits_the_error():
    found = estimate(make_run(cases(45, 3)), "quality", side="two")
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(clopper_pearson(45, 48, 0.025))


def test_skipped_failed_and_missing_are_counted_apart_and_are_no_numbers():
    run = make_run({"a": 1.0, "b": 0.0, "c": SKIP, "d": BROKEN, "e": None}, outcomes={})
    found = estimate(run, "quality")
    assert (found.value, found.units) == (0.5, 2)
    assert (found.skipped, found.failed, found.missing, found.errored) == (1, 1, 1, 0)


@pytest.mark.parametrize("outcome", [Outcome.AGENT_ERROR, Outcome.NO_REPLY, Outcome.TIMEOUT])
def test_a_trial_that_did_not_complete_is_worst_whatever_its_record_says(outcome: Outcome):
    found = estimate(make_run({"a": 1.0, "b": 1.0}, outcomes={"b": outcome}), "quality")
    assert (found.value, found.errored) == (0.5, 1)
    found = estimate(make_run({"a": 0.0, "b": (1.0, 4)}, HARM, outcomes={"b": outcome}), "harm")
    assert (found.events, found.units) == (4, 5)


def test_a_trial_that_did_not_complete_may_be_skipped():
    found = estimate(make_run({"a": 1.0, "b": SKIP}, outcomes={"b": Outcome.TIMEOUT}), "quality")
    assert (found.value, found.skipped, found.errored) == (1.0, 1, 0)


def test_a_planned_trial_without_a_trajectory_is_missing_even_with_a_score():
    ran = unit("a")
    run = make_run({"a": 1.0, "b": 1.0})
    assert estimate(run, "quality").missing == 0
    cut = run.model_copy(update={"planned": (ran, unit("b", outcome=None)), "scores": run.scores[:1]})
    assert estimate(cut, "quality").missing == 1
    stray = record(unit("b", outcome=None), "quality", 1.0)
    with pytest.raises(NotMeasuredError, match="another trajectory"):
        estimate(cut.model_copy(update={"scores": (*run.scores[:1], stray)}), "quality")


def test_trials_of_a_case_are_clustered():
    found = estimate(make_run({f"case-{i}": [1.0, 1.0, 0.0 if i < 4 else 1.0, 1.0] for i in range(40)}), "quality")
    assert (found.units, found.cases, found.value) == (160, 40, 156 / 160)
    assert found.interval is not None
    assert found.interval.method == "Korn-Graubard"
    assert found.interval.low < clopper_pearson(156, 160, 0.05)[0]


def test_nothing_measured_has_no_value_and_no_interval():
    found = estimate(make_run({"a": SKIP, "b": SKIP}), "quality")
    assert (found.value, found.interval, found.units, found.skipped) == (None, None, 0, 2)


def test_slices_count_their_own_cases():
    attributes = {"case-0000": {"risk_tier": "high", "intent": "fraud"}, "case-0001": {"risk_tier": "high"}}
    run = make_run(cases(1, 3), attributes=attributes, slices=("risk_tier=high",))
    assert estimate(run, "quality", "risk_tier=high").units == 2
    assert estimate(run, "quality", "risk_tier=high & intent=fraud").value == 1.0
    summary = summarise(run)
    assert list(summary) == ["quality", "quality/risk_tier:high"]
    assert summary["quality/risk_tier:high"].slice == "risk_tier=high"
    assert summary["quality"].interval is not None
    assert (summary["quality"].interval.sided, summary["quality"].interval.method) == ("two", "Wilson")


def test_means_have_students_bounds_and_one_conversation_has_none():
    mean = spec("recall", kind="mean")
    found = estimate(make_run({"a": 0.25, "b": 0.5, "c": 1.0}, mean), "recall")
    assert found.interval is not None
    assert (found.value, found.interval.method) == (pytest.approx(7 / 12), "clustered t")
    assert estimate(make_run({"a": 0.25}, mean), "recall").interval is None


@pytest.mark.parametrize(
    ("metric", "part", "says"),
    [
        ("qualty", "", "Did you mean 'quality'"),
        ("quality", "risk=low", "Did you mean"),
        ("quality", "risk_tier=lwo", "Did you mean 'low'"),
        ("quality", "risk_tier", "attribute=value"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(metric: str, part: str, says: str):
    with pytest.raises(NotMeasuredError, match=says):
        estimate(make_run(cases(3)), metric, part)


GOOD = make_run(cases(3))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"planned": (), "scores": ()}, "no trial was planned"),
        ({"scores": (*GOOD.scores, GOOD.scores[0])}, "scored twice"),
        ({"scores": (*GOOD.scores, record(unit("case-0000"), "quality", 0.0))}, "scored twice"),
        ({"scores": (*GOOD.scores, record(unit("stranger"), "quality", 1.0))}, "never planned"),
        ({"scores": (record(GOOD.planned[0], "quality", (3.0, 2)),)}, "not a proportion"),
        ({"scores": (record(GOOD.planned[0], "quality", 0.5),)}, "not a proportion"),
        ({"scores": (record(GOOD.planned[0], "quality", -1.0),)}, "not a proportion"),
        ({"scores": (record(GOOD.planned[0], "other", 1.0),)}, "does not measure 'other'"),
        (
            {"scores": (record(GOOD.planned[0], "quality", Score.model_construct(value=float("nan"), of=1)),)},
            "not a number",
        ),
        ({"scores": (GOOD.scores[0].model_copy(update={"scorer_digest": digest("v0")}),)}, "another version"),
        ({"planned": (*GOOD.planned, GOOD.planned[0])}, "not each of 0 to 0 once"),
        ({"planned": (*GOOD.planned, unit("late", trial=1))}, "not each of 0 to 0 once"),
        ({"trials": 2}, "not each of 0 to 1 once"),
        ({"scorers": GOOD.scorers * 2}, "declared 2 times"),
    ],
)
def test_a_run_that_contradicts_itself_is_refused(changes: dict[str, object], says: str):
    with pytest.raises(NotMeasuredError, match=says):
        estimate(GOOD.model_copy(update=changes), "quality")


def test_a_case_with_two_contents_is_refused():
    run = make_run({"a": [1.0, 1.0]})
    other = run.planned[1].model_copy(update={"attributes": {"risk_tier": ("high",)}})
    with pytest.raises(NotMeasuredError, match="two different contents"):
        estimate(run.model_copy(update={"planned": (run.planned[0], other)}), "quality")


def test_a_metric_of_two_scorers_is_refused():
    twin = ScorerInfo(name="twin", version="1", digest=digest("twin"), metrics=(spec(),))
    run: EvalRun = GOOD.model_copy(update={"scorers": (*GOOD.scorers, twin)})
    with pytest.raises(NotMeasuredError, match="metric 'quality' is declared 2 times"):
        estimate(run, "quality")
