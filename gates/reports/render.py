"""The reports of a decision: HTML for a reviewer, Markdown for a pull request, JUnit and JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from assay.gates.reports.charts import checks_chart, differences_chart, risk_chart
from assay.gates.reports.estimates import Figures, figures_of
from assay.gates.reports.html import Charts, to_html
from assay.gates.reports.junit import to_junit
from assay.gates.reports.markdown import to_markdown
from assay.gates.reports.text import presenter
from assay.gates.reports.view import Champion, report_view
from assay.registry.bundle_diff import BundleDiff
from assay.registry.types.case import Case
from assay.registry.types.decision import Decision, Estimate
from assay.registry.types.run import EvalRun
from assay.registry.types.trajectory import Trajectory

__all__ = ["render_html", "render_json", "render_junit", "render_markdown"]


def render_html(
    decision: Decision,
    run: EvalRun,
    trajectories: Iterable[Trajectory],
    cases: Mapping[str, Case],
    *,
    baseline: tuple[EvalRun, Iterable[Trajectory]] | None = None,
    bundle_diff: BundleDiff | None = None,
    summaries: Mapping[str, Estimate] | None = None,
    redact: bool = True,
    title: str | None = None,
) -> str:
    """One HTML file that needs no network and no server. Equal inputs give equal bytes.

    Args:
        decision: the verdict; it comes first on the page.
        run: the candidate's run. Every planned trial of it is on the page, run or not.
        trajectories: the candidate's, in any order; those the run did not plan are ignored.
        cases: golden conversations by id; where one is absent, the page says so.
        baseline: the champion's run and trajectories, to be set beside the candidate's.
        bundle_diff: what changed between the two bundles.
        summaries: estimates of the run's metrics, overall or by slice, to show in place of those computed here.
            Their keys are not read.
        redact: replace personal data in all text of conversations.
        title: of the page; default: the candidate's label and the verdict.
    """
    figures = figures_of(run, decision, (summaries or {}).values())
    champion, champion_figures = None, Figures()
    if baseline is not None:
        champion = Champion(baseline[0], {(t.case_id, t.trial): t for t in baseline[1]})
        champion_figures = figures_of(champion.run, decision)
    view = report_view(
        decision,
        run,
        trajectories,
        cases,
        champion=champion,
        bundle_diff=bundle_diff,
        figures=figures,
        champion_figures=champion_figures,
        presenter=presenter(redact),
        redacted=redact,
        title=title or f"{decision.candidate.bundle_label}: {decision.verdict.value}",
    )
    drawn = (
        checks_chart(decision, run, champion_figures),
        differences_chart(decision, run),
        risk_chart(run, figures.estimates),
    )
    return to_html(view, Charts(*drawn))


def render_markdown(decision: Decision, run: EvalRun, *, limit: int = 20, title: str | None = None) -> str:
    """A summary for a pull request or a CI job. No text of any conversation stands in it.

    Args:
        decision: the verdict; it comes first.
        run: the candidate's run.
        limit: how many failing conversations are listed.
        title: the heading after the verdict; default: the candidate's label.
    """
    return to_markdown(decision, run, limit=limit, title=title or decision.candidate.bundle_label)


def render_json(decision: Decision) -> str:
    """The decision as indented JSON, with a line end."""
    return f"{decision.model_dump_json(indent=2)}\n"


def render_junit(decision: Decision) -> str:
    """The checks as JUnit XML, behind one test case for the verdict itself. Only a PASS has no failure and no error."""
    return to_junit(decision)
