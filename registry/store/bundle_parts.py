"""The parts of a bundle in one folder, read back and compared with the manifest before anything uses them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from assay.registry.digest import canonical_json, digest_bytes, digest_of, digest_tree
from assay.registry.errors import ContentError, IntegrityError
from assay.registry.retrieval.documents import KnowledgeDocument, load_knowledge
from assay.registry.store.contents import StoredBundle, StoredRetrieval, retrieval_digest
from assay.registry.store.read import BUNDLE_FILE, MODEL_FILE
from assay.registry.store.resolve import ResolvedBundle
from assay.registry.types.bundle import BundleVersion

__all__ = ["PARTS_FOLDER", "Parts", "read_parts", "write_parts"]

PARTS_FOLDER = "parts"
PROMPT_FILE = "prompt.txt"
RETRIEVAL_FILE = "retrieval.json"
KNOWLEDGE_FOLDER = "knowledge"


@dataclass(frozen=True)
class Parts:
    """What a bundle consists of, to be written. `knowledge` is the folder with the documents of `retrieval`."""

    prompt: str
    retrieval: StoredRetrieval
    knowledge: Path
    model: bytes = field(repr=False)


def write_parts(folder: Path, parts: Parts) -> None:
    """Write the parts into a bundle's folder."""
    inside = folder / PARTS_FOLDER
    (inside / KNOWLEDGE_FOLDER).mkdir(parents=True)
    (inside / PROMPT_FILE).write_bytes(parts.prompt.encode("utf-8", errors="surrogatepass"))
    (inside / RETRIEVAL_FILE).write_bytes(canonical_json(parts.retrieval))
    for name in parts.retrieval.documents:
        shutil.copyfile(parts.knowledge / name, inside / KNOWLEDGE_FOLDER / name)
    (inside / MODEL_FILE).write_bytes(parts.model)


def read_parts(folder: Path) -> ResolvedBundle:
    """The bundle in a folder with `bundle.json`, every part verified.

    Its version in MLflow is not known here and is 0; the text that its model was trained from is left out.

    Raises:
        IntegrityError: a part is missing or not what was registered; names it.
    """
    stored = _stored(folder / BUNDLE_FILE)
    inside = folder / PARTS_FOLDER
    prompt = _bytes(inside / PROMPT_FILE)
    _same("prompt", PROMPT_FILE, stored.manifest.prompt_digest, prompt)
    model = _bytes(inside / MODEL_FILE)
    _same("model", MODEL_FILE, stored.manifest.model_digest, model)
    knowledge = _knowledge(stored, inside)
    version = BundleVersion(
        version=0, **{k: getattr(stored, k) for k in StoredBundle.model_fields if k != "schema_version"}
    )
    return ResolvedBundle(
        version=version,
        prompt=prompt.decode("utf-8", errors="surrogatepass"),
        knowledge=knowledge,
        model_bytes=model,
        training_text="",
    )


def _stored(path: Path) -> StoredBundle:
    try:
        stored = StoredBundle.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise IntegrityError(f"{BUNDLE_FILE} cannot be read: {' '.join(str(error).split())[:300]}") from error
    if digest_of(stored.manifest) != stored.digest:
        raise _changed(BUNDLE_FILE, stored.digest, digest_of(stored.manifest))
    return stored


def _knowledge(stored: StoredBundle, inside: Path) -> tuple[KnowledgeDocument, ...]:
    manifest = stored.manifest
    try:
        retrieval = StoredRetrieval.model_validate_json(_bytes(inside / RETRIEVAL_FILE))
    except ValidationError as error:
        raise IntegrityError(f"{RETRIEVAL_FILE} cannot be read: {' '.join(str(error).split())[:300]}") from error
    wanted = retrieval_digest(manifest.retrieval, manifest.knowledge_digest)
    found = retrieval_digest(retrieval.config, retrieval.knowledge_digest)
    if wanted != found:
        raise _changed(f"the retrieval config ({RETRIEVAL_FILE})", wanted, found)
    present = digest_tree(inside / KNOWLEDGE_FOLDER)
    for name in sorted({*retrieval.documents, *present}):
        if retrieval.documents.get(name) != present.get(name):
            raise _changed(f"the knowledge file {name}", retrieval.documents.get(name), present.get(name))
    try:
        return load_knowledge(inside / KNOWLEDGE_FOLDER)
    except ContentError as error:
        raise IntegrityError(f"the knowledge cannot be read: {error}") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntegrityError(f"the bundle's {path.name} cannot be read: {error.strerror}") from None


def _same(what: str, name: str, wanted: str, data: bytes) -> None:
    if digest_bytes(data) != wanted:
        raise _changed(f"the {what} ({name})", wanted, digest_bytes(data))


def _changed(what: str, then: str | None, now: str | None) -> IntegrityError:
    stored, found = (f"digest {digest[:12]}" if digest else "not there" for digest in (then, now))
    return IntegrityError(f"{what} was changed after it was registered: stored {stored}, now {found}")
