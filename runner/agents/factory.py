"""From a resolved bundle to an agent that can be replayed: one pair of functions for each kind of agent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.errors import ContentError
from assay.registry.strict import load_yaml, read_text
from assay.registry.types.bundle import AdapterKind, BundleSource, CodeConfig
from assay.runner.agents.base import Agent

if TYPE_CHECKING:
    from assay.registry.store import ResolvedBundle

__all__ = ["build_agent", "check_bundle_file"]


def check_bundle_file(file: Path, workspace: Path | None = None) -> None:
    """Refuse what the bundle's agent could not run with, before any of it is registered.

    Args:
        file: a bundle's YAML file.
        workspace: folder that relative paths of an adapter's settings start from; None is the current one.

    Raises:
        ContentError: the bundle, its settings or its prompt are ill-formed; names the file.
    """
    source = load_yaml(file, BundleSource)
    _KINDS[source.adapter.kind].check(source, file, workspace or Path.cwd())


def build_agent(bundle: ResolvedBundle, workspace: Path, *, share: float = 1.0) -> Agent:
    """The agent that the bundle's adapter names.

    Args:
        bundle: its parts are read when the agent needs them.
        workspace: folder that relative paths of an adapter's settings start from.
        share: the part of an endpoint's rate limits that this agent may use, where others share it.

    Raises:
        ContentError: a part does not fit the adapter, or a variable of the environment that it names is not set.
    """
    return _KINDS[bundle.manifest.adapter.kind].build(bundle, workspace, share)


def _check_embedded(source: BundleSource, file: Path, workspace: Path) -> None:
    from assay.runner.agents.reference.agent import read_settings
    from assay.runner.agents.reference.prompt import Prompt

    del workspace
    read_settings(source.adapter, file)
    assert source.prompt is not None
    prompt = file.parent / source.prompt.file
    try:
        Prompt(read_text(prompt))
    except ContentError as error:
        raise error if error.file else ContentError(error.problem, file=prompt) from None


def _embedded(bundle: ResolvedBundle, workspace: Path, share: float) -> Agent:
    from assay.runner.agents.reference.agent import build_reference_agent

    del workspace, share
    assert bundle.retriever is not None
    return build_reference_agent(bundle.manifest, bundle.prompt, bundle.retriever, bundle.model)


def _check_openai(source: BundleSource, file: Path, workspace: Path) -> None:
    from assay.runner.agents.openai.agent import check_openai_bundle

    del workspace
    check_openai_bundle(source, file)


def _openai(bundle: ResolvedBundle, workspace: Path, share: float) -> Agent:
    from assay.runner.agents.openai.agent import build_openai_agent

    del workspace
    return build_openai_agent(bundle.manifest, bundle.prompt, bundle.retriever, share=share)


def _check_http(source: BundleSource, file: Path, workspace: Path) -> None:
    from assay.runner.agents.http.settings import read_http_settings

    del workspace
    read_http_settings(source.adapter, file)


def _http(bundle: ResolvedBundle, workspace: Path, share: float) -> Agent:
    from assay.runner.agents.http.agent import build_http_agent

    del workspace
    return build_http_agent(bundle.manifest, share=share)


def _check_callable(source: BundleSource, file: Path, workspace: Path) -> None:
    from assay.runner.agents.callable.settings import check_callable

    assert isinstance(source.model, CodeConfig)
    check_callable(source.adapter, file, (file.parent / source.model.path).resolve(), workspace)


def _callable(bundle: ResolvedBundle, workspace: Path, share: float) -> Agent:
    from assay.runner.agents.callable.agent import build_callable_agent

    unpacked = tempfile.TemporaryDirectory(prefix="assay-agent-")  # goes with the agent
    source = bundle.unpack_code(Path(unpacked.name))
    agent = build_callable_agent(bundle.manifest, bundle.prompt, source, workspace, share=share)
    agent.keep(unpacked)
    return agent


def _check_mlflow(source: BundleSource, file: Path, workspace: Path) -> None:
    from assay.runner.agents.mlflow_models.settings import check_mlflow_source

    del workspace
    check_mlflow_source(source, file)


def _mlflow(bundle: ResolvedBundle, workspace: Path, share: float) -> Agent:
    from assay.runner.agents.mlflow_models.agent import build_mlflow_agent

    del workspace, share
    assert bundle.mlflow_model is not None
    return build_mlflow_agent(bundle.manifest, bundle.mlflow_model, bundle.prompt)


@dataclass(frozen=True)
class _Kind:
    check: Callable[[BundleSource, Path, Path], None]
    """Refuses a bundle file (source, file, workspace)."""
    build: Callable[[ResolvedBundle, Path, float], Agent]
    """Makes the agent (bundle, workspace, share)."""


_KINDS: dict[AdapterKind, _Kind] = {
    "embedded": _Kind(_check_embedded, _embedded),
    "openai": _Kind(_check_openai, _openai),
    "http": _Kind(_check_http, _http),
    "callable": _Kind(_check_callable, _callable),
    "mlflow": _Kind(_check_mlflow, _mlflow),
}
