"""`assay gate`, `assay check` and `assay report`: judging evidence and showing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.bundles import register_bundle
from assay.cli.console import note, say, table
from assay.cli.evaluation import Address, BudgetSeconds, BudgetUsd, Concurrency, ExecutorName, Processes, show_run
from assay.cli.pipeline import Session
from assay.cli.planning import tell_what_cannot_pass
from assay.cli.replaying import HowToRun
from assay.registry.errors import AssayError
from assay.registry.strict import load_yaml
from assay.registry.types.bundle import BundleSource
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.registry.types.decision import CheckResult, Decision
    from assay.registry.types.run import EvalRun

__all__ = ["check", "gate", "report", "show_decision", "write_report"]

_RUN = "A stored run: id or its first 6+ characters, `latest`, or a bundle such as harborline@candidate."


def gate(
    run: Annotated[str, typer.Argument(help=_RUN)],
    policy: Annotated[
        str, typer.Option("--policy", help="Gate policy by name or path. Default: the agent's in assay.yaml.")
    ] = "",
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="`champion` (the default where there is one) or a stored run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The decision as JSON.")] = False,
) -> None:
    """Judge a run by a gate policy: every check with its n and interval, and one verdict.

    Exits 0 PASS, 1 FAIL, 3 INCONCLUSIVE, 4 ERROR (2 is a usage error).

    Example: assay gate harborline@candidate --policy production --baseline champion
    """
    session = Session(find_workspace())
    found = session.load_run(run)[0]
    name = policy or session.workspace.release(found.agent).policy
    _tell_unknown_names(session, found, name)
    tell_what_cannot_pass(session, found, name)
    decision = session.gate(run, name, baseline)
    if session.dataset_of(decision) is None:
        note("The workspace no longer has the dataset as it was in this run: a promotion will ask for a new one.")
    if as_json:
        say(decision.model_dump_json(indent=2))
    else:
        show_decision(decision)
    raise typer.Exit(decision.verdict.exit_code)


def check(
    bundle: Annotated[Path, typer.Argument(help="The bundle's YAML file.", metavar="BUNDLE.yaml")],
    concurrency: Concurrency = 16,
    processes: Processes = 1,
    executor: ExecutorName = "local",
    address: Address = None,
    budget_usd: BudgetUsd = None,
    budget_seconds: BudgetSeconds = None,
    html: Annotated[Path | None, typer.Option("--report", help="Write the HTML report here.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a Markdown summary here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The decision as JSON, alone on standard output.")] = False,
) -> None:
    """Register a bundle, evaluate it and gate it, by the suite and policy that assay.yaml names for its agent.

    Exits as `assay gate` does. For CI.

    Example: assay check bundles/harborline/improved.yaml --report report.html
    """
    how = HowToRun(concurrency, processes, executor, address, budget_usd=budget_usd, budget_s=budget_seconds)
    session = Session(find_workspace())
    # All that can be refused is refused before the alias `candidate` moves to the new bundle.
    release = session.workspace.release(load_yaml(bundle, BundleSource).agent)
    _refuse_what_cannot_be_judged(session, release.suite, release.policy)
    ref = register_bundle(session, bundle, quiet=as_json)
    run = session.evaluate(ref, release.suite, how)
    decision = session.gate(run.run_id, release.policy)
    if as_json:
        say(decision.model_dump_json(indent=2))
    else:
        show_run(run)
        show_decision(decision)
    if html:
        note(f"Report: {write_report(session, decision, html)}")
    if markdown:
        write_report(session, decision, markdown)
    raise typer.Exit(decision.verdict.exit_code)


def _tell_unknown_names(session: Session, run: EvalRun, policy: str) -> None:
    """Where in the policy's file a metric or slice stands that the run does not have; the decision is ERROR for it."""
    from assay.registry.errors import ContentError

    session.load_policy(policy)
    try:
        _refuse_unknown(session, policy, run.metric_names(), {unit.case_id: unit.attributes for unit in run.planned})
    except ContentError as error:
        note(str(error))


def _refuse_what_cannot_be_judged(session: Session, suite: str, policy: str) -> None:
    """A policy or suite that cannot be read, or that names what is not there, is told before hours of replay."""
    session.load_policy(policy)
    standard = session.standard(suite, None, check_data=False)
    metrics = [metric.name for scorer in standard.scorers for metric in scorer.metrics]
    attributes = {case.id: case.attributes() for case in standard.dataset.cases}
    _refuse_unknown(session, policy, metrics, attributes)


