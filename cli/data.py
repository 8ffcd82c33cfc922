"""`assay dataset ...` and `assay import ...`: golden conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.console import say, table
from assay.registry.workspace import find_workspace

__all__ = ["dataset_group", "import_group"]

dataset_group = typer.Typer(help="Check golden conversations.", no_args_is_help=True, rich_markup_mode=None)
import_group = typer.Typer(help="Turn others' formats into datasets.", no_args_is_help=True, rich_markup_mode=None)


@dataset_group.callback()
def _dataset() -> None:
    pass


@import_group.callback()
def _import() -> None:
    pass


@dataset_group.command("check")
def check(
    name: Annotated[str, typer.Argument(help="A dataset of the workspace, or the path of its folder.")],
) -> None:
    """Load a dataset strictly and run its own expectations; exits 1 where one fails."""
    from assay.registry.content import check_dataset, load_dataset

    workspace = find_workspace()
    folder = Path(name) if Path(name).is_dir() else workspace.datasets / name
    dataset = load_dataset(folder)
    report = check_dataset(dataset, folder, workspace.store / "checks")
    say(f"{dataset.info.name} {dataset.info.version}: {len(dataset.cases)} cases, sha256 {dataset.digest}")
    if report is None:
        say(f"There is no expectations.yaml in {folder}: nothing beyond the schema was checked.")
        return
    rows = [[e.name, "PASS" if e.success else "FAIL", e.message] for e in report.expectations]
    table(["expectation", "result", "detail"], rows)
    if not report.success:
        raise typer.Exit(1)


@import_group.command("tau-bench")
def tau_bench(
    file: Annotated[Path, typer.Argument(help="A tau-bench trajectory file (.json or .json.gz).")],
    name: Annotated[str, typer.Option(help="What the dataset will be called.")] = "tau-airline",
    out: Annotated[Path | None, typer.Option(help="Folder to write. Default: the workspace's datasets/NAME.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a folder that holds something else.")] = False,
) -> None:
    """Turn a public tau-bench trajectory file into a dataset and recorded trajectories.

    Example: assay import tau-bench gpt-4o-airline.json && assay eval recorded:tau-airline --suite tau-airline
    """
    from assay.runner.importers.tau_bench import import_tau_bench

    folder = out or find_workspace().datasets / name
    for line in import_tau_bench(file, folder, name=name, overwrite=overwrite).lines():
        say(line)
