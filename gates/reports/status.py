"""What the scores say about each conversation of a run, before anything is drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from assay.registry.types.base import Severity
from assay.registry.types.decision import Decision, Verdict
from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import Finding, MetricSpec, Score, ScoreRecord, ScorerFailure
from assay.registry.types.trajectory import Outcome

__all__ = ["CaseStatus", "Status", "TrialStatus", "Violation", "case_statuses"]

_SEVERITIES = {severity.value: rank for rank, severity in enumerate((*Severity,))}
_TIERS = {"low": 0, "medium": 1, "high": 2, "critical": 3}


class Status(StrEnum):
    """What became of a conversation, worst first."""

    FAILED = "failed"
    ERRORED = "errored"
    MISSING = "missing"
    UNMEASURED = "unmeasured"
    PASSED = "passed"

    @property
    def words(self) -> str:
        return _STATUS_WORDS[self]


_STATUS_WORDS = {
    Status.FAILED: "Fails",
    Status.ERRORED: "Did not complete",
    Status.MISSING: "Not run",
    Status.UNMEASURED: "Not measured",
    Status.PASSED: "Passes",
}


@dataclass(frozen=True)
class Violation:
    """A finding with the metrics it counts against."""

    finding: Finding
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class TrialStatus:
    """One planned trial with its scores. `failing` and `unmeasured` are metric names; a metric without any record
    of the trial is unmeasured, as is one that its scorer failed to measure.
    """

    unit: PlannedUnit
    status: Status
    records: tuple[ScoreRecord, ...]
    violations: tuple[Violation, ...]
    failing: tuple[str, ...]
    unmeasured: tuple[str, ...]


@dataclass(frozen=True)
class CaseStatus:
    """All trials of one case. `blocked_checks` are the checks that block and name this case."""

    case_id: str
    status: Status
    trials: tuple[TrialStatus, ...]
    blocked_checks: tuple[str, ...]
    worst_severity: int

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        return self.trials[0].unit.attributes

    @property
    def failing(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(metric for trial in self.trials for metric in trial.failing))

    @property
    def violations(self) -> tuple[Violation, ...]:
        return tuple(violation for trial in self.trials for violation in trial.violations)

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts what a reviewer should read first to the front."""
        tiers = (_TIERS.get(tier, 0) for tier in self.attributes.get("risk_tier", ()))
        return (
            (*Status,).index(self.status) if self.status is Status.PASSED else 0,
            not self.blocked_checks,
            -self.worst_severity,
            -max(tiers, default=0),
            (*Status,).index(self.status),
            self.case_id,
        )


def case_statuses(run: EvalRun, decision: Decision | None = None) -> tuple[CaseStatus, ...]:
    """Every planned case, the ones that count against the candidate first.

    A case that a check names among its worst cases fails even where no single score says so (a mean has
    no pass mark of its own).
    """
    records: defaultdict[tuple[str, int], list[ScoreRecord]] = defaultdict(list)
    for record in run.scores:
        records[record.case_id, record.trial].append(record)
    specs = {spec.name: spec for scorer in run.scorers for spec in scorer.metrics}
    units: defaultdict[str, list[PlannedUnit]] = defaultdict(list)
    for unit in run.planned:
        units[unit.case_id].append(unit)
    named, blocking = _named_by_checks(decision)
    cases = (
        _case_status(
            case_id,
            tuple(_trial_status(unit, records[case_id, unit.trial], specs) for unit in planned),
            named.get(case_id, ()),
            blocking.get(case_id, ()),
        )
        for case_id, planned in units.items()
    )
    return tuple(sorted(cases, key=lambda case: case.order))


def _named_by_checks(decision: Decision | None) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    named: dict[str, tuple[str, ...]] = {}
    blocking: dict[str, tuple[str, ...]] = {}
    for check in decision.checks if decision else ():
        if check.verdict is Verdict.PASS:
            continue
        for case_id in check.worst_cases:
            named[case_id] = (*named.get(case_id, ()), check.check)
            if check.blocking:
                blocking[case_id] = (*blocking.get(case_id, ()), check.check)
    return named, blocking


def _case_status(
    case_id: str, trials: tuple[TrialStatus, ...], named: tuple[str, ...], blocking: tuple[str, ...]
) -> CaseStatus:
    status = min((trial.status for trial in trials), key=(*Status,).index)
    if named and status is Status.PASSED:
        status = Status.FAILED
    severities = (_SEVERITIES[v.finding.severity.value] for trial in trials for v in trial.violations)
    return CaseStatus(case_id, status, trials, blocking, max(severities, default=-1))


def _trial_status(unit: PlannedUnit, records: list[ScoreRecord], specs: dict[str, MetricSpec]) -> TrialStatus:
    failing = tuple(record.metric for record in records if _counts_against(record, specs.get(record.metric)))
    measured = {record.metric for record in records if not isinstance(record.result, ScorerFailure)}
    unmeasured = tuple(metric for metric in specs if metric not in measured)
    if unit.outcome is None or unit.trajectory is None:
        status = Status.MISSING
    elif unit.outcome is not Outcome.COMPLETED:
        status = Status.ERRORED
    elif failing:
        status = Status.FAILED
    elif unmeasured or not specs:
        status = Status.UNMEASURED
    else:
        status = Status.PASSED
    return TrialStatus(unit, status, tuple(records), _violations(records), failing, unmeasured)


def _counts_against(record: ScoreRecord, spec: MetricSpec | None) -> bool:
    result = record.result
    if not isinstance(result, Score) or spec is None or spec.kind != "proportion":
        return False
    return result.value < result.of if spec.direction == "higher_is_better" else result.value > 0


def _violations(records: Iterable[ScoreRecord]) -> tuple[Violation, ...]:
    """Findings in the order of turns; one that several metrics report stands once."""
    metrics: dict[Finding, list[str]] = {}
    for record in records:
        for finding in record.result.findings if isinstance(record.result, Score) else ():
            metrics.setdefault(finding, []).append(record.metric)
    found = (Violation(finding, tuple(dict.fromkeys(names))) for finding, names in metrics.items())
    return tuple(sorted(found, key=lambda v: (v.finding.turn or 0, -_SEVERITIES[v.finding.severity.value])))
