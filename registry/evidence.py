"""The identity of an evaluation run: what the ledger records and a promotion compares."""

from __future__ import annotations

from assay.registry.digest import digest_of
from assay.registry.types.run import EvalRun

__all__ = ["run_digest"]


def run_digest(run: EvalRun) -> str:
    """SHA-256 over the content of a run: every field but `run_id` and `created_at`.

    Running the same evaluation again gives another id and time, and the same digest where the same was measured.
    """
    return digest_of(run.model_dump(mode="json", exclude={"run_id", "created_at"}))
