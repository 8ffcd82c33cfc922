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
from assay.registry.store.read import (
    label,
    pinned_version,
    read_model,
    read_prompt,
    read_retrieval,
    read_stored_bundle,
)
from assay.registry.types.bundle import BundleVersion

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from assay.registry.retrieval.search import Retriever

__all__ = ["ResolvedBundle", "bundle_version", "resolve"]


@dataclass(frozen=True)
class ResolvedBundle:
    """A registered bundle with its parts, each verified by digest when it was resolved."""

    version: BundleVersion
    prompt: str
    knowledge: tuple[KnowledgeDocument, ...]
    model_bytes: bytes = field(repr=False)
    training_text: str = field(repr=False)
    """The text that the model was trained from."""

    @property
    def documents(self) -> dict[str, str]:
        """Knowledge document id to its text."""
        return {document.id: document.text for document in self.knowledge}

    @cached_property
    def internal_documents(self) -> tuple[str, ...]:
        """Ids of documents that must not be quoted to customers."""
        return tuple(document.id for document in self.knowledge if document.audience == "internal")

    @cached_property
    def retriever(self) -> Retriever:
        """Searches the bundle's knowledge as its retrieval config says."""
        from assay.registry.retrieval.search import Retriever

        return Retriever(self.knowledge, self.version.manifest.retrieval)

    @cached_property
    def model(self) -> object:
        """The trained estimator.

        Raises:
            IntegrityError: the stored bytes are no estimator.
        """
        return load_estimator(self.model_bytes, f"the model {self.version.model.name} v{self.version.model.version}")


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
    prompt = read_prompt(connection, found.prompt)
    with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
        retrieval = pinned_version(connection, found.retrieval)
        folder = read_retrieval(connection, retrieval, found.retrieval.digest, Path(scratch) / "retrieval")
        try:
            knowledge = load_knowledge(folder)
        except ContentError as error:
            raise IntegrityError(f"the knowledge of {label(retrieval)} cannot be read: {error}") from error
        model = pinned_version(connection, found.model)
        data, training = read_model(connection, model, found.model.digest, found.manifest, Path(scratch) / "model")
    return ResolvedBundle(version=found, prompt=prompt, knowledge=knowledge, model_bytes=data, training_text=training)
