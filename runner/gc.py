"""What a store may let go: trajectories and scores that no evaluation of today would use again."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from assay.runner.calls import CallFolder
from assay.runner.journal import Journal
from assay.runner.scorebook import ScoreBook

__all__ = ["Swept", "sweep"]

_STALE_S = 3600.0
"""A file that is being written is younger than this."""


@dataclass(frozen=True)
class Swept:
    """What was removed, or would be: counts, and bytes of files."""

    trajectories: int = 0
    calls: int = 0
    litter: int = 0
    """Damaged trajectories that were set aside, and files of processes that were killed while they wrote."""
    scores: int = 0
    size: int = 0


def sweep(journal: Path, book: Path, keep: Collection[str], *, remove: bool) -> Swept:
    """Remove what is in the journal beside the bundles to keep, and every score of a trajectory that is not there.

    Conversations that a process is in are left alone. Evaluation runs are not touched: they hold their own copies.

    Args:
        keep: digests of the bundles whose trajectories stay.
        remove: False only counts.
    """
    trajectories = calls = litter = size = 0
    kept: list[str] = []
    reader = Journal(journal)
    for path in sorted(journal.glob("??/*")):
        if path.suffix == ".json":
            found = reader.peek(path)
            if found is not None and found.bundle_digest in keep:
                kept.append(found.digest)
                continue
            trajectories += 1
        elif time.time() - path.stat().st_mtime < _STALE_S and path.suffix != ".damaged":
            continue
        else:
            litter += 1
        size += _gone(path, remove)
    for path in sorted((journal / "calls").glob("??/*.jsonl")):
        claimed = CallFolder(journal / "calls").claim(path.stem)
        if claimed is None:
            continue
        # Calls of a conversation whose trajectory is stored are of no use; others are how a killed run goes on.
        if reader.path(path.stem).exists() or time.time() - path.stat().st_mtime > _STALE_S:
            calls += 1
            size += path.stat().st_size
            if remove:
                claimed.finish()
        claimed.release()
    return Swept(trajectories, calls, litter, _forget(book, kept, remove), size)


def _gone(path: Path, remove: bool) -> int:
    size = path.stat().st_size
    if remove:
        path.unlink(missing_ok=True)
    return size


def _forget(book: Path, kept: list[str], remove: bool) -> int:
    if not book.exists():
        return 0
    scores = ScoreBook(book)
    try:
        return scores.forget_all_but(kept, remove=remove)
    finally:
        scores.close()
