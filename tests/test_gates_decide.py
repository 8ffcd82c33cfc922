"""Decisions: each verdict, the words for it, and the evidence it points to."""

from __future__ import annotations

import itertools
import random

import pytest
from gating import (
    BROKEN,
    NOW,
    SKIP,
    Value,
    cases,
    digest,
    limit,
    make_run,
    only,
    policy_of,
    record,
    spec,
    unit,
    verdict_of,
)

from assay.registry.types.decision import CheckResult, Verdict
from assay.registry.types.run import EvalRun
from assay.registry.types.score import ScorerInfo
from assay.registry.types.trajectory import Outcome

HARM = spec("harm", direction="lower_is_better")
RECALL = limit(min_n=30)
NONE = {"kind": "zero_tolerance", "name": "none", "metric": "harm", "min_n": 30}
NOT_WORSE = {"kind": "non_inferiority", "name": "not-worse", "metric": "quality", "margin": 0.05, "min_n": 30}
BETTER = {"kind": "superiority", "name": "better", "metric": "quality", "min_n": 30}


def check(run: EvalRun, *checks: dict[str, object], **policy: object) -> CheckResult:
    return only(verdict_of(policy_of(*(checks or (RECALL,)), **policy), run))


def champion(values: dict[str, Value], **changes: object) -> EvalRun:
    fields = {"run_id": "run-0", "bundle_digest": digest("champion"), "bundle_label": "harborline v1"}
    return make_run(values, **{**fields, **changes})  # type: ignore[arg-type]


# --- limits


@pytest.mark.parametrize(
    ("good", "bad", "verdict"),
    [
        (48, 0, Verdict.PASS),
        (47, 1, Verdict.PASS),
        (46, 2, Verdict.INCONCLUSIVE),
        (44, 4, Verdict.INCONCLUSIVE),
        (43, 5, Verdict.FAIL),
        (29, 0, Verdict.INCONCLUSIVE),
        (1, 1, Verdict.FAIL),
        (0, 1, Verdict.FAIL),
    ],
)
def test_the_bound_decides_between_pass_and_inconclusive_the_value_over_fail(good: int, bad: int, verdict: Verdict):
    assert check(make_run(cases(good, bad))).verdict is verdict


def test_an_upper_limit_mirrors_a_lower_one():
    at_most = limit(metric="harm", at_most=0.1, min_n=30)
    for events, verdict in ((1, Verdict.PASS), (2, Verdict.INCONCLUSIVE), (5, Verdict.FAIL)):
        assert check(make_run(cases(events, 48 - events), HARM), at_most).verdict is verdict


def test_the_reason_of_an_unshown_limit_says_how_many_cases_would_show_it():
    result = check(make_run(cases(56, 4)))
    assert result.reason == (
        "Quality 0.93 (56 of 60), 95 % lower bound 0.85, limit 0.90: not shown. "
        "About 175 more cases at this rate would show it."
    )
    assert check(make_run(cases(219, 16))).verdict is Verdict.INCONCLUSIVE
    assert check(make_run(cases(220, 15))).verdict is Verdict.PASS
    assert result.limit == "lower 95 % bound >= 0.90"


def test_a_rate_exactly_at_the_limit_is_never_shown():
    assert "no practical number" in check(make_run(cases(54, 6))).reason


def test_too_few_conversations_are_named_as_such():
    assert (
        "Only 29 conversations were completed and measured; at least 30 are needed."
        in check(make_run(cases(29))).reason
    )


def test_wilson_is_an_interval_by_choice():
    run = make_run(cases(46, 2))
    assert check(run, limit(at_least=0.8775, min_n=30)).verdict is Verdict.INCONCLUSIVE
    assert check(run, limit(at_least=0.8775, min_n=30, interval="wilson")).verdict is Verdict.PASS


