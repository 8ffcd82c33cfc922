"""What a policy needs before anything is run for it, and what the cases there are can show at best."""

from __future__ import annotations

import pytest
from gating import BROKEN, Value, limit, make_run, policy_of, spec, verdict_of
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli.planning import tell_what_cannot_pass
from assay.gates.evidence import read_evidence
from assay.gates.planning import PlanRow, cannot_pass, plan
from assay.gates.power import (
    allowed_failures,
    cases_for_difference,
    cases_for_mean,
    cases_for_rate,
    power_of_difference,
    power_of_rate,
)
from assay.gates.statistics import clopper_pearson
from assay.registry.errors import AssayError
from assay.registry.types.decision import Verdict
from assay.registry.types.run import EvalRun

RECALL = limit(name="recall", at_least=0.95, min_n=30)
NONE = {"kind": "zero_tolerance", "name": "none", "metric": "harm", "rules_out": 0.01}
NOT_WORSE = {"kind": "non_inferiority", "name": "not-worse", "metric": "quality", "margin": 0.03}


@pytest.mark.parametrize("partial", [False, True])
def test_a_partial_run_is_not_said_to_be_too_small_a_dataset(partial: bool, capsys: pytest.CaptureFixture[str]):
    class Session:
        def load_policy(self, name: str) -> tuple[object, str]:
            return policy_of(RECALL), name

    run = run_of(0, 40)
    ran, left = run.planned[:5], [u.model_copy(update={"outcome": None, "trajectory": None}) for u in run.planned[5:]]
    scores = tuple(score for score in run.scores if score.case_id in {unit.case_id for unit in ran})
    run = run.model_copy(update={"planned": (*ran, *(left if partial else ())), "scores": scores})
    assert cannot_pass(policy_of(RECALL), read_evidence(run))
    tell_what_cannot_pass(Session(), run, "p")  # type: ignore[arg-type]
    assert ("recall cannot pass on this dataset" in capsys.readouterr().err) is not partial


def run_of(failures: int, n: int, **changes: object) -> EvalRun:
    return make_run({f"case-{i:04}": float(i >= failures) for i in range(n)}, **changes)  # type: ignore[arg-type]


def row_of(check: dict[str, object], run: EvalRun | None, power: float = 0.8, **truths: float) -> PlanRow:
    (row,) = plan(policy_of(check), None if run is None else read_evidence(run), truths, power)
    return row


# --- power


@pytest.mark.parametrize(
    ("least", "truth", "cases"),
    [(0.95, 0.97, 694), (0.95, 0.98, 286), (0.95, 0.99, 124), (0.90, 0.95, 203), (0.99, 0.999, 473)],
)
def test_the_cases_that_a_rate_takes_are_those_of_the_tables(least: float, truth: float, cases: int):
    assert cases_for_rate(least, truth, 0.05, 0.8) == cases


@pytest.mark.parametrize(("n", "power"), [(100, 0.403), (200, 0.629), (500, 0.974)])
def test_the_power_of_an_exact_bound_is_that_of_the_tables(n: int, power: float):
    assert power_of_rate(n, 0.95, 0.98, 0.05) == pytest.approx(power, abs=0.002)


@given(st.integers(1, 400), st.floats(0.5, 0.99))
@settings(max_examples=60, deadline=None)
def test_allowed_failures_are_those_that_the_bound_allows(n: int, least: float):
    allowed = allowed_failures(n, least, 0.05)
    if allowed >= 0:
        assert clopper_pearson(n - allowed, n, 0.05)[0] >= least - 1e-9
    if allowed < n:
        assert clopper_pearson(n - allowed - 1, n, 0.05)[0] <= least + 1e-9


@given(st.floats(0.6, 0.97), st.floats(0.005, 0.3))
@settings(max_examples=30, deadline=None)
def test_from_the_cases_named_on_the_power_stays(least: float, beyond: float):
    truth = min(0.999, least + beyond)
    cases = cases_for_rate(least, truth, 0.05, 0.8)
    if cases is not None and cases < 5000:
        assert all(power_of_rate(n, least, truth, 0.05) >= 0.8 for n in range(cases, cases + 60))
        assert power_of_rate(cases - 1, least, truth, 0.05) < 0.8


