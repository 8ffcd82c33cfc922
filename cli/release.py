"""`assay promote` and `assay status`: release control."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import say, table
from assay.cli.pipeline import Session, now, whoami
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.registry.promotion import AliasState, ReleaseStatus

__all__ = ["promote", "status"]


def promote(
    ref: Annotated[str, typer.Argument(help="The bundle to promote, e.g. harborline@candidate.")],
) -> None:
    """Make a bundle the champion. Needs a stored PASS for exactly this bundle, dataset, suite and policy.

    Exits 1 where that is missing, and says what is.

    Example: assay promote harborline@candidate
    """
    from assay.registry.promotion import promote as move

    session = Session(find_workspace())
    agent = session.store.bundle(ref).name
    before = session.ledger.promotions(agent)
    stood_at = session.store.aliases(agent).get("champion")
    done = move(session.store, session.ledger, agent, ref, session.requirements(agent, ref), whoami(), now())
    if done in before[:1] and stood_at != done.bundle_version:
        say(f"{done.label} is champion since {done.at}: {agent}@champion, moved by hand, is put back on it.")
        return
    if done in before[:1]:
        say(f"{done.label} is {agent}@champion already, since {done.at}.")
        return
    say(f"{done.label} is now {agent}@champion. Decision {done.decision_digest[:12]}, promoted by {done.by}.")


def status(
    agent: Annotated[str, typer.Argument(help="The agent, e.g. harborline.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show an agent's champion, candidate and last decisions, and anything moved by hand."""
    from assay.registry.promotion import status as read

    session = Session(find_workspace())
    found = read(session.store, session.ledger, agent)
    if as_json:
        say(json.dumps(_plain(found), indent=2))
        return
    for name, state in _aliases(found):
        say(f"{name:<10} {_described(state)}")
    if found.last_promotion:
        say(f"promoted   {found.last_promotion.label} at {found.last_promotion.at} by {found.last_promotion.by}")
    decisions = [recorded.decision for recorded in found.decisions]
    if decisions:
        rows = [[d.candidate.bundle_label, str(d.verdict), d.policy, d.decided_at, d.summary] for d in decisions]
        table(["bundle", "verdict", "policy", "decided", "in short"], rows)
    else:
        say("No decision is recorded yet. `assay gate RUN` makes one.")
    for problem in found.mismatches:
        say(f"Attention: {problem}")


def _aliases(found: ReleaseStatus) -> tuple[tuple[str, AliasState | None], ...]:
    return ("champion", found.champion), ("candidate", found.candidate)


def _described(state: AliasState | None) -> str:
    if state is None:
        return "none"
    return (
        f"v{state.version}, {state.problem}"
        if state.bundle is None
        else f"{state.bundle.label}, sha256 {state.bundle.digest}"
    )


def _plain(found: ReleaseStatus) -> dict[str, object]:
    aliases = {
        name: None if state is None else {"version": state.version, "digest": state.bundle and state.bundle.digest}
        for name, state in _aliases(found)
    }
    return {
        "agent": found.agent,
        **aliases,
        "last_promotion": found.last_promotion and found.last_promotion.model_dump(mode="json"),
        "decisions": [{"digest": r.digest, **r.decision.model_dump(mode="json")} for r in found.decisions],
        "mismatches": list(found.mismatches),
    }
