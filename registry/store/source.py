"""An agent's own source as one file: packed the same way everywhere, so that equal source has one digest."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from assay.registry.errors import ContentError, IntegrityError, nearest

__all__ = ["pack_source", "unpack_source"]

_LIMIT = 50_000_000
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "venv", "build", "dist"})
_MOMENT = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can tell. When a file was written is not part of what it says."""


def pack_source(bundle_file: Path, relative: str) -> bytes:
    """The file or folder `relative` to the bundle file as a zip. Hidden files, caches and environments stay out.

    Raises:
        ContentError: there is no such file or folder, nothing is in it, or it is larger than 50 MB.
    """
    root = (bundle_file.parent / relative).resolve()
    if not root.exists():
        siblings = [path.name for path in root.parent.iterdir()] if root.parent.is_dir() else []
        hint = nearest(root.name, siblings)
        raise ContentError(f"there is no file or folder {relative!r}.{hint}", file=bundle_file, key="model.path")
    base = root if root.is_dir() else root.parent
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if _belongs(path, root))
    if not files:
        raise ContentError(f"the folder {relative!r} holds no source", file=bundle_file, key="model.path")
    size = sum(path.stat().st_size for path in files)
    if size > _LIMIT:
        problem = f"{relative!r} holds {size / 1e6:.0f} MB; an agent's source may have {_LIMIT / 1e6:.0f} MB"
        raise ContentError(problem, file=bundle_file, key="model.path")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            archive.writestr(zipfile.ZipInfo(path.relative_to(base).as_posix(), _MOMENT), path.read_bytes())
    return packed.getvalue()


def unpack_source(data: bytes, into: Path) -> Path:
    """Write packed source below the folder `into`; returns it.

    Raises:
        IntegrityError: the bytes are no packed source, or name a place outside of the folder.
    """
    into.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                target = (into / name).resolve()
                if not target.is_relative_to(into.resolve()):
                    raise IntegrityError(f"the stored source names a place outside of its folder: {name!r}")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    except zipfile.BadZipFile as error:
        raise IntegrityError(f"the stored source cannot be read: {error}") from None
    return into


def _belongs(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return path.is_file() and not any(part.startswith(".") or part in _LEFT_OUT for part in parts)