def test_what_cannot_be_shown_takes_no_number_of_cases():
    assert cases_for_rate(0.95, 0.95, 0.05, 0.8) is None
    assert cases_for_mean(0.0, 1.0, 0.05, 0.8) is None
    assert cases_for_difference(0.1, -0.03, -0.03, 0.05, 0.8) is None


def test_a_difference_takes_more_cases_the_more_two_agents_differ():
    needed = [cases_for_difference(share, 0.0, -0.03, 0.05, 0.8) for share in (0.02, 0.05, 0.1)]
    assert needed == sorted(needed, key=lambda n: n or 0)
    assert needed[2] is not None
    assert power_of_difference(needed[2], 0.1, 0.0, -0.03, 0.05) >= 0.8
    assert power_of_difference(500, 0.1, -0.03, -0.03, 0.05) <= 0.06


# --- plans


def test_a_check_is_planned_by_the_truth_that_is_given_or_as_observed():
    row = row_of(RECALL, run_of(2, 200), quality=0.97)
    assert (row.truth, row.source, row.needed, row.available) == (0.97, "given", 694, 200)
    assert row.power == pytest.approx(power_of_rate(200, 0.95, 0.97, 0.05))
    observed = row_of(RECALL, run_of(2, 200))
    assert (observed.truth, observed.source) == (0.99, "as observed")
    assert row_of(RECALL, None, recall=0.97).needed == 694
    assert row_of(RECALL, None).problem


def test_the_best_limit_is_the_bound_without_a_failure():
    assert row_of(RECALL, run_of(5, 80)).best == pytest.approx(0.9632, abs=1e-4)


def test_too_few_cases_for_a_limit_are_told_with_the_number_that_would_do():
    row = row_of(RECALL, run_of(0, 58))
    assert row.impossible
    assert row.problem == "58 conversations without a single failure cannot show it; 59 such conversations can"
    assert not row_of(RECALL, run_of(9, 59)).impossible
    assert "min_n is 300" in row_of({**RECALL, "min_n": 300}, run_of(0, 59)).problem


@given(st.integers(30, 120), st.floats(0.8, 0.99))
@settings(max_examples=40, deadline=None)
def test_what_cannot_pass_by_arithmetic_does_not_pass(n: int, least: float):
    policy = policy_of(limit(at_least=least))
    run = run_of(0, n)
    passes = verdict_of(policy, run).verdict is Verdict.PASS
    assert passes is not bool(cannot_pass(policy, read_evidence(run)))


def test_clustered_units_are_worth_less_and_need_more_conversations():
    turns = spec(unit="turn")
    values: dict[str, Value] = {f"case-{i:03}": (0.0 if i < 3 else 4.0, 4) for i in range(150)}
    clustered = row_of(RECALL, make_run(values, turns), quality=0.98)
    single = row_of(RECALL, run_of(3, 150), quality=0.98)
    assert clustered.needed is not None
    assert single.needed is not None
    assert clustered.needed > single.needed / 4 * 2


def test_zero_tolerance_says_how_likely_an_honest_agent_is_caught_by_chance():
    harm = spec("harm", direction="lower_is_better")
    clean = make_run({f"case-{i}": 0.0 for i in range(300)}, harm)
    row = row_of(NONE, clean, harm=0.005)
    assert (row.needed, row.available) == (299, 300)
    assert row.power == pytest.approx(0.995**300)
    assert "more conversations make it less likely" in row.problem


def test_means_and_quantiles_are_planned_by_how_much_conversations_vary():
    seconds = spec("seconds", kind="mean", direction="lower_is_better")
    run = make_run({f"case-{i}": 3.0 + (i % 3) for i in range(100)}, seconds)
    mean = row_of({"kind": "mean", "name": "mean", "metric": "seconds", "at_most": 4.2}, run)
    assert (mean.truth, mean.needed) == (pytest.approx(3.99), 95)
    quantile = {"kind": "quantile", "name": "p95", "metric": "seconds", "quantile": 0.95, "at_most": 6.0}
    assert row_of(quantile, run).power == 1.0
    few = make_run({f"case-{i}": 1.0 for i in range(50)}, seconds)
    assert row_of(quantile, few).impossible


