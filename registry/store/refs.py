"""How people name bundles and runs, and the names that artifacts have in MLflow."""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay.registry.errors import AssayError

__all__ = [
    "AGENT_TAG",
    "ALIASES",
    "DATASET_EXPERIMENT",
    "DIGEST_TAG",
    "KIND_TAG",
    "SOURCE_TAG",
    "BundleRef",
    "dataset_model_name",
    "experiment_name",
    "model_name",
    "parse_bundle_ref",
    "prompt_name",
    "retrieval_name",
]

KIND_TAG = "assay.kind"
AGENT_TAG = "assay.agent"
DIGEST_TAG = "assay.digest"
SOURCE_TAG = "assay.source_digest"

DATASET_EXPERIMENT = "assay-datasets"
"""Not below `assay/`, where every experiment is an agent's."""

ALIASES = ("candidate", "champion", "production")

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]*"
_BY_ALIAS = re.compile(rf"({_NAME})@({_NAME})")
_BY_VERSION = re.compile(rf"({_NAME})(?:/v?| +v?)([1-9]\d{{0,8}})")


@dataclass(frozen=True)
class BundleRef:
    """A bundle by alias or by version; exactly one of the two is set."""

    agent: str
    alias: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        return f"{self.agent}@{self.alias}" if self.alias else f"{self.agent} v{self.version}"


def parse_bundle_ref(text: str) -> BundleRef:
    """Read `harborline@candidate`, `harborline/3` or `harborline v3`.

    Raises:
        AssayError: the text is none of these.
    """
    if match := _BY_ALIAS.fullmatch(text.strip()):
        return BundleRef(match[1], alias=match[2])
    if match := _BY_VERSION.fullmatch(text.strip()):
        return BundleRef(match[1], version=int(match[2]))
    raise AssayError(
        f"{text!r} does not name a bundle. Write AGENT@ALIAS or AGENT/VERSION, as in harborline@candidate."
    )


def prompt_name(agent: str) -> str:
    return f"{agent}-prompt"


def retrieval_name(agent: str) -> str:
    return f"{agent}-retrieval"


def model_name(agent: str, kind: str) -> str:
    """`kind` is the kind of model, e.g. `triage`."""
    return f"{agent}-{kind}"


def dataset_model_name(name: str) -> str:
    return f"{name}-dataset"


def experiment_name(agent: str) -> str:
    return f"assay/{agent}"
