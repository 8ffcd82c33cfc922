"""The source of a team's own scorer: which files it is made of, and a way to run exactly those.

A scorer's identity covers its source, so what was hashed has to be what runs. Two things follow:

- Files are read once. Their digests are taken from the same bytes that are compiled; byte code that lies beside
  them is neither used nor written.
- Only files whose digests were taken can be imported. They are the module and what its import statements lead to,
  found by reading them: also those inside functions. A module that the source names in a way that cannot be read off
  (`importlib.import_module(name)`) is not found when the scorer runs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from assay.registry.digest import digest_bytes

__all__ = ["SourceFile", "forget", "importable", "local_module", "local_sources", "source_digests"]


@dataclass(frozen=True)
class SourceFile:
    """A module's file and the bytes it held when it was read."""

    path: Path
    data: bytes

    @property
    def package(self) -> bool:
        return self.path.name == "__init__.py"


def local_module(module: str, root: Path) -> Path | None:
    """The file of a module below a folder, None where it has none."""
    base = root.joinpath(*module.split("."))
    return next((p for p in (base / "__init__.py", base.with_name(f"{base.name}.py")) if p.is_file()), None)


def local_sources(module: str, root: Path) -> dict[str, SourceFile]:
    """The module, the packages it lies in, and all modules below `root` that they import, by dotted name.

    Raises:
        SyntaxError: one of the files is not Python.
        OSError: one cannot be read.
    """
    found: dict[str, SourceFile] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for part in _with_parents(name):
            path = None if part in found else local_module(part, root)
            if path is None:
                continue
            found[part] = SourceFile(path, path.read_bytes())
            waiting += _imports(part, found[part])
    return found


def source_digests(files: Mapping[str, SourceFile], root: Path) -> dict[str, str]:
    """Path relative to `root` to SHA-256, whatever the line ends, sorted."""
    pairs = ((file.path.relative_to(root).as_posix(), file.data) for file in files.values())
    return {path: digest_bytes(data.replace(b"\r\n", b"\n")) for path, data in sorted(pairs)}


@contextmanager
def importable(files: Mapping[str, SourceFile]) -> Iterator[None]:
    """Let these modules be imported, anew, for as long as the block lasts. They stay loaded after it."""
    names = {part for name in files for part in _with_parents(name)}
    for name in names:
        sys.modules.pop(name, None)
    _loaded.update(names)
    finder = _Finder(files, names - files.keys())
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def forget() -> None:
    """Unload what was loaded here, so that one workspace's modules are not found in the name of another."""
    while _loaded:
        sys.modules.pop(_loaded.pop(), None)


_loaded: set[str] = set()


class _Finder(MetaPathFinder):
    def __init__(self, files: Mapping[str, SourceFile], folders: set[str]) -> None:
        self._files, self._folders = files, folders

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        file = self._files.get(fullname)
        if file is not None:
            # Without a place to search, nothing is found below a package but what this finder knows.
            where: list[str] | None = [] if file.package else None
            return spec_from_file_location(fullname, file.path, loader=_Loader(file), submodule_search_locations=where)
        if fullname in self._folders:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        return None


class _Loader(SourceLoader):
    def __init__(self, file: SourceFile) -> None:
        self._file = file

    def get_filename(self, fullname: str) -> str:
        del fullname
        return str(self._file.path)

    def get_data(self, path: str) -> bytes:
        """The bytes of this one file. Raises OSError for any other, cached byte code among them."""
        if path != str(self._file.path):
            raise FileNotFoundError(path)
        return self._file.data


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _imports(module: str, file: SourceFile) -> Iterator[str]:
    """Every name that could be a module in the import statements of a file."""
    for node in ast.walk(ast.parse(file.data, filename=str(file.path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, file.package, node)
            if base is not None:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _base(module: str, package: bool, node: ast.ImportFrom) -> str | None:
    """What `from ... import` starts from, as an absolute name; None where that lies above the top package."""
    if node.level == 0:
        return node.module
    parts = module.split(".")
    keep = len(parts) - node.level + (1 if package else 0)
    if keep < 1:
        return None
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])
