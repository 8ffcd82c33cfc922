"""Running Great Expectations over tables, and its suites and checkpoint as files.

The context is ephemeral: it leaves no files, no telemetry and no progress bars behind. What a team keeps beside its
data is the suites and the checkpoint in Great Expectations' own format, which this module writes.
"""

from __future__ import annotations

import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.registry.content.expectations import TableName, Wanted
from assay.registry.content.frame import Table
from assay.registry.errors import ContentError, nearest

if TYPE_CHECKING:
    from great_expectations.checkpoint.checkpoint import CheckpointResult
    from great_expectations.core import ExpectationSuite

__all__ = ["CHECKPOINT", "GX_FOLDER", "Outcome", "gx_files", "validate"]

CHECKPOINT = "dataset"
GX_FOLDER = "great_expectations"
_PLACE = ["id", "line"]


@dataclass(frozen=True)
class Outcome:
    """What came of one expectation. `broken_by` are (case id, line); `problem` says why it could not be evaluated."""

    success: bool
    broken_by: tuple[tuple[str, int], ...] = ()
    observed: float | None = None
    problem: str = ""


def validate(
    tables: Mapping[TableName, Table], wanted: Sequence[Wanted], file: Path
) -> tuple[dict[str, Outcome], dict[str, Any]]:
    """Run the checkpoint over the tables. Every expectation has an outcome; one without a result has failed.

    Returns the outcomes by the expectation's name, and Great Expectations' own validation results by table.

    Args:
        tables: by name.
        wanted: expectations, each about one of the tables.
        file: where a dataset's own expectations stand, for errors.

    Raises:
        ContentError: an expectation of the dataset's own is not one that Great Expectations knows, or names a column
            that there is not.
    """
    import pandas as pd

    suites = {name: _suite(name, [w for w in wanted if w.table == name], tables[name], file) for name in tables}
    frames = {name: pd.DataFrame(table.columns) for name, table in tables.items() if len(table)}
    outcomes = {w.name: Outcome(False, problem="was not evaluated") for w in wanted}
    seen: defaultdict[str, list[Outcome]] = defaultdict(list)
    results = list(_run(suites, frames).run_results.values())
    for result in results:
        for validation in result.results:
            configuration = validation.expectation_config
            if configuration is not None:
                seen[configuration.meta["name"]].append(_outcome(validation))
    outcomes |= {name: next((o for o in found if not o.success), found[0]) for name, found in seen.items()}
    for w in wanted:
        if w.table not in frames:  # a table without rows: nothing of it can hold
            outcomes[w.name] = Outcome(False, observed=0.0)
    return outcomes, {result.suite_name: result.to_json_dict() for result in results}


def gx_files(wanted: Sequence[Wanted], tables: Mapping[TableName, Table], file: Path) -> dict[str, str]:
    """The suites and the checkpoint in Great Expectations' own format, as file name to text; equal in, equal out."""
    files: dict[str, str] = {}
    for name in tables:
        suite = _suite(name, [w for w in wanted if w.table == name], tables[name], file).to_json_dict()
        files[f"expectations/{name}.json"] = _pretty(suite | {"meta": {}})
    definitions = [{"name": name, "suite": name, "dataframe": name} for name in tables]
    settings = {"name": CHECKPOINT, "validation_definitions": definitions, "result_format": _result_format()}
    files[f"checkpoints/{CHECKPOINT}.json"] = _pretty(settings)
    return files


def _run(suites: Mapping[str, ExpectationSuite], frames: Mapping[str, Any]) -> CheckpointResult:
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("dataset")
    definitions = [
        context.validation_definitions.add(
            gx.ValidationDefinition(
                name=name,
                data=source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all"),
                suite=context.suites.add(suites[name]),
            )
        )
        for name in frames
    ]
    # One checkpoint takes the same batch parameters for all of its validations, and a table is such a parameter.
    merged: CheckpointResult | None = None
    for definition in definitions:
        checkpoint = gx.Checkpoint(
            name=f"{CHECKPOINT}-{definition.name}",
            validation_definitions=[definition],
            result_format=_result_format(),
        )
        result = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frames[definition.name]})
        if merged is None:
            merged = result
        else:
            merged.run_results.update(result.run_results)
    assert merged is not None
    return merged


def _result_format() -> dict[str, Any]:
    return {"result_format": "COMPLETE", "unexpected_index_column_names": _PLACE, "include_unexpected_rows": False}


def _great_expectations() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations

    return great_expectations


def _suite(name: str, wanted: Iterable[Wanted], table: Table, file: Path) -> ExpectationSuite:
    gx = _great_expectations()
    return gx.ExpectationSuite(name=name, expectations=[_expectation(w, table, file) for w in wanted])


def _expectation(wanted: Wanted, table: Table, file: Path) -> Any:
    """Great Expectations' own object. Only a dataset's own expectations can be wrong here."""
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    column = wanted.kwargs.get("column")
    if isinstance(column, str) and len(table) and column not in table.columns:
        raise ContentError(
            f"no column {column!r} in the table of {wanted.table}.{nearest(column, table.columns)}",
            file=file,
            key=wanted.name,
        )
    configuration = ExpectationConfiguration(
        type=wanted.type,
        kwargs=dict(wanted.kwargs),
        meta={"name": wanted.name},
        severity=wanted.severity,  # pyright: ignore[reportArgumentType]
        description=wanted.text,
    )
    try:
        return configuration.to_domain_obj()
    except ExpectationNotFoundError:
        known = list_registered_expectation_implementations()
        hint = nearest(wanted.type, known)
        raise ContentError(f"no expectation {wanted.type!r}.{hint}", file=file, key=wanted.name) from None
    except ValueError as error:  # pydantic's, of the version that Great Expectations brings
        raise ContentError(f"{wanted.type}: {' '.join(str(error).split())}", file=file, key=wanted.name) from None


def _outcome(validation: Any) -> Outcome:
    raised = _exception(validation.exception_info)
    if raised:
        return Outcome(False, problem=f"could not be evaluated: {raised}")
    found: dict[str, Any] = validation.result
    broken = dict.fromkeys((str(p["id"]), int(p["line"])) for p in found.get("unexpected_index_list") or ())
    observed = found.get("observed_value")
    number = float(observed) if isinstance(observed, Real) else None
    return Outcome(validation.success is True, tuple(broken), number)


def _exception(info: Mapping[str, Any] | None) -> str:
    """The message of an expectation that raised; the library nests it by metric in some cases."""
    entries = [info or {}, *(entry for entry in (info or {}).values() if isinstance(entry, Mapping))]
    raised = [str(entry.get("exception_message")) for entry in entries if entry.get("raised_exception")]
    return raised[0] if raised else ""


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
