"""`assay eval`, `assay score` and `assay runs`: evidence."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import say, table
from assay.cli.outcomes import outcome_lines
from assay.cli.pipeline import Session
from assay.cli.replaying import HowToRun
from assay.registry.errors import NotFoundError
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.registry.types.decision import Estimate
    from assay.registry.types.run import EvalRun

__all__ = [
    "Address",
    "BudgetSeconds",
    "BudgetUsd",
    "Concurrency",
    "ExecutorName",
    "Processes",
    "evaluate",
    "runs_group",
    "score",
    "show_run",
]

Concurrency = Annotated[int, typer.Option(min=1, max=1024, help="Conversations in flight at once.")]
Processes = Annotated[
    int,
    typer.Option(min=1, max=256, help="Processes, or Ray workers, that share what keeps a processor busy."),
]
ExecutorName = Annotated[str, typer.Option("--executor", help="local, or ray: on a Ray cluster.", metavar="local|ray")]
Address = Annotated[
    str | None,
    typer.Option(help="The Ray cluster, HOST:PORT or auto. Default: $RAY_ADDRESS, or one for this run alone."),
]
BudgetUsd = Annotated[
    float | None, typer.Option(min=0, help="Begin no further conversation once so many US dollars are spent.")
]
BudgetSeconds = Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds.")]

runs_group = typer.Typer(help="Look at stored evaluation runs.", no_args_is_help=True, rich_markup_mode=None)


def evaluate(
    ref: Annotated[str, typer.Argument(help="A bundle (harborline@candidate, harborline/3) or recorded:DATASET.")],
    suite: Annotated[
        str, typer.Option("--suite", help="Suite by name or path. Default: the agent's in assay.yaml.")
    ] = "",
    concurrency: Concurrency = 16,
    processes: Processes = 1,
    executor: ExecutorName = "local",
    address: Address = None,
    budget_usd: BudgetUsd = None,
    budget_seconds: BudgetSeconds = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every trial anew, also those in the journal.")] = False,
    retry_unavailable: Annotated[
        bool,
        typer.Option("--retry-unavailable", help="Run those trials anew whose endpoint gave no usable answer."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Run only the first so many trials. A gate reads the rest as not measured."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Replay golden conversations through a bundle's agent, score them, and store the run in MLflow.

    Interrupted, even by kill -9, or stopped by a budget, the same command goes on where it stopped: no completed
    call is made twice, and only missing trajectories run.

    Example: assay eval harborline@candidate --suite contact-center
    """
    how = HowToRun(
        concurrency,
        processes,
        executor,
        address,
        fresh=fresh,
        retry_unavailable=retry_unavailable,
        limit=limit,
        budget_usd=budget_usd,
        budget_s=budget_seconds,
    )
    session = Session(find_workspace())
    run = session.evaluate(ref, suite or _default_suite(session, ref), how)
    show_run(run, as_json=as_json)


