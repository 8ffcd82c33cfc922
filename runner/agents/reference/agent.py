"""Building the reference agent from a bundle's parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assay.registry.errors import ContentError, nearest
from assay.registry.retrieval.search import Retriever
from assay.registry.types.bundle import Adapter, BundleManifest
from assay.runner.agents.base import Agent, AgentSession, ConversationContext
from assay.runner.agents.reference.desk import Roles
from assay.runner.agents.reference.equipment import Equipment
from assay.runner.agents.reference.handoff import ReferenceSettings
from assay.runner.agents.reference.judgement import SMALL_TALK
from assay.runner.agents.reference.prompt import Prompt
from assay.runner.agents.reference.rehearsal import RehearsedSession
from assay.runner.agents.reference.session import ReferenceSession
from assay.runner.agents.reference.triage import TriageModel
from assay.runner.agents.settings import read_adapter_settings

__all__ = ["ReferenceAgent", "build_reference_agent", "read_settings"]


class ReferenceAgent:
    """Harborline's assistant. Sessions share its parts, which never change, and may run concurrently."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment

    def start(self, context: ConversationContext) -> AgentSession:
        """Begin a conversation."""
        session = ReferenceSession(self._equipment, context)
        return RehearsedSession(session, context) if context.history else session


def read_settings(adapter: Adapter, file: Path | None = None) -> ReferenceSettings:
    """The settings of the reference agent. Raises ContentError, with `file` where it is given."""
    return read_adapter_settings(adapter, ReferenceSettings, file)


def build_reference_agent(manifest: BundleManifest, prompt: str, retriever: Retriever, model: Any) -> Agent:
    """An agent that works under `manifest`.

    Args:
        manifest: tools, roles and autonomy policy; `adapter.settings` are `ReferenceSettings`.
        prompt: text of the prompt artifact.
        retriever: the search over the bundle's knowledge.
        model: the trained triage estimator.

    Raises:
        ContentError: the prompt, the settings, the roles or the model do not fit the agent, or the model knows an
            intent that the autonomy policy says nothing about.
    """
    settings = read_settings(manifest.adapter)
    triage = TriageModel(model)
    known = set(manifest.autonomy.intents) | SMALL_TALK
    for intent in triage.intents:
        if intent not in known:
            raise ContentError(
                f"the model gives the intent {intent!r}, about which the autonomy policy says nothing."
                f"{nearest(intent, known)}",
                key="autonomy.intents",
            )
    return ReferenceAgent(Equipment(manifest, settings, Prompt(prompt), retriever, triage, Roles(manifest)))