def test_clustered_units_do_not_count_as_independent():
    turns = spec("harm", direction="lower_is_better", unit="turn")
    values: dict[str, Value] = {f"case-{i}": (2.0 if i == 0 else 0.0, 4) for i in range(60)}
    result = check(make_run(values, turns), limit(metric="harm", at_most=0.03, min_n=30))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "2 of 240 turns in 60 conversations" in result.reason


def test_a_mean_is_judged_by_its_bound():
    mean = spec(kind="mean")
    values: dict[str, Value] = {f"case-{i}": 0.9 + 0.1 * (i % 2) for i in range(40)}
    assert check(make_run(values, mean), limit(kind="mean", at_least=0.9, min_n=30)).verdict is Verdict.PASS
    assert check(make_run(values, mean), limit(kind="mean", at_least=0.94, min_n=30)).verdict is Verdict.INCONCLUSIVE
    assert check(make_run(values, mean), limit(kind="mean", at_least=0.96, min_n=30)).verdict is Verdict.FAIL


# --- zero tolerance


def test_no_event_in_enough_cases_passes_and_shows_what_cannot_be_ruled_out():
    result = check(make_run(cases(0, 100), HARM), NONE)
    assert result.verdict is Verdict.PASS
    assert "0 of 100. A true rate of up to 0.030 cannot be ruled out" in result.reason
    assert result.critical


def test_one_event_fails_and_few_cases_are_inconclusive():
    assert check(make_run(cases(1, 99), HARM), NONE).verdict is Verdict.FAIL
    assert check(make_run(cases(1, 3), HARM), NONE).verdict is Verdict.FAIL
    assert check(make_run(cases(0, 29), HARM), NONE).verdict is Verdict.INCONCLUSIVE
    assert check(make_run(cases(2, 98), HARM), {**NONE, "max_events": 2}).verdict is Verdict.PASS


# --- what was not measured


@pytest.mark.parametrize(
    "values",
    [
        {**cases(60), "last": None},
        {**cases(60), "last": BROKEN},
        {"a": SKIP, "b": SKIP},
        {"a": None},
    ],
    ids=["a missing record", "a scorer failure", "all skipped", "no score at all"],
)
def test_what_was_not_measured_is_an_error(values: dict[str, Value]):
    decision = verdict_of(policy_of(RECALL), make_run(values))
    assert decision.verdict is Verdict.ERROR
    assert only(decision).verdict is Verdict.ERROR


def test_missing_trials_are_named():
    result = check(make_run({**cases(60), "cut-short": None}, outcomes={"cut-short": None}))
    assert result.verdict is Verdict.ERROR
    assert "1 of 61 planned trials" in result.reason
    assert result.worst_cases == ("cut-short",)


STOPPED = "the budget of 2 US dollars was spent after 60 of 61 trials"


@pytest.mark.parametrize("checked", [RECALL, {**RECALL, "at_least": 0.1}, {**RECALL, "slice": "risk_tier=high"}])
def test_what_a_budget_left_out_is_inconclusive_and_never_a_pass(checked: dict[str, object]):
    run = make_run(
        {**cases(60), "cut-short": None},
        attributes={"cut-short": {"risk_tier": "high"}},
        outcomes={"cut-short": None},
        stopped=STOPPED,
    )
    decision = verdict_of(policy_of(checked), run)
    assert decision.verdict is only(decision).verdict is Verdict.INCONCLUSIVE
    assert STOPPED in only(decision).reason
    assert any(STOPPED in told for told in decision.not_measured)


def test_a_slice_that_a_budget_left_whole_is_judged():
    run = make_run(
        {**cases(60), "cut-short": None},
        attributes={"cut-short": {"risk_tier": "high"}},
        outcomes={"cut-short": None},
        stopped=STOPPED,
    )
    assert check(run, {**RECALL, "slice": "risk_tier=low"}).verdict is Verdict.PASS


