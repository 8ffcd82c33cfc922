"""From a resolved bundle to an agent that can be replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_never

from assay.registry.errors import ContentError
from assay.registry.retrieval.search import Retriever
from assay.registry.strict import load_yaml, read_text
from assay.registry.types.bundle import BundleManifest, BundleSource
from assay.runner.agents.base import Agent
from assay.runner.agents.reference.agent import build_reference_agent, read_settings
from assay.runner.agents.reference.prompt import Prompt

__all__ = ["build_agent", "check_bundle_file"]


def check_bundle_file(file: Path) -> None:
    """Refuse what the bundle's agent could not run with, before any of it is registered.

    Raises:
        ContentError: the bundle, its settings or its prompt are ill-formed; names the file.
    """
    source = load_yaml(file, BundleSource)
    read_settings(source.adapter, file)
    prompt = file.parent / source.prompt.file
    try:
        Prompt(read_text(prompt))
    except ContentError as error:
        raise error if error.file else ContentError(error.problem, file=prompt) from None


def build_agent(manifest: BundleManifest, *, prompt: str, retriever: Retriever, model: Any) -> Agent:
    """The agent that the manifest's adapter names.

    Raises:
        ContentError: a part does not fit the adapter.
    """
    kind = manifest.adapter.kind
    if kind == "embedded":
        return build_reference_agent(manifest, prompt, retriever, model)
    assert_never(kind)
