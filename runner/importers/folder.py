"""Writing a dataset folder so that it appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from assay.registry.errors import ContentError

__all__ = ["publish"]


def publish(files: Mapping[str, str], out: Path, *, overwrite: bool = False) -> bool:
    """Make `out` a folder of exactly these files (name, or path with forward slashes, to text, UTF-8).

    The files are written into a new folder beside `out`, which is renamed once all are there. A folder that
    already holds the same is left alone.

    Returns:
        Whether anything was written.

    Raises:
        ContentError: `out` is something else: a file, a folder with other content (and `overwrite` is not
            set), or a folder with files that an import does not make (they are never deleted).
        OSError: the folder cannot be written to.
    """
    encoded = {name: text.encode("utf-8") for name, text in files.items()}
    target = out.resolve()
    if target.exists() and not _replaceable(target, encoded, overwrite):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        made = staging / "new"
        made.mkdir()
        for name, data in encoded.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(data)
        if target.exists():
            target.rename(staging / "old")
        made.rename(target)
    finally:
        aside = staging / "old"
        if aside.exists() and not target.exists():  # interrupted between the two renames: the old one stands again
            aside.rename(target)
        shutil.rmtree(staging, ignore_errors=True)
    return True


def _replaceable(target: Path, encoded: Mapping[str, bytes], overwrite: bool) -> bool:
    """Whether an existing target is to be replaced; False when it already holds the same."""
    if not target.is_dir():
        raise ContentError("is a file; a folder is to be written here", file=target)
    present = {path.relative_to(target).as_posix(): path for path in target.rglob("*")}
    if not present:
        return True
    folders = {parent.as_posix() for name in encoded for parent in PurePosixPath(name).parents}
    foreign = sorted(
        name
        for name, path in present.items()
        if not (name in encoded and path.is_file()) and not (name in folders and path.is_dir())
    )
    if foreign:
        raise ContentError(
            f"the folder holds what an import does not make ({', '.join(foreign[:5])}); name another one", file=target
        )
    if all(name in present and present[name].read_bytes() == data for name, data in encoded.items()):
        return False
    if not overwrite:
        raise ContentError(
            "the folder already holds another import, or one that was edited; overwrite it on purpose, "
            "or name another one",
            file=target,
        )
    return True