@pytest.mark.parametrize(("stopped", "verdict"), [(STOPPED, Verdict.INCONCLUSIVE), (None, Verdict.ERROR)])
def test_a_plan_with_a_gap_never_passes_whatever_a_slice_shows(stopped: str | None, verdict: Verdict):
    run = make_run(
        {**cases(60), "left-out": None},
        attributes={"left-out": {"risk_tier": "high"}},
        outcomes={"left-out": None},
        stopped=stopped,
    )
    decision = verdict_of(policy_of({**RECALL, "slice": "risk_tier=low"}), run)
    assert only(decision).verdict is Verdict.PASS
    assert decision.verdict is verdict
    assert "1 of 61 planned trials were not run" in decision.summary


def test_trials_of_which_only_some_were_run_anew_are_no_evidence():
    run = make_run(cases(60))
    again = [u.model_copy(update={"attempt": int(n == 7)}) for n, u in enumerate(run.planned)]
    decision = verdict_of(policy_of(RECALL), run.model_copy(update={"planned": tuple(again)}))
    assert decision.verdict is Verdict.ERROR
    assert "1 of 60 trials were run anew" in decision.summary
    whole = tuple(u.model_copy(update={"attempt": 1}) for u in run.planned)
    assert verdict_of(policy_of(RECALL), run.model_copy(update={"planned": whole})).verdict is Verdict.PASS


def test_a_budget_excuses_no_trial_that_ran_without_a_score():
    run = make_run({**cases(60), "cut-short": None, "lost": None}, outcomes={"cut-short": None}, stopped=STOPPED)
    assert check(run).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"metric": "qualty"}, "Did you mean 'quality'"),
        ({"slice": "risk_tier=hihg"}, "no case has risk_tier=hihg"),
        ({"at_most": 0.1, "at_least": None}, "'at_least'"),
    ],
)
def test_a_check_of_something_else_is_an_error(changed: dict[str, object], says: str):
    result = check(make_run(cases(60)), {**RECALL, **changed})
    assert result.verdict is Verdict.ERROR
    assert says in result.reason


def test_zero_tolerance_of_a_virtue_is_an_error():
    assert check(make_run(cases(60)), {**NONE, "metric": "quality"}).verdict is Verdict.ERROR


def test_scorer_failures_within_the_budget_pass_only_if_they_could_all_be_failures():
    one_lost = make_run({**cases(60), "x": BROKEN})
    many_lost = make_run({**cases(60), **{f"x{i}": BROKEN for i in range(5)}})
    assert check(one_lost).verdict is Verdict.ERROR
    assert check(one_lost, RECALL, max_failure_share=0.1).verdict is Verdict.PASS
    result = check(many_lost, RECALL, max_failure_share=0.1)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "5 trials could not be scored" in result.reason
    assert check(many_lost, RECALL, max_failure_share=0.05).verdict is Verdict.ERROR


def test_agent_crashes_count_against_the_agent_but_not_towards_min_n():
    crashed = {f"case-{i:04}": Outcome.AGENT_ERROR for i in range(7)}
    result = check(make_run(cases(60), outcomes=crashed))
    assert result.verdict is Verdict.FAIL
    assert "7 trials did not complete and count against it." in result.reason
    few = make_run(cases(30), outcomes={"case-0000": Outcome.TIMEOUT})
    assert check(few, limit(at_least=0.5, min_n=30)).verdict is Verdict.INCONCLUSIVE


def test_failed_data_checks_spoil_the_decision_and_absent_ones_are_noted():
    failed = verdict_of(policy_of(RECALL), make_run(cases(60), data_checks_passed=False))
    assert failed.verdict is Verdict.ERROR
    assert "dataset's own checks failed" in failed.summary
    unchecked = make_run(cases(60), data_checks_passed=None)
    assert verdict_of(policy_of(RECALL), unchecked).verdict is Verdict.ERROR
    absent = verdict_of(policy_of(RECALL, require_data_checks=False), unchecked)
    assert absent.verdict is Verdict.PASS
    assert absent.not_measured == ("The dataset's own checks were not run.",)


