"""From a resolved bundle to an agent that can be replayed."""

from __future__ import annotations

from typing import Any, assert_never

from assay.registry.retrieval.search import Retriever
from assay.registry.types.bundle import BundleManifest
from assay.runner.agents.base import Agent
from assay.runner.agents.reference.agent import build_reference_agent

__all__ = ["build_agent"]


def build_agent(manifest: BundleManifest, *, prompt: str, retriever: Retriever, model: Any) -> Agent:
    """The agent that the manifest's adapter names.

    Raises:
        ContentError: a part does not fit the adapter.
    """
    kind = manifest.adapter.kind
    if kind == "embedded":
        return build_reference_agent(manifest, prompt, retriever, model)
    assert_never(kind)
