"""Means, quantiles, repeats, coverage and groups: what each kind of check makes of a run."""

from __future__ import annotations

import math
import random

import pytest
from gating import BROKEN, SKIP, Value, limit, make_run, only, policy_of, record, spec, unit, verdict_of
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.gates.bootstrap import bca_mean
from assay.gates.repeats import pass_k
from assay.registry.types.decision import CheckResult, Verdict
from assay.registry.types.run import EvalRun
from assay.registry.types.score import Score
from assay.registry.types.trajectory import Outcome

SECONDS = spec("seconds", kind="mean", direction="lower_is_better")
GRADE = spec("grade", kind="mean")
HARM = spec("harm", direction="lower_is_better")
MEAN = {"kind": "mean", "name": "fast", "metric": "seconds", "at_most": 4.0}
P95 = {"kind": "quantile", "name": "p95", "metric": "seconds", "quantile": 0.95, "at_most": 4.0}
PASS_4 = {"kind": "pass_k", "name": "steady", "metric": "quality", "k": 4, "at_least": 0.5}
EVERY = {"kind": "every_case", "name": "none-dead", "metric": "quality", "min_passes": 2}
COVERED = {"kind": "coverage", "name": "covered", "metric": "quality", "max_errored": 0.05}


def check(run: EvalRun, *checks: dict[str, object], **changes: object) -> CheckResult:
    return only(verdict_of(policy_of(*checks, **changes), run))


def slow(n: int, fast: float = 1.0, late: int = 0, beyond: float = 9.0) -> dict[str, Value]:
    return {f"case-{i:04}": beyond if i < late else fast + i / 1000 for i in range(n)}


def trials(*passed: int, of: int = 4) -> dict[str, list[Value]]:
    return {f"case-{i:03}": [1.0] * n + [0.0] * (of - n) for i, n in enumerate(passed)}


# --- means


def test_a_mean_is_held_to_its_bound_in_its_own_unit():
    values: dict[str, Value] = {f"case-{i}": 3.0 + (i % 3) for i in range(60)}
    assert check(make_run(values, SECONDS), {**MEAN, "at_most": 4.5}).verdict is Verdict.PASS
    assert check(make_run(values, SECONDS), {**MEAN, "at_most": 4.05}).verdict is Verdict.INCONCLUSIVE
    assert check(make_run(values, SECONDS), {**MEAN, "at_most": 3.9}).verdict is Verdict.FAIL
    assert check(make_run(values, SECONDS), {**MEAN, "at_most": 4.5}).procedure == "clustered t, one-sided 95 %"


def test_the_bootstrap_is_seeded_and_says_so():
    values: dict[str, Value] = {f"case-{i}": math.exp(random.Random(i).gauss(0, 1)) for i in range(60)}
    run = make_run(values, SECONDS)
    one, two = (check(run, {**MEAN, "interval": "bca"}) for _ in range(2))
    assert one == two
    assert "BCa bootstrap, 9,999 resamples, seed" in one.procedure
    plain = check(run, MEAN)
    assert one.estimate
    assert one.estimate.interval
    assert plain.estimate
    assert plain.estimate.interval
    assert one.estimate.interval.high > plain.estimate.interval.high  # a skewed mean is further off on its long side


def test_the_bootstrap_has_the_bounds_that_scipy_has():
    values = [0.2, 0.4, 0.4, 0.9, 1.3, 2.6, 7.1, 0.3, 0.5, 0.8]
    low, high = bca_mean([(v, 1) for v in values], 0.05)
    assert (low, high) == (pytest.approx(0.77, abs=0.06), pytest.approx(3.2, abs=0.4))
    assert bca_mean([(2.0, 1)] * 9, 0.05) == (2.0, 2.0)


def test_a_conversation_that_did_not_complete_never_makes_a_mean_better():
    values: dict[str, Value] = {**{f"case-{i}": 3.0 + (i % 3) for i in range(60)}, "crash": 0.0}
    run = make_run(values, SECONDS, outcomes={"crash": Outcome.TIMEOUT})
    result = check(run, {**MEAN, "at_most": 4.18})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "could not be scored as a whole" in result.reason


