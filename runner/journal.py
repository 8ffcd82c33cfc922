"""Trajectories on disk, one file each, found by key.

A file appears whole or not at all (written beside and renamed), so a kill at any moment leaves nothing
half-written, and two processes that share a folder at worst do the same work twice. Each file carries the
digest of its content; one that does not match is set aside, never read as evidence.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from assay.registry.digest import digest_of
from assay.registry.types.trajectory import Trajectory

__all__ = ["Journal", "Peeked", "Stored"]


@dataclass(frozen=True)
class Peeked:
    """What a file of the journal says of itself, unverified."""

    bundle_digest: str
    digest: str


@dataclass(frozen=True)
class Stored:
    """A trajectory from the journal, with the digest of all that it holds."""

    trajectory: Trajectory
    digest: str


class Journal:
    """A content-checked folder of trajectories."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nonce = secrets.token_hex(4)
        self._written = 0
        self._folders: set[Path] = set()
        self.set_aside: list[Path] = []
        """Files that were found damaged and renamed to `*.damaged`."""

    def path(self, key: str) -> Path:
        """Where the trajectory with `key` is or would be."""
        return self.root / key[:2] / f"{key}.json"

    def get(self, key: str) -> Stored | None:
        """The stored trajectory, or None where there is none that can be trusted."""
        path = self.path(key)
        try:
            stored = self.parse(path.read_bytes(), key)
        except FileNotFoundError:
            return None
        if stored is not None:
            return stored
        damaged = path.with_suffix(".damaged")
        path.replace(damaged)
        self.set_aside.append(damaged)
        return None

    @staticmethod
    def parse(data: bytes, key: str) -> Stored | None:
        """What the bytes of a file hold; None where they are not the trajectory with `key`, or were changed."""
        try:
            held = json.loads(data)
            trajectory, digest = Trajectory.model_validate(held["trajectory"]), digest_of(held["trajectory"])
        except (ValueError, KeyError, TypeError, ValidationError):
            return None
        return Stored(trajectory, digest) if held["digest"] == digest and trajectory.key == key else None

    @staticmethod
    def peek(path: Path) -> Peeked | None:
        """Whose trajectory a file is, without verifying it; None where it does not tell."""
        try:
            data = json.loads(path.read_bytes())
            return Peeked(str(data["trajectory"]["bundle_digest"]), str(data["digest"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, trajectory: Trajectory) -> str:
        """Store a trajectory under its key, replacing what is there; returns its digest.

        Raises:
            OSError: the folder cannot be written to.
        """
        path = self.path(trajectory.key)
        plain = trajectory.model_dump(mode="json")
        digest = digest_of(plain)
        data = _encoded({"digest": digest, "trajectory": plain})
        temporary = self._beside(path)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return digest

    def _beside(self, path: Path) -> Path:
        """A name in the same folder that no other process and no other write of this one has."""
        self._written += 1
        if path.parent not in self._folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        return path.parent / f".writing-{os.getpid()}-{self._nonce}-{self._written}"


def _encoded(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:  # half a character, or a number beyond 64 bits
        return json.dumps(record, ensure_ascii=True).encode("ascii")
