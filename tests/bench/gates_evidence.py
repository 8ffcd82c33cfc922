"""Evaluation runs made from drawn outcomes, cheaply enough to judge ten thousand of them.

Outcomes of some releases are one array: (releases, cases, sides, trials, metrics, 2), where sides are the
candidate and, in comparisons, the champion, and the last axis is (value, units) of a score. The units of a trial that
did not complete are negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import MetricSpec, Score, ScoreRecord, ScorerInfo
from assay.registry.types.trajectory import Outcome

DIGEST = "d" * 64
Outcomes = np.ndarray


def runs_of(outcomes: Outcomes, metrics: Sequence[MetricSpec], slice_cases: int) -> list[EvalRun]:
    """One release's run, and the champion's where there are two sides; outcomes are (cases, sides, trials, ...).

    Args:
        slice_cases: so many of the first cases are in the slice `risk_tier=critical`, the others in `risk_tier=low`.
    """
    found: list[EvalRun] = []
    trials = outcomes.shape[2]
    counts = bool((outcomes == np.floor(outcomes)).all())
    for side in range(outcomes.shape[1]):
        planned: list[PlannedUnit] = []
        records: list[ScoreRecord] = []
        for case, of_case in enumerate(np.ascontiguousarray(outcomes[:, side])):
            made = _known_case if counts else _case
            units, scores = made(case, of_case.tobytes(), of_case.shape, case < slice_cases)
            planned += units
            records += scores
        found.append(_run(side, trials, tuple(planned), tuple(records), tuple(metrics)))
    return found


def _case(
    case: int, outcomes: bytes, shape: tuple[int, ...], in_slice: bool
) -> tuple[list[PlannedUnit], list[ScoreRecord]]:
    """The trials of a case, and their scores; outcomes are the bytes of (trials, metrics, 2)."""
    units: list[PlannedUnit] = []
    records: list[ScoreRecord] = []
    for trial, by_metric in enumerate(np.frombuffer(outcomes).reshape(shape).tolist()):
        units.append(_unit(case, trial, by_metric[0][1] > 0, in_slice))
        records += [_record(case, trial, m, value, of) for m, (value, of) in enumerate(by_metric)]
    return units, records


_known_case = cache(_case)
"""Counts repeat from release to release; other numbers do not."""


@cache
def _unit(case: int, trial: int, completed: bool, in_slice: bool) -> PlannedUnit:
    return PlannedUnit(
        case_id=f"case-{case:04}",
        case_digest=DIGEST,
        trial=trial,
        attributes={"risk_tier": ("critical" if in_slice else "low",)},
        outcome=Outcome.COMPLETED if completed else Outcome.TIMEOUT,
        trajectory=DIGEST,
    )


def _record(case: int, trial: int, metric: int, value: float, of: float) -> ScoreRecord:
    """A trial that did not complete is scored as if all were well: a gate must not believe it."""
    score = {"value": value if of > 0 else -of, "of": int(abs(of))}
    return ScoreRecord.model_construct(
        case_id=f"case-{case:04}",
        trial=trial,
        trajectory=DIGEST,
        scorer="judge",
        scorer_digest=DIGEST,
        metric=f"m{metric}",
        result=Score.model_construct(**score),
    )


@cache
def _scorers(metrics: tuple[tuple[str, str], ...]) -> tuple[ScorerInfo, ...]:
    specs = tuple(MetricSpec.model_validate_json(text) for _, text in metrics)
    return (ScorerInfo(name="judge", version="1", digest=DIGEST, metrics=specs),)


def _run(
    side: int,
    trials: int,
    planned: tuple[PlannedUnit, ...],
    records: tuple[ScoreRecord, ...],
    metrics: tuple[MetricSpec, ...],
) -> EvalRun:
    return EvalRun.model_construct(
        run_id=f"run-{side}",
        created_at="",
        agent="agent",
        bundle_digest=str(side) * 64,
        bundle_label=f"agent v{2 - side}",
        dataset="golden",
        dataset_digest=DIGEST,
        suite="release",
        suite_digest=DIGEST,
        trials=trials,
        planned=planned,
        scorers=_scorers(tuple((m.name, m.model_dump_json()) for m in metrics)),
        scores=records,
        slices=(),
        data_checks_passed=True,
        data_checks=None,
    )