@pytest.mark.parametrize(
    ("metric", "given", "says"),
    [
        (spec(), {**MEAN, "metric": "quality"}, "is a rate, not a mean: use kind 'limit'"),
        (SECONDS, {**MEAN, "at_most": None, "at_least": 1.0}, "its limit has to be 'at_most'"),
        (SECONDS, {**limit(metric="seconds", at_most=0.5)}, "is a mean, not a rate: use kind 'mean' or 'quantile'"),
        (spec(), {**P95, "metric": "quality"}, "is a rate, and has no quantiles"),
        (GRADE, {**P95, "metric": "grade"}, "its limit has to be 'at_least'"),
        (SECONDS, {**PASS_4, "metric": "seconds"}, "no trial passes or fails by it"),
    ],
)
def test_a_kind_that_does_not_fit_the_metric_is_an_error(metric: object, given: dict[str, object], says: str):
    run = make_run({f"case-{i}": 1.0 for i in range(60)}, metric)  # type: ignore[arg-type]
    result = check(run, given)
    assert result.verdict is Verdict.ERROR
    assert says in result.reason


# --- quantiles


def test_a_percentile_takes_enough_trials_on_its_side():
    # 0.95^59 = .0485: with 58 trials not even the slowest bounds the 95th percentile.
    assert check(make_run(slow(59), SECONDS), P95).verdict is Verdict.PASS
    few = check(make_run(slow(58), SECONDS), P95)
    assert few.verdict is Verdict.INCONCLUSIVE
    assert "cannot show it at all" in few.reason
    assert "1 more case at this rate" in few.reason


def test_a_percentile_beyond_the_limit_fails_and_one_within_may_not_be_shown():
    assert check(make_run(slow(100, late=6), SECONDS), P95).verdict is Verdict.FAIL
    assert check(make_run(slow(100, late=4), SECONDS), P95).verdict is Verdict.INCONCLUSIVE
    shown = check(make_run(slow(400, late=10), SECONDS), P95)
    assert shown.verdict is Verdict.PASS
    assert "10 of 400 trials over 4" in shown.reason


def test_the_interval_of_a_percentile_is_the_order_statistic_one():
    # For n = 100 and q = .95 the 99th value bounds the quantile from above: P(Bin(100, .95) <= 98) = .963.
    values: dict[str, Value] = {f"case-{i:03}": float(i + 1) for i in range(100)}
    result = check(make_run(values, SECONDS), {**P95, "at_most": 99.0})
    assert result.verdict is Verdict.PASS
    assert result.estimate
    assert result.estimate.interval
    assert (result.estimate.value, result.estimate.interval.high) == (95.0, 99.0)
    assert result.estimate.interval.low == 91.0  # P(Bin(100, .95) >= 91) = .972, and 92 would leave .937
    assert result.estimate.interval.method == "order statistic"


def test_a_trial_that_did_not_complete_is_slower_than_any():
    outcomes = {f"case-{i:04}": Outcome.TIMEOUT for i in range(8)}
    result = check(make_run(slow(100), SECONDS, outcomes=outcomes), P95)
    assert result.verdict is Verdict.FAIL


def test_a_low_percentile_of_what_should_be_high():
    grades: dict[str, Value] = {f"case-{i:03}": 0.1 if i < 2 else 0.9 for i in range(200)}
    low = {"kind": "quantile", "name": "p05", "metric": "grade", "quantile": 0.05, "at_least": 0.5}
    assert check(make_run(grades, GRADE), low).verdict is Verdict.PASS
    assert check(make_run(grades, GRADE), {**low, "quantile": 0.01}).verdict is Verdict.INCONCLUSIVE


# --- several trials


def test_pass_k_is_unbiased_for_trials_that_all_pass():
    assert [pass_k(3, 4, k) for k in (1, 2, 3, 4)] == [0.75, 0.5, 0.25, 0.0]
    with pytest.raises(ValueError, match=r"pass\^5"):
        pass_k(3, 4, 5)


@given(st.integers(1, 8), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_pass_k_has_the_mean_that_it_estimates(n: int, p: float):
    for k in range(1, n + 1):
        expected = sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * pass_k(c, n, k) for c in range(n + 1))
        assert expected == pytest.approx(p**k, abs=1e-9)


