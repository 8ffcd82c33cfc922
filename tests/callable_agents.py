"""Agents of a team's own for tests: their source as text, run through the real replay."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path

from assay.registry.digest import digest_of
from assay.registry.types.bundle import BundleManifest
from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Trajectory
from assay.runner.agents.base import Agent
from assay.runner.agents.callable.agent import CallableAgent, build_callable_agent
from assay.runner.journal import Journal
from assay.runner.replay import Limits, plan, replay

BUNDLE = "b" * 64


def manifest(settings: dict[str, object], **more: object) -> BundleManifest:
    return BundleManifest.model_validate(
        {
            "agent": "mine",
            "adapter": {"kind": "callable", "settings": settings},
            "prompt_digest": None,
            "retrieval": None,
            "knowledge_digest": None,
            "model": {"kind": "code", "path": "agent.py"},
            "model_source_digest": "a" * 64,
            "model_digest": "a" * 64,
            "tools": [],
            "roles": [],
            "autonomy": {"intents": {}},
            **more,
        }
    )


def made(
    folder: Path, code: str, *, prompt: str = "", target: str = "agent:reply", **settings: object
) -> CallableAgent:
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "agent.py").write_text(textwrap.dedent(code), encoding="utf-8")
    return build_callable_agent(manifest({"target": target, **settings}), prompt, source, folder)


def case(name: str, *said: str, **more: object) -> Case:
    return Case.model_validate(
        {
            "id": name,
            "intent": "balance_inquiry",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "date": "2026-03-02",
            "turns": [{"customer": text} for text in said or ("hello",)],
            "expect": {"escalation": {"required": False}},
            **more,
        }
    )


def run(
    agent: Agent,
    *cases: Case,
    journal: Path | None = None,
    timeout: float = 20,
    concurrency: int = 16,
    settings: ReplaySettings | None = None,
) -> dict[str, Trajectory]:
    """Every case's trajectory, by its id."""
    settings = settings or ReplaySettings(turn_timeout_s=timeout)
    trials = plan(cases, {c.id: digest_of(c) for c in cases}, BUNDLE, settings, 1)
    folder = journal or Path(agent._folder).parent / ".journal"

    async def collect() -> dict[str, Trajectory]:
        found = {}
        async for done in replay(
            agent,
            trials,
            agent_name="mine",
            bundle_digest=BUNDLE,
            settings=settings,
            journal=Journal(folder),
            limits=Limits(concurrency),
        ):
            found[done.trial.case.id] = done.trajectory
        return found

    return asyncio.run(collect())
