"""What a store may let go: trajectories and scores that no evaluation of today would use again."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from assay.runner.calls import CallFolder
from assay.runner.journal import Journal
from assay.runner.scorebook import ScoreBook
from assay.runner.usage import alone

__all__ = ["Swept", "sweep"]

_STALE_S = 3600.0
"""A file that is being written is younger than this; a conversation that was broken off is gone on with sooner."""
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass
class Swept:
    """What was removed, or would be: counts, and bytes of files."""

    trajectories: int = 0
    calls: int = 0
    litter: int = 0
    """Damaged trajectories, and files of processes that were killed while they wrote."""
    scores: int = 0
    size: int = 0
    in_use: int = 0
    """Bundles that would go, but for an evaluation that is under way."""


def sweep(journal: Path, book: Path, keep: Collection[str], *, remove: bool) -> Swept:
    """Remove what is in the journal beside the bundles to keep, and every score of a trajectory that is not there.

    Bundles that a process evaluates and conversations that one is in are left alone. Evaluation runs are not touched:
    they hold their own copies.

    Args:
        keep: digests of the bundles whose trajectories stay.
        remove: False only counts, and changes nothing.
    """
    swept = Swept()
    kept, others = _by_bundle(journal, keep, swept, remove)
    for bundle, files in sorted(others.items()):
        with alone(journal, bundle, remove=remove) as nobody:
            if nobody:
                swept.trajectories += len(files)
                swept.size += sum(_gone(path, remove) for path, _ in files)
            else:
                swept.in_use += 1
                kept += [digest for _, digest in files]
    _sweep_calls(journal, swept, remove)
    swept.scores = _forget(book, kept, remove)
    return swept


def _by_bundle(
    journal: Path, keep: Collection[str], swept: Swept, remove: bool
) -> tuple[list[str], dict[str, list[tuple[Path, str]]]]:
    """Digests of the trajectories that stay, and the files (with digests) of the others by bundle; litter goes."""
    kept: list[str] = []
    others: dict[str, list[tuple[Path, str]]] = {}
    for path in sorted(journal.glob("??/*")):
        found = Journal.peek(path) if path.suffix == ".json" else None
        if found is not None and found.bundle_digest in keep:
            kept.append(found.digest)
        elif found is not None and _DIGEST.fullmatch(found.bundle_digest):
            others.setdefault(found.bundle_digest, []).append((path, found.digest))
        elif path.suffix in {".json", ".damaged"} or _age(path) > _STALE_S:
            swept.litter += 1
            swept.size += _gone(path, remove)
    return kept, others


def _sweep_calls(journal: Path, swept: Swept, remove: bool) -> None:
    """Calls of a conversation whose trajectory is stored are of no use; others are how a killed run goes on."""
    reader, folder = Journal(journal), CallFolder(journal / "calls")
    for path in sorted(folder.root.glob("??/*.jsonl")):
        if folder.held(path.stem) or not (reader.path(path.stem).exists() or _age(path) > _STALE_S):
            continue
        size = _size(path)
        if remove:
            claimed = folder.claim(path.stem)
            if claimed is None:
                continue
            claimed.finish()
        swept.calls += 1
        swept.size += size


def _age(path: Path) -> float:
    """Seconds since the file was written; none where it has gone meanwhile."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _gone(path: Path, remove: bool) -> int:
    size = _size(path)
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
