"""Writing one exported file whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from assay.registry.errors import ContentError

__all__ = ["write_file", "write_text"]


def write_file(out: Path, write: Callable[[Path], None], *, overwrite: bool = False) -> bool:
    """Make `out` the file that `write(path)` writes. The path it gets lies beside `out` and has its ending.

    Returns:
        Whether anything was written; False where `out` already holds the same.

    Raises:
        ContentError: `out` is a folder, or a file with something else and `overwrite` is not set.
        OSError: the file cannot be written.
    """
    if out.is_dir():
        raise ContentError("is a folder; name a file to write", file=out)
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        made = staging / out.name
        write(made)
        if out.exists():
            if out.read_bytes() == made.read_bytes():
                return False
            if not overwrite:
                raise ContentError("the file exists and holds something else; --overwrite replaces it", file=out)
        made.replace(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return True


def write_text(out: Path, text: str, *, overwrite: bool = False) -> bool:
    """`write_file` for text, UTF-8, with its line ends as they are."""
    return write_file(out, lambda path: _keep(path, text), overwrite=overwrite)


def _keep(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))
