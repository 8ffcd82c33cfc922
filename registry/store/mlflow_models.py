"""Models that are in MLflow already, as agents: pinned by number and by the content of their files, and loaded.

MLflow's version numbers can be deleted and made again, and a version's files can be edited where they lie. So a
bundle pins every file of the model by digest, and what is loaded is a private copy that was compared with them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from assay.registry.digest import canonical_json, digest_tree
from assay.registry.errors import AssayError, IntegrityError, NotFoundError
from assay.registry.store.artifacts import download, newest_first, version_number
from assay.registry.store.connection import Connection, absent, without_secrets
from assay.registry.store.read import same_digest
from assay.registry.types.base import Digest, Frozen
from assay.registry.types.bundle import MlflowConfig

__all__ = ["MlflowModel", "PinnedFiles", "fetch_model", "keep_model", "plain_answer"]

_DESCRIPTION = "MLmodel"
_NOT_PINNED = ("registered_model_meta",)
"""What MLflow itself puts beside a model when it loads it."""


class PinnedFiles(Frozen):
    """The model of a bundle of kind `mlflow`, as it is stored: where it was, and the SHA-256 of every file."""

    uri: str
    files: dict[str, Digest]


@dataclass(frozen=True)
class MlflowModel:
    """A private copy of a model's files; it is removed with the object."""

    pinned: PinnedFiles
    folder: Path
    _kept: object = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        """For another process: it reads the same copy, and leaves removing it to this one."""
        return {**self.__dict__, "_kept": None}

    @property
    def record(self) -> bytes:
        """What the bundle's model digest is of."""
        return canonical_json(self.pinned)

    def check(self, record: bytes) -> None:
        """Compare the copy with what a bundle pinned.

        Raises:
            IntegrityError: a file was edited, added or removed since; names it and the model.
        """
        then = PinnedFiles.model_validate_json(record)
        for name in sorted({*then.files, *self.pinned.files}):
            what = f"the file {name} of the MLflow model {then.uri}"
            if then.files.get(name) != self.pinned.files.get(name):
                same_digest(what, then.files.get(name), self.pinned.files.get(name))

    def describe(self) -> dict[str, Any]:
        """Its `MLmodel`, as it stands there. Raises AssayError where that cannot be read."""
        try:
            found = yaml.safe_load((self.folder / _DESCRIPTION).read_bytes())
        except (OSError, yaml.YAMLError) as error:
            raise AssayError(
                f"{self.pinned.uri} is no MLflow model: its {_DESCRIPTION} cannot be read: {error}"
            ) from None
        if not isinstance(found, dict):
            raise AssayError(f"{self.pinned.uri} is no MLflow model: its {_DESCRIPTION} says nothing")
        return found

    def inputs(self) -> dict[str, Any] | None:
        """The inputs in the model's signature, each by name with its type as MLflow writes it; None without signature.

        Those of a model whose `predict` says by type hints what it takes are the fields of that type.
        """
        inputs = (self.describe().get("signature") or {}).get("inputs")
        if not inputs:
            return None
        columns = json.loads(inputs)
        if len(columns) == 1 and "name" not in columns[0] and "properties" in columns[0]:
            return dict(columns[0]["properties"])
        return {str(column.get("name", "(unnamed)")): column for column in columns}


def fetch_model(connection: Connection, config: MlflowConfig) -> MlflowModel:
    """A copy of the files that a registered model has now.

    Raises:
        NotFoundError: there is no such model or version.
        IntegrityError: its files cannot be read.
    """
    name, _, number = config.uri.removeprefix("models:/").rpartition("/")
    version = None
    with absent():
        version = connection.client.get_model_version(name, number)
    if version is None:
        known = [f"models:/{name}/{version_number(found)}" for found in newest_first(connection, name)]
        raise NotFoundError("MLflow model", config.uri, known or _names(connection), where=_place(connection))
    kept = tempfile.TemporaryDirectory(prefix="assay-model-")
    folder = download(connection, version, Path(kept.name))
    for cache in sorted(folder.rglob("__pycache__")):
        shutil.rmtree(cache)  # what Python compiled when somebody loaded the model where it lies
    return _copied(config.uri, folder, kept)


def keep_model(uri: str, folder: Path) -> MlflowModel:
    """A copy of model files that lie in a folder, so that loading them leaves the folder as it is."""
    kept = tempfile.TemporaryDirectory(prefix="assay-model-")
    try:
        copy = Path(shutil.copytree(folder, Path(kept.name) / "model"))
    except OSError as error:
        raise IntegrityError(f"the files of the MLflow model {uri} cannot be read: {error.strerror}") from None
    return _copied(uri, copy, kept)


def _copied(uri: str, folder: Path, kept: object) -> MlflowModel:
    files = {name: digest for name, digest in digest_tree(folder).items() if name not in _NOT_PINNED}
    return MlflowModel(PinnedFiles(uri=uri, files=files), folder, kept)


def _names(connection: Connection) -> list[str]:
    return [f"models:/{found.name}" for found in connection.client.search_registered_models(max_results=100)]


def _place(connection: Connection) -> str:
    return without_secrets(connection.uri)


def plain_answer(value: Any) -> Any:
    """What a model returned, as JSON has it. Raises AssayError where it is nothing that JSON can hold."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    if hasattr(value, "to_dict"):  # a data frame, a series, or a message of MLflow's own
        try:
            value = value.to_dict(orient="records")
        except TypeError:
            value = value.tolist() if hasattr(value, "tolist") else value.to_dict()
    elif hasattr(value, "tolist"):
        value = value.tolist()
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(value).__name__
        raise AssayError(f"the model returned something of the type {kind} that is no JSON: {error}") from None