def _refuse_unknown(
    session: Session, policy: str, metrics: Sequence[str], attributes: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> None:
    from assay.gates.load import refuse_unknown_names

    path = session.workspace.named_file(session.workspace.policies, policy, "gate policy")
    refuse_unknown_names(path, metrics, attributes)


def report(
    run: Annotated[str, typer.Argument(help=_RUN)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (.html or .md). Default: reports/.")
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", help="The decision by this policy. Default: the agent's in assay.yaml.")
    ] = "",
    show_personal_data: Annotated[
        bool, typer.Option("--show-personal-data", help="Leave personal data in the conversations as it is.")
    ] = False,
) -> None:
    """Write one HTML file (or Markdown summary) that shows a run's verdict and what it rests on.

    Reports the newest decision by the policy, and gates the run first where there is none.

    Example: assay report harborline@candidate
    """
    session = Session(find_workspace())
    found, digest = session.load_run(run)
    name = policy or session.workspace.release(found.agent).policy
    decision = _newest_decision(session, digest, name)
    if decision is None:
        decision = session.gate(found.run_id, name)
    written = write_report(session, decision, out, redact=not show_personal_data)
    say(f"{decision.verdict}: {decision.summary}")
    say(f"Report: {written}")


def _newest_decision(session: Session, run_digest: str, policy: str) -> Decision | None:
    """The newest recorded decision on a run by this policy as it is now; two policies can have one name."""
    wanted = (run_digest, session.load_policy(policy)[1])
    decisions = (recorded.decision for recorded in session.ledger.decisions())
    return next((d for d in decisions if (d.candidate.run_digest, d.policy_digest) == wanted), None)


def write_report(session: Session, decision: Decision, out: Path | None, *, redact: bool = True) -> Path:
    """Write the report of a decision; the HTML file is also logged to the MLflow run."""
    from assay.cli.reporting import report_text

    if out is not None and out.suffix not in {".html", ".md"}:
        raise AssayError(f"{out}: a report is written as .html or .md, not {out.suffix or 'without an ending'!r}")
    path = out or session.workspace.reports / f"{decision.agent}-{decision.candidate.run_id[:12]}.html"
    text = report_text(session, decision, markdown=path.suffix == ".md", redact=redact)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if redact:
        session.store.log_artifact_text(decision.candidate.run_id, f"report{path.suffix}", text)
    return path.resolve()


def show_decision(decision: Decision) -> None:
    """Print a decision, check by check."""
    against = f" against {decision.baseline.bundle_label}" if decision.baseline else ""
    table(
        ["check", "verdict", "value", "bound", "n", "requires"],
        [_row(result) for result in decision.checks],
        title=f"{decision.candidate.bundle_label} by policy {decision.policy}{against}",
    )
    for result in decision.checks:
        if result.verdict != "PASS":
            say(f"{result.verdict} {result.check}: {result.reason}")
            for line in result.breakdown:
                say(f"    {line}")
    for line in decision.not_measured:
        say(f"Not measured: {line}")
    say(f"\n{decision.verdict}: {decision.summary}")


def _difference(result: CheckResult) -> str:
    """What lies within the bounds of a comparison: how much better the candidate is, not its own rate."""
    new, old, bounds = result.estimate, result.baseline, result.difference
    if new is None or old is None or bounds is None or new.value is None or old.value is None:
        return "n/a"
    gain = new.value - old.value
    middle = (bounds.low + bounds.high) / 2
    return f"{gain if abs(gain - middle) <= abs(gain + middle) else -gain:+.3f}"


def _row(result: CheckResult) -> list[str]:
    estimate = result.estimate
    value = "n/a" if estimate is None or estimate.value is None else f"{estimate.value:.3f}"
    if result.difference and estimate and result.baseline:
        value = _difference(result)
    if result.members:
        value = f"{sum(member.verdict == 'PASS' for member in result.members)}/{len(result.members)}"
    interval = result.difference or (estimate.interval if estimate else None)
    bound = "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
    name = result.check if result.blocking else f"{result.check} (warns)"
    return [
        name,
        str(result.verdict) if result.applicable else "n/a",
        value,
        bound,
        "" if result.members else str(estimate.units if estimate else 0),
        result.limit,
    ]
