"""Import of public tau-bench runs: a dataset folder with cases and the recorded conversations.

All of a file is read and checked before anything is written, and the folder appears whole or not at all.
The same file always gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from pydantic import ValidationError

from assay.registry.digest import digest_of
from assay.registry.errors import ContentError
from assay.registry.strict import validation_problems
from assay.registry.types.base import Digest, Frozen, Name
from assay.registry.types.case import Case, DatasetInfo
from assay.registry.types.trajectory import Trajectory
from assay.runner.agents.recorded import RECORDINGS_NAME, UNSEALED, seal
from assay.runner.importers.folder import publish
from assay.runner.importers.tau_card import data_card
from assay.runner.importers.tau_cases import INTENTS, TOOLS, case_id, case_of
from assay.runner.importers.tau_records import Record, read_records
from assay.runner.importers.tau_turns import conversation

__all__ = ["ImportReport", "import_tau_bench"]


class ImportReport(Frozen):
    """What an import made. `missing` lists the trials that other tasks have and these have not."""

    folder: str
    written: bool
    """False where the folder already held exactly this."""
    dataset: Name
    agent: Name
    bundle_digest: Digest
    cases: int
    trials: int
    recordings: int
    incomplete: int
    """Recordings that end before the agent has answered."""
    missing: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """The report for people. What is missing or cut short is said, because it will count."""
        made = (
            f"{self.cases} cases, {self.recordings} recorded conversations of {self.agent}, {self.trials} trials a case"
        )
        lines = [f"{self.folder}: {made}" if self.written else f"{self.folder} already holds this: {made}"]
        lines.append(f"bundle sha256 {self.bundle_digest}")
        if self.incomplete:
            lines.append(f"{self.incomplete} end before the agent has answered: they count against it in every metric.")
        if self.missing:
            named = ", ".join(self.missing[:10]) + (", ..." if len(self.missing) > 10 else "")
            count = "1 trial is" if len(self.missing) == 1 else f"{len(self.missing)} trials are"
            lines.append(f"{count} missing and will be missing in every run: {named}")
        return tuple(lines)


def import_tau_bench(
    file: Path, out: Path, *, name: str = "tau-airline", agent: str | None = None, overwrite: bool = False
) -> ImportReport:
    """Make a dataset folder with recordings from a trajectory file of tau-bench's airline domain.

    Args:
        file: `.json` or `.json.gz`, a list of `{task_id, trial, reward, info, traj}`.
        out: the folder to write: `dataset.yaml`, `cases.jsonl`, `recordings.jsonl`, `README.md`.
        name: the dataset's name.
        agent: what to call the recorded agent; by default after the file, which is all that tells it.
        overwrite: replace a folder that holds another import.

    Raises:
        ContentError: the file is damaged or says something it may not (names the record by its index from 0,
            and the key), or `out` exists and is something else.
        OSError: the folder cannot be written to.
    """
    records = read_records(file)
    cases = _cases(records, file)
    trajectories = _trajectories(records, cases, agent or _agent_name(file), file)
    missing = _missing(records)
    info = _info(name, cases, trajectories)
    files = {
        "dataset.yaml": yaml.safe_dump(info.model_dump(mode="json", exclude_none=True), sort_keys=False),
        "cases.jsonl": "".join(f"{_line(case)}\n" for case in cases.values()),
        RECORDINGS_NAME: "".join(f"{trajectory.model_dump_json()}\n" for trajectory in trajectories),
        "README.md": data_card(info, tuple(cases.values()), trajectories, missing),
    }
    return ImportReport(
        folder=str(out),
        written=publish(files, out, overwrite=overwrite),
        dataset=info.name,
        agent=trajectories[0].agent,
        bundle_digest=trajectories[0].bundle_digest,
        cases=len(cases),
        trials=max(record.trial for record in records) + 1,
        recordings=len(trajectories),
        incomplete=sum(trajectory.error is not None for trajectory in trajectories),
        missing=missing,
    )


def _cases(records: Sequence[Record], file: Path) -> dict[int, Case]:
    """One case a task, by task id; refuses trials of a task that speak of different tasks."""
    first: dict[int, int] = {}
    cases: dict[int, Case] = {}
    for index, record in enumerate(records):
        if record.task_id not in cases:
            first[record.task_id] = index
            with _record(file, index):
                cases[record.task_id] = case_of(record.task_id, record.info.task)
        elif record.info.task != records[first[record.task_id]].info.task:
            raise ContentError(
                f"task {record.task_id} is another one than in record {first[record.task_id]}",
                file=file,
                key=f"record {index}, info.task",
            )
    return dict(sorted(cases.items()))


def _trajectories(
    records: Sequence[Record], cases: Mapping[int, Case], agent: str, file: Path
) -> tuple[Trajectory, ...]:
    digests = {task: digest_of(case) for task, case in cases.items()}
    seen: dict[tuple[int, int], int] = {}
    made: list[Trajectory] = []
    for index, record in enumerate(records):
        unit = (record.task_id, record.trial)
        if unit in seen:
            raise ContentError(
                f"trial {record.trial} of task {record.task_id} stands twice (first in record {seen[unit]})",
                file=file,
                key=f"record {index}, trial",
            )
        seen[unit] = index
        with _record(file, index):
            made.append(_trajectory(record, agent, digests[record.task_id]))
            if made[-1].system != made[0].system:
                raise ContentError("the system message is another one than in record 0; one agent a file", key="traj.0")
    return seal(made)


def _trajectory(record: Record, agent: str, case_digest: str) -> Trajectory:
    held = conversation(record.traj)
    return Trajectory(
        key=UNSEALED,
        agent=agent,
        bundle_digest=UNSEALED,
        case_id=case_id(record.task_id),
        case_digest=case_digest,
        trial=record.trial,
        mode="recorded",
        turns=held.turns,
        outcome=held.outcome,
        error=held.error,
        system=held.system,
        labels={"reward": record.reward},
    )


def _missing(records: Sequence[Record]) -> tuple[str, ...]:
    """Every trial that the highest trial number of the file makes one expect, and that is not there."""
    found = {(record.task_id, record.trial) for record in records}
    tasks, trials = sorted({task for task, _ in found}), range(max(trial for _, trial in found) + 1)
    return tuple(f"{case_id(task)} trial {n}" for task in tasks for n in trials if (task, n) not in found)


def _info(name: str, cases: Mapping[int, Case], trajectories: Sequence[Trajectory]) -> DatasetInfo:
    version = digest_of([case.model_dump(mode="json") for case in cases.values()])[:12]
    try:
        return DatasetInfo(
            name=name,
            version=version,
            description=f"Airline tasks of tau-bench with recorded conversations of {trajectories[0].agent}",
            licence="MIT",
            intents=INTENTS,
            tools=TOOLS,
        )
    except ValidationError as error:
        raise ContentError(_told(error, DatasetInfo)) from None


def _line(case: Case) -> str:
    return json.dumps(case.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False)


def _agent_name(file: Path) -> str:
    """The file's name as an agent's name: without its endings, and with a hyphen for what a name may not hold."""
    stem = file.name.removesuffix(".gz").removesuffix(".json")
    return re.sub(r"[^A-Za-z0-9_.\-]+", "-", stem).strip("-._") or "recorded"


@contextmanager
def _record(file: Path, index: int) -> Iterator[None]:
    """Whatever is wrong with a record is told with the file and the record's index."""
    try:
        yield
    except ContentError as error:
        raise ContentError(error.problem, file=file, key=f"record {index}, {error.key}") from None
    except ValidationError as error:
        raise ContentError(_told(error, Trajectory), file=file, key=f"record {index}") from None
    except RecursionError:
        raise ContentError("nested too deeply", file=file, key=f"record {index}") from None


def _told(error: ValidationError, model: type[Frozen]) -> str:
    return "; ".join(f"{key}: {why}" for key, why in validation_problems(error, model))
