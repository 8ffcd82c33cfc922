"""Whether a module can define what `target` names, read off its source. Nothing of it is run.

Only what is certain is said: a name counts as defined wherever a statement of the module's own scope may bind it, and a
module that may define names in other ways (a star import, `__getattr__`, `globals()`) is taken at its word.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

from assay.registry.errors import nearest

__all__ = ["problem_of_target"]

_ELSEWHERE = frozenset({"globals", "locals", "vars", "exec", "eval", "setattr", "modules", "__dict__"})
"""Whoever uses one of these may define any name."""
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def problem_of_target(path: Path, name: str, *, same_python: bool) -> str:
    """Why the module cannot have what the target names, or nothing.

    Args:
        path: the module's file.
        name: what stands behind the colon; of a dotted one only the first part is looked for.
        same_python: whether the agent's interpreter is this one. A newer one may know syntax that this does not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes(), path.name)
            if same_python:
                compile(tree, path.name, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = "" if error.lineno is None else f", line {error.lineno}"
        return f"{path}{line}: not valid Python: {error.msg}" if same_python else ""
    except (ValueError, RecursionError, MemoryError):  # bytes that are no text, or nested too deep to look into
        return ""
    first = name.partition(".")[0]
    known = _defined(tree)
    if known is None or first in known or first.startswith("__"):
        return ""
    if path.name == "__init__.py":
        known |= {found.stem for found in path.parent.iterdir() if found.is_dir() or found.suffix in {".py", ".so"}}
        if first in known:
            return ""
    return f"{path} does not define {first!r}.{nearest(first, (n for n in known if not n.startswith('_')))}"


def _defined(tree: ast.Module) -> set[str] | None:
    """Every name that the module may define; None where that cannot be told."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            names.update(node.names)
        elif {getattr(node, "id", ""), getattr(node, "attr", "")} & _ELSEWHERE:
            return None
    for node in _of_the_module(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
            case ast.Import() | ast.ImportFrom():
                names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
            case ast.MatchAs(name=str(bound)) | ast.MatchStar(name=str(bound)) | ast.MatchMapping(rest=str(bound)):
                names.add(bound)
            case _:
                pass
    return None if names & {"*", "__getattr__"} else names


def _of_the_module(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node of the module's own scope: branches and loops too, the insides of functions and classes not."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _SCOPES):
            waiting += ast.iter_child_nodes(node)
