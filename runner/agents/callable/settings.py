"""Settings of a callable agent, and the paths that they name."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from assay.registry.errors import ContentError, nearest
from assay.registry.types.base import Frozen
from assay.registry.types.bundle import Adapter
from assay.runner.agents.callable.names import problem_of_target
from assay.runner.agents.settings import read_adapter_settings

__all__ = ["CallableSettings", "check_callable", "interpreter", "read_callable_settings", "working_directory"]


class CallableSettings(Frozen):
    """What runs, and in which surroundings.

    Relative paths start from the workspace's folder, where `assay.yaml` lies: a registered bundle is run long after
    its file has changed or gone. They are kept as they are written, so that a bundle has one digest on all machines.
    """

    target: str
    """`module:name` in the agent's source: a function, class, object, or what makes one."""
    python: str | None = None
    """The interpreter: a path, or a name that is looked up on PATH. None is the one that runs Assay."""
    working_directory: str | None = None
    """None is the registered copy of the source. What lies elsewhere is not covered by the bundle's digest."""
    workers: Annotated[int, Field(ge=1, le=256)] = 4
    """How many processes there are at most."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 1
    """How many conversations share a process at once. With 1, a crash costs the conversation that caused it alone."""
    start_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """Seconds that a process may take to import the agent."""

    @field_validator("target")
    @classmethod
    def _two_names(cls, value: str) -> str:
        module, colon, name = value.partition(":")
        parts = [*module.split("."), *name.split(".")]
        if not colon or not all(part.isidentifier() for part in parts):
            hint = ""
            if module.endswith(".py") or "/" in module:
                dotted = module.removesuffix(".py").replace("/", ".").strip(".")
                hint = f" Did you mean '{dotted}:{name or 'reply'}'?"
            raise ValueError(f"it has to be 'module:name', as in 'agent:reply'.{hint}")
        return value


def read_callable_settings(adapter: Adapter, file: Path | None = None) -> CallableSettings:
    """The settings of a callable agent. Raises ContentError, with `file` where it is given."""
    return read_adapter_settings(adapter, CallableSettings, file)


def check_callable(adapter: Adapter, file: Path, source: Path, workspace: Path) -> None:
    """Refuse, before it is registered, an agent whose module, name, interpreter or folder is not there.

    None of it is run.

    Args:
        file: the bundle file, for errors.
        source: the file or folder that `model.path` names.
        workspace: the folder that relative paths start from.

    Raises:
        ContentError: names the key, and the nearest right module or name.
    """
    settings = read_callable_settings(adapter, file)
    module, _, name = settings.target.partition(":")
    base = source if source.is_dir() else source.parent
    path = base.joinpath(*module.split("."))
    files = [p for p in (path / "__init__.py", path.with_name(f"{path.name}.py")) if p.is_file()]
    if not files:
        found = [p.relative_to(base).with_suffix("") for p in (base.rglob("*.py") if source.is_dir() else [source])]
        known = [".".join(p.parts).removesuffix(".__init__") for p in found if "__pycache__" not in p.parts]
        hint = nearest(module, known)
        raise ContentError(
            f"there is no module {module!r} in {source}.{hint}", file=file, key="adapter.settings.target"
        )
    try:
        python = interpreter(settings, workspace)
        working_directory(settings, workspace, base)
    except ContentError as error:
        raise ContentError(error.problem, file=file, key=error.key) from None
    same_python = os.path.realpath(python) == os.path.realpath(sys.executable)
    if problem := problem_of_target(files[0], name, same_python=same_python):
        raise ContentError(problem, file=file, key="adapter.settings.target")


def interpreter(settings: CallableSettings, workspace: Path) -> str:
    """The interpreter to run. Raises ContentError: there is none. A link is not followed: it is what makes a venv."""
    if settings.python is None:
        return sys.executable
    given = Path(settings.python).expanduser()
    named = "/" not in settings.python
    found = shutil.which(settings.python if named else str(workspace.absolute() / given))
    if found is None:
        where = "on PATH" if named else f"at {workspace.absolute() / given}"
        raise ContentError(f"there is no interpreter {settings.python!r} {where}", key="adapter.settings.python")
    return found


def working_directory(settings: CallableSettings, workspace: Path, source: Path) -> Path:
    """Where the agent runs. Raises ContentError: there is no such folder."""
    if settings.working_directory is None:
        return source
    folder = workspace.absolute() / Path(settings.working_directory).expanduser()
    if not folder.is_dir():
        raise ContentError(f"there is no folder {folder}", key="adapter.settings.working_directory")
    return folder