@pytest.mark.parametrize(
    "changes",
    [{"planned": (), "scores": ()}, {"scores": ()}, {"planned": ()}, {"scores": make_run(cases(60)).scores * 2}],
    ids=["nothing planned", "no scores", "scores without a plan", "every score twice"],
)
def test_a_hollow_run_is_an_error_and_never_raises(changes: dict[str, object]):
    decision = verdict_of(policy_of(RECALL, NONE), make_run(cases(60), **changes))
    assert decision.verdict is Verdict.ERROR
    assert {result.verdict for result in decision.checks} == {Verdict.ERROR}


def test_not_measured_names_failures_skips_and_gaps():
    values: dict[str, Value] = {"a": 1.0, "b": BROKEN, "c": None, "d": None}
    decision = verdict_of(policy_of(RECALL), make_run(values, outcomes={"d": None}))
    assert decision.not_measured == (
        "1 of 4 planned trials were not run.",
        "quality: 1 of 4 trials could not be scored.",
        "quality: 1 trials were run but not scored.",
    )
    skipped = verdict_of(policy_of(RECALL), make_run({"a": SKIP}))
    assert skipped.not_measured == ("quality: does not apply to any of the 1 trials.",)


# --- the overall verdict

LADDER = {
    Verdict.PASS: limit(name="pass", at_least=0.5),
    Verdict.INCONCLUSIVE: limit(name="unshown", at_least=0.95),
    Verdict.FAIL: limit(name="fail", at_least=0.99),
    Verdict.ERROR: limit(name="error", metric="nothing"),
}
RUN = make_run(cases(97, 3))


@pytest.mark.parametrize(("first", "second"), list(itertools.product(LADDER, repeat=2)))
def test_the_worst_blocking_check_decides(first: Verdict, second: Verdict):
    rank = list(LADDER)
    checks = [LADDER[first], {**LADDER[second], "name": "second"}]
    assert verdict_of(policy_of(*checks), RUN).verdict is max(first, second, key=rank.index)


@pytest.mark.parametrize("verdict", list(LADDER))
def test_a_warning_is_shown_and_does_not_block_unless_critical(verdict: Verdict):
    warning = {**LADDER[verdict], "name": "warning", "severity": "warn"}
    decision = verdict_of(policy_of(LADDER[Verdict.PASS], warning), RUN)
    assert decision.verdict is Verdict.PASS
    assert decision.checks[1].verdict is verdict
    assert ("warnings: warning" in decision.summary) == (verdict is not Verdict.PASS)
    assert verdict_of(policy_of(LADDER[Verdict.PASS], {**warning, "critical": True}), RUN).verdict is verdict


def test_the_summary_names_what_blocks():
    decision = verdict_of(policy_of(*LADDER.values()), RUN)
    assert decision.summary == (
        "1 of 4 blocking checks of the policy 'gate' pass; error could not be judged; fail failed; unshown not shown."
    )


def test_the_decision_carries_everything_it_rests_on():
    decision = verdict_of(policy_of(NOT_WORSE), make_run(cases(60)), champion(cases(60)))
    assert (decision.decided_at, decision.policy_digest) == (NOW, digest("policy"))
    assert (decision.dataset_digest, decision.suite_digest) == (digest("golden"), digest("release"))
    assert decision.baseline is not None
    assert (decision.candidate.run_id, decision.baseline.run_id) == ("run-1", "run-0")
    assert decision.baseline.bundle_digest == digest("champion")


# --- against the champion


def flipped(values: dict[str, Value], *indices: int) -> dict[str, Value]:
    return {k: 1.0 - v if i in indices else v for i, (k, v) in enumerate(values.items()) if isinstance(v, float)}


