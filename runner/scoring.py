"""Scores of trajectories as they come in: from the book where a scorer has measured one before, else measured now."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from pydantic import TypeAdapter

from assay.registry.digest import digest_bytes
from assay.registry.errors import IntegrityError
from assay.registry.types.case import Case
from assay.registry.types.score import Score, ScoreRecord, ScorerFailure
from assay.registry.types.trajectory import Trajectory
from assay.runner.score import score_trajectory
from assay.runner.scorebook import ScoreBook
from assay.runner.scorers.base import Scorer

__all__ = ["Scoring", "holds", "seal_of", "violations"]

_RECORD = TypeAdapter(ScoreRecord)

_WATCHING = frozenset({"policy", "scope", "pii"})


class Scoring:
    """The scorers of a suite with the book of what they measured; without a book everything is measured."""

    def __init__(self, scorers: Sequence[Scorer], book: ScoreBook | None = None) -> None:
        self._scorers = {info.digest: (scorer, info) for scorer in scorers for info in [scorer.info()]}
        self._book = book

    def records(self, case: Case, trajectory: Trajectory, digest: str) -> list[ScoreRecord]:
        """One record for each declared metric of each scorer, in the scorers' order.

        Args:
            digest: the trajectory's.

        Raises:
            IntegrityError: the trajectory is of another case.
        """
        infos = [info for _, info in self._scorers.values()]
        known = self._book.get(digest, infos) if self._book else {}
        missing = [scorer for key, (scorer, _) in self._scorers.items() if key not in known]
        made = score_trajectory(missing, case, trajectory, digest) if missing else []
        if self._book and made:
            self._book.put(made)
        if not known:
            return made
        new = {(record.scorer_digest, record.metric): record for record in made}
        return [
            new.get((info.digest, metric.name))
            or ScoreRecord(
                case_id=case.id,
                trial=trajectory.trial,
                trajectory=digest,
                scorer=info.name,
                scorer_digest=info.digest,
                metric=metric.name,
                result=known[info.digest][metric.name],
            )
            for info in infos
            for metric in info.metrics
        ]

    def accept(
        self, case: Case, trajectory: Trajectory, digest: str, records: Sequence[ScoreRecord]
    ) -> list[ScoreRecord]:
        """Keep the records that the same scorers made of a trajectory in another process.

        Raises:
            IntegrityError: they are not one record for each declared metric, of this trajectory.
        """
        infos = [info for _, info in self._scorers.values()]
        asked = [
            (case.id, trajectory.trial, digest, info.name, info.digest, metric.name)
            for info in infos
            for metric in info.metrics
        ]
        given = [(r.case_id, r.trial, r.trajectory, r.scorer, r.scorer_digest, r.metric) for r in records]
        if sorted(asked) != sorted(given):
            raise IntegrityError(f"the scores of the case {case.id!r} are not those that its scorers declare")
        if self._book:
            self._book.put(records)
        return list(records)


def seal_of(records: Iterable[ScoreRecord], only: Container[str] | None = None) -> str:
    """What tells the results of scorers from others: their digests, and a digest of all they said.

    A scorer that failed in a metric is left out: it may be asked again, and then say something.

    Args:
        only: digests of the scorers that count; None for all.
    """
    said: dict[str, list[bytes]] = {}
    failed: set[str] = set()
    for record in records:
        if only is None or record.scorer_digest in only:
            said.setdefault(record.scorer_digest, []).append(_RECORD.dump_json(record))
            if isinstance(record.result, ScorerFailure):
                failed.add(record.scorer_digest)
    kept = sorted(scorer for scorer in said if scorer not in failed)
    lines = b"\n".join(line for scorer in kept for line in said[scorer])
    return f"{digest_bytes(lines)}:{','.join(scorer[:16] for scorer in kept)}"


def holds(seal: str, records: Sequence[ScoreRecord]) -> bool:
    """Whether the scorers that a seal is of say now what they said then."""
    named = set(seal.partition(":")[2].split(","))
    return seal_of(records, {r.scorer_digest for r in records if r.scorer_digest[:16] in named}) == seal


def violations(records: Iterable[ScoreRecord]) -> int:
    """How many things the agent did that it must not: findings of the scorers that watch over rules."""
    watched = (r.result for r in records if r.scorer in _WATCHING and isinstance(r.result, Score))
    found = (finding for result in watched for finding in result.findings)
    return len({(finding.rule, finding.turn, finding.quote, finding.message) for finding in found})
