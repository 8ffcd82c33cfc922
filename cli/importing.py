"""`assay import ...`: others' formats as datasets of golden conversations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import note, say
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.runner.importers.dataset_files import DatasetReport, Target

__all__ = ["import_group"]

import_group = typer.Typer(help="Turn others' formats into datasets.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Option(help="What the dataset will be called.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write. Default: the workspace's datasets/NAME.")]
Defaults = Annotated[
    list[str] | None,
    typer.Option(
        "--default",
        metavar="KEY=VALUE",
        help="A label for all conversations that do not say it; may be repeated. Keys: intent, risk_tier, autonomy, "
        "date, escalation (required or not_required), reasons, by_turn, queue, channel, language. What rests on a "
        "default is tagged needs_labels.",
    ),
]
Licence = Annotated[str | None, typer.Option(help="Licence of the data. Default: unknown, or that of --like.")]
Like = Annotated[
    str | None,
    typer.Option(
        metavar="DATASET",
        help="A dataset whose intents, tools, queues, knowledge, wording and expectations the new one takes over.",
    ),
]
HandoffTool = Annotated[
    str, typer.Option("--handoff-tool", metavar="TOOL", help="The tool whose call is the transfer to a person.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a folder that holds something else.")]


@import_group.callback()
def _import() -> None:
    pass


@import_group.command("openai")
def openai(
    file: Annotated[Path, typer.Argument(help="OpenAI chat messages, one conversation a line (.jsonl).")],
    name: Name,
    out: Out = None,
    default: Defaults = None,
    handoff_tool: HandoffTool = "transfer_to_human",
    licence: Licence = None,
    like: Like = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn OpenAI chat messages into a dataset: customer turns, golden replies, tool calls with their results.

    A line is {"messages": [...], "metadata": {"intent": "...", "risk_tier": "...", ...}}. A label that the metadata
    lacks has to come from --default.

    Example: assay import openai chats.jsonl --name chats --default risk_tier=medium --default date=2026-03-02
    """
    from assay.runner.importers.labels import parse_defaults
    from assay.runner.importers.openai_chat import import_openai

    defaults = parse_defaults(default or [])
    target = _target(name, out, licence, like, overwrite)
    _told(import_openai(file, target, defaults=defaults, handoff_tool=handoff_tool))


@import_group.command("csv")
def csv(
    file: Annotated[Path, typer.Argument(help="A table with one customer turn a row (.csv, UTF-8).")],
    name: Name,
    out: Out = None,
    default: Defaults = None,
    licence: Licence = None,
    like: Like = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn a table, as a spreadsheet saves it, into a dataset.

    Columns: id and customer_says, and any of those that `assay dataset export NAME --to csv` writes. Lists stand
    between ' | ', what must be said one requirement a line.

    Example: assay import csv cases.csv --name my-cases --like harborline
    """
    from assay.runner.importers.csv_import import import_csv
    from assay.runner.importers.labels import parse_defaults

    defaults = parse_defaults(default or [])
    _told(import_csv(file, _target(name, out, licence, like, overwrite), defaults=defaults))


@import_group.command("mlflow")
def mlflow(
    experiment: Annotated[str, typer.Argument(help="Name or id of an MLflow experiment with traces.")],
    name: Name,
    out: Out = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="Address of the MLflow store. Default: the workspace's.")
    ] = None,
    default: Defaults = None,
    handoff_tool: HandoffTool = "transfer_to_human",
    licence: Licence = None,
    like: Like = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn conversations that were traced into MLflow into a dataset: one session a case, one trace a customer turn.

    Labels come from tags of the traces (intent, risk_tier, ...) or from --default. Look at personal data before you
    keep what real people wrote.

    Example: assay import mlflow support-bot --name from-production --default autonomy=confirm
    """
    from assay.registry.store.sessions import read_sessions, workspace_at
    from assay.runner.importers.labels import parse_defaults
    from assay.runner.importers.mlflow_sessions import import_sessions

    defaults = parse_defaults(default or [])
    target = _target(name, out, licence, like, overwrite)
    workspace = workspace_at(tracking_uri) if tracking_uri else find_workspace()
    sessions = read_sessions(workspace, experiment, calls_named={handoff_tool})
    _told(import_sessions(sessions, experiment, target, defaults=defaults, handoff_tool=handoff_tool))


@import_group.command("tau-bench")
def tau_bench(
    file: Annotated[Path, typer.Argument(help="A tau-bench trajectory file (.json or .json.gz).")],
    name: Annotated[str, typer.Option(help="What the dataset will be called.")] = "tau-airline",
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn a public tau-bench trajectory file into a dataset and recorded trajectories.

    Example: assay import tau-bench gpt-4o-airline.json && assay eval recorded:tau-airline --suite tau-airline
    """
    from assay.runner.importers.tau_bench import import_tau_bench

    folder = out or find_workspace().datasets / name
    for line in import_tau_bench(file, folder, name=name, overwrite=overwrite).lines():
        say(line)


def _target(name: str, out: Path | None, licence: str | None, like: str | None, overwrite: bool) -> Target:
    from assay.runner.importers.dataset_files import Target

    base = None
    if like is not None:
        base = Path(like) if Path(like).is_dir() else find_workspace().datasets / like
    return Target(name, out or find_workspace().datasets / name, licence, base, overwrite)


def _told(report: DatasetReport) -> None:
    """The result on standard output, what to know about it on standard error."""
    first, *remarks = report.lines()
    say(first)
    for remark in remarks:
        note(f"- {remark}")
