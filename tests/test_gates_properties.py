"""What has to hold for every run: worse evidence never helps, and neither does a stricter policy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gating import BROKEN, SKIP, Value, limit, make_run, only, policy_of, spec, unit, verdict_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.registry.types.decision import Verdict
from assay.registry.types.run import EvalRun
from assay.registry.types.score import MetricSpec
from assay.registry.types.trajectory import Outcome

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CHAMPION = {"run_id": "run-0", "bundle_digest": "0" * 64}
ORDER = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.ERROR]


@dataclass(frozen=True)
class Evidence:
    """How many units of each case failed, of how many; for the candidate and for the champion."""

    metric: MetricSpec
    sizes: tuple[int, ...]
    failures: tuple[int, ...]
    before: tuple[int, ...]
    crashed: int = 0

    def values(self, failures: tuple[int, ...]) -> dict[str, Value]:
        higher = self.metric.direction == "higher_is_better"
        rows = zip(failures, self.sizes, strict=True)
        found: dict[str, Value] = {
            f"case-{i:04}": (float(of - bad if higher else bad), of) for i, (bad, of) in enumerate(rows)
        }
        return {**found, **{f"crash-{i}": 1.0 for i in range(self.crashed)}}

    @property
    def candidate(self) -> EvalRun:
        crashes = {f"crash-{i}": Outcome.TIMEOUT for i in range(self.crashed)}
        return make_run(self.values(self.failures), self.metric, outcomes=crashes)

    @property
    def champion(self) -> EvalRun:
        return make_run(self.values(self.before), self.metric, **CHAMPION)


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    direction = draw(st.sampled_from(["higher_is_better", "lower_is_better"]))
    m = draw(st.sampled_from([30, 31, 48, 60, 99, 100, 128]))
    biggest = draw(st.sampled_from([1, 1, 2, 4]))
    sizes = tuple(draw(st.integers(1, biggest)) for _ in range(m)) if biggest > 1 else (1,) * m
    few = st.dictionaries(st.integers(0, m - 1), st.integers(1, biggest), max_size=8)

    def failures() -> tuple[int, ...]:
        chosen = draw(few)
        return tuple(min(chosen.get(i, 0), of) for i, of in enumerate(sizes))

    return Evidence(spec(direction=direction, unit="turn"), sizes, failures(), failures())


def checks(metric: MetricSpec, strictness: float, margin: float) -> list[dict[str, object]]:
    """A limit and a comparison; `strictness` is the limit as a share of good units."""
    name = metric.direction
    given_limit = {"at_least": strictness} if name == "higher_is_better" else {"at_most": round(1 - strictness, 6)}
    comparison = {"kind": "non_inferiority", "name": "not-worse", "metric": "quality", "margin": margin, "min_n": 30}
    return [limit(min_n=30, **given_limit), comparison]


def verdicts(given_evidence: Evidence, strictness: float, margin: float) -> list[Verdict]:
    policy = policy_of(*checks(given_evidence.metric, strictness, margin))
    decision = verdict_of(policy, given_evidence.candidate, given_evidence.champion)
    return [result.verdict for result in decision.checks]


LIMITS = st.sampled_from([0.7, 0.8, 0.85, 0.9, 0.92, 0.95, 0.97])
MARGINS = st.sampled_from([0.03, 0.05, 0.1])


@QUICK
@given(evidence(), LIMITS, MARGINS, st.data())
def test_one_more_failure_never_makes_a_pass(
    given_evidence: Evidence, strict: float, margin: float, data: st.DataObject
):
    at = data.draw(st.integers(0, len(given_evidence.sizes) - 1))
    worse = tuple(
        min(bad + (i == at), of)
        for i, (bad, of) in enumerate(zip(given_evidence.failures, given_evidence.sizes, strict=True))
    )
    before, after = (verdicts(e, strict, margin) for e in (given_evidence, replace(given_evidence, failures=worse)))
    for was, became in zip(before, after, strict=True):
        assert was is Verdict.PASS or became is not Verdict.PASS


@QUICK
@given(evidence(), LIMITS, MARGINS)
def test_one_more_crash_never_makes_a_pass(given_evidence: Evidence, strict: float, margin: float):
    before, after = (verdicts(e, strict, margin) for e in (given_evidence, replace(given_evidence, crashed=1)))
    for was, became in zip(before, after, strict=True):
        assert was is Verdict.PASS or became is not Verdict.PASS


@QUICK
@given(evidence(), LIMITS, st.sampled_from(["missing", "unscored", "failed"]))
def test_a_gap_is_always_an_error(given_evidence: Evidence, strict: float, gap: str):
    run = given_evidence.candidate
    planned = run.planned[0].model_copy(update={"outcome": None, "trajectory": None} if gap == "missing" else {})
    first = () if gap != "failed" else (run.scores[0].model_copy(update={"result": BROKEN}),)
    run = run.model_copy(update={"planned": (planned, *run.planned[1:]), "scores": (*first, *run.scores[1:])})
    policy = policy_of(checks(given_evidence.metric, strict, 0.05)[0])
    assert verdict_of(policy, run).verdict is Verdict.ERROR


@QUICK
@given(evidence(), LIMITS, LIMITS, MARGINS, MARGINS)
def test_a_stricter_limit_never_helps(given_evidence: Evidence, a: float, b: float, wide: float, narrow: float):
    lax = verdicts(given_evidence, min(a, b), max(wide, narrow))
    strict = verdicts(given_evidence, max(a, b), min(wide, narrow))
    for at_ease, pressed in zip(lax, strict, strict=True):
        assert ORDER.index(pressed) >= ORDER.index(at_ease)


@QUICK
@given(evidence(), LIMITS, st.randoms(use_true_random=False))
def test_order_is_irrelevant(given_evidence: Evidence, strict: float, random: object):
    policy = policy_of(*checks(given_evidence.metric, strict, 0.05))
    runs = [given_evidence.candidate, given_evidence.champion]
    results = [verdict_of(policy, *runs).checks]
    for _ in range(2):
        mixed: list[EvalRun] = []
        for run in runs:
            planned, scores = list(run.planned), list(run.scores)
            random.shuffle(planned)  # type: ignore[attr-defined]
            random.shuffle(scores)  # type: ignore[attr-defined]
            mixed.append(run.model_copy(update={"planned": tuple(planned), "scores": tuple(scores)}))
        results.append(verdict_of(policy, *mixed).checks)
    assert results[0] == results[1] == results[2]


HOSTILE = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 9)),
    st.sampled_from([SKIP, BROKEN, None]),
)


@QUICK
@given(
    st.dictionaries(st.sampled_from([f"c{i}" for i in range(6)]), HOSTILE, max_size=6),
    st.dictionaries(st.sampled_from([f"c{i}" for i in range(6)]), st.sampled_from([*Outcome, None]), max_size=6),
    st.sampled_from(["proportion", "mean"]),
    st.sampled_from(["quality", "qualty"]),
    st.sampled_from(["", "risk_tier=low", "risk_tier=high", "channel=chat"]),
)
def test_hostile_evidence_is_a_verdict_and_never_a_pass(
    values: dict[str, Value], outcomes: dict[str, Outcome | None], kind: str, metric: str, part: str
):
    run = make_run(values, spec(kind=kind), outcomes=outcomes)
    policy = policy_of(limit(metric=metric, slice=part, at_least=0.9, min_n=30))
    result = only(verdict_of(policy, run))
    assert result.verdict is not Verdict.PASS
    assert result.reason


def test_an_added_trial_that_nobody_ran_turns_a_pass_into_an_error():
    run = make_run({f"case-{i}": 1.0 for i in range(60)})
    policy = policy_of(limit(min_n=30))
    assert verdict_of(policy, run).verdict is Verdict.PASS
    cut = run.model_copy(update={"planned": (*run.planned, unit("late", outcome=None))})
    assert verdict_of(policy, cut).verdict is Verdict.ERROR
