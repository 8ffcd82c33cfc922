"""Scores on disk, found by trajectory and scorer, so that nothing is scored twice by the same scorer.

An SQLite file that several processes may use at once. A scorer that failed on a trajectory is asked again next time.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from assay.registry.errors import IntegrityError
from assay.registry.types.score import Result, ScoreRecord, ScorerFailure, ScorerInfo

__all__ = ["ScoreBook"]

_TABLE = """CREATE TABLE IF NOT EXISTS scores (
    trajectory TEXT NOT NULL, scorer TEXT NOT NULL, results TEXT NOT NULL, PRIMARY KEY (trajectory, scorer)
) WITHOUT ROWID"""
_RESULTS: TypeAdapter[dict[str, Result]] = TypeAdapter(dict[str, Result])
_BUSY_S = 30.0


class ScoreBook:
    """The kept scores of one store. Open it in the process that uses it.

    Raises:
        IntegrityError: the file is no score book any more; names it.
        sqlite3.OperationalError: it cannot be opened or written to.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            _use_wal(self._database)
            # A power cut may cost the last scores, which are then made again; it cannot damage the file.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(_TABLE)
        except sqlite3.DatabaseError as problem:
            self._database.close()
            if isinstance(problem, sqlite3.OperationalError):
                raise
            raise IntegrityError(f"{path}: {problem}. Remove the file: the scores are then made again.") from None

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def get(self, trajectory: str, scorers: Sequence[ScorerInfo]) -> dict[str, dict[str, Result]]:
        """By scorer digest, the results by metric of those scorers that measured the trajectory (its digest) before."""
        marks = ",".join("?" * len(scorers))
        rows = self._database.execute(
            f"SELECT scorer, results FROM scores WHERE trajectory = ? AND scorer IN ({marks})",  # noqa: S608 - only marks
            (trajectory, *(scorer.digest for scorer in scorers)),
        )
        found = {scorer: _parsed(text) for scorer, text in rows}
        wanted = {scorer.digest: {metric.name for metric in scorer.metrics} for scorer in scorers}
        return {scorer: results for scorer, results in found.items() if results.keys() == wanted[scorer]}

    def put(self, records: Iterable[ScoreRecord]) -> None:
        """Keep all results of scorers that failed in none of their metrics."""
        results: dict[tuple[str, str], dict[str, Result]] = {}
        for record in records:
            results.setdefault((record.trajectory, record.scorer_digest), {})[record.metric] = record.result
        whole = {
            key: found
            for key, found in results.items()
            if not any(isinstance(r, ScorerFailure) for r in found.values())
        }
        if whole:
            self._write({key: _RESULTS.dump_json(found).decode() for key, found in whole.items()})

    def forget_all_but(self, trajectories: Iterable[str], *, remove: bool = True) -> int:
        """Drop the scores of all trajectories (by digest) that are not named, or only count them; how many rows."""
        self._database.execute("CREATE TEMP TABLE IF NOT EXISTS kept (trajectory TEXT PRIMARY KEY)")
        self._database.execute("DELETE FROM kept")
        self._database.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((t,) for t in trajectories))
        others = "FROM scores WHERE trajectory NOT IN (SELECT trajectory FROM kept)"
        (count,) = self._database.execute(f"SELECT count(*) {others}").fetchone()
        if remove:
            self._database.execute(f"DELETE {others}")
            with suppress(sqlite3.OperationalError):  # somebody else is in the file: it shrinks another time
                self._database.execute("VACUUM")
        return int(count)

    def _write(self, rows: Mapping[tuple[str, str], str]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", [(*key, text) for key, text in rows.items()]
            )
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _use_wal(database: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side. Of several that turn it on at once, SQLite makes but one wait."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _parsed(text: str) -> dict[str, Result]:
    try:
        return _RESULTS.validate_json(text)
    except (ValidationError, json.JSONDecodeError):  # damaged: made again
        return {}
