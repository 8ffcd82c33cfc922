"""Reads gate policies. The only module of the judging part that touches files."""

from __future__ import annotations

from pathlib import Path

from assay.gates.policy import GatePolicy
from assay.registry.strict import load_yaml

__all__ = ["load_policy"]


def load_policy(path: Path) -> GatePolicy:
    """The gate policy in a YAML file.

    Raises:
        ContentError: the file is missing or ill-formed, or the policy would check nothing; the message names
            the file, the line and the key of every problem.
    """
    return load_yaml(path, GatePolicy)
