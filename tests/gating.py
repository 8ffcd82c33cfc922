"""Evaluation runs made by hand, for the tests of the gates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from assay.gates.decide import decide
from assay.gates.policy import GatePolicy
from assay.registry.evidence import run_digest
from assay.registry.types.decision import CheckResult, Decision
from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import MetricSpec, Result, Score, ScoreRecord, ScorerFailure, ScorerInfo, Skipped
from assay.registry.types.trajectory import Outcome

NOW = "2026-03-02T09:00:00Z"
SKIP = Skipped(reason="does not apply")
BROKEN = ScorerFailure(error="no verdict")
Value = float | tuple[float, int] | Result | None
"""What one trial scored: a value of 1, (value, of), a result as it is, or None for no record at all."""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def spec(name: str = "quality", **changes: object) -> MetricSpec:
    fields = {"name": name, "kind": "proportion", "direction": "higher_is_better", "description": name}
    return MetricSpec.model_validate({**fields, **changes})


def unit(case_id: str, trial: int = 0, outcome: Outcome | None = Outcome.COMPLETED, **attributes: str) -> PlannedUnit:
    return PlannedUnit(
        case_id=case_id,
        case_digest=digest(case_id),
        trial=trial,
        attributes={key: tuple(text.split(",")) for key, text in {"risk_tier": "low", **attributes}.items()},
        outcome=outcome,
        trajectory=None if outcome is None else digest(f"{case_id}/{trial}"),
    )


def record(planned: PlannedUnit, metric: str, value: float | tuple[float, int] | Result) -> ScoreRecord:
    if isinstance(value, tuple):
        value = Score(value=value[0], of=value[1])
    result = Score(value=value) if isinstance(value, int | float) else value
    return ScoreRecord(
        case_id=planned.case_id,
        trial=planned.trial,
        trajectory=planned.trajectory or digest("none"),
        scorer="judge",
        scorer_digest=digest("judge"),
        metric=metric,
        result=result,
    )


def make_run(
    values: Mapping[str, Value | list[Value]],
    metric: MetricSpec | None = None,
    *,
    attributes: Mapping[str, dict[str, str]] | None = None,
    outcomes: Mapping[str, Outcome | None] | None = None,
    **changes: object,
) -> EvalRun:
    """A run of one metric: case id to what its trials scored."""
    metric = metric or spec()
    planned: list[PlannedUnit] = []
    scores: list[ScoreRecord] = []
    for case_id, given in values.items():
        for trial, value in enumerate(given if isinstance(given, list) else [given]):
            outcome = (outcomes or {}).get(case_id, Outcome.COMPLETED)
            planned.append(unit(case_id, trial, outcome, **(attributes or {}).get(case_id, {})))
            if value is not None:
                scores.append(record(planned[-1], metric.name, value))
    fields: dict[str, object] = {
        "run_id": "run-1",
        "created_at": NOW,
        "agent": "harborline",
        "bundle_digest": digest("bundle"),
        "bundle_label": "harborline v2",
        "dataset": "golden",
        "dataset_digest": digest("golden"),
        "suite": "release",
        "suite_digest": digest("release"),
        "trials": max((len(v) if isinstance(v, list) else 1 for v in values.values()), default=1),
        "planned": tuple(planned),
        "scorers": (ScorerInfo(name="judge", version="1", digest=digest("judge"), metrics=(metric,)),),
        "scores": tuple(scores),
        "data_checks_passed": True,
    }
    return EvalRun.model_validate({**fields, **changes})


def cases(good: int, bad: int = 0, *, first: int = 0) -> dict[str, Value]:
    """`good` cases that score 1, then `bad` ones that score 0."""
    return {f"case-{first + i:04}": 1.0 if i < good else 0.0 for i in range(good + bad)}


def policy_of(*checks: dict[str, object], **changes: object) -> GatePolicy:
    return GatePolicy.model_validate({"name": "gate", "checks": checks, **changes})


def limit(**changes: object) -> dict[str, object]:
    check: dict[str, object] = {"kind": "limit", "name": "quality", "metric": "quality", "min_n": 1}
    return {**check, **({} if "at_most" in changes else {"at_least": 0.9}), **changes}


def verdict_of(
    policy: GatePolicy, run: EvalRun, baseline: EvalRun | None = None, *, champion_exists: bool | None = None
) -> Decision:
    other = None if baseline is None else (baseline, run_digest(baseline))
    exists = baseline is not None if champion_exists is None else champion_exists
    return decide(policy, digest("policy"), run, run_digest(run), other, exists, NOW)


def only(decision: Decision) -> CheckResult:
    (result,) = decision.checks
    return result
