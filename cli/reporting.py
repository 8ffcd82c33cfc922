"""Gathers what a report shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.cli.pipeline import Session

if TYPE_CHECKING:
    from assay.registry.types.case import Case
    from assay.registry.types.decision import Decision

__all__ = ["report_text"]


def report_text(session: Session, decision: Decision, *, markdown: bool, redact: bool) -> str:
    """The report of a decision as HTML or Markdown, from what is stored."""
    from assay.gates.metrics import summarise
    from assay.gates.reports.render import render_html, render_markdown
    from assay.registry.bundle_diff import diff_bundles

    run, _ = session.load_run(decision.candidate.run_id)
    if markdown:
        return render_markdown(decision, run)
    cases = _cases(session, decision)
    baseline = None
    difference = None
    if decision.baseline:
        other, _ = session.load_run(decision.baseline.run_id)
        baseline = (other, session.store.load_trajectories(other.run_id))
        champion, candidate = session.bundle_of(other), session.bundle_of(run)
        difference = diff_bundles(champion, candidate) if champion and candidate else None
    return render_html(
        decision,
        run,
        session.store.load_trajectories(run.run_id),
        cases,
        summaries=summarise(run),
        baseline=baseline,
        bundle_diff=difference,
        redact=redact,
    )


def _cases(session: Session, decision: Decision) -> dict[str, Case]:
    """The cases as they were evaluated; none where the dataset has changed since."""
    dataset = session.dataset_of(decision)
    return {case.id: case for case in dataset.cases} if dataset else {}
