"""Files that belong to registered model versions: written once, found by digest, read back into a folder.

A version appears only when its files lie in the store, in one step and with its tags, so that a crash before
leaves an unfinished model that nothing refers to.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.errors import IntegrityError
from assay.registry.store.connection import Connection, absent
from assay.registry.store.refs import KIND_TAG

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["add_version", "download", "ensure_registered", "find_version", "newest_first", "tags_of", "version_number"]


def add_version(
    connection: Connection,
    agent: str,
    name: str,
    kind: str,
    tags: dict[str, str],
    write: Callable[[Path, str], None],
    scratch: Path,
) -> ModelVersion:
    """Store what `write(folder, model_id)` puts into `folder` as a new version of the registered model `name`.

    `tags` are on the version from the moment it exists.
    """
    from mlflow.entities import LoggedModelStatus

    client = connection.client
    model = client.create_logged_model(connection.experiment(agent), name=name, model_type=kind)
    folder = scratch / f"new-{name}"
    try:
        write(folder, model.model_id)
        client.log_model_artifacts(model.model_id, str(folder))
    except BaseException:
        client.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
        raise
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    ensure_registered(connection, name, kind)
    return client.create_model_version(
        name,
        source=model.artifact_location,
        model_id=model.model_id,
        tags={KIND_TAG: kind, **tags},
        await_creation_for=0,
    )


def find_version(
    connection: Connection, name: str, tag: str, digest: str, intact: Callable[[ModelVersion], bool]
) -> ModelVersion | None:
    """The newest version of `name` that is tagged with `digest` and that `intact` accepts."""
    for version in newest_first(connection, name):
        if tags_of(version).get(tag) == digest and intact(version):
            return version
    return None


def newest_first(connection: Connection, name: str) -> list[ModelVersion]:
    """All versions of a registered model; empty where there is none of that name."""
    found: list[ModelVersion] = []
    token: str | None = None
    if "'" in name:
        return found
    while True:
        page = connection.client.search_model_versions(f"name='{name}'", max_results=500, page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=version_number, reverse=True)


def download(connection: Connection, version: ModelVersion, into: Path, only: str = "") -> Path:
    """Copy the files of a version into the folder `into`, or only one of them.

    Returns:
        The folder with the files, or the one file.

    Raises:
        IntegrityError: they cannot be read.
    """
    import mlflow.artifacts

    into.mkdir(parents=True, exist_ok=True)
    label = f"{version.name} v{version.version}"
    try:
        # The version's own address, not models:/, which MLflow would look up at its process-wide address.
        source = connection.client.get_model_version_download_uri(version.name, str(version.version))
        address = f"{source.rstrip('/')}/{only}" if only else source
        path = mlflow.artifacts.download_artifacts(
            artifact_uri=address, dst_path=str(into), tracking_uri=connection.uri
        )
    except Exception as error:
        raise IntegrityError(f"the files of {label} cannot be read: {' '.join(str(error).split())[:300]}") from error
    return Path(path)


def tags_of(version: ModelVersion) -> dict[str, str]:
    return {str(key): str(value) for key, value in (version.tags or {}).items()}


def version_number(version: ModelVersion) -> int:
    return int(version.version)


def ensure_registered(connection: Connection, name: str, kind: str) -> None:
    """Have a registered model of this name and kind."""
    with absent():
        found = connection.client.get_registered_model(name)
        if found.tags.get(KIND_TAG) != kind:
            connection.client.set_registered_model_tag(name, KIND_TAG, kind)
        return
    from mlflow.exceptions import MlflowException

    try:
        connection.client.create_registered_model(name, tags={KIND_TAG: kind})
    except MlflowException as error:  # another process was faster
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
