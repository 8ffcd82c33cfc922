"""Kept scores: used by who made them, and never believed when they changed between being made and being read."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from test_replay import Agent, case, polite

from assay.registry.digest import digest_of
from assay.registry.errors import IntegrityError
from assay.registry.types.case import Dataset, DatasetInfo
from assay.registry.types.score import Score, ScorerFailure
from assay.registry.types.suite import ReplaySettings, ScorerUse, Suite
from assay.runner.collect import Done, collect
from assay.runner.evaluate import Subject, assemble, from_journal, planned_trials
from assay.runner.journal import Journal
from assay.runner.score import build_scorers
from assay.runner.scorebook import ScoreBook
from assay.runner.scorers.base import ScorerContext
from assay.runner.scoring import Scoring, holds, seal_of

SUBJECT = Subject("a", "b" * 64, "a v1")
SUITE = Suite(name="s", dataset="d", scorers=(ScorerUse(name="escalation"), ScorerUse(name="service")))


def dataset(count: int = 3) -> Dataset:
    cases = tuple(case(f"c{n}", 2) for n in range(count))
    info = DatasetInfo(name="d", version="1", description="d", licence="MIT", intents=("balance_inquiry",))
    digests = {c.id: digest_of(c) for c in cases}
    return Dataset(info=info, cases=cases, case_digests=digests, documents={}, digest=digest_of(digests))


@pytest.fixture
def made(tmp_path):
    """An evaluation up to where its scores are read back: evidence, scorers, and the path of the book."""
    data, scorers = dataset(), build_scorers(SUITE, ScorerContext())
    journal, path = Journal(tmp_path / "trajectories"), tmp_path / "scores.db"
    evidence = from_journal(planned_trials(SUBJECT, data, SUITE), journal)

    def take(done: Done) -> None:
        evidence.digests[done.key] = done.digest
        evidence.seals[done.key] = done.seal

    scoring = Scoring(scorers, ScoreBook(path))
    collect(Agent(polite), SUBJECT, evidence.trials, ReplaySettings(), journal, scoring, progress=take)
    return data, scorers, evidence, path


def assembled(data, scorers, evidence, path):
    scoring = Scoring(scorers, ScoreBook(path))
    return assemble(evidence, SUBJECT, data, SUITE, scorers, scoring, created_at="now", data_checks=None)


def test_what_was_measured_is_read_back(made) -> None:
    run = assembled(*made)
    assert len(run.scores) == 3 * len(run.metric_names())


def test_scores_that_were_changed_meanwhile_are_no_evidence(made) -> None:
    with sqlite3.connect(made[3]) as database:
        changed = database.execute("UPDATE scores SET results = replace(results, '\"value\":1.0', '\"value\":0.0')")
        assert changed.rowcount > 0
    with pytest.raises(IntegrityError, match="the kept scores of case 'c0', trial 0, are not what was measured"):
        assembled(*made)


def test_scores_that_are_gone_are_made_again(made) -> None:
    with sqlite3.connect(made[3]) as database:
        database.execute("DELETE FROM scores")
    assert len(assembled(*made).scores) > 0


def test_a_scorer_that_failed_may_say_something_when_it_is_asked_again(made) -> None:
    records = list(assembled(*made).scores)[:4]
    failed = [r.model_copy(update={"result": ScorerFailure(error="e")}) if n == 0 else r for n, r in enumerate(records)]
    assert holds(seal_of(failed), failed)
    assert holds(seal_of(failed), records)
    other = [*records[:-1], records[-1].model_copy(update={"result": Score(value=0, explanation="other")})]
    assert not holds(seal_of(records), other)


def test_evidence_without_seals_is_read_as_it_is(made) -> None:
    data, scorers, evidence, path = made
    assert len(assembled(data, scorers, replace(evidence, seals={}), path).scores) > 0
