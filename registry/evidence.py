"""The identity of an evaluation run: what the ledger records and a promotion compares."""

from __future__ import annotations

from collections.abc import Mapping

from assay.registry.digest import digest_of
from assay.registry.types.run import EvalRun

__all__ = ["content_digest", "run_digest"]


def run_digest(run: EvalRun) -> str:
    """SHA-256 over the content of a run: every field but `run_id` and `created_at`.

    Running the same evaluation again gives another id and time, and the same digest where the same was measured.
    """
    return content_digest(run.model_dump(mode="json"))


def content_digest(stored: Mapping[str, object]) -> str:
    """`run_digest` of a run as it is stored, so that a field added to the type later does not change it."""
    left_out = {"run_id", "created_at"} | ({"stopped"} if stored.get("stopped") is None else set())
    return digest_of({key: value for key, value in stored.items() if key not in left_out})
