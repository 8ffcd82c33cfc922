"""From a resolved bundle to an agent that can be replayed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.errors import AssayError, ContentError
from assay.registry.strict import load_yaml, read_text
from assay.registry.types.bundle import BundleSource
from assay.runner.agents.base import Agent

if TYPE_CHECKING:
    from assay.registry.store import ResolvedBundle

__all__ = ["build_agent", "check_bundle_file"]


def check_bundle_file(file: Path) -> None:
    """Refuse what the bundle's agent could not run with, before any of it is registered.

    Raises:
        ContentError: the bundle, its settings or its prompt are ill-formed; names the file.
    """
    source = load_yaml(file, BundleSource)
    if source.adapter.kind == "embedded":
        from assay.runner.agents.reference.agent import read_settings
        from assay.runner.agents.reference.prompt import Prompt

        read_settings(source.adapter, file)
        assert source.prompt is not None
        prompt = file.parent / source.prompt.file
        try:
            Prompt(read_text(prompt))
        except ContentError as error:
            raise error if error.file else ContentError(error.problem, file=prompt) from None
    elif source.adapter.kind == "mlflow":
        from assay.runner.agents.mlflow_models.settings import check_mlflow_source

        check_mlflow_source(source, file)


def build_agent(bundle: ResolvedBundle, workspace: Path, *, share: float = 1.0) -> Agent:
    """The agent that the bundle's adapter names.

    Args:
        bundle: its parts are read when the agent needs them.
        workspace: folder that relative paths of an adapter's settings start from.
        share: the part of an endpoint's rate limits that this agent may use, where others share it.

    Raises:
        ContentError: a part does not fit the adapter.
    """
    manifest = bundle.manifest
    kind = manifest.adapter.kind
    if kind == "embedded":
        from assay.runner.agents.reference.agent import build_reference_agent

        assert bundle.retriever is not None
        return build_reference_agent(manifest, bundle.prompt, bundle.retriever, bundle.model)
    if kind == "mlflow":
        from assay.runner.agents.mlflow_models.agent import build_mlflow_agent

        assert bundle.mlflow_model is not None
        return build_mlflow_agent(manifest, bundle.mlflow_model, bundle.prompt)
    raise AssayError(f"agents of kind {kind!r} cannot be run yet")