def test_pass_k_of_cases():
    run = make_run(trials(*[4] * 90, *[3] * 10), trials=4)
    result = check(run, PASS_4)
    assert result.verdict is Verdict.PASS
    assert result.estimate
    assert result.estimate.value == pytest.approx(0.9)
    assert "pass^4 0.90 (100 cases; pass^1 0.975, from 0.900 to 1.000 between the 4 trials)" in result.reason
    assert check(run, {**PASS_4, "at_least": 0.89}).verdict is Verdict.INCONCLUSIVE
    assert check(run, {**PASS_4, "at_least": 0.91}).verdict is Verdict.FAIL


def test_more_trials_of_a_case_are_worth_less_than_more_cases():
    steady = check(make_run(trials(*[4] * 120, *[0] * 6), trials=4), {**PASS_4, "k": 1, "at_least": 0.92})
    assert steady.verdict is Verdict.INCONCLUSIVE
    assert (
        check(make_run(trials(*[4] * 480, *[0] * 24), trials=4), {**PASS_4, "k": 1, "at_least": 0.92}).verdict == "PASS"
    )


def test_too_few_trials_are_no_measurement():
    result = check(make_run(trials(*[2] * 60, of=2), trials=2), PASS_4)
    assert result.verdict is Verdict.ERROR
    assert "takes 4 scored trials of each case, and 'case-000' has 2" in result.reason
    assert check(make_run({"a": 1.0}), EVERY).verdict is Verdict.ERROR


def test_a_dead_case_does_not_hide_in_a_rate():
    run = make_run(trials(*[4] * 99, 1), trials=4)
    assert check(run, limit(at_least=0.9)).verdict is Verdict.PASS
    result = check(run, EVERY)
    assert result.verdict is Verdict.FAIL
    assert result.worst_cases == ("case-099",)
    assert check(run, {**EVERY, "max_cases": 1}).verdict is Verdict.PASS


def test_a_trial_that_could_not_be_scored_may_be_the_one_that_fails():
    values = trials(*[4] * 99)
    values["case-099"] = [1.0, 1.0, 0.0, BROKEN]
    run = make_run(values, trials=4)
    assert check(run, EVERY).verdict is Verdict.ERROR
    assert check(run, EVERY, max_failure_share=0.01).verdict is Verdict.PASS  # two are known to have passed
    assert check(run, {**EVERY, "min_passes": 3}, max_failure_share=0.01).verdict is Verdict.FAIL
    broken = make_run({f"case-{i:03}": [1.0] * 4 + [BROKEN] for i in range(200)}, trials=5)
    steady = check(broken, {**PASS_4, "at_least": 0.4}, max_failure_share=0.2)
    assert steady.verdict is Verdict.INCONCLUSIVE  # were each fifth trial a failure, pass^4 were .2


def test_a_crash_or_a_failure_weighs_as_much_as_a_conversation():
    claims = spec(unit="claim")
    values: dict[str, Value] = {f"case-{i:03}": (0.0, 1) if i < 60 else (10.0, 10) for i in range(400)}
    crashed = {f"case-{i:03}": Outcome.TIMEOUT for i in range(60)}
    result = check(make_run(values, claims, outcomes=crashed), limit(at_least=0.95))
    assert result.verdict is Verdict.FAIL
    assert "0.85 (3400 of 4000 claims" in result.reason
    broken: dict[str, Value] = {f"case-{i:03}": BROKEN if i < 72 else (10.0, 10) for i in range(400)}
    assert check(make_run(broken, claims), limit(at_least=0.9), max_failure_share=0.18).verdict is Verdict.INCONCLUSIVE


def test_the_worst_of_a_mean_is_the_end_of_its_range():
    stars = spec("grade", kind="mean", range=(1.0, 5.0))
    values: dict[str, Value] = {f"case-{i:02}": BROKEN if i < 15 else 5.0 for i in range(100)}
    good = {"kind": "mean", "name": "stars", "metric": "grade", "at_least": 4.75}
    assert check(make_run(values, stars), good, max_failure_share=0.15).verdict is Verdict.INCONCLUSIVE
    beyond = check(make_run({f"case-{i}": 50.0 for i in range(60)}, stars), good)
    assert beyond.verdict is Verdict.ERROR
    assert "50 lies outside 1 to 5" in beyond.reason
    endless = check(make_run({f"case-{i}": 1e300 * (1 + i % 2) for i in range(60)}, SECONDS), MEAN)
    assert endless.verdict in {Verdict.ERROR, Verdict.FAIL}


