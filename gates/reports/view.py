"""What a report says, before it is HTML: pure functions from the domain's types to plain dataclasses.

The order of the fields of `ReportView` is the order of the page: the verdict first, then why, then what was
never measured, then the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assay.gates.reports.changes import ChangesView, changes_view
from assay.gates.reports.checks import CheckView, check_view
from assay.gates.reports.conversations import ConversationView, Evidence, conversation_view
from assay.gates.reports.estimates import Figures
from assay.gates.reports.figures import counted, label
from assay.gates.reports.headlines import HeadlineView, headline_views
from assay.gates.reports.slices import SliceTable, slice_tables
from assay.gates.reports.status import CaseStatus, Status, case_statuses
from assay.gates.reports.text import Presenter, visible
from assay.registry.bundle_diff import BundleDiff
from assay.registry.types.case import Case
from assay.registry.types.decision import Decision, EvidenceRef, Verdict
from assay.registry.types.run import EvalRun
from assay.registry.types.trajectory import Outcome, Trajectory

__all__ = ["Champion", "Fact", "Note", "ReportView", "VerdictView", "report_view", "verdict_view"]

_MEANING = {
    Verdict.PASS: ("✓", "Every required check that applies was measured and met. This candidate may be promoted."),
    Verdict.FAIL: ("✕", "At least one required check was measured and not met. This candidate may not be promoted."),
    Verdict.INCONCLUSIVE: (
        "?",
        "The evidence is too thin to tell for at least one required check. This candidate may not be promoted.",
    ),
    Verdict.ERROR: (
        "!",
        "Something that had to be measured was not, so nothing can be concluded. This candidate may not be promoted.",
    ),
}


@dataclass(frozen=True)
class VerdictView:
    """A verdict in words, in a sign and as the name of a colour."""

    word: str
    sign: str
    meaning: str

    @property
    def tone(self) -> str:
        return self.word.lower()


@dataclass(frozen=True)
class Note:
    """A statement with a tone: `pass`, `fail`, `inconclusive`, `error`."""

    tone: str
    text: str


@dataclass(frozen=True)
class Fact:
    """A line of the provenance. `digest` facts are set in a fixed-width face."""

    name: str
    value: str
    digest: bool = False


@dataclass(frozen=True)
class ReportView:
    """All that the page says."""

    title: str
    agent: str
    verdict: VerdictView
    summary: str
    decided_at: str
    candidate: str
    champion: str
    headlines: tuple[HeadlineView, ...]
    blockers: tuple[CheckView, ...]
    remarks: tuple[CheckView, ...]
    not_measured: tuple[str, ...]
    data_quality: Note
    data_flaws: tuple[Note, ...]
    coverage: tuple[Note, ...]
    changes: ChangesView | None
    checks: tuple[CheckView, ...]
    slices: tuple[SliceTable, ...]
    no_slices: str
    conversations: tuple[ConversationView, ...]
    passages: tuple[str, ...]
    redacted: bool
    provenance: tuple[tuple[str, tuple[Fact, ...]], ...]

    @property
    def linkable(self) -> frozenset[str]:
        """Ids of the cases that the page shows."""
        return frozenset(conversation.case_id for conversation in self.conversations)


@dataclass(frozen=True)
class Champion:
    """The champion's run with its trajectories."""

    run: EvalRun
    trajectories: Mapping[tuple[str, int], Trajectory]


def verdict_view(verdict: Verdict) -> VerdictView:
    """What a verdict means, for a person."""
    sign, meaning = _MEANING[verdict]
    return VerdictView(verdict.value, sign, meaning)


def report_view(
    decision: Decision,
    run: EvalRun,
    trajectories: Iterable[Trajectory],
    cases: Mapping[str, Case],
    *,
    champion: Champion | None,
    bundle_diff: BundleDiff | None,
    figures: Figures,
    champion_figures: Figures,
    presenter: Presenter,
    redacted: bool,
    title: str,
) -> ReportView:
    """The whole page as data. `figures` feed the headline scores and the slices."""
    evidence = Evidence(
        presenter=presenter,
        cases=cases,
        candidate={(t.case_id, t.trial): t for t in trajectories},
        champion=champion.trajectories if champion else {},
        champion_status={c.case_id: c.status for c in case_statuses(champion.run)} if champion else {},
    )
    statuses = case_statuses(run, decision)
    checks = tuple(check_view(check, run, champion_figures) for check in decision.checks)
    open_checks = tuple(check for check in checks if check.is_open)
    conversations = tuple(conversation_view(status, evidence) for status in statuses)
    return ReportView(
        title=visible(title),
        agent=decision.agent,
        verdict=verdict_view(decision.verdict),
        summary=visible(decision.summary),
        decided_at=visible(decision.decided_at),
        candidate=visible(decision.candidate.bundle_label),
        champion=visible(decision.baseline.bundle_label) if decision.baseline else "",
        headlines=headline_views(decision, run, figures.estimates, champion_figures.estimates),
        blockers=tuple(sorted((check for check in open_checks if check.blocking), key=lambda check: check.gravity)),
        remarks=tuple(check for check in open_checks if not check.blocking),
        not_measured=tuple(map(visible, decision.not_measured)),
        data_quality=data_quality(run),
        data_flaws=data_flaws(run),
        coverage=_coverage(run, statuses),
        changes=changes_view(bundle_diff) if bundle_diff else None,
        checks=checks,
        slices=slice_tables(run, figures.estimates),
        no_slices=visible(figures.problem),
        conversations=conversations,
        passages=tuple(evidence.strings),
        redacted=redacted,
        provenance=provenance(decision, run),
    )