def test_a_comparison_is_planned_for_equal_agents():
    row = row_of(NOT_WORSE, run_of(5, 408))
    assert (row.truth, row.available) == (0.0, 408)
    assert row.needed is not None
    assert row.power is not None
    assert 0.4 < row.power < 0.8 < row.needed / 408


def test_counts_and_unmeasured_checks_say_why_they_are_not_planned():
    covered = {"kind": "coverage", "name": "covered", "metric": "quality", "max_errored": 0.1}
    assert "speaks of these cases" in row_of(covered, run_of(0, 60)).problem
    assert "Did you mean 'quality'" in row_of(limit(metric="qualty"), run_of(0, 60)).problem
    broken = row_of(RECALL, make_run({"a": BROKEN, "b": 1.0}))
    assert (broken.impossible, "could not be scored" in broken.problem) == (True, True)


def test_what_the_gate_could_not_judge_is_not_promised():
    seconds = make_run({f"case-{i}": 1.0 for i in range(60)}, spec("seconds", kind="mean", direction="lower_is_better"))
    assert "use kind 'mean'" in row_of(limit(metric="seconds", at_most=0.5), seconds).problem
    wrong_side = row_of(limit(at_most=0.5), run_of(0, 60))
    assert (wrong_side.impossible, "has to be 'at_least'" in wrong_side.problem) == (True, True)
    silent = {"kind": "coverage", "name": "covered", "metric": "quality", "min_rules": 0.5}
    assert row_of(silent, run_of(0, 60)).impossible


def test_ways_of_a_group_are_planned_at_their_own_confidence():
    two = {"kind": "any", "name": "two", "checks": [RECALL, limit(name="other", at_least=0.9)]}
    rows = plan(policy_of(two), None, {"quality": 0.98})
    assert [row.check for row in rows] == ["recall", "other"]
    assert rows[0].needed == cases_for_rate(0.95, 0.98, 0.025, 0.8)


@pytest.mark.parametrize(
    ("truths", "power", "says"),
    [
        ({"qualty": 0.9}, 0.8, "Did you mean 'quality'"),
        ({"quality": 1.2}, 0.8, "between 0 and 1"),
        ({}, 1.0, "power of 1 "),
        ({}, 0.2, "power of 0.2"),
    ],
)
def test_a_plan_that_means_nothing_is_refused(truths: dict[str, float], power: float, says: str):
    with pytest.raises(AssayError, match=says):
        plan(policy_of(limit()), read_evidence(run_of(0, 60)), truths, power)


def test_what_cannot_be_ruled_out_or_counted_is_impossible_too():
    harm = spec("harm", direction="lower_is_better")
    few = make_run({f"case-{i}": 0.0 for i in range(100)}, harm)
    assert row_of(NONE, few).problem == "100 conversations without an event do not rule out 0.01; 299 do"
    assert row_of({"kind": "every_case", "name": "e", "metric": "quality", "min_passes": 5}, run_of(0, 60)).impossible
    close = limit(at_least=0.91, interval="wilson")
    assert not cannot_pass(policy_of(close), read_evidence(run_of(0, 30)))


def test_numbers_without_end_are_planned_or_refused():
    seconds = spec("seconds", kind="mean", direction="lower_is_better")
    run = make_run({f"case-{i}": 1.0 + i % 2 for i in range(60)}, seconds)
    assert (
        row_of({"kind": "mean", "name": "m", "metric": "seconds", "at_most": 0.0}, run, seconds=-1e-200).needed is None
    )
    assert row_of(limit(at_least=0.999999999), run_of(0, 60), quality=1.0).problem
    with pytest.raises(AssayError, match="has to be a number"):
        row_of(RECALL, None, quality=float("nan"))
