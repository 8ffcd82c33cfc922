"""Versions of a dataset in MLflow: a run that holds its files, and a registered version that points at them.

What is stored is exactly what the dataset's digest covers. The same content is never registered twice, and what is
read back is loaded anew and compared with the digest it was registered under.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.content.datasets import EXPECTATIONS_NAME, load_dataset
from assay.registry.errors import AssayError, ContentError, IntegrityError, NotFoundError
from assay.registry.store.artifacts import download, ensure_registered, newest_first, tags_of, version_number
from assay.registry.store.connection import Connection
from assay.registry.store.refs import DIGEST_TAG, KIND_TAG, dataset_model_name, parse_bundle_ref
from assay.registry.store.tables import dataset_input
from assay.registry.types.case import Dataset

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["DatasetVersion", "dataset_versions", "load_dataset_version", "register_dataset"]

_KIND = "dataset"
_FOLDER = "dataset"


@dataclass(frozen=True)
class DatasetVersion:
    """A registered version. `digest` is what its tag says; `load_dataset_version` is what verifies it."""

    name: str
    version: int
    digest: str
    created_at_ms: int
    created: bool = False
    """Whether it was made just now."""

    @property
    def ref(self) -> str:
        """How to name it."""
        return f"{self.name}/{self.version}"


def register_dataset(connection: Connection, folder: Path) -> DatasetVersion:
    """Store the dataset in `folder` as a new version, unless a version with the same content is there.

    Raises:
        ContentError: the dataset is ill-formed.
        AssayError: its files changed while they were read.
    """
    dataset = load_dataset(folder)
    with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
        found = _find(connection, dataset, Path(scratch))
        if found is not None:
            return _described(dataset.info.name, found)
        staged = Path(scratch) / "staged"
        _stage(folder, dataset, staged)
        if load_dataset(staged).digest != dataset.digest:
            raise AssayError(f"{folder} changed while it was being registered: try again")
        made = _store(connection, dataset, staged)
        first = _first(connection, dataset, made)
        if first is not made:
            return _described(dataset.info.name, first)
    return DatasetVersion(
        dataset.info.name, version_number(made), dataset.digest, int(made.creation_timestamp or 0), True
    )


def dataset_versions(connection: Connection, name: str) -> list[DatasetVersion]:
    """The registered versions of a dataset, newest first; empty where there are none."""
    return [_described(name, version) for version in newest_first(connection, dataset_model_name(name))]


def load_dataset_version(connection: Connection, ref: str) -> tuple[DatasetVersion, Dataset]:
    """The dataset that `NAME/VERSION` or `NAME@latest` names, verified.

    Raises:
        NotFoundError: there is no such version.
        IntegrityError: it was changed after it was registered.
    """
    wanted = parse_bundle_ref(ref)
    known = newest_first(connection, dataset_model_name(wanted.agent))
    if wanted.alias not in (None, "latest"):
        raise NotFoundError("alias of a dataset", str(wanted.alias), ["latest"])
    number = version_number(known[0]) if known and wanted.alias else wanted.version
    found = next((version for version in known if version_number(version) == number), None)
    if found is None:
        refs = [f"{wanted.agent}/{version_number(version)}" for version in known]
        raise NotFoundError("registered dataset", ref, refs)
    with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
        return _described(wanted.agent, found), _load(connection, found, Path(scratch))


def _find(connection: Connection, dataset: Dataset, scratch: Path) -> ModelVersion | None:
    """The newest version of the same content that still is what was registered."""
    for version in newest_first(connection, dataset_model_name(dataset.info.name)):
        if tags_of(version).get(DIGEST_TAG) != dataset.digest:
            continue
        try:
            _load(connection, version, scratch / f"found-{version.version}")
        except IntegrityError:
            continue
        return version
    return None


def _first(connection: Connection, dataset: Dataset, made: ModelVersion) -> ModelVersion:
    """The oldest version of the content: where two processes register it at once, both come to the same one."""
    same = [
        version
        for version in newest_first(connection, made.name)
        if tags_of(version).get(DIGEST_TAG) == dataset.digest and version_number(version) < version_number(made)
    ]
    with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
        for version in reversed(same):
            try:
                _load(connection, version, Path(scratch) / str(version.version))
            except IntegrityError:
                continue
            connection.client.delete_model_version(made.name, str(made.version))
            return version
    return made


def _load(connection: Connection, version: ModelVersion, into: Path) -> Dataset:
    folder = download(connection, version, into)
    what = f"{version.name} v{version.version}"
    try:
        dataset = load_dataset(folder)
    except ContentError as error:
        raise IntegrityError(f"{what} was changed after it was registered: {error}") from error
    digest = tags_of(version).get(DIGEST_TAG, "")
    if dataset.digest != digest:
        raise IntegrityError(
            f"{what} was changed after it was registered: stored digest {digest[:12]}, now {dataset.digest[:12]}"
        )
    return dataset


def _stage(folder: Path, dataset: Dataset, into: Path) -> None:
    """Copy exactly the files that the digest covers."""
    info = dataset.info
    into.mkdir(parents=True)
    for name in ("dataset.yaml", info.cases, info.wording, EXPECTATIONS_NAME if dataset.expectations else None):
        if name is not None:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, into / name)
    if info.knowledge is not None:
        (into / info.knowledge).mkdir(parents=True, exist_ok=True)
        for path in sorted((folder / info.knowledge).glob("*.md")):
            shutil.copyfile(path, into / info.knowledge / path.name)


def _store(connection: Connection, dataset: Dataset, staged: Path) -> ModelVersion:
    from mlflow.entities import Param

    client, info = connection.client, dataset.info
    tags = {KIND_TAG: _KIND, DIGEST_TAG: dataset.digest}
    run = client.create_run(connection.dataset_experiment(), tags=tags, run_name=f"{info.name} {info.version}")
    run_id = run.info.run_id
    counts = {
        "version": info.version,
        "cases": str(len(dataset.cases)),
        "customer_turns": str(sum(len(case.turns) for case in dataset.cases)),
        "documents": str(len(dataset.documents)),
    }
    try:
        client.log_batch(run_id, params=[Param(key, value) for key, value in counts.items()])
        client.log_inputs(run_id, datasets=[dataset_input(dataset)])
        client.log_artifacts(run_id, str(staged), _FOLDER)
        client.set_terminated(run_id, "FINISHED")
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    name = dataset_model_name(info.name)
    ensure_registered(connection, name, _KIND)
    source = f"{run.info.artifact_uri}/{_FOLDER}"
    return client.create_model_version(
        name, source=source, run_id=run_id, tags={**tags, "assay.version": info.version}, await_creation_for=0
    )


def _described(name: str, version: ModelVersion) -> DatasetVersion:
    digest = tags_of(version).get(DIGEST_TAG, "")
    return DatasetVersion(name, version_number(version), digest, int(version.creation_timestamp or 0))