def score(
    run: Annotated[str, typer.Argument(help="A stored run: id or its first 6+ characters, `latest`, or a bundle.")],
    suite: Annotated[str, typer.Option("--suite", help="Suite by name or path.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Score a stored run's trajectories again, with a suite as it is now. No agent is run.

    Example: assay score latest --suite contact-center
    """
    show_run(Session(find_workspace()).rescore(run, suite), as_json=as_json)


@runs_group.command("list")
def list_runs(
    agent: Annotated[str | None, typer.Argument(help="Only this agent's runs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """List finished runs, newest first."""
    session = Session(find_workspace())
    if agent is not None and agent not in session.store.agents_with_runs():
        raise NotFoundError("agent", agent, session.store.agents_with_runs(), where="the stored runs")
    names = [agent] if agent else session.store.agents_with_runs()
    found = sorted(
        (r for name in names for r in session.store.find_runs(name)), key=lambda r: r.created_at, reverse=True
    )
    if as_json:
        say(json.dumps([asdict(run) for run in found], indent=2))
    elif not found:
        say("No run is stored yet. `assay eval BUNDLE --suite SUITE` makes one.")
    else:
        table(["run", "bundle", "suite", "made"], [[r.run_id, r.bundle_label, r.suite, r.created_at] for r in found])


@runs_group.command("show")
def show(
    run: Annotated[str, typer.Argument(help="A stored run.")],
    by: Annotated[
        str | None, typer.Option(help="Break down by an attribute of the cases: risk_tier, escalation_reason, ...")
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Only this metric; may be given several times.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show a run's metrics with their intervals, over all cases or by an attribute of the cases."""
    found, _ = Session(find_workspace()).load_run(run)
    wanted = _metrics_of(found, metric or [])
    if by is None:
        show_run(found, wanted, as_json=as_json)
    else:
        _show_by(found, by, wanted, as_json=as_json)


@runs_group.command("gc")
def collect_garbage(
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A bundle whose trajectories stay, e.g. harborline/3; may be given several times."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove, instead of telling what would be removed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Remove trajectories and scores that no evaluation would use again; stored runs keep their own copies.

    What stays: everything of bundles that an alias points at, that are being evaluated, or that --keep names. What goes
    would have to be run again if its bundle were evaluated again.

    Example: assay runs gc --keep harborline/3 --yes
    """
    from assay.runner.gc import sweep

    session = Session(find_workspace())
    kept = [session.store.bundle(ref) for ref in keep or []]
    kept += [
        session.store.bundle(f"{agent}/{number}")
        for agent in session.store.agents()
        for number in session.store.aliases(agent).values()
    ]
    swept = sweep(session.workspace.journal, session.workspace.scores, {version.digest for version in kept}, remove=yes)
    if as_json:
        say(json.dumps({"removed": yes, "kept": sorted({v.label for v in kept}), **asdict(swept)}, indent=2))
        return
    what = "Removed" if yes else "Would remove"
    say(
        f"{what} {swept.trajectories} trajectories, {swept.scores} scores, {swept.calls} unfinished conversations and "
        f"{swept.litter} damaged or half-written files: {swept.size / 1e6:.1f} MB."
    )
    if swept.in_use:
        say(f"{swept.in_use} bundles beside those are being evaluated just now: what they have stays.")
    say(f"Kept: {', '.join(sorted({v.label for v in kept})) or 'nothing'}.")
    if not yes:
        say("Run it again with --yes to do so.")


def _metrics_of(run: EvalRun, named: list[str]) -> list[str]:
    measured = run.metric_names()
    for name in named:
        if name not in measured:
            raise NotFoundError("metric", name, measured, where="the run")
    return named or list(measured)


def _show_by(run: EvalRun, attribute: str, metrics: list[str], *, as_json: bool) -> None:
    from assay.gates.metrics import summarise_by

    estimates = summarise_by(run, attribute, metrics)
    if as_json:
        say(json.dumps([e.model_dump(mode="json") for e in estimates], indent=2))
        return
    table(
        ["metric", attribute, "value", "95 % interval", "n", "cases", "skipped", "failed", "missing"],
        [[e.metric, e.slice.partition("=")[2], *_row("", e)[1:]] for e in estimates],
        title=f"{run.bundle_label} on {run.suite}, by {attribute}",
    )
    say(f"Run {run.run_id}")


def show_run(run: EvalRun, metrics: list[str] | None = None, *, as_json: bool = False) -> None:
    """Print a run's metrics over all cases, or those of them that are named."""
    from assay.gates.metrics import summarise

    estimates = {name: e for name, e in summarise(run).items() if metrics is None or e.metric in metrics}
    if as_json:
        body = {
            "run_id": run.run_id,
            "bundle": run.bundle_label,
            "bundle_digest": run.bundle_digest,
            "dataset_digest": run.dataset_digest,
            "suite_digest": run.suite_digest,
            "metrics": {name: e.model_dump(mode="json") for name, e in estimates.items()},
        }
        say(json.dumps(body, indent=2))
        return
    overall = [(name, e) for name, e in estimates.items() if not e.slice]
    table(
        ["metric", "value", "95 % interval", "n", "cases", "skipped", "failed", "missing"],
        [_row(name, estimate) for name, estimate in overall],
        title=f"{run.bundle_label} on {run.suite}",
    )
    for line in outcome_lines(run):
        say(line)
    for scorer, rules in run.never_exercised().items():
        say(f"Rules never exercised ({scorer}), so that keeping them is no evidence: {', '.join(rules)}.")
    if run.data_checks_passed is None:
        say("The dataset brings no expectations.yaml: a gate that requires data checks will read ERROR.")
    say(f"Run {run.run_id}")


def _row(name: str, estimate: Estimate) -> list[str]:
    value = "not measured" if estimate.value is None else f"{estimate.value:.3f}"
    interval = estimate.interval
    bounds = "" if interval is None else f"{interval.low:.3f} to {interval.high:.3f}"
    counts = (estimate.units, estimate.cases, estimate.skipped, estimate.failed, estimate.missing)
    return [name, value, bounds, *map(str, counts)]


def _default_suite(session: Session, ref: str) -> str:
    from assay.registry.errors import AssayError

    if ref.startswith("recorded:"):
        raise AssayError("name the suite that judges these recordings with --suite")
    return session.workspace.release(session.store.bundle(ref).name).suite
