"""`assay plan`: what a policy needs, before anything is run for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import note, say, table
from assay.cli.pipeline import Session
from assay.registry.errors import AssayError, NotFoundError
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.gates.evidence import Evidence
    from assay.gates.planning import PlanRow
    from assay.registry.types.run import EvalRun

__all__ = ["plan", "tell_what_cannot_pass"]


def plan(
    policy: Annotated[str, typer.Argument(help="A gate policy by name or path.", metavar="POLICY")],
    truth: Annotated[
        list[str] | None,
        typer.Option(
            "--truth",
            help="What the agent is taken to have: a metric or a check, and its value. Several may be given. "
            "For a comparison, the check's name and the true difference. Default: as observed in the run.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    power: Annotated[float, typer.Option(min=0.5, max=0.999, help="The chance to pass that is wanted.")] = 0.8,
    run: Annotated[
        str, typer.Option("--run", help="A stored run on today's dataset; `none` to plan without one.")
    ] = "latest",
    discordant: Annotated[
        float, typer.Option(min=0.001, max=1, help="Share of cases on which candidate and champion differ.")
    ] = 0.1,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Show how many conversations each check of a policy takes, and what those there are can show at best.

    Example: assay plan production --truth escalation_recall=0.97 --power 0.9
    """
    from assay.gates.planning import plan as plan_policy

    session = Session(find_workspace())
    found = session.load_policy(policy)[0]
    evidence = None if run == "none" else _evidence(session, run)
    rows = plan_policy(found, evidence, dict(_truth(text) for text in truth or ()), power, discordant)
    if as_json:
        say(json.dumps({"policy": found.name, "power": power, "checks": [asdict(row) for row in rows]}, indent=2))
        return
    where = "" if evidence is None else f", on the conversations of {_label(evidence.run)}"
    table(
        ["check", "truth", "needed", "have", "chance", "best limit"],
        [_row(row) for row in rows],
        title=f"{found.name}: conversations needed for a chance of {power:.0%} to pass{where}",
    )
    _tell(rows, evidence is not None)


def tell_what_cannot_pass(session: Session, run: EvalRun, policy: str) -> None:
    """A note for every blocking check that the conversations of the run cannot pass, whatever the agent does.

    None for a run that is partial: its dataset may well be large enough, and the decision says what was not run.
    """
    from assay.gates.evidence import read_evidence
    from assay.gates.planning import cannot_pass
    from assay.registry.errors import NotMeasuredError

    if any(unit.outcome is None for unit in run.planned):
        return
    try:
        rows = cannot_pass(session.load_policy(policy)[0], read_evidence(run))
    except NotMeasuredError:
        return  # the decision says why nothing can be judged
    for row in rows:
        note(f"Warning: by arithmetic alone {row.check} cannot pass on this dataset: {row.problem}.")


def _evidence(session: Session, ref: str) -> Evidence | None:
    from assay.gates.evidence import read_evidence

    try:
        return read_evidence(session.load_run(ref)[0])
    except NotFoundError:
        if ref != "latest":
            raise
        note("No run is stored yet: planned without one, so nothing is said of what there is.")
        return None


def _truth(text: str) -> tuple[str, float]:
    name, given, value = text.partition("=")
    try:
        if not given:
            raise ValueError
        return name.strip(), float(value)
    except ValueError:
        raise AssayError(f"--truth {text!r}: write NAME=VALUE, such as escalation_recall=0.97") from None


def _row(row: PlanRow) -> list[str]:
    return [
        row.check,
        _number(row.truth),
        "-" if row.needed is None else f"{row.needed:,}",
        "-" if row.available is None else f"{row.available:,}",
        "-" if row.power is None else f"{row.power:.0%}",
        _number(row.best),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _tell(rows: Sequence[PlanRow], with_run: bool) -> None:
    from assay.gates.planning import UNTOLD

    if untold := [row.check for row in rows if row.truth is None and row.problem == UNTOLD]:
        say(f"Not planned, as no --truth and no run tells what the agent has: {', '.join(untold)}.")
    for row in rows:
        if row.problem and row.problem != UNTOLD:
            say(f"{'CANNOT PASS ' if row.impossible else ''}{row.check}: {row.problem}.")
    if any(row.impossible and row.blocking for row in rows):
        say("\nThis policy cannot pass on this dataset, whatever the agent does.")
    elif with_run:
        weakest = min((row for row in rows if row.blocking and row.power is not None), key=_chance, default=None)
        if weakest is not None:
            say(
                f"\nAll blocking checks have to pass, so the chance is at most that of {weakest.check}: "
                f"{weakest.power:.0%}."
            )


def _chance(row: PlanRow) -> float:
    return 1.0 if row.power is None else row.power


def _label(run: EvalRun) -> str:
    return f"{run.bundle_label} ({run.run_id[:8]})"
