from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.registry.errors import ContentError, IntegrityError
from assay.registry.types.base import Frozen
from assay.registry.types.case import Case
from assay.registry.types.score import MetricSpec, Result, Score, ScorerFailure, Skipped
from assay.registry.types.suite import ScorerUse, Suite
from assay.registry.types.trajectory import Outcome, Say, Trajectory, TurnRecord
from assay.runner import score as harness
from assay.runner.score import build_scorers, score_all, score_trajectory, suite_digest, trajectory_digest
from assay.runner.scorers.base import Scorer, ScorerContext

SHARE = MetricSpec(name="share", kind="proportion", direction="higher_is_better", description="d")
RATE = MetricSpec(name="rate", kind="proportion", direction="lower_is_better", description="d")
LEVEL = MetricSpec(name="level", kind="mean", direction="higher_is_better", description="d")


class FakeSettings(Frozen):
    threshold: float = 0.5
    words: tuple[str, ...] = ()


class Fake(Scorer):
    """Answers whatever the test puts into `answer`."""

    name = "fake"
    version = "1"
    Settings = FakeSettings
    answer: object = None
    inapplicable: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (SHARE, RATE, LEVEL)

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        return Skipped(reason="not here") if metric.name in self.inapplicable else None


def fake(answer: object = None, inapplicable: tuple[str, ...] = ()) -> Fake:
    scorer = Fake(FakeSettings(), ScorerContext())
    scorer.answer, scorer.inapplicable = answer, inapplicable
    return scorer


def a_case(case_id: str = "c1") -> Case:
    return Case.model_validate(
        {
            "id": case_id,
            "intent": "balance_inquiry",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "date": dt.date(2026, 3, 2),
            "turns": [{"customer": "Hello"}],
            "expect": {"escalation": {"required": False}},
        }
    )


def a_trajectory(case_id: str = "c1", outcome: Outcome = Outcome.COMPLETED, **more: object) -> Trajectory:
    return Trajectory(
        key="a" * 64,
        agent="harborline",
        bundle_digest="b" * 64,
        case_id=case_id,
        case_digest="c" * 64,
        mode="scripted",
        turns=(TurnRecord(index=1, customer="Hello", events=(Say(step=0, text="Good morning."),)),),
        outcome=outcome,
        **more,  # type: ignore[arg-type]
    )


def results(scorer: Scorer, outcome: Outcome = Outcome.COMPLETED, error: str | None = None) -> dict[str, Result]:
    records = score_trajectory([scorer], a_case(), a_trajectory(outcome=outcome, error=error))
    assert [r.metric for r in records] == ["share", "rate", "level"]
    return {record.metric: record.result for record in records}


GOOD: dict[str, Result] = {"share": Score(value=2, of=3), "rate": Score(value=0), "level": Score(value=0.25)}


def test_valid_results_pass_through_with_their_identity() -> None:
    scorer = fake(GOOD)
    records = score_trajectory([scorer], a_case(), a_trajectory())
    assert {r.metric: r.result for r in records} == GOOD
    assert {r.scorer_digest for r in records} == {scorer.info().digest}
    assert {r.trajectory for r in records} == {trajectory_digest(a_trajectory())}
    assert {(r.case_id, r.trial, r.scorer) for r in records} == {("c1", 0, "fake")}


def test_skips_and_failures_pass_through() -> None:
    answer: dict[str, Result] = GOOD | {"share": Skipped(reason="none"), "rate": ScorerFailure(error="judge said idk")}
    assert results(fake(answer)) == answer


def test_a_scorer_that_raises_is_a_failure_of_each_metric_and_never_a_number() -> None:
    found = results(fake(RuntimeError("line one\n  line two " + "x" * 2000)))
    for result in found.values():
        assert isinstance(result, ScorerFailure)
        assert result.error.startswith("RuntimeError: line one line two")
        assert len(result.error) <= 300


def test_a_missing_metric_fails_alone() -> None:
    found = results(fake({k: v for k, v in GOOD.items() if k != "rate"}))
    assert isinstance(found["rate"], ScorerFailure)
    assert found["share"] == GOOD["share"]


