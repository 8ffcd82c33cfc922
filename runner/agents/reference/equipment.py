"""What the conversations of one agent share."""

from __future__ import annotations

from dataclasses import dataclass

from assay.registry.retrieval.search import Retriever
from assay.registry.types.bundle import AutonomyPolicy, BundleManifest
from assay.runner.agents.reference.desk import Roles
from assay.runner.agents.reference.handoff import ReferenceSettings
from assay.runner.agents.reference.prompt import Prompt
from assay.runner.agents.reference.triage import TriageModel

__all__ = ["Equipment"]


@dataclass(frozen=True)
class Equipment:
    """Everything that the conversations of one agent share; nothing in it changes."""

    manifest: BundleManifest
    settings: ReferenceSettings
    prompt: Prompt
    retriever: Retriever
    model: TriageModel
    roles: Roles

    @property
    def policy(self) -> AutonomyPolicy:
        return self.manifest.autonomy

    def needs_verification(self, tool: str) -> bool:
        """Whether the tool asks for a verified identity and the prompt tells the agent to verify."""
        declared = any(spec.name == tool and spec.needs_verification for spec in self.manifest.tools)
        return declared and self.prompt.has("identity_verification")
