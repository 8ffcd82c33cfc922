"""`assay register` and `assay bundle ...`: what exists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import day, say, table
from assay.cli.pipeline import Session
from assay.cli.serving import LOADER
from assay.registry.errors import NotFoundError
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.registry.bundle_diff import BundleDiff
    from assay.registry.store import VersionSummary

__all__ = ["diff_lines", "group", "register", "register_bundle"]

_PART = {"retrieval": "retrieval config"}

group = typer.Typer(help="Look at registered bundles.", no_args_is_help=True, rich_markup_mode=None)


def register(
    bundle: Annotated[Path, typer.Argument(help="The bundle's YAML file.", metavar="BUNDLE.yaml")],
) -> None:
    """Register a bundle's prompt, retrieval config, model and manifest in MLflow, as the new candidate.

    The same content again makes no new version.

    Example: assay register bundles/harborline/champion.yaml
    """
    register_bundle(Session(find_workspace()), bundle)


def register_bundle(session: Session, file: Path, *, quiet: bool = False) -> str:
    """Register and say what was new; returns a reference to the exact version, e.g. `harborline/3`."""
    from assay.runner.agents.factory import check_bundle_file
    from assay.runner.agents.reference.triage import train_triage

    check_bundle_file(file)
    registration = session.store.register(file, train_triage, loader=LOADER)
    version = registration.version
    if quiet:
        return f"{version.name}/{version.version}"
    known = "registered" if registration.created else "already registered"
    say(f"{version.label} {known} (sha256 {version.digest[:12]}), now {version.name}@candidate")
    for kind, part in version.parts.items():
        fresh = "new" if kind in registration.new_parts else "unchanged"
        say(f"  {kind:<10} {part.name} v{part.version} ({fresh}, sha256 {part.digest[:12]})")
    return f"{version.name}/{version.version}"


@group.command("list")
def list_bundles(
    agent: Annotated[str | None, typer.Argument(help="Only this agent's bundles.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """List registered bundles with the aliases that point at them."""
    session = Session(find_workspace())
    if agent is not None and agent not in session.store.agents():
        raise NotFoundError("agent", agent, session.store.agents(), where="the registry")
    found = [
        version for name in ([agent] if agent else session.store.agents()) for version in session.store.versions(name)
    ]
    if as_json:
        say(json.dumps([_summary(version) for version in found], indent=2))
    elif not found:
        say("No bundle is registered yet. `assay register BUNDLE.yaml` registers one.")
    else:
        rows = [[v.label, ", ".join(v.aliases), v.digest[:12], day(v.created_at_ms)] for v in found]
        table(["bundle", "aliases", "sha256", "registered"], rows)


def _summary(version: VersionSummary) -> dict[str, object]:
    return {
        "bundle": f"{version.agent}/{version.version}",
        "aliases": list(version.aliases),
        "digest": version.digest,
        "registered": day(version.created_at_ms),
    }


@group.command("show")
def show(
    ref: Annotated[str, typer.Argument(help="A bundle, e.g. harborline@candidate or harborline/3.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole manifest as JSON.")] = False,
) -> None:
    """Show a bundle's manifest, after checking every part of it against its digest."""
    bundle = Session(find_workspace()).store.resolve(ref)
    version = bundle.version
    if as_json:
        say(version.model_dump_json(indent=2))
        return
    manifest = version.manifest
    say(f"{version.label}  sha256 {version.digest}")
    say(f"  {manifest.description}")
    table(
        ["part", "in MLflow", "sha256"],
        [[_PART.get(kind, kind), f"{p.name} v{p.version}", p.digest] for kind, p in version.parts.items()],
    )
    table(
        ["role", "tools", "may search", "may hand off"],
        [[r.name, ", ".join(r.tools) or "-", _yes(r.may_search), _yes(r.may_hand_off)] for r in manifest.roles],
    )
    table(
        ["intent", "autonomy level", "queue"],
        [[name, p.autonomy.value, p.queue or ""] for name, p in manifest.autonomy.intents.items()],
    )


@group.command("diff")
def diff(
    a: Annotated[str, typer.Argument(help="A bundle, e.g. harborline@champion.")],
    b: Annotated[str, typer.Argument(help="Another, e.g. harborline@candidate.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show what differs between two bundles: prompt text, settings, knowledge, model."""
    from assay.registry.bundle_diff import diff_bundles

    store = Session(find_workspace()).store
    found = diff_bundles(store.resolve(a), store.resolve(b))
    if as_json:
        say(json.dumps(asdict(found), indent=2))
        return
    for line in diff_lines(found):
        say(line)


def diff_lines(diff: BundleDiff) -> Iterator[str]:
    """A difference as lines of text."""
    if diff.same:
        yield f"No difference: {diff.old} and {diff.new} have the same content."
        return
    yield f"{diff.old} -> {diff.new}"
    if diff.prompt:
        yield "\nprompt"
        yield from (f"  {line.rstrip()}" for line in diff.prompt)
    if diff.settings:
        yield "\nsettings"
        yield from (f"  {c.key}: {_or_absent(c.old)} -> {_or_absent(c.new)}" for c in diff.settings)
    knowledge = (("+", diff.documents_added), ("-", diff.documents_removed), ("~", diff.documents_changed))
    lines = [f"  {sign} {name}" for sign, names in knowledge for name in names]
    if lines or diff.documents_edited:
        yield "\nknowledge"
        yield from lines or ["  front matter of documents (dates, audience, topics) differs"]
    if diff.model_changed:
        yield "\nmodel"
        yield "  trained from another source" if diff.model_source_changed else "  other bytes, same source"


def _or_absent(value: str | None) -> str:
    return "(absent)" if value is None else value


def _yes(value: bool) -> str:
    return "yes" if value else "no"
