"""Writing one file whole or not at all, and never over somebody's work without being told to."""

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
        ContentError: `out` is a folder, a device, or a file with something else and `overwrite` is not set, or it
            cannot be written.
    """
    try:
        return _replace(out, write, overwrite=overwrite)
    except OSError as error:
        raise ContentError(f"cannot be written: {error.strerror or error}", file=out) from None


def _replace(out: Path, write: Callable[[Path], None], *, overwrite: bool) -> bool:
    if out.is_dir():
        raise ContentError("is a folder; name a file to write", file=out)
    if out.exists() and not out.is_file():
        raise ContentError("is no ordinary file, and would be replaced by one; name another", file=out)
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name[:40]}-"))
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