@pytest.mark.parametrize(
    ("n", "lost", "gained", "verdict"),
    [
        (128, 0, 0, Verdict.PASS),
        (128, 2, 0, Verdict.PASS),
        (128, 3, 0, Verdict.INCONCLUSIVE),
        (128, 3, 2, Verdict.PASS),
        (128, 7, 0, Verdict.FAIL),
        (50, 0, 0, Verdict.INCONCLUSIVE),
        (29, 0, 0, Verdict.INCONCLUSIVE),
    ],
)
def test_non_inferiority_by_tango(n: int, lost: int, gained: int, verdict: Verdict):
    before = cases(n - gained, gained)
    after = flipped(before, *range(lost), *range(n - gained, n))
    result = only(verdict_of(policy_of(NOT_WORSE), make_run(after), champion(before)))
    assert result.verdict is verdict
    assert result.difference is not None
    assert result.difference.method == "Tango score"
    assert f"better in {gained} and worse in {lost} of {n}" in result.reason
    assert len(result.worst_cases) == lost


def test_lower_is_better_turns_the_sign():
    before, after = cases(0, 100), cases(20, 80)
    check_harm = {**NOT_WORSE, "metric": "harm"}
    worse = only(verdict_of(policy_of(check_harm), make_run(after, HARM), champion(before, metric=HARM)))
    better = only(verdict_of(policy_of(check_harm), make_run(before, HARM), champion(after, metric=HARM)))
    assert (worse.verdict, better.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert better.difference is not None
    assert better.difference.low > 0


def test_superiority_takes_a_shown_gain():
    before = cases(80, 40)
    gained = make_run(flipped(before, *range(80, 92)))
    assert only(verdict_of(policy_of(BETTER), gained, champion(before))).verdict is Verdict.PASS
    little = make_run(flipped(before, 80))
    assert only(verdict_of(policy_of(BETTER), little, champion(before))).verdict is Verdict.INCONCLUSIVE
    assert only(verdict_of(policy_of(BETTER), make_run(before), champion(before))).verdict is Verdict.FAIL


def test_clustered_units_are_compared_by_conversation():
    turns = spec("harm", direction="lower_is_better", unit="turn")
    before: dict[str, Value] = {f"case-{i:03}": (float(i % 10 == 0), 3) for i in range(90)}
    after: dict[str, Value] = {f"case-{i:03}": (float(i % 10 == 5), 3) for i in range(90)}
    check_harm = {**NOT_WORSE, "metric": "harm"}
    result = only(verdict_of(policy_of(check_harm), make_run(after, turns), champion(before, metric=turns)))
    assert result.verdict is Verdict.PASS
    assert result.difference is not None
    assert result.difference.method == "Tango score, effective n"
    few = [dict(list(values.items())[:29]) for values in (before, after)]
    result = only(
        verdict_of(policy_of({**check_harm, "min_n": 1}), make_run(few[1], turns), champion(few[0], metric=turns))
    )
    assert result.verdict is Verdict.INCONCLUSIVE


def test_a_crash_on_either_side_counts_as_lost():
    values = cases(128)
    crashed = {f"case-{i:04}": Outcome.TIMEOUT for i in range(7)}
    broken = champion(values, outcomes=crashed)
    assert only(verdict_of(policy_of(NOT_WORSE), make_run(values, outcomes=crashed), broken)).verdict is Verdict.FAIL
    fixed = only(verdict_of(policy_of(NOT_WORSE), make_run(values), broken))
    assert fixed.verdict is Verdict.PASS
    assert fixed.difference is not None
    assert fixed.difference.high < 0.03
    assert "did not complete count as lost: 7" in fixed.reason


def test_without_a_champion_the_policy_says_what_that_means():
    run = make_run(cases(60))
    result = only(verdict_of(policy_of(NOT_WORSE), run, champion_exists=False))
    assert result.verdict is Verdict.INCONCLUSIVE
    lenient = policy_of(RECALL, {**NOT_WORSE, "if_no_champion": "not_applicable"})
    decision = verdict_of(lenient, run, champion_exists=False)
    assert decision.verdict is Verdict.PASS
    assert (
        decision.checks[1].reason
        == "Not applicable: the agent has no champion, other than perhaps this bundle, to compare with."
    )


def test_a_champion_without_a_run_is_a_gap_whatever_the_policy_says():
    lenient = policy_of(RECALL, {**NOT_WORSE, "if_no_champion": "not_applicable"})
    decision = verdict_of(lenient, make_run(cases(60)), champion_exists=True)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "`assay eval harborline@champion --suite release`" in decision.checks[1].reason


def test_an_unknown_metric_is_an_error_even_without_a_champion():
    lenient = policy_of(RECALL, {**NOT_WORSE, "metric": "qualty", "if_no_champion": "not_applicable"})
    assert verdict_of(lenient, make_run(cases(60)), champion_exists=False).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dataset_digest": digest("other")}, "another dataset content"),
        ({"suite_digest": digest("other")}, "another suite content"),
        ({"agent": "other"}, "another agent"),
        ({"suite": "other"}, "another suite"),
        ({"run_id": "run-1"}, "the candidate's own run"),
        ({"planned": (*(unit(f"case-{i:04}") for i in range(127)), unit("else"))}, "cannot be used"),
        ({"planned": (), "scores": ()}, "no trial was planned"),
    ],
)
def test_a_run_that_cannot_be_compared_is_an_error(changes: dict[str, object], says: str):
    result = only(verdict_of(policy_of(NOT_WORSE), make_run(cases(128)), champion(cases(128), **changes)))
    assert result.verdict is Verdict.ERROR
    assert says in result.reason
    assert "assay eval harborline@champion" in result.reason


