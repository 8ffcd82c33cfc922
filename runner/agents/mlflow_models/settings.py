"""Settings of an agent of kind `mlflow`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from assay.registry.errors import ContentError
from assay.registry.types.base import Frozen
from assay.registry.types.bundle import Adapter, BundleSource, MlflowConfig, ToolSpec
from assay.runner.agents.http.settings import HttpSettings
from assay.runner.agents.settings import read_adapter_settings
from assay.runner.endpoint.settings import Retries

__all__ = ["MlflowSettings", "check_mlflow_source", "check_parts", "read_mlflow_settings"]

_FUNCTION_NAME = r"^[A-Za-z0-9_-]{1,64}$"


_OF_A_SERVER = frozenset({"headers", "attempt_timeout_s", "requests_per_minute", "use_proxy", "retries"})
_IN_PROCESS, _SERVED = 4, 16


class MlflowSettings(Frozen):
    """How a model in MLflow is asked: loaded into this process, or behind a server where `url` or `url_env` names one.

    Nobody can check that a server serves the version that the bundle pins.
    """

    url: str | None = None
    """Address of a server (`mlflow models serve`), with `/invocations` or without."""
    url_env: str | None = None
    """Variable that holds the address, where it differs from place to place."""
    headers: dict[str, str] = {}
    """Sent with each request to the server. `${NAME}` is taken from the environment."""
    attempt_timeout_s: Annotated[float, Field(gt=0)] | None = None
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    use_proxy: bool = False
    retries: Retries = Retries()

    handoff_tool: Annotated[str, Field(pattern=_FUNCTION_NAME)] | None = "transfer_to_human"
    """The tool by which the model steps aside; null where it cannot."""
    max_concurrency: Annotated[int, Field(ge=1, le=256)] | None = None
    """How many answers may be under way at once: 4 in this process, 16 behind a server. `mlflow models serve` asks a
    model from several threads as well; 1 is for one that cannot bear it."""
    send_tools: bool = True
    """Tell the model which tools there are, where its signature has a place for it; a ResponsesAgent's has none."""

    @model_validator(mode="after")
    def _of_one_place(self) -> MlflowSettings:
        if self.url is None and self.url_env is None:
            lost = sorted(self.model_fields_set & _OF_A_SERVER)
            if lost:
                raise ValueError(f"{lost[0]!r} is for a model behind a server: 'url' or 'url_env' has to name one")
        else:
            _ = self.service
        return self

    @property
    def service(self) -> HttpSettings | None:
        """The server's settings; None where the model is loaded here."""
        if self.url is None and self.url_env is None:
            return None
        given = {name: getattr(self, name) for name in ("url", "url_env", *_OF_A_SERVER)}
        return HttpSettings(max_in_flight=self.concurrency, **given)

    @property
    def concurrency(self) -> int:
        """Answers under way at once, at most."""
        return self.max_concurrency or (_IN_PROCESS if self.url is None and self.url_env is None else _SERVED)


def read_mlflow_settings(adapter: Adapter, file: Path | None = None) -> MlflowSettings:
    """The settings of an agent of kind `mlflow`. Raises ContentError, with `file` where it is given."""
    return read_adapter_settings(adapter, MlflowSettings, file)


def check_mlflow_source(source: BundleSource, file: Path) -> None:
    """Refuse a bundle file that no agent of kind `mlflow` could run with. Raises ContentError, with `file`."""
    settings = read_mlflow_settings(source.adapter, file)
    if isinstance(source.model, MlflowConfig) and source.model.uri.startswith(f"models:/{source.agent}/"):
        problem = f"the bundles of {source.agent!r} are registered under this name: the model needs another"
        raise ContentError(problem, file=file, key="model.uri")
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
