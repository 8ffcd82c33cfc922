"""A bundle, resolved: every part read back and found to be what was registered."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.errors import ContentError, IntegrityError
from assay.registry.retrieval.documents import KnowledgeDocument, load_knowledge
from assay.registry.store.connection import Connection
from assay.registry.store.estimators import load_estimator
from assay.registry.store.mlflow_models import MlflowModel, fetch_model
from assay.registry.store.read import (
    label,
    pinned_version,
    read_model,
    read_prompt,
    read_retrieval,
    read_stored_bundle,
)
from assay.registry.store.source import unpack_source
from assay.registry.types.bundle import ArtifactVersion, BundleManifest, BundleVersion, MlflowConfig

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from assay.registry.retrieval.search import Retriever

__all__ = ["ResolvedBundle", "bundle_version", "resolve"]


@dataclass(frozen=True)
class ResolvedBundle:
    """A registered bundle with its parts, each verified by digest when it was resolved.

    `prompt` is empty and `knowledge` without documents where the agent has them inside.
    """

    version: BundleVersion
    prompt: str
    knowledge: tuple[KnowledgeDocument, ...]
    model_bytes: bytes = field(repr=False)
    training_text: str = field(repr=False)
    """The text that the model was trained from; empty where Assay did not train it."""
    mlflow_model: MlflowModel | None = None
    """A copy of the model's files, where the agent is a model that was in MLflow before."""

    @property
    def documents(self) -> dict[str, str]:
        """Knowledge document id to its text."""
        return {document.id: document.text for document in self.knowledge}

    @cached_property
    def internal_documents(self) -> tuple[str, ...]:
        """Ids of documents that must not be quoted to customers."""
        return tuple(document.id for document in self.knowledge if document.audience == "internal")

    @property
    def manifest(self) -> BundleManifest:
        return self.version.manifest

    @cached_property
    def retriever(self) -> Retriever | None:
        """Searches the bundle's knowledge as its retrieval config says; None where it has none."""
        from assay.registry.retrieval.search import Retriever

        config = self.version.manifest.retrieval
        return None if config is None else Retriever(self.knowledge, config)

    @cached_property
    def model(self) -> object:
        """The trained estimator of a triage model.

        Raises:
            IntegrityError: the stored bytes are no estimator.
        """
        return load_estimator(self.model_bytes, f"the model {self.version.model.name} v{self.version.model.version}")

    def unpack_code(self, into: Path) -> Path:
        """Write the source of an agent that brings its own below `into`; returns the folder that holds it.

        Raises:
            IntegrityError: the stored bytes are no packed source.
        """
        return unpack_source(self.model_bytes, into)


def bundle_version(connection: Connection, version: ModelVersion) -> BundleVersion:
    """What a bundle's version pins, from its verified `bundle.json`; its parts are not read.

    Raises:
        IntegrityError: `bundle.json` is not what was registered.
    """
    with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
        stored = read_stored_bundle(connection, version, Path(scratch))
    return BundleVersion(
        name=stored.name,
        version=int(version.version),
        digest=stored.digest,
        manifest=stored.manifest,
        prompt=stored.prompt,
        retrieval=stored.retrieval,
        model=stored.model,
    )


def resolve(connection: Connection, version: ModelVersion) -> ResolvedBundle:
    """Read a bundle and all its parts.

    Raises:
        IntegrityError: something was changed after registration; names the artifact, its digest then and now.
    """
    found = bundle_version(connection, version)
    prompt = "" if found.prompt is None else read_prompt(connection, found.prompt)
    with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
        knowledge = _knowledge(connection, found.retrieval, Path(scratch) / "retrieval")
        model = pinned_version(connection, found.model)
        data, training = read_model(connection, model, found.model.digest, found.manifest, Path(scratch) / "model")
    copy = None
    if isinstance(found.manifest.model, MlflowConfig):
        copy = fetch_model(connection, found.manifest.model)
        copy.check(data)
    return ResolvedBundle(found, prompt, knowledge, data, training, copy)


def _knowledge(connection: Connection, pinned: ArtifactVersion | None, into: Path) -> tuple[KnowledgeDocument, ...]:
    if pinned is None:
        return ()
    version = pinned_version(connection, pinned)
    folder = read_retrieval(connection, version, pinned.digest, into)
    try:
        return load_knowledge(folder)
    except ContentError as error:
        raise IntegrityError(f"the knowledge of {label(version)} cannot be read: {error}") from error
