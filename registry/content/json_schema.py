"""JSON Schemas of the content, so that editors complete and check it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from assay.registry.types.case import Case, DatasetInfo
from assay.registry.types.datacheck import DataExpectations
from assay.registry.types.suite import Suite

__all__ = ["schemas", "write_schemas"]


def schemas(models: Mapping[str, type[BaseModel]]) -> dict[str, str]:
    """File name `NAME.schema.json` to its text, for every model by name. Equal models give equal bytes."""
    return {f"{name}.schema.json": _schema(model) for name, model in models.items()}


def write_schemas(datasets: Path, suites: Path) -> list[Path]:
    """Write the schemas of cases, `dataset.yaml` and `expectations.yaml` into `datasets`, that of suites into `suites`.

    Returns:
        The files, in the order written.
    """
    written: list[Path] = []
    wanted = (
        (datasets, {"case": Case, "dataset": DatasetInfo, "expectations": DataExpectations}),
        (suites, {"suite": Suite}),
    )
    for folder, models in wanted:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in schemas(models).items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
            written.append(folder / name)
    return written


def _schema(model: type[BaseModel]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
