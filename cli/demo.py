"""The demo: five bundles of the reference agent go through the gate."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.cli.bundles import register_bundle
from assay.cli.console import say, table
from assay.cli.gating import show_decision, write_report
from assay.cli.pipeline import Session, now, whoami
from assay.registry.errors import RefusedError
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.registry.types.decision import Decision

__all__ = ["run_demo"]


@dataclass(frozen=True)
class _Release:
    file: str
    what: str
    expected: str


_RELEASES = (
    _Release("champion", "the first release", "PASS"),
    _Release("drop-verification", "a prompt edit that drops identity verification and a disclosure", "FAIL"),
    _Release("weak-retrieval", "a retrieval config that answers from weak passages", "FAIL"),
    _Release("poor-model", "a model trained on poor data", "FAIL"),
    _Release("improved", "a wider search, which has to show that it is no step back", "PASS"),
)


def run_demo(folder: Path) -> int:
    """Take every bundle through the main job; 0 when each got the verdict it deserves, else 4."""
    began = time.monotonic()
    session = Session(find_workspace(folder, {**os.environ, "MLFLOW_TRACKING_URI": "", "ASSAY_LEDGER_URL": ""}))
    say(f"Workspace: {folder}")
    outcomes: list[tuple[_Release, Decision, str, Path]] = []
    for release in _RELEASES:
        decision, promoted = _release(session, release)
        report = write_report(session, decision, folder / "reports" / f"{release.file}.html")
        outcomes.append((release, decision, promoted, report))
    _summary(outcomes)
    say(f"\nFive releases judged in {time.monotonic() - began:.0f} s.")
    say(f"Reports to open:  {outcomes[-1][3]}")
    for _, _, _, path in outcomes[1:4]:
        say(f"                  {path}")
    say(f"MLflow:           {_command('mlflow')} ui --backend-store-uri {session.workspace.tracking_uri}")
    say(f"Go on from here:  cd {folder} && {_command('assay')} status harborline")
    say("What the champion still lacks for every customer:")
    say(f"                  {_command('assay')} gate harborline@champion --policy scaled")
    surprises = [r.file for r, decision, _, _ in outcomes if decision.verdict != r.expected]
    for name in surprises:
        say(f"Unexpected verdict: {name}")
    return 4 if surprises else 0


def _command(name: str) -> str:
    """How to call a command of this environment from anywhere."""
    return name if shutil.which(name) else str(Path(sys.executable).with_name(name))


def _release(session: Session, release: _Release) -> tuple[Decision, str]:
    file = session.workspace.bundles / "harborline" / f"{release.file}.yaml"
    say(f"\n=== {release.file}: {release.what}")
    say(f"$ assay check bundles/harborline/{release.file}.yaml")
    ref = register_bundle(session, file)
    standing = session.workspace.release("harborline")
    run = session.evaluate(ref, standing.suite)
    decision = session.gate(run.run_id, standing.policy)
    show_decision(decision)
    say("$ assay promote harborline@candidate")
    return decision, _promote(session, ref)


def _promote(session: Session, ref: str) -> str:
    from assay.registry.promotion import promote

    try:
        done = promote(
            session.store, session.ledger, "harborline", ref, session.requirements("harborline", ref), whoami(), now()
        )
    except RefusedError as refusal:
        say(f"Refused: {refusal}")
        return "blocked"
    say(f"{done.label} is now harborline@champion.")
    return "promoted"


def _summary(outcomes: list[tuple[_Release, Decision, str, Path]]) -> None:
    say()
    rows = [
        [release.file, str(decision.verdict), promoted, _why(decision)] for release, decision, promoted, _ in outcomes
    ]
    table(["bundle", "verdict", "", "why"], rows)


def _why(decision: Decision) -> str:
    if decision.verdict == "PASS":
        return decision.summary
    worst = [c for c in decision.checks if c.verdict == decision.verdict and c.blocking]
    parts = [f"{c.check}: {c.breakdown[0]}" if c.breakdown else c.check for c in worst[:3]]
    more = f"; and {len(worst) - 3} more" if len(worst) > 3 else ""
    return "; ".join(parts) + more