def test_other_cases_are_no_comparison():
    result = only(verdict_of(policy_of(NOT_WORSE), make_run(cases(128)), champion(cases(128, first=1))))
    assert result.verdict is Verdict.ERROR
    assert "does not cover the same cases" in result.reason


def test_the_same_evidence_twice_is_no_comparison():
    run = make_run(cases(128))
    assert (
        only(verdict_of(policy_of(NOT_WORSE), run, run.model_copy(update={"run_id": "copy"}))).verdict is Verdict.ERROR
    )


def test_a_champion_that_was_not_measured_is_an_error():
    values = cases(128)
    for gap in (None, BROKEN):
        result = only(verdict_of(policy_of(NOT_WORSE), make_run(values), champion({**values, "case-0000": gap})))
        assert result.verdict is Verdict.ERROR
        assert "of the champion was not measured" in result.reason


def test_means_are_compared_by_case():
    mean = spec(kind="mean")
    before: dict[str, Value] = {f"case-{i}": 0.5 + 0.01 * (i % 20) for i in range(100)}
    for change, verdict in ((0.0, Verdict.PASS), (-0.04, Verdict.INCONCLUSIVE), (-0.06, Verdict.FAIL)):
        after: dict[str, Value] = {name: v + change for name, v in before.items() if isinstance(v, float)}
        result = only(verdict_of(policy_of(NOT_WORSE), make_run(after, mean), champion(before, metric=mean)))
        assert result.verdict is verdict


def test_scorer_failures_on_either_side_count_against_the_candidate_in_a_comparison():
    whole = cases(128)
    torn: dict[str, Value] = {**whole, **{f"case-{i:04}": BROKEN for i in range(4)}}
    policy = policy_of(NOT_WORSE, max_failure_share=0.1)
    for new, old in ((torn, whole), (whole, torn)):
        result = only(verdict_of(policy, make_run(new), champion(old)))
        assert (result.verdict, "4 trials could not be scored" in result.reason) == (
            (Verdict.INCONCLUSIVE, True) if new is torn else (Verdict.PASS, False)
        )


# --- where it falls short


def shortfall_run(values: dict[str, Value], **changes: object) -> EvalRun:
    attributes = {
        name: {
            "intent": "bereavement" if i < 9 else "fees",
            "escalation_reason": "emotional_distress" if i < 9 else "customer_request",
            "risk_tier": "critical" if i < 20 else "low",
        }
        for i, name in enumerate(values)
    }
    return make_run(values, attributes=attributes, **changes)  # type: ignore[arg-type]


