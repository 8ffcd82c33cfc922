"""Opening MLflow quietly: no telemetry, no chatter, errors left as they are.

Everything goes through one client with explicit addresses. MLflow's process-wide address is set too, since
parts of MLflow that ask for it would otherwise make a database in the current folder.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from assay.registry.errors import AssayError
from assay.registry.store.refs import AGENT_TAG, DATASET_EXPERIMENT, experiment_name
from assay.registry.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Connection", "absent", "without_secrets"]

_FORCED = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
_DROPPED = ("MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID")
"""What the job of another experiment leaves in its environment. It need not exist here, and Assay names its own."""
_DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
_LEVELS = {
    "mlflow": logging.WARNING,
    "alembic": logging.WARNING,
    # Warns about pickle on every save. What is unpickled here is verified and restricted: see `estimators`.
    "mlflow.sklearn": logging.ERROR,
}


class Connection:
    """A client of the workspace's MLflow, with the experiments of its agents."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.uri = workspace.tracking_uri
        self._client = _client(workspace)
        self._experiments: dict[str, str] = {}

    @property
    def client(self) -> MlflowClient:
        """The client. MLflow's process-wide address is that of this store from now on, whoever set it in between."""
        _point_at(self.uri)
        return self._client

    def experiment(self, agent: str) -> str:
        """Id of the experiment of `agent`, which is made where it does not exist."""
        return self._experiment(experiment_name(agent), agent, {AGENT_TAG: agent})

    def dataset_experiment(self) -> str:
        """Id of the experiment in which datasets are kept, which is made where it does not exist."""
        return self._experiment(DATASET_EXPERIMENT, "datasets", {})

    def find_experiment(self, agent: str) -> str | None:
        """Id of the experiment of `agent`, or None where there is none that is active."""
        return self._find(experiment_name(agent))

    def _experiment(self, name: str, folder: str, tags: dict[str, str]) -> str:
        found = self._find(name)
        if found is not None:
            return found
        location = (self.workspace.artifact_root / folder).as_uri() if self.workspace.embedded else None
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_experiment(name, artifact_location=location, tags=tags)
        except MlflowException as error:  # another process was faster
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        created = self._find(name)
        if created is None:
            raise AssayError(f"the MLflow experiment {name!r} exists but was deleted; restore it first")
        return created

    def _find(self, name: str) -> str | None:
        if name not in self._experiments:
            found = self.client.get_experiment_by_name(name)
            if found is None or found.lifecycle_stage != "active":
                return None
            self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def agents_with_runs(self) -> list[str]:
        """Agents that have an experiment, sorted."""
        prefix = experiment_name("")
        found = self.client.search_experiments(filter_string=f"name LIKE '{prefix}%'")
        return sorted(e.name.removeprefix(prefix) for e in found)


@contextmanager
def absent() -> Iterator[None]:
    """Leave the block quietly where MLflow says that what was asked for does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        # A missing alias is reported as an invalid parameter by the SQL store.
        missing = error.error_code in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"} or "not found" in str(error)
        if not missing:
            raise


def without_secrets(address: str) -> str:
    """An address without the password that may stand in it."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", address)


@contextmanager
def _environment_kept(name: str) -> Iterator[None]:
    """Put a variable back: MLflow exports its address, which would win over the settings of the next workspace."""
    before = os.environ.get(name)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _point_at(uri: str) -> None:
    """Set the process-wide address, which parts of MLflow ask for even where a client has its own."""
    import mlflow

    if mlflow.get_tracking_uri() != uri:
        with _environment_kept("MLFLOW_TRACKING_URI"):
            mlflow.set_tracking_uri(uri)
    if mlflow.get_registry_uri() != uri:
        mlflow.set_registry_uri(uri)


def _client(workspace: Workspace) -> MlflowClient:
    os.environ.update(_FORCED)
    for name in _DROPPED:
        os.environ.pop(name, None)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    uri = workspace.tracking_uri
    if workspace.embedded:
        workspace.store.mkdir(parents=True, exist_ok=True)
    import mlflow

    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    try:
        _point_at(uri)
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except Exception as error:
        reason = without_secrets(" ".join(str(error).split()))[:300]
        raise AssayError(f"the MLflow store {without_secrets(uri)} cannot be opened: {reason}") from error
    return client
