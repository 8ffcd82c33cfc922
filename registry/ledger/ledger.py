"""The ledger's door: append, look up, verify.

Each entry carries the digest of the one before it, so that none can be changed, removed, inserted or moved
without breaking the chain after it, and the head tells where the chain ends. Someone who may rewrite the whole
database can rewrite the whole chain: `head()` gives what to keep elsewhere against that.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from assay.registry.digest import canonical_json, digest_of
from assay.registry.errors import AssayError, IntegrityError, NotFoundError, RefusedError
from assay.registry.ledger.records import GENESIS, Entry, Evaluation, Promotion, RecordedDecision
from assay.registry.types.base import Frozen
from assay.registry.types.decision import Decision

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlmodel import Session

    from assay.registry.ledger.tables import EntryRow, HeadRow

__all__ = ["Kind", "Ledger"]

Kind = Literal["evaluation", "decision", "promotion"]


class Ledger:
    """An append-only record at a SQLAlchemy address. Nothing is opened before it is needed."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def _engine(self) -> sa.Engine:
        from assay.registry.ledger.tables import open_engine

        return open_engine(self.url, GENESIS)

    # --- evaluations ---------------------------------------------------------------------------------------

    def record_evaluation(self, evaluation: Evaluation) -> str:
        """Record that a run was stored; the entry's digest. Recording the same again changes nothing.

        Raises:
            RefusedError: the run is recorded already, with other content.
        """
        from assay.registry.ledger.tables import writing

        with writing(self._engine) as (session, head):
            known = _newest(session, "evaluation", evaluation.agent, evaluation.run_id)
            if known is not None:
                if Evaluation.model_validate_json(known.payload) == evaluation:
                    return known.digest
                raise RefusedError(f"run {evaluation.run_id} is in the ledger already, with other content")
            return _append(session, head, "evaluation", evaluation, evaluation.run_id, evaluation.created_at)

    def evaluation_digest(self, run_id: str) -> str | None:
        """Digest of the run's content when it was stored; None where the ledger does not know the run."""
        found = self.entries(kind="evaluation", subject=run_id, limit=1)
        return Evaluation.model_validate_json(found[0].payload).run_digest if found else None

    def evaluations(self, agent: str) -> list[Evaluation]:
        """The recorded evaluation runs of an agent, newest first."""
        found = self.entries(kind="evaluation", agent=agent)
        return [Evaluation.model_validate_json(entry.payload) for entry in found]

    # --- decisions -----------------------------------------------------------------------------------------

    def record_decision(self, decision: Decision) -> str:
        """Record a decision; its digest. Recording the newest decision about a bundle again changes nothing."""
        from assay.registry.ledger.tables import writing

        digest = digest_of(decision)
        with writing(self._engine) as (session, head):
            known = _newest(session, "decision", decision.agent, decision.candidate.bundle_digest)
            if known is None or digest_of(Decision.model_validate_json(known.payload)) != digest:
                _append(session, head, "decision", decision, decision.candidate.bundle_digest, decision.decided_at)
        return digest

    def decisions(self, agent: str | None = None, limit: int | None = None) -> list[RecordedDecision]:
        """Decisions, newest first."""
        return [_decision(entry) for entry in self.entries(kind="decision", agent=agent, limit=limit)]

    def find_decision(
        self, agent: str, *, bundle_digest: str, dataset_digest: str, suite_digest: str, policy_digest: str
    ) -> RecordedDecision | None:
        """The newest decision about exactly this bundle, dataset, suite and policy."""
        wanted = (dataset_digest, suite_digest, policy_digest)
        for entry in self.entries(kind="decision", agent=agent, subject=bundle_digest):
            found = _decision(entry)
            if (found.decision.dataset_digest, found.decision.suite_digest, found.decision.policy_digest) == wanted:
                return found
        return None

    def decision(self, digest: str) -> RecordedDecision:
        """The decision whose digest begins with `digest` (at least 6 characters).

        Raises:
            NotFoundError: there is none.
            AssayError: there are several.
        """
        known = {found.digest: found for found in self.decisions()}
        matching = [name for name in known if name.startswith(digest)] if len(digest) >= 6 else []
        if len(matching) > 1:
            raise AssayError(f"{len(matching)} decisions begin with {digest!r}; write more of it")
        if not matching:
            raise NotFoundError("decision", digest, [name[:12] for name in known], where="the ledger")
        return known[matching[0]]

    # --- promotions ----------------------------------------------------------------------------------------

    def record_promotion(self, promotion: Promotion) -> str:
        """Record a promotion; the entry's digest.

        Raises:
            RefusedError: another promotion of the agent was recorded since `previous_digest` was champion.
        """
        from assay.registry.ledger.tables import writing

        with writing(self._engine) as (session, head):
            known = _newest(session, "promotion", promotion.agent)
            current = Promotion.model_validate_json(known.payload).bundle_digest if known else None
            if current != promotion.previous_digest:
                raise RefusedError(
                    f"the champion of {promotion.agent} changed meanwhile. Gate {promotion.label} against the new one: "
                    f"`assay gate {promotion.agent}/{promotion.bundle_version}`"
                )
            return _append(session, head, "promotion", promotion, promotion.bundle_digest, promotion.at)

    def promotions(self, agent: str) -> list[Promotion]:
        """Promotions of an agent, newest first."""
        found = self.entries(kind="promotion", agent=agent)
        return [Promotion.model_validate_json(entry.payload) for entry in found]

    # --- the chain -----------------------------------------------------------------------------------------

    def entries(
        self,
        kind: Kind | None = None,
        agent: str | None = None,
        subject: str | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Entries, newest first.

        Raises:
            IntegrityError: one of them is not what was recorded.
        """
        from assay.registry.ledger.tables import reading

        with reading(self._engine) as session:
            found = [_entry(row) for row in _select(session, kind, agent, subject, limit)]
        for entry in found:
            if entry.computed_digest() != entry.digest:
                raise IntegrityError(
                    f"entry {entry.seq} of the ledger ({entry.kind}) was changed after it was recorded"
                )
        return found

    def head(self) -> tuple[int, str]:
        """Number of entries and digest of the last one. Kept elsewhere, it shows that nothing before was rewritten."""
        from assay.registry.ledger.tables import HeadRow, reading

        with reading(self._engine) as session:
            head = session.get_one(HeadRow, 1)
            return head.seq, head.digest

    def verify(self) -> list[str]:
        """What is wrong with the chain, in words; empty where every entry is as and where it was recorded."""
        from assay.registry.ledger.tables import HeadRow, reading

        with reading(self._engine) as session:
            entries = [_entry(row) for row in reversed(_select(session))]
            head = session.get(HeadRow, 1)
            end = (head.seq, head.digest) if head else (-1, "")
        return _problems(entries, end)


def _problems(entries: list[Entry], end: tuple[int, str]) -> list[str]:
    problems: list[str] = []
    seq, digest = 0, GENESIS
    for entry in entries:
        if entry.computed_digest() != entry.digest:
            problems.append(f"entry {entry.seq} ({entry.kind}) was changed after it was recorded")
        if entry.seq > seq + 1:
            gone = f"entry {seq + 1} is" if entry.seq == seq + 2 else f"entries {seq + 1} to {entry.seq - 1} are"
            problems.append(f"{gone} missing")
        elif entry.prev != digest:
            problems.append(f"entry {entry.seq} ({entry.kind}) does not follow the entry before it")
        seq, digest = entry.seq, entry.digest
    if (seq, digest) != end:
        problems.append(f"the ledger ends with entry {seq}, but entry {end[0]} was recorded as its last")
    return problems


def _append(session: Session, head: HeadRow, kind: Kind, record: Frozen, subject: str, at: str) -> str:
    from assay.registry.ledger.tables import EntryRow

    agent = str(record.model_dump(include={"agent"})["agent"])
    payload = canonical_json(record).decode("utf-8")
    entry = Entry(head.seq + 1, kind, agent, subject, at, payload, prev=head.digest, digest="")
    digest = entry.computed_digest()
    session.add(EntryRow(**{**vars(entry), "digest": digest}))
    head.seq, head.digest = entry.seq, digest
    session.add(head)
    return digest


def _newest(session: Session, kind: Kind, agent: str, subject: str | None = None) -> EntryRow | None:
    return next(iter(_select(session, kind, agent, subject, 1)), None)


def _select(
    session: Session,
    kind: Kind | None = None,
    agent: str | None = None,
    subject: str | None = None,
    limit: int | None = None,
) -> list[EntryRow]:
    """Rows, newest first."""
    from sqlmodel import col, select

    from assay.registry.ledger.tables import EntryRow

    query = select(EntryRow).order_by(col(EntryRow.seq).desc()).limit(limit)
    for column, value in ((EntryRow.kind, kind), (EntryRow.agent, agent), (EntryRow.subject, subject)):
        if value is not None:
            query = query.where(col(column) == value)
    return list(session.exec(query).all())


def _entry(row: EntryRow) -> Entry:
    return Entry(row.seq, row.kind, row.agent, row.subject, row.created_at, row.payload, row.prev, row.digest)


def _decision(entry: Entry) -> RecordedDecision:
    found = Decision.model_validate_json(entry.payload)
    return RecordedDecision(entry.seq, digest_of(found), found)
