"""Reads gate policies. The only module of the judging part that touches files."""

from __future__ import annotations

from pathlib import Path

from assay.gates.policy import GatePolicy
from assay.gates.tightening import tighten
from assay.registry.errors import ContentError, nearest
from assay.registry.strict import line_of, load_yaml, read_text

__all__ = ["load_policy"]


def load_policy(path: Path) -> GatePolicy:
    """The gate policy in a YAML file, with the checks of the policies that it extends.

    Raises:
        ContentError: the file or one that it extends is missing or ill-formed, the policy would check nothing, or it
            would be weaker than what it extends; the message names the file, the line and the key of every problem.
    """
    return _load(path, ())


def _load(path: Path, above: tuple[Path, ...]) -> GatePolicy:
    own = load_yaml(path, GatePolicy)
    if not own.extends:
        return own
    base_path = _base_of(path, own.extends)
    if base_path in (*above, path.resolve()):
        line = line_of(read_text(path), "extends", file=path)
        raise ContentError(f"{own.extends!r} extends this policy in turn", file=path, line=line, key="extends")
    policy, problems = tighten(_load(base_path, (*above, path.resolve())), own)
    if problems:
        text = read_text(path)
        found = [ContentError(why, file=path, line=line_of(text, key, file=path), key=key) for key, why in problems]
        raise ContentError("\n".join(map(str, found)))
    return policy


def _base_of(path: Path, name: str) -> Path:
    """Where the policy lies that is extended: beside the file by its name, or at a path from there."""
    beside = path.parent / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    if beside.is_file():
        return beside.resolve()
    known = [found.stem for found in path.parent.glob("*.yaml") if found != path]
    line = line_of(read_text(path), "extends", file=path)
    raise ContentError(f"there is no policy {name!r}.{nearest(name, known)}", file=path, line=line, key="extends")