@pytest.mark.parametrize("answer", [None, [], 1.0, GOOD | {"invented": Score(value=1)}, {}])
def test_an_answer_of_the_wrong_shape_fails_every_metric(answer: object) -> None:
    assert all(isinstance(result, ScorerFailure) for result in results(fake(answer)).values())


UNCHECKED = [
    {"value": math.nan, "of": 1},
    {"value": math.inf, "of": 1},
    {"value": -math.inf, "of": 1},
    {"value": "1", "of": 1},
    {"value": None, "of": 1},
    {"value": True, "of": 1},
    {"value": 1.0, "of": 0},
    {"value": 0.0, "of": 0},
    {"value": 1.0, "of": True},
    {"value": 1.0, "of": 1.0},
]


@pytest.mark.parametrize("fields", UNCHECKED)
def test_values_that_slipped_past_validation_are_failures(fields: dict[str, object]) -> None:
    broken = Score.model_construct(kind="score", explanation="", findings=(), **fields)  # type: ignore[arg-type]
    found = results(fake({"share": broken, "rate": broken, "level": broken}))
    assert all(isinstance(result, ScorerFailure) for result in found.values())


@pytest.mark.parametrize(("value", "of"), [(0.5, 1), (2, 1), (-1, 3), (4, 3), (1.5, 2)])
def test_a_proportion_counts_whole_units_within_range(value: float, of: int) -> None:
    found = results(fake(GOOD | {"share": Score(value=value, of=of)}))
    assert isinstance(found["share"], ScorerFailure)
    assert found["rate"] == GOOD["rate"]


def test_a_mean_of_several_units_is_a_failure() -> None:
    assert isinstance(results(fake(GOOD | {"level": Score(value=0.5, of=2)}))["level"], ScorerFailure)


@pytest.mark.parametrize("thing", ["0.9", 0.9, {"value": 1.0}, True])
def test_a_metric_that_is_not_a_score_is_a_failure(thing: object) -> None:
    assert isinstance(results(fake(GOOD | {"share": thing}))["share"], ScorerFailure)


@given(st.floats(), st.integers(min_value=-3, max_value=10))
def test_whatever_a_scorer_says_a_proportion_is_valid_or_a_failure(value: float, of: int) -> None:
    said = Score.model_construct(kind="score", value=value, of=of, explanation="", findings=())
    result = results(fake(GOOD | {"share": said}))["share"]
    if isinstance(result, Score):
        assert result.of >= 1
        assert 0 <= result.value <= result.of
        assert float(result.value).is_integer()
    else:
        assert isinstance(result, ScorerFailure)


_AGAINST_THE_AGENT = [o for o in Outcome if o not in {Outcome.COMPLETED, Outcome.SIMULATOR_ERROR}]


def test_a_trial_whose_simulated_customer_failed_measures_nothing() -> None:
    found = results(fake(GOOD), Outcome.SIMULATOR_ERROR, "it gave away the PIN")
    assert all(isinstance(result, ScorerFailure) for result in found.values())
    assert "it gave away the PIN" in str(found["share"])


@pytest.mark.parametrize("outcome", _AGAINST_THE_AGENT)
def test_a_trial_that_did_not_complete_counts_at_its_worst(outcome: Outcome) -> None:
    found = results(fake(GOOD), outcome, "connection reset")
    share, rate = found["share"], found["rate"]
    assert isinstance(share, Score)
    assert (share.value, share.of) == (0, 1)
    assert isinstance(rate, Score)
    assert (rate.value, rate.of) == (1, 1)
    assert outcome.value in share.explanation
    assert "connection reset" in share.explanation
    assert isinstance(found["level"], ScorerFailure)


def test_metrics_that_do_not_apply_are_skipped_for_crashed_trials() -> None:
    found = results(fake(GOOD, inapplicable=("share", "level")), Outcome.TIMEOUT)
    assert found["share"] == found["level"] == Skipped(reason="not here")
    assert isinstance(found["rate"], Score)


