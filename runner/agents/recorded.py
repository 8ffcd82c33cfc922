"""Recorded agents: conversations held elsewhere, judged like a replay.

A recorded agent has no bundle in the registry. What is known of it is what it did, so its bundle digest
is the digest of its recordings: edit, add or drop one, and it is another agent. `load_recordings`
recomputes that digest and refuses a file that was changed after it was made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from assay.registry.digest import digest_of
from assay.registry.errors import ContentError, IntegrityError, nearest
from assay.registry.strict import parse_json, read_text
from assay.registry.types.case import Dataset
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Trajectory
from assay.runner.keys import trajectory_key

__all__ = ["RECORDED", "RECORDINGS_NAME", "UNSEALED", "Recordings", "load_recordings", "seal"]

RECORDINGS_NAME = "recordings.jsonl"

RECORDED = ReplaySettings(mode="recorded")
"""The replay settings of every recording. Nothing is run, so there is nothing else to set."""

UNSEALED = "0" * 64
"""Stands for the key and the bundle digest of a trajectory that `seal` has not seen yet."""


@dataclass(frozen=True)
class Recordings:
    """The recordings of one agent, as `load_recordings` found them: sealed, complete and consistent."""

    path: Path
    agent: str
    bundle_digest: str
    trajectories: tuple[Trajectory, ...]

    @property
    def label(self) -> str:
        """What people call this agent, where a bundle would have a version."""
        return f"{self.agent} (recorded)"

    @property
    def trials(self) -> int:
        """How many trials a case has at most: the highest trial number plus one."""
        return max(trajectory.trial for trajectory in self.trajectories) + 1

    def for_dataset(self, dataset: Dataset, settings: ReplaySettings = RECORDED) -> tuple[Trajectory, ...]:
        """The recordings of the dataset's cases. Trials that were not recorded are absent, never made up.

        Args:
            settings: the suite's replay settings, where there is one; they have to ask for recordings.

        Raises:
            ContentError: the suite asks for a replay, or a recording's case is not in the dataset or has
                been changed since it was recorded.
        """
        if settings != RECORDED:
            raise ContentError(
                "recordings can only be judged by a suite whose 'replay' says 'mode: recorded' and nothing else",
                file=self.path,
            )
        problems: dict[str, str] = {}
        for trajectory in self.trajectories:
            expected = dataset.case_digests.get(trajectory.case_id)
            if expected is None:
                hint = nearest(trajectory.case_id, dataset.case_digests)
                problems[trajectory.case_id] = f"dataset {dataset.info.name!r} has no such case.{hint}"
            elif expected != trajectory.case_digest:
                problems[trajectory.case_id] = "the case was changed after it was recorded; import it again"
        if problems:
            lines = [str(ContentError(why, file=self.path, key=case)) for case, why in problems.items()]
            raise ContentError("\n".join(lines))
        return self.trajectories


def seal(trajectories: Iterable[Trajectory]) -> tuple[Trajectory, ...]:
    """Give recordings their bundle digest and keys.

    The bundle digest covers everything an agent did, and nothing of what was expected of it: all fields of
    its trajectories but `key`, `bundle_digest` and `case_digest`, ordered by case and trial.
    """
    given = sorted(trajectories, key=lambda t: (t.case_id, t.trial))
    bundle = _bundle_digest(given)
    return tuple(
        t.model_copy(update={"bundle_digest": bundle, "key": trajectory_key(bundle, t.case_digest, RECORDED, t.trial)})
        for t in given
    )


def load_recordings(path: Path) -> Recordings:
    """Read recordings from a JSON-lines file of trajectories, or from `recordings.jsonl` in a folder.

    Raises:
        ContentError: the file is missing or empty, a line is not a recorded trajectory, lines speak of
            different agents, or a trial of a case stands twice.
        IntegrityError: the file is not what `seal` made: something was changed, added or dropped.
    """
    file = path / RECORDINGS_NAME if path.is_dir() else path
    found: dict[tuple[str, int], int] = {}
    trajectories: list[Trajectory] = []
    for line, text in enumerate(read_text(file).removesuffix("\n").split("\n"), start=1):
        trajectory = _parse(text, file, line)
        unit = (trajectory.case_id, trajectory.trial)
        if unit in found:
            raise ContentError(
                f"trial {unit[1]} of case {unit[0]!r} stands twice (first on line {found[unit]})", file=file, line=line
            )
        if trajectories and trajectory.agent != trajectories[0].agent:
            raise ContentError(
                f"a recording of {trajectory.agent!r} among those of {trajectories[0].agent!r}: one agent a file",
                file=file,
                line=line,
                key="agent",
            )
        found[unit] = line
        trajectories.append(trajectory)
    bundle = _verified_digest(trajectories, file)
    return Recordings(file, trajectories[0].agent, bundle, tuple(trajectories))


def _parse(text: str, file: Path, line: int) -> Trajectory:
    if not text.strip():
        raise ContentError("a recorded trajectory is expected here, and the line is empty", file=file, line=line)
    trajectory = parse_json(text, Trajectory, file=file, line=line)
    if trajectory.mode != "recorded":
        raise ContentError(f"a replay ({trajectory.mode!r}) is not a recording", file=file, line=line, key="mode")
    return trajectory


def _verified_digest(trajectories: list[Trajectory], file: Path) -> str:
    """The bundle digest that every trajectory names, once it and all keys are found to be true."""
    bundle = _bundle_digest(sorted(trajectories, key=lambda t: (t.case_id, t.trial)))
    for line, trajectory in enumerate(trajectories, start=1):
        what = f"{file}:{line}: case {trajectory.case_id!r}, trial {trajectory.trial}"
        if trajectory.bundle_digest != bundle:
            raise IntegrityError(
                f"{what}: the recordings are not those that were imported (their digest is {bundle[:12]}, "
                f"this one belongs to {trajectory.bundle_digest[:12]}). Import them again."
            )
        if trajectory.key != trajectory_key(bundle, trajectory.case_digest, RECORDED, trajectory.trial):
            raise IntegrityError(f"{what}: the key is not that of its bundle, case and trial. Import it again.")
    return bundle


def _bundle_digest(ordered: list[Trajectory]) -> str:
    what_it_did = [t.model_dump(mode="json", exclude={"key", "bundle_digest", "case_digest"}) for t in ordered]
    return digest_of({"recorded": what_it_did})