# --- coverage


def exercised(rules: dict[str, int], n: int = 40) -> EvalRun:
    run = make_run({f"case-{i}": 1.0 for i in range(n)})
    told = [tuple(rule for rule, cases in rules.items() if i < cases) for i in range(n)]
    scores = tuple(
        record(unit(f"case-{i}"), "quality", Score(value=1.0, exercised=names)) for i, names in enumerate(told)
    )
    scorers = tuple(scorer.model_copy(update={"rules": tuple(rules)}) for scorer in run.scorers)
    return run.model_copy(update={"scores": scores, "scorers": scorers})


def test_a_rule_that_nobody_could_break_is_no_evidence():
    run = exercised({"identity": 40, "fees": 3, "advice": 0})
    rules = {"kind": "coverage", "name": "covered", "metric": "quality"}
    assert check(run, {**rules, "rules": {"identity": 40}}).verdict is Verdict.PASS
    few = check(run, {**rules, "rules": {"fees": 5}})
    assert few.verdict is Verdict.FAIL
    assert "the rule fees was exercised by 3 conversations, 5 are needed" in few.reason
    assert check(run, {**rules, "min_rules": 0.6}).verdict is Verdict.PASS
    silent = check(run, {**rules, "min_rules": 0.9})
    assert "2 of 3 rules were exercised" in silent.reason
    assert "(not advice)" in silent.reason
    unknown = check(run, {**rules, "rules": {"fee": 5}})
    assert unknown.verdict is Verdict.ERROR
    assert "Did you mean 'fees'" in unknown.reason


def test_a_scorer_that_does_not_tell_is_an_error():
    run = make_run({f"case-{i}": 1.0 for i in range(40)})
    result = check(run, {"kind": "coverage", "name": "covered", "metric": "quality", "min_rules": 0.5})
    assert result.verdict is Verdict.ERROR


def test_shares_of_what_does_not_apply_and_did_not_complete():
    values: dict[str, Value] = {f"case-{i}": SKIP if i < 10 else 1.0 for i in range(100)}
    assert check(make_run(values), {**COVERED, "max_skipped": 0.1}).verdict is Verdict.PASS
    over = check(make_run(values), {**COVERED, "max_skipped": 0.09})
    assert over.verdict is Verdict.FAIL
    assert "10 of 100 planned trials do not apply, a share of 0.09 may" in over.reason
    crashed = {f"case-{i}": Outcome.TIMEOUT for i in range(40, 46)}
    assert check(make_run(values, outcomes=crashed), COVERED).verdict is Verdict.FAIL
    unseen = {f"case-{i}": Outcome.TIMEOUT for i in range(6)}  # of these the metric says that it does not apply
    assert check(make_run(values, outcomes=unseen), COVERED).verdict is Verdict.FAIL


def test_rules_of_a_crash_or_of_nobody_are_not_exercised():
    rules = {"kind": "coverage", "name": "covered", "metric": "quality", "min_rules": 1.0}
    run = exercised({"fees": 40})
    crashed = tuple(planned.model_copy(update={"outcome": Outcome.TIMEOUT}) for planned in run.planned)
    assert check(run.model_copy(update={"planned": crashed}), rules).verdict is Verdict.ERROR
    renamed = tuple(scorer.model_copy(update={"rules": ("other",)}) for scorer in run.scorers)
    assert "which is no rule of" in check(run.model_copy(update={"scorers": renamed}), rules).reason
    none = tuple(scorer.model_copy(update={"rules": ()}) for scorer in run.scorers)
    assert check(run.model_copy(update={"scorers": none}), rules).verdict is Verdict.ERROR


# --- groups


def group(kind: str, *checks: dict[str, object], **changes: object) -> dict[str, object]:
    return {"kind": kind, "name": "group", "checks": list(checks), **changes}


GOOD = {f"case-{i}": 1.0 for i in range(100)}


def test_all_is_as_good_as_its_worst_check():
    run = make_run(GOOD)
    both = group("all", limit(name="low", at_least=0.9), limit(name="high", at_least=0.99))
    result = check(run, both)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert [m.verdict for m in result.members] == [Verdict.PASS, Verdict.INCONCLUSIVE]
    assert result.reason == "1 of 2 checks of the group hold, all have to."
    assert any(line.startswith("INCONCLUSIVE high: ") for line in result.breakdown)


