"""Finds what `target` names in the registered source, and says where it went wrong in a person's terms."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from typing import Any

__all__ = ["LoadError", "load_target", "told"]


class LoadError(Exception):
    """The agent's code cannot be loaded; says why and where."""


def load_target(target: str, source: str) -> Any:
    """What `module:name` leads to. The module has to lie in `source`, so that what runs is what was registered.

    Raises:
        LoadError: there is no such module or name, importing it fails, or another module of that name would run.
    """
    module, _, path = target.partition(":")
    source = os.path.realpath(source)
    sys.path.insert(0, source)
    try:
        found: Any = importlib.import_module(module)
    except SyntaxError as error:
        raise LoadError(
            f"{below(error.filename or module, source)}:{error.lineno}: not valid Python: {error.msg}"
        ) from None
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(error.name + ".")):
            hint = near(module, modules(source))
            raise LoadError(f"there is no module {module!r} in the agent's source.{hint}") from None
        text = f"importing {module!r} failed: {told(error, source)}. Is it installed for {sys.executable}?"
        raise LoadError(text) from None
    except BaseException as error:
        raise LoadError(f"importing {module!r} failed: {told(error, source)}") from None
    origin = os.path.realpath(getattr(found, "__file__", None) or "")
    if not origin.startswith(source + os.sep):
        raise LoadError(
            f"the module {module!r} would come from {origin or 'the interpreter'}, not from the agent's registered "
            "source: give it another name"
        )
    for name in path.split("."):
        if not hasattr(found, name):
            known = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
            raise LoadError(f"{module!r} has no {path!r}.{near(name, known)}")
        found = getattr(found, name)
    return found


def told(error: BaseException, source: str) -> str:
    """An exception in one line, with the place in the agent's own source where it came from."""
    if isinstance(error, SystemExit):
        text = f"SystemExit: the agent wanted to end the program (exit code {error.code})"
    else:
        words = " ".join(str(error).split())
        text = f"{type(error).__name__}{': ' + words[:500] if words else ''}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.realpath(frame.filename).startswith(source + os.sep)]
    return f"{text} ({below(own[-1].filename, source)}:{own[-1].lineno})" if own else text


def below(file: str, source: str) -> str:
    """The path relative to the source, where it lies there."""
    path = os.path.realpath(file)
    return os.path.relpath(path, source) if path.startswith(source + os.sep) else file


def modules(source: str) -> list[str]:
    """Every module of the source, dotted."""
    found = []
    for folder, _, files in os.walk(source):
        paths = (os.path.relpath(f"{folder}/{name}", source) for name in files if name.endswith(".py"))
        found += [path[:-3].replace(os.sep, ".") for path in paths]
    return [name[: -len(".__init__")] if name.endswith(".__init__") else name for name in found]


def near(name: str, known: list[str]) -> str:
    """A hint at the nearest right name, or all that there is."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" There is: {', '.join(sorted(known)[:12])}." if known else ""
