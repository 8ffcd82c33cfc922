"""Loading a model of MLflow's into this process, and asking it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from assay.registry.errors import AssayError
from assay.registry.store.mlflow_models import MlflowModel, plain_answer

__all__ = ["Predict", "load_predict"]

Predict = Callable[[Mapping[str, Any]], Any]
"""One request to a model, and its answer as JSON. Whatever the model raises comes through."""


def load_predict(model: MlflowModel) -> Predict:
    """Load a model and return what asks it.

    The model's code runs in this process. MLflow's tracing is switched off in it: a trace of every answer would go
    into the store that holds the evidence.

    Raises:
        AssayError: it cannot be loaded; names the packages that it needs and that are not installed.
    """
    import mlflow.pyfunc
    import mlflow.tracing

    mlflow.tracing.disable()
    logging.getLogger("mlflow.models").setLevel(logging.ERROR)
    try:
        loaded = mlflow.pyfunc.load_model(str(model.folder), suppress_warnings=True)
    except (Exception, SystemExit) as error:
        raise AssayError(f"the MLflow model {model.pinned.uri} cannot be loaded: {_why(error, model)}") from error
    as_list = bool(model.describe().get("is_signature_from_type_hint"))

    def predict(request: Mapping[str, Any]) -> Any:
        answer = loaded.predict([dict(request)] if as_list else dict(request))
        return plain_answer(answer)

    return predict


def _why(error: BaseException, model: MlflowModel) -> str:
    text = " ".join(str(error).split())[:300] or type(error).__name__
    missing = _missing(model.folder / "requirements.txt")
    if not missing:
        return text
    return f"it needs packages that are not installed here: {', '.join(missing)}. ({text})"


def _missing(requirements: Path) -> list[str]:
    """The requirements of which there is no version here at all; another version is for the model to judge."""
    from packaging.requirements import InvalidRequirement, Requirement

    found: list[str] = []
    for line in requirements.read_text().splitlines() if requirements.is_file() else ():
        try:
            wanted = Requirement(line.partition(" #")[0].strip())
        except InvalidRequirement:
            continue
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            found.append(str(wanted))
    return found
