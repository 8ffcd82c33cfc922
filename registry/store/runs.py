"""Evaluation runs in MLflow: stored whole or not found at all.

A run counts only once MLflow has it as FINISHED, which is the last thing that is written. What is read back
is compared with what the run says of itself; whether it is still what was recorded when it was made is for
the ledger's digest to tell (`assay.registry.evidence.run_digest`).
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from assay.registry.digest import digest_bytes, digest_of
from assay.registry.errors import AssayError, IntegrityError, NotFoundError
from assay.registry.evidence import content_digest
from assay.registry.store.connection import Connection, absent
from assay.registry.store.refs import AGENT_TAG, KIND_TAG
from assay.registry.store.tables import dataset_input, write_scores_table
from assay.registry.types.case import Dataset
from assay.registry.types.run import EvalRun
from assay.registry.types.trajectory import Trajectory

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["EVIDENCE_FILES", "RunSummary", "find_runs", "load_run", "load_trajectories", "log_run", "run_by_id"]

_HEADER, _SCORES, _TRAJECTORIES = "eval_run.json", "scores.jsonl", "trajectories.jsonl"
_TABLE = "scores.parquet"
EVIDENCE_FILES = frozenset({_HEADER, _SCORES, _TRAJECTORIES, _TABLE})
_KIND = "evaluation"
_PARAM_LENGTH = 6000
_REMEMBERED = 2
_last_read: dict[str, tuple[EvalRun, str]] = {}
"""The runs that were read last, by the digest of their files: a candidate's and its champion's."""


@dataclass(frozen=True)
class RunSummary:
    """A finished evaluation run, as MLflow's tags describe it. Evidence is what `load_run` reads, not this."""

    run_id: str
    agent: str
    created_at: str
    bundle_digest: str
    bundle_label: str
    dataset: str
    dataset_digest: str
    suite: str
    suite_digest: str


_TAGGED = ("created_at", "bundle_digest", "bundle_label", "dataset", "dataset_digest", "suite", "suite_digest")


def log_run(
    connection: Connection,
    run: EvalRun,
    trajectories: Iterable[Trajectory],
    *,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    dataset: Dataset,
    extra_artifacts: Mapping[str, str],
) -> EvalRun:
    """Store a run with its evidence; the same run with its id comes back.

    Raises:
        AssayError: a metric is not a finite number, or two metrics get one name in MLflow.
    """
    from mlflow.entities import Metric, Param

    client = connection.client
    values = _metric_names(metrics)
    tags = {KIND_TAG: _KIND, AGENT_TAG: run.agent, **{f"assay.{name}": str(getattr(run, name)) for name in _TAGGED}}
    name = f"{run.bundle_label} on {run.suite}"
    created = client.create_run(connection.experiment(run.agent), tags=tags, run_name=name)
    run_id = created.info.run_id
    stored = run.model_copy(update={"run_id": run_id})
    try:
        now = created.info.start_time
        for batch in _batches([Metric(key, value, now, 0) for key, value in values.items()], 1000):
            client.log_batch(run_id, metrics=batch)
        for batch in _batches([Param(key, value[:_PARAM_LENGTH]) for key, value in params.items()], 100):
            client.log_batch(run_id, params=batch)
        client.log_inputs(run_id, datasets=[dataset_input(dataset)])
        with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
            _write_artifacts(Path(scratch), stored, trajectories, extra_artifacts)
            client.log_artifacts(run_id, scratch)
        client.set_terminated(run_id, "FINISHED")
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    return stored


def load_run(connection: Connection, run_id: str) -> tuple[EvalRun, str]:
    """A finished run and the digest of what is stored now.

    Raises:
        IntegrityError: its files are gone, unreadable, or of another run.
    """
    stored = _finished(connection, run_id)
    found = _summary(stored)
    header, scores = (_artifact(connection, stored, name) for name in (_HEADER, _SCORES))
    try:
        run, digest = _read_run(header, scores)
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"run {run_id}: {_HEADER} or {_SCORES} cannot be read: {str(error)[:300]}") from error
    said = (run.run_id, run.agent, run.bundle_digest, run.dataset_digest, run.suite_digest)
    tagged = (run_id, found.agent, found.bundle_digest, found.dataset_digest, found.suite_digest)
    if said != tagged:
        raise IntegrityError(f"run {run_id}: {_HEADER} is not of this run: it names {said}, the run's tags {tagged}")
    return run, digest


def _read_run(header: str, scores: str) -> tuple[EvalRun, str]:
    """A run and its digest, from what its files hold. The same candidate and champion are read again at each step of
    a release, and reading takes far longer than telling that the files still hold the same.
    """
    same = digest_bytes(f"{header}\n{scores}".encode(errors="surrogatepass"))
    if same not in _last_read:
        stored = {**json.loads(header), "scores": [json.loads(line) for line in _lines(scores)]}
        found = EvalRun.model_validate(stored), content_digest(stored)
        while len(_last_read) >= _REMEMBERED:
            _last_read.pop(next(iter(_last_read)))
        _last_read[same] = found
    return _last_read[same]


