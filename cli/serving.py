"""What MLflow calls to load a registered bundle: `mlflow.pyfunc.load_model("models:/harborline@champion")`.

Stored bundles name this module as their loader: it stays where it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.registry.store.bundle_model import Answer, BundleModel
    from assay.registry.store.resolve import ResolvedBundle

__all__ = ["LOADER"]

LOADER = __name__


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> BundleModel:
    """The model in the folder `path`. Raises IntegrityError, ContentError."""
    from assay.registry.store.bundle_model import BundleModel

    del model_config
    return BundleModel(Path(path), _answering)


def _answering(bundle: ResolvedBundle) -> Answer:
    from assay.runner.agents.factory import build_agent
    from assay.runner.serving.answer import Answering

    version = bundle.version
    return Answering(
        build_agent(bundle, Path.cwd()),
        name=version.name,
        digest=version.digest,
        repeatable=version.manifest.adapter.kind == "embedded",
    )