def test_a_crash_inside_applies_or_worst_is_a_failure() -> None:
    class Rude(Fake):
        def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
            raise KeyError("boom")

        def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
            raise AssertionError("not asked for crashed trials")

    class Lenient(Fake):
        def worst(self, metric: MetricSpec, why: str) -> Result:
            return Score(value=7, of=2)

    for scorer, metrics in ((Rude, ("share", "rate", "level")), (Lenient, ("share", "rate", "level"))):
        found = results(scorer(FakeSettings(), ScorerContext()), Outcome.AGENT_ERROR)
        assert all(isinstance(found[name], ScorerFailure) for name in metrics)


def test_a_trajectory_of_another_case_is_refused() -> None:
    with pytest.raises(IntegrityError, match="'c2'"):
        score_trajectory([fake(GOOD)], a_case("c1"), a_trajectory("c2"))


def test_score_all_keeps_order_and_reports_progress() -> None:
    pairs = [(a_case(f"c{i}"), a_trajectory(f"c{i}")) for i in range(3)]
    seen: list[int] = []
    records = list(score_all([fake(GOOD)], iter(pairs), seen.append))
    assert [r.case_id for r in records] == ["c0"] * 3 + ["c1"] * 3 + ["c2"] * 3
    assert seen == [1, 2, 3]
    assert records[:3] == score_trajectory([fake(GOOD)], *pairs[0])


def test_trajectory_digest_covers_the_content() -> None:
    assert trajectory_digest(a_trajectory()) == trajectory_digest(a_trajectory())
    assert trajectory_digest(a_trajectory()) != trajectory_digest(a_trajectory(trial=1))


# --- build_scorers ----------------------------------------------------------------------------------


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twin(Fake):
        name = "twin"

    known = {"fake": Fake, "twin": Twin}
    real = harness.scorer_class
    monkeypatch.setattr(harness, "scorer_class", lambda name: known.get(name) or real(name))


def a_suite(*uses: ScorerUse) -> Suite:
    return Suite(name="release", dataset="harborline", scorers=uses)


@pytest.mark.usefixtures("catalog")
def test_scorers_are_built_with_their_settings() -> None:
    suite = a_suite(ScorerUse(name="fake", settings={"threshold": 0.7, "words": ["a", "b"]}))
    (scorer,) = build_scorers(suite, ScorerContext())
    assert isinstance(scorer, Fake)
    assert scorer.settings == FakeSettings(threshold=0.7, words=("a", "b"))


@pytest.mark.usefixtures("catalog")
def test_all_wrong_settings_are_named_with_suite_scorer_key_and_nearest() -> None:
    suite = a_suite(
        ScorerUse(name="fake", settings={"treshold": 0.7, "words": "a"}),
        ScorerUse(name="escalatoin"),
    )
    with pytest.raises(ContentError) as caught:
        build_scorers(suite, ScorerContext())
    text = str(caught.value)
    for part in ("'release'", "scorers.fake.settings.treshold", "'threshold'", "settings.words", "'escalation'"):
        assert part in text


@pytest.mark.usefixtures("catalog")
def test_two_scorers_of_one_metric_are_refused() -> None:
    with pytest.raises(ContentError, match="both measure 'share'"):
        build_scorers(a_suite(ScorerUse(name="fake"), ScorerUse(name="twin")), ScorerContext())


@pytest.mark.usefixtures("catalog")
def test_suite_digest_covers_suite_settings_and_scorer_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(suite: Suite) -> str:
        return suite_digest(suite, build_scorers(suite, ScorerContext()))

    base = a_suite(ScorerUse(name="fake"))
    assert digest(base) == digest(base)
    assert digest(base) != digest(base.model_copy(update={"trials": 2}))
    assert digest(base) != digest(a_suite(ScorerUse(name="fake", settings={"threshold": 0.6})))
    before = digest(base)
    monkeypatch.setattr(Fake, "version", "2")
    assert digest(base) != before


def test_a_failure_says_where_a_scorer_raised_and_the_run_how_often() -> None:
    result = results(fake(RuntimeError("no")))["share"]
    assert isinstance(result, ScorerFailure)
    assert re.fullmatch(r"RuntimeError: no \(tests/test_score.py:\d+\)", result.error)
