"""`assay dataset export`: golden conversations in the formats of others."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from assay.cli.console import note, say
from assay.registry.errors import AssayError
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.registry.types.case import Dataset

__all__ = ["ExportFormat", "export"]


class ExportFormat(StrEnum):
    """What a dataset can be exported as."""

    CSV = "csv"
    OPENAI = "openai"
    DEEPEVAL = "deepeval"
    RAGAS = "ragas"
    MLFLOW = "mlflow"


def export(
    name: Annotated[str, typer.Argument(help="A dataset of the workspace, or the path of its folder.")],
    to: Annotated[ExportFormat, typer.Option(help="The format.")],
    out: Annotated[Path | None, typer.Option(help="File to write. mlflow needs none.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file, or take over an MLflow dataset, of something else.")
    ] = False,
    redact: Annotated[bool, typer.Option("--redact", help="Black out personal data.")] = False,
    handoff_tool: Annotated[
        str, typer.Option("--handoff-tool", metavar="TOOL", help="openai: the tool that transfers to a person.")
    ] = "transfer_to_human",
) -> None:
    """Write a dataset as a table, as OpenAI chat messages, or for deepeval, ragas or MLflow.

    csv holds everything that a case holds and can be imported again. What another format does not hold is counted on
    standard error. The personal data of golden conversations is invented and goes along unless --redact is given.

    Example: assay dataset export harborline --to csv --out harborline.csv
    """
    from assay.registry.content import load_dataset
    from assay.runner.exporters.losses import lost
    from assay.runner.exporters.redaction import redacted

    if (out is None) != (to is ExportFormat.MLFLOW):
        raise AssayError("--to mlflow takes no --out" if out else f"--to {to.value} needs --out FILE")
    folder = Path(name) if Path(name).is_dir() else find_workspace().datasets / name
    dataset = load_dataset(folder)
    dataset = redacted(dataset) if redact else dataset
    remarks = _to_file(dataset, to, out, overwrite, handoff_tool) if out else _to_mlflow(dataset, overwrite)
    missing = lost(dataset, to.value)
    if missing:
        note(f"not held by this format: {', '.join(missing)}")
    for remark in remarks:
        note(f"- {remark}")


def _to_file(dataset: Dataset, to: ExportFormat, out: Path, overwrite: bool, handoff_tool: str) -> list[str]:
    """Write the file; what people have to know about it."""
    from assay.registry.files import write_file, write_text
    from assay.runner.exporters.csv_file import csv_remarks, csv_text
    from assay.runner.exporters.openai_file import openai_remarks, openai_text

    remarks: list[str] = []
    match to:
        case ExportFormat.CSV:
            written = write_text(out, csv_text(dataset.cases), overwrite=overwrite)
            remarks = csv_remarks(dataset.cases)
        case ExportFormat.OPENAI:
            text = openai_text(dataset.cases, handoff_tool=handoff_tool)
            written = write_text(out, text, overwrite=overwrite)
            remarks = openai_remarks(dataset.cases)
        case ExportFormat.DEEPEVAL:
            from assay.runner.judges.deepeval_goldens import save_goldens

            written = write_file(out, lambda path: save_goldens(dataset.cases, path), overwrite=overwrite)
        case ExportFormat.RAGAS:
            from assay.runner.judges.ragas_samples import save_samples

            written = write_file(out, lambda path: save_samples(dataset.cases, path), overwrite=overwrite)
        case ExportFormat.MLFLOW:
            raise AssertionError("MLflow is no file")
        case _:
            assert_never(to)
    turns = sum(len(case.turns) for case in dataset.cases)
    say(f"{out}{':' if written else ' already holds this:'} {len(dataset.cases)} cases, {turns} customer turns")
    return remarks


def _to_mlflow(dataset: Dataset, overwrite: bool) -> list[str]:
    from assay.registry.store.evaluation_datasets import publish_records
    from assay.runner.exporters.mlflow_records import mlflow_records

    info = dataset.info
    tags = {"assay.version": info.version, "assay.digest": dataset.digest}
    records = mlflow_records(dataset.cases)
    done = publish_records(find_workspace(), info.name, records, tags, overwrite=overwrite)
    state = "created" if done.created else "brought up to date"
    say(
        f"MLflow evaluation dataset {info.name} ({done.dataset_id}) {state}: {len(records)} records, one a customer "
        f"turn; {done.added} added, {done.removed} removed, {done.kept} as they were"
    )
    return [f"{done.foreign} records that others added were left alone"] if done.foreign else []
