"""Reads gate policies. The only module of the judging part that touches files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from assay.gates.checks import Check, GroupCheck
from assay.gates.policy import GatePolicy
from assay.gates.tightening import tighten
from assay.registry.errors import ContentError, nearest
from assay.registry.slices import Attributes, SliceError, select
from assay.registry.strict import line_of, load_yaml, read_text

__all__ = ["load_policy", "refuse_unknown_names"]


def load_policy(path: Path) -> GatePolicy:
    """The gate policy in a YAML file, with the checks of the policies that it extends.

    Raises:
        ContentError: the file or one that it extends is missing or ill-formed, the policy would check nothing, or it
            would be weaker than what it extends; the message names the file, the line and the key of every problem.
    """
    return _load(path, ())


def refuse_unknown_names(path: Path, metrics: Collection[str], attributes: Mapping[str, Attributes]) -> None:
    """Refuse a policy, before anything is run for it, whose checks name a metric or a slice that no run will have.

    Args:
        metrics: what the scorers of the suite measure.
        attributes: case id to its attributes, for every case of the dataset.

    Raises:
        ContentError: names file, line and key of every unknown name, and the nearest right one.
    """
    own, text = load_yaml(path, GatePolicy), read_text(path)
    problems = [
        ContentError(problem, file=path, line=line_of(text, key, file=path), key=key)
        for key, problem in _unknown(own.checks, "checks", metrics, attributes)
    ]
    if problems:
        raise ContentError("\n".join(map(str, problems)))
    if own.extends:
        refuse_unknown_names(_base_of(path, own.extends), metrics, attributes)


def _unknown(
    checks: Sequence[Check], above: str, metrics: Collection[str], attributes: Mapping[str, Attributes]
) -> Iterator[tuple[str, str]]:
    for i, check in enumerate(checks):
        key = f"{above}.{i}"
        if isinstance(check, GroupCheck):
            yield from _unknown(check.checks, f"{key}.checks", metrics, attributes)
            continue
        if check.metric not in metrics:
            yield f"{key}.metric", f"no scorer of the suite measures {check.metric!r}.{nearest(check.metric, metrics)}"
        try:
            if check.slice:
                select(check.slice, attributes)
        except SliceError as error:
            yield f"{key}.slice", str(error)


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
