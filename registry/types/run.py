"""An evaluation run: the evidence that a gate judges."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.registry.types.base import Digest, Frozen, Name
from assay.registry.types.datacheck import DataCheckReport
from assay.registry.types.score import MetricSpec, Score, ScoreRecord, ScorerFailure, ScorerInfo
from assay.registry.types.trajectory import Outcome


class PlannedUnit(Frozen):
    """A trial of a case that was to be run, whether or not it was.

    `outcome` and `trajectory` are None when the trial is missing: the run was cut short.
    """

    case_id: Name
    case_digest: Digest
    trial: Annotated[int, Field(ge=0)] = 0
    attributes: dict[str, tuple[str, ...]]
    outcome: Outcome | None = None
    trajectory: Digest | None = None
    error: str | None = None
    attempt: int = Field(default=0, ge=0, exclude_if=lambda given: given == 0)
    """The trajectory's `attempt`."""


class EvalRun(Frozen):
    """Everything that was to be measured and all that was.

    `digest` covers the content of the run (every other field but `run_id` and `created_at`).
    """

    schema_version: Literal[1] = 1
    run_id: str
    created_at: str
    agent: Name
    bundle_digest: Digest
    bundle_label: str
    """How people call the bundle, e.g. `harborline v3`."""
    dataset: Name
    dataset_digest: Digest
    suite: Name
    suite_digest: Digest
    trials: Annotated[int, Field(ge=1)]
    planned: tuple[PlannedUnit, ...]
    scorers: tuple[ScorerInfo, ...]
    scores: tuple[ScoreRecord, ...]
    slices: tuple[str, ...] = ()
    data_checks_passed: bool | None = None
    """Result of the dataset's own checks; None where none were run."""
    data_checks: DataCheckReport | None = None
    """What the dataset's own checks found; None where none were run, or where the run was stored without it."""
    stopped: str | None = None
    """Why planned trials were left out, where a budget was spent; None where nothing stopped the run."""

    @model_validator(mode="after")
    def _one_result(self) -> EvalRun:
        if self.data_checks is not None and self.data_checks_passed is not self.data_checks.success:
            raise ValueError("'data_checks_passed' contradicts 'data_checks'")
        return self

    def metric(self, name: str) -> MetricSpec | None:
        """The declaration of a metric, or None where no scorer of the run measures it."""
        return next((m for s in self.scorers for m in s.metrics if m.name == name), None)

    def never_exercised(self) -> dict[str, tuple[str, ...]]:
        """Per scorer that tells it, the rules that no conversation gave occasion to break."""
        told: dict[str, set[str]] = {}
        for record in self.scores:
            if isinstance(record.result, Score) and record.result.exercised is not None:
                told.setdefault(record.scorer, set()).update(record.result.exercised)
        silent = {
            s.name: tuple(rule for rule in s.rules if rule not in told[s.name]) for s in self.scorers if s.name in told
        }
        return {name: rules for name, rules in silent.items() if rules}

    def incomplete(self) -> dict[Outcome, tuple[PlannedUnit, ...]]:
        """The trials that were run and did not complete, by how they ended, the most frequent first."""
        ended: dict[Outcome, list[PlannedUnit]] = {}
        for unit in self.planned:
            if unit.outcome is not None and unit.outcome is not Outcome.COMPLETED:
                ended.setdefault(unit.outcome, []).append(unit)
        return {outcome: tuple(units) for outcome, units in sorted(ended.items(), key=lambda pair: -len(pair[1]))}

    def failures(self) -> dict[str, dict[str, int]]:
        """Per scorer, why completed trials could not be scored and how many, the most frequent reason first.

        That a trial did not complete is no scorer's failure: `incomplete` tells those.
        """
        unheard = {(unit.case_id, unit.trial) for units in self.incomplete().values() for unit in units}
        trials: dict[str, dict[str, set[tuple[str, int]]]] = {}
        for record in self.scores:
            if isinstance(record.result, ScorerFailure) and (record.case_id, record.trial) not in unheard:
                reasons = trials.setdefault(record.scorer, {})
                reasons.setdefault(record.result.error, set()).add((record.case_id, record.trial))
        return {
            scorer: dict(sorted(((r, len(t)) for r, t in reasons.items()), key=lambda pair: (-pair[1], pair[0])))
            for scorer, reasons in trials.items()
        }

    def metric_names(self) -> tuple[str, ...]:
        return tuple(m.name for s in self.scorers for m in s.metrics)