def data_quality(run: EvalRun) -> Note:
    """What the dataset's own checks came to, in one line."""
    if run.data_checks_passed is None:
        return Note("inconclusive", "The dataset's own checks were not run.")
    report = run.data_checks
    held = (
        ""
        if report is None
        else f" {len(report.expectations) - len(report.failed)} of {len(report.expectations)} hold."
    )
    if run.data_checks_passed:
        return Note("pass", f"The dataset passed its own checks.{held}")
    return Note("fail", f"The dataset did not pass its own checks: what was measured on it is in doubt.{held}")


def data_flaws(run: EvalRun) -> tuple[Note, ...]:
    """Every expectation of the dataset that does not hold, critical ones first, with the cases that break it."""
    tones = {"critical": "fail", "warning": "inconclusive"}
    failed = run.data_checks.failed if run.data_checks else ()
    return tuple(Note(tones[e.severity], visible(f"{e.severity}: {e.name}: {e.message}")) for e in failed)


def _coverage(run: EvalRun, statuses: Sequence[CaseStatus]) -> tuple[Note, ...]:
    """How much of what was planned was run, and how the conversations went."""
    outcomes = [unit.outcome for unit in run.planned]
    completed = outcomes.count(Outcome.COMPLETED)
    whole = completed == len(outcomes) and bool(outcomes)
    tone = "error" if None in outcomes or not outcomes else "pass" if whole else "fail"
    notes = [Note(tone, f"{completed:,} of {counted(len(outcomes), 'planned trial')} completed")]
    for outcome in (Outcome.AGENT_ERROR, Outcome.NO_REPLY, Outcome.TIMEOUT):
        if outcome in outcomes:
            notes.append(Note("fail", f"{outcomes.count(outcome):,} ended with {label(outcome.value)}"))
    if None in outcomes:
        notes.append(Note("error", f"{outcomes.count(None):,} never run"))
    passing = sum(status.status is Status.PASSED for status in statuses)
    tone = "pass" if statuses and passing == len(statuses) else "inconclusive"
    return (*notes, Note(tone, f"{passing:,} of {counted(len(statuses), 'conversation')} without a failing score"))


def provenance(decision: Decision, run: EvalRun) -> tuple[tuple[str, tuple[Fact, ...]], ...]:
    """Everything the verdict rests on, in groups."""
    rests_on = (
        Fact("Dataset", decision.dataset),
        Fact("Dataset digest", decision.dataset_digest, digest=True),
        Fact("Suite", decision.suite),
        Fact("Suite digest", decision.suite_digest, digest=True),
        Fact("Gate policy", decision.policy),
        Fact("Gate policy digest", decision.policy_digest, digest=True),
        Fact("Decided at", visible(decision.decided_at)),
        Fact("Trials of each case", str(run.trials)),
    )
    groups: list[tuple[str, tuple[Fact, ...]]] = [
        ("Candidate", (*_reference(decision.candidate), Fact("Run created at", visible(run.created_at))))
    ]
    if decision.baseline:
        groups.append(("Champion", _reference(decision.baseline)))
    groups.append(("Rests on", rests_on))
    groups.append(
        ("Scorers", tuple(Fact(f"{s.name} {visible(s.version)}", s.digest, digest=True) for s in run.scorers))
    )
    versions = tuple(Fact(visible(name), visible(value)) for name, value in sorted(decision.versions.items()))
    groups.append(("Software", versions))
    return tuple((name, facts) for name, facts in groups if facts)


def _reference(reference: EvidenceRef) -> tuple[Fact, ...]:
    return (
        Fact("Bundle", visible(reference.bundle_label)),
        Fact("Bundle digest", reference.bundle_digest, digest=True),
        Fact("Run", visible(reference.run_id) or "not stored"),
        Fact("Run digest", reference.run_digest, digest=True),
    )
