"""The parts of a bundle in one folder beside its `bundle.json`: written, and read back verified."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from assay.registry.digest import canonical_json, digest_bytes
from assay.registry.errors import ContentError, IntegrityError
from assay.registry.retrieval.documents import KnowledgeDocument, load_knowledge
from assay.registry.store.contents import StoredBundle, StoredRetrieval
from assay.registry.store.mlflow_models import MlflowModel, keep_model
from assay.registry.store.read import (
    BUNDLE_FILE,
    KNOWLEDGE_FOLDER,
    RETRIEVAL_FILE,
    check_bundle,
    check_retrieval,
    model_file,
    same_digest,
)
from assay.registry.store.resolve import ResolvedBundle
from assay.registry.types.bundle import BundleVersion, MlflowConfig, ModelConfig

__all__ = ["Parts", "read_parts", "write_parts"]

_FOLDER = "parts"
_PROMPT_FILE = "prompt.txt"
_MODEL_FOLDER = "model"


@dataclass(frozen=True)
class Parts:
    """What a bundle consists of. `knowledge` is the folder with the documents that `retrieval` lists."""

    prompt: str | None
    retrieval: StoredRetrieval | None
    knowledge: Path | None
    config: ModelConfig
    model: bytes = field(repr=False)
    mlflow_model: MlflowModel | None = None


def write_parts(folder: Path, parts: Parts) -> None:
    """Write the parts beside the `bundle.json` in `folder`."""
    inside = folder / _FOLDER
    inside.mkdir()
    if parts.prompt is not None:
        (inside / _PROMPT_FILE).write_bytes(parts.prompt.encode("utf-8", errors="surrogatepass"))
    if parts.retrieval is not None and parts.knowledge is not None:
        (inside / RETRIEVAL_FILE).write_bytes(canonical_json(parts.retrieval))
        (inside / KNOWLEDGE_FOLDER).mkdir()
        for name in parts.retrieval.documents:
            shutil.copyfile(parts.knowledge / name, inside / KNOWLEDGE_FOLDER / name)
    (inside / model_file(parts.config)).write_bytes(parts.model)
    if parts.mlflow_model is not None:
        shutil.copytree(parts.mlflow_model.folder, inside / _MODEL_FOLDER)


def read_parts(folder: Path) -> ResolvedBundle:
    """The bundle in a folder with `bundle.json`, every part verified.

    Its version in MLflow is not known here and is 0; the text that its model was trained from is left out.

    Raises:
        IntegrityError: a part is missing or not what was registered; names it.
    """
    stored = check_bundle(folder / BUNDLE_FILE, BUNDLE_FILE)
    manifest, inside = stored.manifest, folder / _FOLDER
    prompt = (
        b"" if manifest.prompt_digest is None else _verified("prompt", inside / _PROMPT_FILE, manifest.prompt_digest)
    )
    version = BundleVersion(
        name=stored.name,
        version=0,
        digest=stored.digest,
        manifest=manifest,
        prompt=stored.prompt,
        retrieval=stored.retrieval,
        model=stored.model,
    )
    model = _verified("model", inside / model_file(manifest.model), manifest.model_digest)
    copy = None
    if isinstance(manifest.model, MlflowConfig):
        copy = keep_model(manifest.model.uri, inside / _MODEL_FOLDER)
        copy.check(model)
    return ResolvedBundle(
        version=version,
        prompt=prompt.decode("utf-8", errors="surrogatepass"),
        knowledge=_knowledge(stored, inside),
        model_bytes=model,
        training_text="",
        mlflow_model=copy,
    )


def _knowledge(stored: StoredBundle, inside: Path) -> tuple[KnowledgeDocument, ...]:
    if stored.retrieval is None:
        return ()
    folder = check_retrieval(inside, stored.name, stored.retrieval.digest)
    try:
        return load_knowledge(folder)
    except ContentError as error:
        raise IntegrityError(f"the knowledge of {stored.name} cannot be read: {error}") from error


def _verified(what: str, path: Path, digest: str) -> bytes:
    data = path.read_bytes() if path.is_file() else None
    same_digest(f"the {what} ({path.name})", digest, None if data is None else digest_bytes(data))
    assert data is not None
    return data
