"""What is stored, as types: a bundle's parts as they are read from files, and the files kept in MLflow.

Digests: of a prompt, its UTF-8 bytes; of knowledge, its files by name and SHA-256; of a retrieval config, the
config with the knowledge; of a model, its stored bytes; of a bundle, its manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assay.registry.digest import digest_bytes, digest_of, digest_tree
from assay.registry.errors import ContentError
from assay.registry.retrieval.documents import load_knowledge
from assay.registry.store.source import pack_source
from assay.registry.strict import load_yaml, read_text
from assay.registry.types.base import Digest, Frozen, Name
from assay.registry.types.bundle import (
    ArtifactVersion,
    BundleManifest,
    BundleSource,
    CodeConfig,
    ModelConfig,
    RetrievalConfig,
    TriageConfig,
    TriageSource,
    named_parts,
)

__all__ = [
    "BundleFiles",
    "StoredBundle",
    "StoredRetrieval",
    "model_source_digest",
    "prompt_digest",
    "read_bundle",
    "retrieval_digest",
    "training_digest",
]


class StoredRetrieval(Frozen):
    """`retrieval.json`: the config, and the SHA-256 of every knowledge file."""

    config: RetrievalConfig
    documents: dict[str, Digest]

    @property
    def knowledge_digest(self) -> str:
        """Over the names and digests of all knowledge files."""
        return digest_of(self.documents)


class StoredBundle(Frozen):
    """`bundle.json`: the manifest, its digest, and where the bundle's parts lie in MLflow."""

    schema_version: Literal[1] = 1
    name: Name
    digest: Digest
    manifest: BundleManifest
    prompt: ArtifactVersion | None
    retrieval: ArtifactVersion | None
    model: ArtifactVersion

    @property
    def parts(self) -> dict[str, ArtifactVersion]:
        """The parts that the bundle has, by what they are."""
        return named_parts(self.prompt, self.retrieval, self.model)


@dataclass(frozen=True)
class BundleFiles:
    """A bundle as its author wrote it, with everything that it names read. What it does not have is None or empty."""

    file: Path
    source: BundleSource
    prompt: str | None
    knowledge: Path | None
    retrieval: StoredRetrieval | None
    model: ModelConfig
    utterances: str = ""
    """Text of the CSV file that a triage model is trained from."""
    code: bytes = b""
    """The packed source of an agent that brings its own."""

    @property
    def model_source_digest(self) -> str:
        """Over all that goes into the model."""
        return model_source_digest(self.model, self.utterances, self.code)


def read_bundle(file: Path) -> BundleFiles:
    """Read `bundle.yaml` and everything it names.

    Raises:
        ContentError: a file is missing, empty or ill-formed; names the file and the key.
    """
    source = load_yaml(file, BundleSource)
    knowledge = None if source.retrieval is None else (file.parent / source.retrieval.knowledge).resolve()
    if knowledge is not None:
        load_knowledge(knowledge)
    model = source.model
    triage = isinstance(model, TriageSource)
    return BundleFiles(
        file=file,
        source=source,
        prompt=None if source.prompt is None else _text(file, source.prompt.file, "prompt.file"),
        knowledge=knowledge,
        retrieval=None
        if source.retrieval is None or knowledge is None
        else StoredRetrieval(
            config=RetrievalConfig(**source.retrieval.model_dump(exclude={"knowledge"})),
            documents=digest_tree(knowledge, "*.md"),
        ),
        model=TriageConfig(**model.model_dump(exclude={"utterances"})) if triage else model,
        utterances=_text(file, model.utterances, "model.utterances") if triage else "",
        code=pack_source(file, model.path) if isinstance(model, CodeConfig) else b"",
    )


def prompt_digest(text: str) -> str:
    return digest_bytes(_utf8(text))


def training_digest(config: ModelConfig, utterances: str) -> str:
    """Over all that goes into a trained model: its config and the text it is trained from."""
    return digest_of({"config": config, "utterances": digest_bytes(_utf8(utterances))})


def model_source_digest(config: ModelConfig, utterances: str = "", code: bytes = b"") -> str:
    """Over all that goes into a model of any kind."""
    if isinstance(config, TriageConfig):
        return training_digest(config, utterances)
    return digest_of({"config": config, "code": digest_bytes(code)} if code else {"config": config})


def retrieval_digest(config: RetrievalConfig, knowledge_digest: str) -> str:
    return digest_of({"config": config, "knowledge": knowledge_digest})


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


def _text(bundle_file: Path, relative: str, key: str) -> str:
    text = read_text((bundle_file.parent / relative).resolve())
    if not text.strip():
        raise ContentError(f"{relative} is empty", file=bundle_file, key=key)
    return text
