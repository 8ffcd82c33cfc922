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
from assay.registry.strict import load_yaml, read_text
from assay.registry.types.base import Digest, Frozen, Name
from assay.registry.types.bundle import ArtifactVersion, BundleManifest, BundleSource, ModelConfig, RetrievalConfig

__all__ = [
    "BundleFiles",
    "StoredBundle",
    "StoredRetrieval",
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
    prompt: ArtifactVersion
    retrieval: ArtifactVersion
    model: ArtifactVersion


@dataclass(frozen=True)
class BundleFiles:
    """A bundle as its author wrote it, with everything that it names read."""

    source: BundleSource
    prompt: str
    knowledge: Path
    retrieval: StoredRetrieval
    model: ModelConfig
    utterances: str
    utterances_file: Path
    """Text of the CSV file that the model is trained from."""

    @property
    def model_source_digest(self) -> str:
        """Over all that goes into the model."""
        return training_digest(self.model, self.utterances)


def read_bundle(file: Path) -> BundleFiles:
    """Read `bundle.yaml` and everything it names.

    Raises:
        ContentError: a file is missing, empty or ill-formed; names the file and the key.
    """
    source = load_yaml(file, BundleSource)
    knowledge = (file.parent / source.retrieval.knowledge).resolve()
    load_knowledge(knowledge)
    return BundleFiles(
        source=source,
        prompt=_text(file, source.prompt.file, "prompt.file"),
        knowledge=knowledge,
        retrieval=StoredRetrieval(
            config=RetrievalConfig(**source.retrieval.model_dump(exclude={"knowledge"})),
            documents=digest_tree(knowledge, "*.md"),
        ),
        model=ModelConfig(**source.model.model_dump(exclude={"utterances"})),
        utterances=_text(file, source.model.utterances, "model.utterances"),
        utterances_file=file.parent / source.model.utterances,
    )


def prompt_digest(text: str) -> str:
    return digest_bytes(_utf8(text))


def training_digest(config: ModelConfig, utterances: str) -> str:
    """Over all that goes into a model: its config and the text it is trained from."""
    return digest_of({"config": config, "utterances": digest_bytes(_utf8(utterances))})


def retrieval_digest(config: RetrievalConfig, knowledge_digest: str) -> str:
    return digest_of({"config": config, "knowledge": knowledge_digest})


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogatepass")


def _text(bundle_file: Path, relative: str, key: str) -> str:
    text = read_text((bundle_file.parent / relative).resolve())
    if not text.strip():
        raise ContentError(f"{relative} is empty", file=bundle_file, key=key)
    return text
