"""`assay init`, `assay schema` and `assay demo`: workspaces."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.console import say

__all__ = ["demo", "init", "make_workspace", "schema"]

_CONFIG = """\
# A workspace of Assay. Paths are relative to this file.
# Environment variables win: MLFLOW_TRACKING_URI, ASSAY_LEDGER_URL.
schema_version: 1
# tracking_uri: sqlite:///mlruns/mlflow.db   # or the address of an MLflow server
# ledger_url: sqlite:///mlruns/ledger.db
store: mlruns
bundles: bundles
datasets: datasets
suites: evalsuites
rules: evalsuites/policies
policies: policies
reports: reports
# What a bundle of an agent has to pass before it is promoted.
agents:
  harborline:
    suite: contact-center
    policy: production
"""


def init(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet, or is empty.", metavar="DIR")],
) -> None:
    """Make a workspace to edit: an agent's bundles, a dataset, suites, gate policies, assay.yaml.

    Example: assay init my-release && cd my-release && assay check bundles/harborline/champion.yaml
    """
    make_workspace(folder)
    say(f"Made a workspace in {folder}. Next:")
    say(f"  cd {folder}")
    say("  assay check bundles/harborline/champion.yaml   # register, evaluate, gate")
    say("  assay promote harborline@candidate")


def make_workspace(folder: Path) -> None:
    """Copy the shipped content into a new workspace.

    Raises:
        AssayError: the folder holds something already.
    """
    import shutil
    import tempfile

    from assay.registry import workspace
    from assay.registry.errors import AssayError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AssayError(
            f"{folder} is not empty: a workspace is made in a folder of its own, and nothing is overwritten"
        )
    rooms = Path(workspace.__file__).resolve().parents[1]
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "tau-*")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".assay-init-") as temporary:
        made = Path(temporary) / "workspace"
        shutil.copytree(rooms / "registry" / "bundles", made / "bundles", ignore=ignore)
        shutil.copytree(rooms / "datasets", made / "datasets", ignore=ignore)
        shutil.copytree(rooms / "evalsuites", made / "evalsuites", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(rooms / "gates" / "policies", made / "policies")
        for bundle in made.glob("bundles/*/*.yaml"):
            # A workspace keeps its bundles one level nearer to the datasets than the repository does.
            text = bundle.read_text(encoding="utf-8").replace("../../../datasets/", "../../datasets/")
            bundle.write_text(text, encoding="utf-8")
        (made / "assay.yaml").write_text(_CONFIG, encoding="utf-8")
        (made / ".gitignore").write_text("/mlruns/\n/reports/\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        made.replace(folder)


def schema(
    folder: Annotated[Path, typer.Argument(help="The workspace's folder.", metavar="DIR")] = Path(),
) -> None:
    """Write JSON Schemas beside the content, and the contract of HTTP agents as OpenAPI.

    Editors complete and check YAML and JSON lines by the schemas; the contract goes into docs/ where there is one.
    """
    from assay.gates.policy import GatePolicy
    from assay.registry.content import schemas, write_schemas
    from assay.registry.types.bundle import BundleSource
    from assay.registry.workspace import WorkspaceConfig, find_workspace
    from assay.runner.agents.http.openapi import OPENAPI_FILE, openapi_yaml
    from assay.runner.scorers.rules.model import RulePack

    workspace = find_workspace(folder)
    written = write_schemas(workspace.datasets, workspace.suites)
    further = (
        (workspace.policies, "policy", GatePolicy),
        (workspace.rules, "rules", RulePack),
        (workspace.bundles, "bundle", BundleSource),
        (workspace.root, "assay", WorkspaceConfig),
    )
    for place, name, model in further:
        place.mkdir(parents=True, exist_ok=True)
        for file, text in schemas({name: model}).items():
            (place / file).write_text(text, encoding="utf-8", newline="\n")
            written.append(place / file)
    docs = workspace.root / "docs"
    contract = (docs if docs.is_dir() else workspace.root) / OPENAPI_FILE
    contract.write_text(openapi_yaml(), encoding="utf-8", newline="\n")
    for path in (*written, contract):
        say(str(path))


def demo(
    folder: Annotated[Path | None, typer.Argument(help="Where to make the demo's workspace.", metavar="DIR")] = None,
) -> None:
    """Register, evaluate, gate and promote five bundles of the reference agent in a new workspace.

    No network, no key, no server.
    """
    from assay.cli.demo import run_demo

    stamp = dt.datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    target = folder or Path("mlruns") / "demo" / stamp
    make_workspace(target)
    raise typer.Exit(run_demo(target.resolve()))
