"""Trajectories on disk, one file each, found by key.

A file appears whole or not at all (written beside and renamed), so a kill at any moment leaves nothing
half-written, and two processes that share a folder at worst do the same work twice. Each file carries the
digest of its content; one that does not match is set aside, never read as evidence.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from assay.registry.digest import digest_of
from assay.registry.types.trajectory import Trajectory

__all__ = ["Journal"]


class Journal:
    """A content-checked folder of trajectories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.set_aside: list[Path] = []
        """Files that were found damaged and renamed to `*.damaged`."""

    def path(self, key: str) -> Path:
        """Where the trajectory with `key` is or would be."""
        return self.root / key[:2] / f"{key}.json"

    def get(self, key: str) -> Trajectory | None:
        """The stored trajectory, or None where there is none that can be trusted."""
        path = self.path(key)
        try:
            data = json.loads(path.read_bytes())
            trajectory = Trajectory.model_validate(data["trajectory"])
            intact = data["digest"] == digest_of(data["trajectory"]) and trajectory.key == key
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, ValidationError):
            intact = False
            trajectory = None
        if intact:
            return trajectory
        damaged = path.with_suffix(".damaged")
        path.replace(damaged)
        self.set_aside.append(damaged)
        return None

    def put(self, trajectory: Trajectory) -> None:
        """Store a trajectory under its key, replacing what is there.

        Raises:
            OSError: the folder cannot be written to.
        """
        path = self.path(trajectory.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"digest": digest_of(trajectory), "trajectory": trajectory.model_dump(mode="json")}
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
                json.dump(record, file, ensure_ascii=True)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
