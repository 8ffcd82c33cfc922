"""Golden conversations as an MLflow evaluation dataset, for `mlflow.genai.evaluate` and for people who look at MLflow.

An evaluation dataset has no versions and its records can be edited by anyone: nothing that decides reads it back.
A second export brings the records up to date: those that Assay made and that changed or are gone are replaced or
deleted, those that others added stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.registry.errors import AssayError
from assay.registry.store.connection import Connection, absent
from assay.registry.workspace import Workspace

__all__ = ["PublishedRecords", "publish_records"]

_OURS = "assay.dataset"
_CASE = "assay.case"
_USER = "mlflow.user"


@dataclass(frozen=True)
class PublishedRecords:
    """What an export came to. `foreign` counts records that others added and that were left alone."""

    dataset_id: str
    created: bool
    added: int
    removed: int
    kept: int
    foreign: int


def publish_records(
    workspace: Workspace, name: str, records: Sequence[Mapping[str, Any]], tags: Mapping[str, str], *, overwrite: bool
) -> PublishedRecords:
    """Make the evaluation dataset `name` hold exactly these records of ours.

    Args:
        records: `inputs`, `expectations` and `tags` of each; `inputs` differ from record to record.
        tags: of the dataset.
        overwrite: take over a dataset of this name that Assay did not make.

    Raises:
        AssayError: there is a dataset of this name that Assay did not make, there are several, or the store
            cannot be opened.
    """
    connection = Connection(workspace)  # a new one: MLflow's datasets live at its process-wide address
    import mlflow.genai.datasets as datasets

    found = _find(connection, name)
    created = found is None
    if found is None:
        dataset = datasets.create_dataset(name, experiment_id=_experiments(connection), tags={_OURS: name, **tags})
    else:
        if _OURS not in (found.tags or {}) and not overwrite:
            raise AssayError(
                f"MLflow has an evaluation dataset {name!r} that Assay did not make; --overwrite adds to it"
            )
        dataset = datasets.get_dataset(dataset_id=found.dataset_id)
    wanted = {_key(record["inputs"]): record for record in records}
    stale, kept, foreign = _compare(dataset, wanted)
    if stale:
        dataset.delete_records(stale)
    new = [dict(record) for key, record in wanted.items() if key not in kept]
    if new:
        dataset.merge_records(new)
    if not created:
        datasets.set_dataset_tags(dataset_id=str(dataset.dataset_id), tags={_OURS: name, **tags})
    return PublishedRecords(str(dataset.dataset_id), created, len(new), len(stale), len(kept), foreign)


def _find(connection: Connection, name: str) -> Any:
    found: list[Any] = []
    with absent():
        found = list(connection.client.search_datasets(filter_string=f'name = "{name}"', max_results=2))
    if len(found) > 1:
        raise AssayError(f"MLflow has several evaluation datasets named {name!r}; delete or rename all but one")
    return found[0] if found else None


def _experiments(connection: Connection) -> list[str]:
    """The agents' experiments, where people look for their data; MLflow's default one before there is any."""
    found = [connection.find_experiment(agent) for agent in connection.agents_with_runs()]
    return [number for number in found if number is not None] or ["0"]


def _compare(dataset: Any, wanted: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], set[str], int]:
    """Ids of our records that are not wanted as they are, keys of those that are, and how many are others'."""
    stale: list[str] = []
    kept: set[str] = set()
    foreign = 0
    for record in dataset.to_df().to_dict("records"):
        tags = {key: value for key, value in (record["tags"] or {}).items() if key != _USER}
        key = _key(record["inputs"])
        if _CASE not in tags:
            foreign += 1
        elif key in wanted and _same(wanted[key], record["expectations"], tags):
            kept.add(key)
        else:
            stale.append(record["dataset_record_id"])
    return stale, kept, foreign


def _same(record: Mapping[str, Any], expectations: Any, tags: Mapping[str, str]) -> bool:
    return _key(record["expectations"]) == _key(expectations or {}) and dict(record["tags"]) == dict(tags)


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
