"""Reading stored parts back, each compared with its digest before anything uses it.

Everything is copied into a private folder first and both compared and used there, so that a change in the
store between the two cannot slip through.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from assay.registry.digest import digest_bytes, digest_of, digest_tree
from assay.registry.errors import IntegrityError
from assay.registry.store.artifacts import download, tags_of
from assay.registry.store.connection import Connection, absent
from assay.registry.store.contents import (
    StoredBundle,
    StoredRetrieval,
    prompt_digest,
    retrieval_digest,
    training_digest,
)
from assay.registry.store.refs import DIGEST_TAG
from assay.registry.types.bundle import ArtifactVersion, CodeConfig, ModelConfig, TriageConfig

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = [
    "BUNDLE_FILE",
    "KNOWLEDGE_FOLDER",
    "MODEL_FILE",
    "RETRIEVAL_FILE",
    "TRAINING_FILE",
    "ModelSource",
    "check_bundle",
    "check_retrieval",
    "label",
    "model_file",
    "pinned_version",
    "read_model",
    "read_prompt",
    "read_retrieval",
    "read_stored_bundle",
    "same_digest",
]

BUNDLE_FILE = "bundle.json"
MODEL_FILE = "model.pkl"
TRAINING_FILE = "utterances.csv"
SOURCE_FILE = "source.zip"
CONFIG_FILE = "model.json"
RETRIEVAL_FILE = "retrieval.json"
KNOWLEDGE_FOLDER = "knowledge"


class ModelSource(Protocol):
    """What a model comes from, as a bundle's files and its manifest say it."""

    @property
    def model(self) -> ModelConfig: ...

    @property
    def model_source_digest(self) -> str: ...


def label(version: ModelVersion) -> str:
    """How messages call a version."""
    return f"{version.name} v{version.version}"


def read_stored_bundle(connection: Connection, version: ModelVersion, into: Path) -> StoredBundle:
    """`bundle.json` of a bundle's version, consistent in itself and with the digest it was registered under.

    Raises:
        IntegrityError: it is missing, unreadable, or not what was registered.
    """
    what = f"{BUNDLE_FILE} of {label(version)}"
    stored = check_bundle(download(connection, version, into, BUNDLE_FILE), what)
    same_digest(what, tags_of(version).get(DIGEST_TAG), stored.digest)
    if stored.name != version.name:
        raise IntegrityError(f"{what} is of the agent {stored.name!r}, not {version.name!r}")
    return stored


def check_bundle(path: Path, what: str) -> StoredBundle:
    """A `bundle.json` that is consistent in itself. Raises IntegrityError, with `what` as its name."""
    try:
        stored = StoredBundle.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise IntegrityError(f"{what} cannot be read: {' '.join(str(error).split())[:300]}") from error
    same_digest(what, stored.digest, digest_of(stored.manifest))
    manifest = stored.manifest
    wanted = {"prompt": manifest.prompt_digest, "retrieval": None, "model": manifest.model_digest}
    if manifest.retrieval is not None and manifest.knowledge_digest is not None:
        wanted["retrieval"] = retrieval_digest(manifest.retrieval, manifest.knowledge_digest)
    for kind, digest in wanted.items():
        pinned = stored.parts.get(kind)
        if digest is not None or pinned is not None:
            same_digest(f"the {kind} named in {what}", digest, pinned.digest if pinned else None)
    if stored.name != manifest.agent:
        raise IntegrityError(f"{what} is of the agent {manifest.agent!r}, not {stored.name!r}")
    return stored


def read_prompt(connection: Connection, pinned: ArtifactVersion) -> str:
    """The text of a pinned prompt.

    Raises:
        IntegrityError: it is gone or was edited.
    """
    found = None
    with absent():
        found = connection.client.get_prompt_version(pinned.name, pinned.version)
    what = f"the prompt {pinned.name} v{pinned.version}"
    if found is None:
        raise IntegrityError(f"{what} is gone; it was stored with digest {pinned.digest[:12]}")
    text = found.template if isinstance(found.template, str) else ""
    same_digest(what, pinned.digest, prompt_digest(text))
    return text


def read_retrieval(connection: Connection, version: ModelVersion, digest: str, into: Path) -> Path:
    """The folder in `into` with the knowledge of a retrieval config's version.

    Raises:
        IntegrityError: the config or a knowledge file was edited, added or removed; names the file.
    """
    return check_retrieval(download(connection, version, into) / "artifacts", label(version), digest)


def check_retrieval(folder: Path, name: str, digest: str) -> Path:
    """The folder with the knowledge, where `folder` holds a retrieval config. Raises IntegrityError, with `name`."""
    what = f"the retrieval config {name}"
    try:
        stored = StoredRetrieval.model_validate_json((folder / RETRIEVAL_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise IntegrityError(f"{what} cannot be read: {' '.join(str(error).split())[:300]}") from error
    same_digest(what, digest, retrieval_digest(stored.config, stored.knowledge_digest))
    present = digest_tree(folder / KNOWLEDGE_FOLDER)
    for file in sorted({*stored.documents, *present}):
        same_digest(f"the knowledge file {file} of {name}", stored.documents.get(file), present.get(file))
    return folder / KNOWLEDGE_FOLDER


def read_model(
    connection: Connection, version: ModelVersion, digest: str, source: ModelSource, into: Path
) -> tuple[bytes, str]:
    """The bytes of a version's model, verified and not yet interpreted, and the text it was trained from, if it was.

    Raises:
        IntegrityError: one of the two is gone or was edited.
    """
    folder = download(connection, version, into)
    name = model_file(source.model)
    data, text = (path.read_bytes() if path.is_file() else None for path in (folder / name, folder / TRAINING_FILE))
    same_digest(f"the model {label(version)} ({name})", digest, None if data is None else digest_bytes(data))
    assert data is not None
    if not isinstance(source.model, TriageConfig):
        return data, ""
    utterances = "" if text is None else text.decode("utf-8", errors="surrogatepass")
    trained = None if text is None else training_digest(source.model, utterances)
    same_digest(f"the training text of {label(version)} ({TRAINING_FILE})", source.model_source_digest, trained)
    return data, utterances


def model_file(config: ModelConfig) -> str:
    """The file of a model's version that holds its bytes."""
    if isinstance(config, TriageConfig):
        return MODEL_FILE
    return SOURCE_FILE if isinstance(config, CodeConfig) else CONFIG_FILE


def pinned_version(connection: Connection, pinned: ArtifactVersion) -> ModelVersion:
    """The registered version that a bundle pins.

    Raises:
        IntegrityError: it is gone.
    """
    with absent():
        return connection.client.get_model_version(pinned.name, str(pinned.version))
    raise IntegrityError(f"{pinned.name} v{pinned.version} is gone; it was stored with digest {pinned.digest[:12]}")


def same_digest(what: str, stored: str | None, found: str | None) -> None:
    """Raises IntegrityError where the digest found is not the one that was stored; `what` names the thing."""
    if stored == found and found is not None:
        return
    then = f"digest {stored[:12]}" if stored else "not there"
    now = f"digest {found[:12]}" if found else "not there"
    raise IntegrityError(f"{what} was changed after it was registered: stored {then}, now {now}")
