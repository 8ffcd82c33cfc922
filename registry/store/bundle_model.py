"""A bundle's version as an MLflow model: `mlflow.pyfunc.load_model("models:/harborline@champion")`.

Beside `bundle.json` lie copies of all parts, so that nothing else of the store is needed, and an `MLmodel` that
names a loader of the installed package. No code lies in the store, and nothing is interpreted before every part
was compared with the digests in the bundle's manifest.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.registry.digest import canonical_json
from assay.registry.errors import AssayError, ContentError
from assay.registry.store.bundle_parts import Parts, read_parts, write_parts
from assay.registry.store.connection import Connection
from assay.registry.store.contents import StoredBundle
from assay.registry.store.read import BUNDLE_FILE

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from assay.registry.store.resolve import ResolvedBundle

__all__ = ["Answer", "BundleModel", "make_loadable", "write_bundle"]

Answer = Callable[[Mapping[str, Any]], dict[str, Any]]
"""A request to an agent, and its reply; raises AssayError. See `docs/serving.md`."""

_DESCRIPTION = "MLmodel"
_REQUIREMENTS = ("mlflow", "bm25s", "numpy", "pydantic", "pyyaml", "scikit-learn", "scipy")


def write_bundle(folder: Path, model_id: str, stored: StoredBundle, parts: Parts, loader: str | None) -> None:
    """Fill `folder` with a bundle's version. Nothing is loaded for it.

    Args:
        folder: made here.
        model_id: of the logged model that the version belongs to.
        stored: what stands in `bundle.json`.
        parts: what the bundle consists of.
        loader: module with `_load_pyfunc(path)`, in the installed package; without one, `bundle.json` is all.

    Raises:
        IntegrityError: a part is not what the manifest says; it may have changed since it was read.
    """
    folder.mkdir(parents=True)
    (folder / BUNDLE_FILE).write_bytes(canonical_json(stored))
    if loader is None:
        return
    write_parts(folder, parts)
    read_parts(folder)
    _write_description(folder, model_id, loader)


def make_loadable(
    connection: Connection, version: ModelVersion, write: Callable[[Path, str], None], scratch: Path
) -> None:
    """Complete a version that was registered with `bundle.json` only; what it pins stays as it is.

    `write(folder, model_id)` is `write_bundle` for the same bundle. `MLmodel` is stored last, so that a crash before
    leaves a version that is completed the next time.
    """
    # MLflow does not keep which logged model a version was made from, but where its files lie.
    found = re.search(r"/(m-[0-9a-f]{32})/", f"{version.source}/")
    if found is None or _DESCRIPTION in _names(connection, found[1]):
        return
    folder, last = scratch / "completed", scratch / "described"
    write(folder, found[1])
    last.mkdir()
    (folder / _DESCRIPTION).rename(last / _DESCRIPTION)
    for files in (folder, last):
        connection.client.log_model_artifacts(found[1], str(files))


def _names(connection: Connection, model_id: str) -> set[str]:
    return {found.path for found in connection.client.list_logged_model_artifacts(model_id)}


class BundleModel:
    """What `mlflow.pyfunc.load_model` wraps: requests in, replies out."""

    def __init__(self, folder: Path, build: Callable[[ResolvedBundle], Answer]) -> None:
        """Raises IntegrityError, which names the part that was changed after registration."""
        self._answer = build(read_parts(folder))

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """The reply to one request, or a list of replies to several.

        Args:
            model_input: a request, or a pandas DataFrame with a request in each row.
            params: unused; MLflow passes it.

        Raises:
            MlflowException: the request cannot be read, or the agent gave no answer.
        """
        del params
        if isinstance(model_input, Mapping):
            return self._reply(model_input)
        if not hasattr(model_input, "to_dict"):
            raise _refused(f"a request is an object with 'input' or 'messages', not {type(model_input).__name__}")
        rows = model_input.to_dict(orient="records")
        replies = [self._reply({str(key): _plain(value) for key, value in row.items()}) for row in rows]
        return replies[0] if len(replies) == 1 else replies

    def _reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

        try:
            return self._answer(request)
        except ContentError as error:
            raise _refused(str(error)) from None
        except AssayError as error:
            raise MlflowException(str(error), error_code=INTERNAL_ERROR) from None


def _refused(problem: str) -> Exception:
    from mlflow.exceptions import MlflowException

    return MlflowException.invalid_parameter_value(problem)


def _plain(value: Any) -> Any:
    """Without NumPy: a field of a data frame, as JSON has it. A field that a row lacks is None."""
    if type(value).__module__ == "numpy":
        value = value.tolist()
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _write_description(folder: Path, model_id: str, loader: str) -> None:
    """`MLmodel` and the requirements, as `mlflow.pyfunc.save_model` writes them.

    It would look through every installed package for that, which takes seconds.
    """
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import AnyType, Array, ColSpec, Schema

    items = Array(AnyType())
    fields = {"input": items, "messages": items, "custom_inputs": AnyType(), "context": AnyType()}
    model = Model(
        model_id=model_id,
        signature=ModelSignature(inputs=Schema([ColSpec(kind, name, required=False) for name, kind in fields.items()])),
        metadata={"task": "agent/v1/responses"},
    )
    pyfunc.add_to_model(model, loader_module=loader, python_env="python_env.yaml", streamable=False)
    model.save(str(folder / _DESCRIPTION))
    # Assay itself is not named: the index has another package of this name.
    requirements = [f"{package}=={installed(package)}" for package in _REQUIREMENTS]
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n")
    environment = f"python: {platform.python_version()}\nbuild_dependencies: []\ndependencies:\n- -r requirements.txt\n"
    (folder / "python_env.yaml").write_text(environment)
