"""Corrupted agent turns: one amount or identifier of a recorded conversation is replaced, and has to be flagged."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from assay.registry.content import load_dataset
from assay.registry.types.case import Case
from assay.registry.types.score import Score
from assay.registry.types.trajectory import Say, Trajectory
from assay.runner.agents.recorded import load_recordings
from assay.runner.importers.tau_bench import import_tau_bench
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.groundedness import GroundednessScorer, GroundednessSettings

Kind = Literal["identifier", "amount"]
_SITES = {
    "amount": re.compile(r"\$\d[\d,]*(?:\.\d+)?(?<!,)"),
    "identifier": re.compile(
        r"\b(?:(?=[A-Z]*\d)[A-Z0-9]{6}(?<!\d{6})|HAT\d{3}|(?:credit_card|gift_card|certificate)_\d{7}|[a-z]+_[a-z]+_\d{4})\b"
    ),
}
_PER_CONVERSATION = 8
_SEED = 20240515


@dataclass(frozen=True)
class Airline:
    """Recorded conversations with their cases, and the scorer with the settings of the suite `tau-airline`."""

    cases: dict[str, Case]
    trajectories: tuple[Trajectory, ...]
    scorer: GroundednessScorer


@dataclass
class Tally:
    """`caught`: for each corruption, the case and whether it was flagged. `missed`: what was not, for reading."""

    sites: int = 0
    flagged: int = 0
    caught: list[tuple[str, bool]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Site:
    turn: int
    event: int
    start: int
    end: int
    text: str


def load(file: Path, out: Path) -> Airline:
    """The conversations of a trajectory file, imported into `out`."""
    import_tau_bench(file, out)
    cases = {case.id: case for case in load_dataset(out).cases}
    scorer = GroundednessScorer(GroundednessSettings(check_wording=False), ScorerContext())
    return Airline(cases, tuple(load_recordings(out).trajectories), scorer)


def score_all(airline: Airline) -> int:
    """Score every conversation as recorded; the number of turns."""
    for trajectory in airline.trajectories:
        airline.scorer.score(airline.cases[trajectory.case_id], trajectory)
    return sum(len(trajectory.turns) for trajectory in airline.trajectories)


def trial(airline: Airline, kind: Kind) -> Tally:
    """Corrupt up to eight facts of every conversation, one at a time."""
    rng = random.Random(_SEED)
    tally = Tally()
    for trajectory in airline.trajectories:
        before = _flags(airline, trajectory, kind)
        sites = list(_sites(trajectory, kind))
        tally.sites += len(sites)
        tally.flagged += len(before)
        for site in rng.sample(sites, min(_PER_CONVERSATION, len(sites))):
            wrong = _wrong_amount(site.text, rng) if kind == "amount" else _wrong_identifier(site.text, rng)
            after = _flags(airline, _replaced(trajectory, site, wrong), kind)
            was = any(turn == site.turn + 1 for turn, _ in after - before)
            tally.caught.append((trajectory.case_id, was))
            if not was:
                tally.missed.append(f"{trajectory.case_id} turn {site.turn + 1}: {site.text} as {wrong}")
    return tally


def _flags(airline: Airline, trajectory: Trajectory, kind: Kind) -> set[tuple[int | None, str]]:
    result = airline.scorer.score(airline.cases[trajectory.case_id], trajectory)["hallucination_rate"]
    findings = result.findings if isinstance(result, Score) else ()
    return {(found.turn, found.quote) for found in findings if found.rule == f"unsupported_{kind}"}


def _sites(trajectory: Trajectory, kind: Kind) -> Iterator[_Site]:
    for turn, record in enumerate(trajectory.turns):
        for number, event in enumerate(record.events):
            if isinstance(event, Say):
                for match in _SITES[kind].finditer(event.text):
                    yield _Site(turn, number, match.start(), match.end(), match[0])


def _replaced(trajectory: Trajectory, site: _Site, wrong: str) -> Trajectory:
    record = trajectory.turns[site.turn]
    event = record.events[site.event]
    assert isinstance(event, Say)
    said = event.model_copy(update={"text": event.text[: site.start] + wrong + event.text[site.end :]})
    events = (*record.events[: site.event], said, *record.events[site.event + 1 :])
    turns = list(trajectory.turns)
    turns[site.turn] = record.model_copy(update={"events": events})
    return trajectory.model_copy(update={"turns": tuple(turns)})


def _wrong_amount(text: str, rng: random.Random) -> str:
    """Off by up to 60, by a tenth or a fifth, or by a multiple of ten."""
    right = float(text.replace("$", "").replace(",", ""))
    while True:
        off = rng.randint(1, 60)
        wrong = rng.choice([right + off, right - off, right * rng.choice([0.9, 1.1, 1.2]), right + 10 * (off // 7 + 1)])
        wrong = round(wrong, 2 if "." in text else 0)
        if wrong >= 1 and abs(wrong - right) > 0.5:
            return f"${wrong:,.2f}" if "." in text else f"${wrong:,.0f}"


def _wrong_identifier(text: str, rng: random.Random) -> str:
    """One digit is another."""
    at = rng.choice([i for i, c in enumerate(text) if c.isdigit()])
    return text[:at] + rng.choice([d for d in "0123456789" if d != text[at]]) + text[at + 1 :]
