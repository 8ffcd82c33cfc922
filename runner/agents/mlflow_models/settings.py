"""Settings of an agent of kind `mlflow`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from assay.registry.errors import ContentError
from assay.registry.strict import validation_problems
from assay.registry.types.base import Frozen
from assay.registry.types.bundle import Adapter, BundleSource, ToolSpec

__all__ = ["MlflowSettings", "check_mlflow_source", "check_parts", "read_mlflow_settings"]

_FUNCTION_NAME = r"^[A-Za-z0-9_-]{1,64}$"


class MlflowSettings(Frozen):
    """How a model in MLflow is asked."""

    handoff_tool: Annotated[str, Field(pattern=_FUNCTION_NAME)] | None = "transfer_to_human"
    """The tool by which the model steps aside; null where it cannot."""
    max_concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """How many answers may be under way at once. `mlflow models serve` asks from several threads as well; 1 is for a
    model that cannot bear it."""
    send_tools: bool = True
    """Tell the model which tools there are, where its signature has a place for it; a ResponsesAgent's has none."""


def read_mlflow_settings(adapter: Adapter, file: Path | None = None) -> MlflowSettings:
    """The settings of an agent of kind `mlflow`. Raises ContentError, with `file` where it is given."""
    try:
        return MlflowSettings.model_validate(adapter.settings)
    except ValidationError as error:
        lines = [
            ContentError(text, file=file, key=f"adapter.settings.{key}")
            for key, text in validation_problems(error, MlflowSettings)
        ]
        raise ContentError("\n".join(map(str, lines))) from None


def check_mlflow_source(source: BundleSource, file: Path) -> None:
    """Refuse a bundle file that no agent of kind `mlflow` could run with. Raises ContentError, with `file`."""
    settings = read_mlflow_settings(source.adapter, file)
    check_parts(source.tools, source.retrieval is not None, settings, file)


def check_parts(
    tools: tuple[ToolSpec, ...], retrieval: bool, settings: MlflowSettings, file: Path | None = None
) -> None:
    """Raises ContentError where a tool has the name of the handoff, or the bundle brings knowledge."""
    if any(tool.name == settings.handoff_tool for tool in tools):
        raise ContentError(
            f"{settings.handoff_tool!r} is the tool by which the agent hands off: name another under "
            "'adapter.settings.handoff_tool'",
            file=file,
            key="tools",
        )
    if retrieval:
        problem = "an agent of kind 'mlflow' has its knowledge inside: leave this key out"
        raise ContentError(problem, file=file, key="retrieval")
