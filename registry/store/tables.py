"""A run's dataset and scores in the forms that MLflow and data tools read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.registry.types.case import Dataset
from assay.registry.types.run import EvalRun
from assay.registry.types.score import Score, ScoreRecord, ScorerFailure, Skipped

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

__all__ = ["dataset_input", "write_scores_table"]

# MLflow's limit for a dataset digest; the whole digest stands in a tag of the input.
_DIGEST_LENGTH = 36


def dataset_input(dataset: Dataset) -> DatasetInput:
    """The dataset as an input of a run, under our digest."""
    from mlflow.entities import Dataset as LoggedDataset
    from mlflow.entities import DatasetInput, InputTag

    info = dataset.info
    source = {"uri": f"assay:{info.name}/{info.version}", "digest": dataset.digest}
    profile = {"cases": len(dataset.cases), "documents": len(dataset.documents), "version": info.version}
    logged = LoggedDataset(
        name=info.name,
        digest=dataset.digest[:_DIGEST_LENGTH],
        source_type="assay",
        source=json.dumps(source),
        profile=json.dumps(profile),
    )
    tags = [InputTag("mlflow.data.context", "evaluation"), InputTag("assay.digest", dataset.digest)]
    return DatasetInput(logged, tags)


def write_scores_table(run: EvalRun, path: Path) -> None:
    """One row for each score. `value` and `of` are null where nothing was measured; `note` then says why."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("case_id", "scorer", "metric", "kind", "note", "trajectory")),
            ("trial", pa.int64()),
            ("value", pa.float64()),
            ("of", pa.int64()),
            ("findings", pa.int64()),
        ]
    )
    parquet.write_table(pa.Table.from_pylist([_row(record) for record in run.scores], schema=schema), path)


def _row(record: ScoreRecord) -> dict[str, Any]:
    row: dict[str, Any] = {
        "case_id": record.case_id,
        "trial": record.trial,
        "trajectory": record.trajectory,
        "scorer": record.scorer,
        "metric": record.metric,
        "kind": record.result.kind,
        "findings": 0,
    }
    match record.result:
        case Score() as score:
            row |= {"value": score.value, "of": score.of, "note": score.explanation, "findings": len(score.findings)}
        case Skipped(reason=reason):
            row["note"] = reason
        case ScorerFailure(error=error):
            row["note"] = error
    return row