def test_the_breakdown_names_where_the_shortfall_is_worst_first():
    values: dict[str, Value] = {f"case-{i:03}": 0.0 if i < 7 else 1.0 for i in range(60)}
    result = check(shortfall_run(values, slices=("risk_tier=critical & escalation_reason=emotional_distress",)))
    assert result.verdict is Verdict.FAIL
    assert result.breakdown == (
        "risk_tier=critical & escalation_reason=emotional_distress: 2 of 9",
        "risk_tier=critical: 13 of 20",
    )
    assert result.worst_cases == tuple(f"case-{i:03}" for i in range(7))


def test_a_passing_check_has_no_breakdown():
    assert check(shortfall_run(cases(60))).breakdown == ()


def test_a_comparison_breaks_down_by_what_was_lost():
    before: dict[str, Value] = {f"case-{i:03}": 1.0 for i in range(60)}
    after = flipped(before, *range(7))
    old = shortfall_run(before, run_id="run-0", bundle_digest=digest("champion"))
    result = only(verdict_of(policy_of(NOT_WORSE), shortfall_run(after), old))
    assert result.breakdown[0] == "intent=bereavement: 2 of 9, champion 9 of 9"


def test_long_lists_are_cut():
    result = check(make_run(cases(0, 200)))
    assert len(result.worst_cases) == 50


# --- order


def test_the_order_of_the_evidence_never_matters():
    turns = spec("harm", direction="lower_is_better", unit="turn")
    names = [f"case-{i:03}" for i in range(120)]
    planned = [unit(name, risk_tier="high" if i % 3 else "low") for i, name in enumerate(names)]
    scores = [record(u, "quality", float(i % 9 > 0)) for i, u in enumerate(planned)]
    scores += [record(u, "harm", (float(i % 7 == 0), 1 + i % 4)) for i, u in enumerate(planned)]
    scorers = (ScorerInfo(name="judge", version="1", digest=digest("judge"), metrics=(spec(), turns)),)
    base = make_run({"a": 1.0})
    policy = policy_of(
        RECALL, limit(name="slice", slice="risk_tier=high"), limit(name="harm", metric="harm", at_most=0.1), NOT_WORSE
    )
    seen: set[str] = set()
    for seed in range(5):
        shuffle = random.Random(seed).shuffle
        shuffle(planned)
        shuffle(scores)
        fields = {"planned": tuple(planned), "scores": tuple(scores), "scorers": scorers}
        run = base.model_copy(update=fields)
        old = run.model_copy(update={"run_id": "run-0", "bundle_label": "v1"})
        decision = verdict_of(policy, run, old.model_copy(update={"bundle_digest": digest("old")}))
        seen.add("".join(result.model_dump_json() for result in decision.checks) + decision.summary)
    assert len(seen) == 1


def test_a_step_back_that_may_be_noise_is_told_from_one_that_is_not():
    before: dict[str, Value] = {f"case-{i:03}": 1.0 for i in range(100)}
    after: dict[str, Value] = {case_id: float(i >= 30) for i, case_id in enumerate(before)}
    real = only(verdict_of(policy_of(NOT_WORSE), make_run(after), champion(before)))
    assert real.verdict is Verdict.FAIL
    assert "It has regressed: 95 % upper bound of the difference -0.22" in real.reason
    mixed_before: dict[str, Value] = {case_id: float(i % 4 > 0) for i, case_id in enumerate(before)}
    mixed_after: dict[str, Value] = {case_id: float(i % 3 > 0) for i, case_id in enumerate(before)}
    noise = only(verdict_of(policy_of(NOT_WORSE), make_run(mixed_after), champion(mixed_before)))
    assert noise.verdict is Verdict.FAIL
    assert "That may be noise" in noise.reason


def test_the_only_blocking_check_is_spoken_of_as_one():
    assert verdict_of(policy_of(LADDER[Verdict.PASS]), RUN).summary == (
        "The only blocking check of the policy 'gate' passes."
    )
