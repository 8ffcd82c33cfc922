"""A workspace: a folder with an `assay.yaml` that says where things are.

Environment variables win over the file: `MLFLOW_TRACKING_URI` (or `ASSAY_TRACKING_URI`) and
`ASSAY_LEDGER_URL`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from assay.registry.errors import AssayError, NotFoundError
from assay.registry.strict import load_yaml
from assay.registry.types.base import Frozen, Name

__all__ = ["CONFIG_NAME", "AgentRelease", "Workspace", "WorkspaceConfig", "find_workspace"]

CONFIG_NAME = "assay.yaml"


class AgentRelease(Frozen):
    """What a bundle of this agent has to pass before it is promoted."""

    suite: Name
    policy: Name


class WorkspaceConfig(Frozen):
    """`assay.yaml`. Paths are relative to the workspace; unset stores lie below `store`."""

    schema_version: Literal[1] = 1
    tracking_uri: str | None = None
    ledger_url: str | None = None
    store: str = "mlruns"
    bundles: str = "bundles"
    datasets: str = "datasets"
    suites: str = "evalsuites"
    rules: str = "evalsuites/policies"
    policies: str = "policies"
    reports: str = "reports"
    agents: dict[Name, AgentRelease] = {}


class Workspace:
    """Paths and addresses of one workspace. Creates nothing by itself."""

    def __init__(self, root: Path, config: WorkspaceConfig, environ: Mapping[str, str]) -> None:
        self.root = root.resolve()
        self.config = config
        self._environ = environ

    @property
    def store(self) -> Path:
        """Folder of the embedded store: database, artifacts, ledger, journals."""
        return self.root / self.config.store

    @property
    def tracking_uri(self) -> str:
        """Where MLflow keeps things."""
        given = self._environ.get("MLFLOW_TRACKING_URI") or self._environ.get("ASSAY_TRACKING_URI")
        return self._sqlite(given or self.config.tracking_uri, "mlflow.db")

    @property
    def embedded(self) -> bool:
        """Whether MLflow is the embedded sqlite store of this workspace, so that artifacts lie beside it."""
        return self.tracking_uri == self._sqlite(None, "mlflow.db")

    @property
    def artifact_root(self) -> Path:
        """Where the embedded store keeps artifacts."""
        return self.store / "artifacts"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy address of the ledger."""
        return self._sqlite(self._environ.get("ASSAY_LEDGER_URL") or self.config.ledger_url, "ledger.db")

    @property
    def journal(self) -> Path:
        """Where trajectories are kept as they are made."""
        return self.store / "trajectories"

    @property
    def scores(self) -> Path:
        """Where scores are kept as they are made."""
        return self.store / "scores.db"

    @property
    def bundles(self) -> Path:
        return self.root / self.config.bundles

    @property
    def datasets(self) -> Path:
        return self.root / self.config.datasets

    @property
    def suites(self) -> Path:
        return self.root / self.config.suites

    @property
    def rules(self) -> Path:
        """Where policy rules (what an agent may do and say) live."""
        return self.root / self.config.rules

    @property
    def policies(self) -> Path:
        """Where gate policies live."""
        return self.root / self.config.policies

    @property
    def reports(self) -> Path:
        return self.root / self.config.reports

    def release(self, agent: str) -> AgentRelease:
        """The suite and gate policy that a promotion of `agent` rests on.

        Raises:
            NotFoundError: `assay.yaml` says nothing about the agent; shows the lines to add.
        """
        if agent not in self.config.agents:
            where = f"{self.root / CONFIG_NAME} (key 'agents')"
            raise NotFoundError("agent", agent, self.config.agents, where=where, hint=self._how_to_add(agent))
        return self.config.agents[agent]

    def _how_to_add(self, agent: str) -> str:
        """The lines of `assay.yaml` that give an agent a suite and a policy."""

        def line(key: str, folder: Path) -> str:
            known = sorted(path.stem for path in folder.glob("*.yaml"))
            others = [getattr(release, key) for release in self.config.agents.values()]
            fit = next((name for name in (*others, *known) if name in known), "NAME")
            return f"      {key}: {fit}   # in {folder}: {', '.join(known) or 'none yet'}"

        key = "" if self.config.agents else "  agents:\n"
        return (
            f"To have its bundles judged, say there which suite and which gate policy they have to pass"
            f"{', below `agents:`' if self.config.agents else ''}:\n{key}    {agent}:\n"
            f"{line('suite', self.suites)}\n{line('policy', self.policies)}"
        )

    def named_file(self, folder: Path, name: str, what: str) -> Path:
        """`folder/name.yaml`, or `name` itself where it is the path of a YAML file.

        Raises:
            NotFoundError: neither exists; names the nearest file there is.
        """
        direct = Path(name)
        if direct.suffix in {".yaml", ".yml"}:
            if direct.is_file():
                return direct.resolve()
            raise NotFoundError(f"{what} file", name, [])
        path = folder / f"{name}.yaml"
        if not path.is_file():
            raise NotFoundError(what, name, [p.stem for p in folder.glob("*.yaml")], where=str(folder))
        return path

    def _sqlite(self, given: str | None, default: str) -> str:
        """A given address with relative sqlite paths made absolute, or the embedded database."""
        if not given:
            return f"sqlite:///{(self.store / default).as_posix()}"
        prefix = "sqlite:///"
        if given.startswith(prefix) and not given.startswith(f"{prefix}/"):
            return f"{prefix}{(self.root / given.removeprefix(prefix)).as_posix()}"
        return given


def find_workspace(start: Path | None = None, environ: Mapping[str, str] | None = None) -> Workspace:
    """The workspace that `start` (default: the current folder) lies in; `ASSAY_WORKSPACE` names one outright.

    Raises:
        AssayError: no `assay.yaml` in the folder or above it.
        ContentError: `assay.yaml` is ill-formed.
    """
    environ = os.environ if environ is None else environ
    given = environ.get("ASSAY_WORKSPACE")
    here = Path(given) if given and start is None else (start or Path.cwd())
    for folder in (here.resolve(), *here.resolve().parents):
        if (folder / CONFIG_NAME).is_file():
            return Workspace(folder, load_yaml(folder / CONFIG_NAME, WorkspaceConfig), environ)
    raise AssayError(f"no {CONFIG_NAME} in {here.resolve()} or above it. `assay init DIR` makes a workspace.")
