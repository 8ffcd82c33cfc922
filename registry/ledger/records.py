"""What the ledger records, as types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from assay.registry.digest import digest_of
from assay.registry.evidence import run_digest
from assay.registry.types.base import Digest, Frozen, Name
from assay.registry.types.decision import Decision
from assay.registry.types.run import EvalRun

__all__ = ["GENESIS", "Entry", "Evaluation", "Promotion", "RecordedDecision"]

GENESIS = "0" * 64
"""What the first entry has for the digest of the one before it."""


class Evaluation(Frozen):
    """An evaluation run was stored, with this content."""

    schema_version: Literal[1] = 1
    agent: Name
    run_id: Annotated[str, Field(min_length=1)]
    run_digest: Digest
    bundle_digest: Digest
    dataset_digest: Digest
    suite_digest: Digest
    created_at: str

    @classmethod
    def of(cls, run: EvalRun) -> Evaluation:
        """The record of a run as it was just stored (with its `run_id`)."""
        return cls(
            agent=run.agent,
            run_id=run.run_id,
            run_digest=run_digest(run),
            bundle_digest=run.bundle_digest,
            dataset_digest=run.dataset_digest,
            suite_digest=run.suite_digest,
            created_at=run.created_at,
        )


class Promotion(Frozen):
    """A bundle became the champion, and what that rests on."""

    schema_version: Literal[1] = 1
    agent: Name
    alias: Literal["champion"] = "champion"
    bundle_digest: Digest
    bundle_version: Annotated[int, Field(ge=1)]
    previous_digest: Digest | None = None
    """The champion before, None for the first."""
    decision_digest: Digest
    by: Annotated[str, Field(min_length=1)]
    at: str

    @property
    def label(self) -> str:
        """How people call the promoted bundle."""
        return f"{self.agent} v{self.bundle_version}"


@dataclass(frozen=True)
class Entry:
    """One entry of the chain. `digest` covers every other field; `payload` holds the exact bytes that were recorded."""

    seq: int
    kind: str
    agent: str
    subject: str
    created_at: str
    payload: str
    prev: str
    digest: str

    def computed_digest(self) -> str:
        """The digest that the entry ought to have."""
        covered = (self.seq, self.kind, self.agent, self.subject, self.created_at, self.payload, self.prev)
        return digest_of(list(covered))


@dataclass(frozen=True)
class RecordedDecision:
    """A decision as the ledger has it. `digest` is the decision's own, `seq` its place in the ledger."""

    seq: int
    digest: str
    decision: Decision