def test_any_passes_by_one_check_at_a_higher_confidence():
    run = make_run(GOOD)
    one = group("any", limit(name="low", at_least=0.9), limit(name="high", at_least=0.99))
    assert check(run, one).verdict is Verdict.PASS
    # 100 of 100 shows .9705 at 95 %, and .9638 at 97.5 %, which is what each of two ways is held to.
    close = limit(name="close", at_least=0.97)
    assert check(run, close).verdict is Verdict.PASS
    two = check(run, group("any", close, limit(name="high", at_least=0.999)))
    assert two.verdict is Verdict.INCONCLUSIVE
    assert "each at 97.5 % (Bonferroni over 2)" in two.procedure


def test_what_was_not_measured_does_not_pass_by_another_way():
    two = group("any", limit(name="low", at_least=0.9), limit(name="typo", metric="qualty"))
    assert check(make_run(GOOD), two).verdict is Verdict.ERROR


def test_a_comparison_that_does_not_apply_opens_no_way():
    other = {"kind": "non_inferiority", "name": "vs", "metric": "quality", "margin": 0.05}
    waived = {**other, "if_no_champion": "not_applicable"}
    failing = limit(name="high", at_least=0.999)
    assert check(make_run(GOOD), group("any", waived, failing)).verdict is Verdict.INCONCLUSIVE
    idle = verdict_of(policy_of(limit(), group("all", waived)), make_run(GOOD))
    assert [(c.verdict, c.applicable) for c in idle.checks] == [(Verdict.PASS, True), (Verdict.PASS, False)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (group("any", limit()), "takes two checks"),
        (group("all", limit(severity="warn")), "cannot only warn"),
        (group("any", limit(critical=True), limit(name="b")), "cannot be critical"),
        (
            group("any", group("all", {"kind": "zero_tolerance", "name": "z", "metric": "harm"}), limit()),
            "cannot be critical",
        ),
        (group("all", limit(), limit()), "stands 2 times"),
        (group("all"), "at least 1 item"),
        (group("all", limit(), severity="warn"), "no check blocks"),
        (
            {"kind": "zero_tolerance", "name": "z", "metric": "harm", "severity": "warn"},
            "say 'critical: false' beside 'severity: warn'",
        ),
        ({**COVERED, "max_errored": None}, "checks nothing"),
        ({**MEAN, "at_most": float("inf")}, "finite"),
        ({**P95, "quantile": 1.0}, "less than 1"),
        ({**PASS_4, "k": 0}, "greater than or equal to 1"),
    ],
)
def test_a_group_or_kind_that_means_nothing_is_refused(given: dict[str, object], says: str):
    with pytest.raises(ValueError, match=says):
        policy_of(given)


def test_a_critical_check_blocks_from_within_a_group_that_warns():
    none = {"kind": "zero_tolerance", "name": "none", "metric": "harm"}
    harmful = make_run({f"case-{i}": float(i < 50) for i in range(60)}, HARM)
    covered = {**COVERED, "metric": "harm"}
    decision = verdict_of(policy_of(group("all", none, severity="warn"), covered), harmful)
    assert decision.verdict is Verdict.FAIL


# --- zero tolerance


def test_what_zero_events_rule_out_can_be_asked_for():
    none = {"kind": "zero_tolerance", "name": "none", "metric": "harm", "rules_out": 0.01}
    clean = {f"case-{i}": 0.0 for i in range(299)}
    assert check(make_run(clean, HARM), none).verdict is Verdict.PASS
    few = check(make_run({f"case-{i}": 0.0 for i in range(298)}, HARM), none)
    assert few.verdict is Verdict.INCONCLUSIVE
    assert "The policy has 0.01 ruled out. About 1 more case" in few.reason


def test_a_report_shows_a_group_with_its_checks():
    from assay.gates.reports.checks import check_view

    run = make_run(GOOD)
    view = check_view(check(run, group("all", limit(name="low"), limit(name="high", at_least=0.99))), run)
    assert (view.value, view.breakdown_label) == ("1 of 2 hold", "Its checks")
    assert any("INCONCLUSIVE high" in line for line in view.breakdown)
