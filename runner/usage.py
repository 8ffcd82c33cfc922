"""Which bundles' trajectories are in use, so that nobody removes what an evaluation of another process rests on.

A lock on a file that is named after the bundle: shared by those that evaluate it, exclusive for who removes. The system
drops it with the process that holds it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["alone", "using"]


@contextmanager
def using(journal: Path, bundle_digest: str) -> Iterator[None]:
    """Within the block nobody removes the bundle's trajectories; waits for who is removing them just now.

    Raises:
        OSError: the folder cannot be written to.
    """
    path = _path(journal, bundle_digest)
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            if _still(path, handle):
                yield
                return
        finally:
            os.close(handle)


@contextmanager
def alone(journal: Path, bundle_digest: str, *, remove: bool) -> Iterator[bool]:
    """Whether nobody uses the bundle's trajectories; then nobody begins to within the block.

    Args:
        remove: also remove the file of those that used them.
    """
    path = _path(journal, bundle_digest)
    try:
        if remove:
            path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if remove else 0), 0o600)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield _still(path, handle)
        if remove:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _path(journal: Path, bundle_digest: str) -> Path:
    return journal / "in-use" / bundle_digest


def _still(path: Path, handle: int) -> bool:
    """Whether the file at `path` is the one that was opened."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