def load_trajectories(connection: Connection, run_id: str) -> list[Trajectory]:
    """The trajectories of a run, each compared with the digest that the run names for its trial.

    Raises:
        IntegrityError: one was edited, added or removed.
    """
    run, _ = load_run(connection, run_id)
    wanted = {(unit.case_id, unit.trial): unit.trajectory for unit in run.planned if unit.trajectory is not None}
    found: list[Trajectory] = []
    told = _artifact(connection, _finished(connection, run_id), _TRAJECTORIES)
    for number, line in enumerate(_lines(told), start=1):
        try:
            stored = json.loads(line)
            trajectory = Trajectory.model_validate(stored)
        except ValueError as error:
            raise IntegrityError(
                f"run {run_id}: {_TRAJECTORIES}:{number} cannot be read: {str(error)[:300]}"
            ) from error
        if wanted.pop((trajectory.case_id, trajectory.trial), None) != digest_of(stored):
            raise IntegrityError(
                f"run {run_id}: the trajectory of case {trajectory.case_id!r} (trial {trajectory.trial}, "
                f"{_TRAJECTORIES}:{number}) is not the one that was stored"
            )
        found.append(trajectory)
    if wanted:
        case_id, trial = min(wanted)
        raise IntegrityError(f"run {run_id}: {len(wanted)} trajectories are gone, first case {case_id!r} trial {trial}")
    return found


def run_by_id(connection: Connection, run_id: str) -> RunSummary:
    """The finished evaluation run with this id.

    Raises:
        NotFoundError: there is none, or it did not finish.
    """
    return _summary(_finished(connection, run_id))


def _finished(connection: Connection, run_id: str) -> Run:
    with absent():
        found = connection.client.get_run(run_id)
        tags = found.data.tags
        if found.info.status == "FINISHED" and tags.get(KIND_TAG) == _KIND:
            return found
        raise NotFoundError("finished evaluation run", run_id)
    raise NotFoundError("finished evaluation run", run_id)


def find_runs(connection: Connection, agent: str, wanted: Mapping[str, str | None]) -> list[RunSummary]:
    """Finished runs of an agent, newest first. `wanted` maps a field of `RunSummary` to its value, None for any."""
    experiment = connection.find_experiment(agent)
    if experiment is None:
        return []
    conditions = [f"attributes.status = 'FINISHED' and tags.`{KIND_TAG}` = '{_KIND}'"]
    conditions += [f"tags.`assay.{name}` = '{value}'" for name, value in wanted.items() if value is not None]
    found: list[RunSummary] = []
    token: str | None = None
    while True:
        page = connection.client.search_runs(
            [experiment],
            filter_string=" and ".join(conditions),
            max_results=1000,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        found += map(_summary, page)
        token = page.token
        if not token:
            return found


def _summary(run: Run) -> RunSummary:
    tags = run.data.tags
    fields = {name: tags.get(f"assay.{name}", "") for name in _TAGGED}
    return RunSummary(run_id=run.info.run_id, agent=tags.get(AGENT_TAG, ""), **fields)


def _metric_names(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics under names that MLflow allows: `risk_tier=high` becomes `risk_tier:high`."""
    named: dict[str, float] = {}
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise AssayError(f"the metric {name!r} is {value}, which is no measurement")
        key = re.sub(r"[^\w\-./: ]", "_", name.replace("=", ":"))
        if key in named:
            raise AssayError(f"two metrics would be called {key!r} in MLflow; {name!r} is one of them")
        named[key] = float(value)
    return named


def _write_artifacts(folder: Path, run: EvalRun, trajectories: Iterable[Trajectory], extra: Mapping[str, str]) -> None:
    header = run.model_dump(mode="json", exclude={"scores"})
    (folder / _HEADER).write_text(json.dumps(header), encoding="ascii")
    _write_lines(folder / _SCORES, run.scores)
    _write_lines(folder / _TRAJECTORIES, trajectories)
    write_scores_table(run, folder / _TABLE)
    for name, text in extra.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or path.exists():
            raise AssayError(f"{name!r} cannot be the name of an artifact of a run")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _write_lines(path: Path, models: Iterable[BaseModel]) -> None:
    """JSON lines in ASCII: what customers type may hold line separators and halves of surrogate pairs."""
    with path.open("w", encoding="ascii", newline="\n") as file:
        for model in models:
            file.write(json.dumps(model.model_dump(mode="json")) + "\n")


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _artifact(connection: Connection, run: Run, name: str) -> str:
    import mlflow.artifacts

    # The run's own address: by its id, MLflow would look through all models that were logged with the run.
    address = f"{run.info.artifact_uri}/{name}"
    with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
        try:
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=address, dst_path=scratch, tracking_uri=connection.uri
            )
            return Path(path).read_text(encoding="utf-8")
        except Exception as error:
            raise IntegrityError(f"run {run.info.run_id}: {name} cannot be read: {str(error)[:300]}") from error


def _batches(items: list, size: int) -> Iterator[list]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
