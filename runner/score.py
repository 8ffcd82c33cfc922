"""Stored trajectories to scores. Scoring again never runs an agent again.

Four rules hold here, whatever a scorer does:

- Every declared metric of every scorer gets exactly one record for every trajectory.
- A scorer that raises, leaves a metric out, names one it does not declare, or answers with something that
  is not a valid value becomes a `ScorerFailure`: never a number.
- A trial that did not complete counts at the worst value of every proportion that applies to its case. One whose
  simulated customer failed tells nothing of the agent: every metric of it is a `ScorerFailure`.
- The worst value of a mean is not known, so a mean of a trial that did not complete is a `ScorerFailure`.
"""

from __future__ import annotations

import json
import math
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from assay.registry.digest import digest_of
from assay.registry.errors import ContentError, IntegrityError, NotFoundError
from assay.registry.strict import validation_problems
from assay.registry.types.base import Frozen
from assay.registry.types.case import Case
from assay.registry.types.score import MetricSpec, Result, Score, ScoreRecord, ScorerFailure, ScorerInfo, Skipped
from assay.registry.types.suite import ScorerUse, Suite
from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.scorers.base import Scorer, ScorerContext
from assay.runner.scorers.catalog import scorer_class, scorer_factory
from assay.runner.scorers.custom import ScorerHome

__all__ = ["build_scorers", "score_all", "score_trajectory", "suite_digest", "trajectory_digest"]

_ERROR_LENGTH = 300
_ROOM = Path(__file__).parent


def build_scorers(suite: Suite, context: ScorerContext, home: ScorerHome | None = None) -> tuple[Scorer, ...]:
    """The scorers of a suite, with their settings, in the suite's order.

    `home` is where a team's own scorers lie; without it only installed ones are found.

    Raises:
        ContentError: a scorer or a setting does not exist, a value is wrong, a team's own scorer cannot be loaded,
            or two scorers have one name or measure the same metric. Problems of single scorers are collected first.
    """
    problems: list[str] = []
    made = [_made(suite, use, context, home, problems) for use in suite.scorers]
    if problems:
        raise ContentError("\n".join(problems))
    scorers = tuple(scorer for scorer in made if scorer is not None)
    owners: dict[str, str] = {}
    names: set[str] = set()
    for scorer in scorers:
        info = scorer.info()
        if info.name in names:
            raise ContentError(f"two scorers are called {info.name!r}", file=f"suite {suite.name!r}")
        names.add(info.name)
        for metric in info.metrics:
            if metric.name in owners:
                raise ContentError(
                    f"the scorers {owners[metric.name]!r} and {info.name!r} both measure {metric.name!r}",
                    file=f"suite {suite.name!r}",
                )
            owners[metric.name] = info.name
    return scorers


def suite_digest(suite: Suite, scorers: Sequence[Scorer]) -> str:
    """Digest of the suite and of everything in its scorers that can change a result."""
    return digest_of({"suite": suite, "scorers": [scorer.info().digest for scorer in scorers]})


def trajectory_digest(trajectory: Trajectory) -> str:
    """Digest of all that a trajectory holds."""
    return digest_of(trajectory)


def score_trajectory(
    scorers: Sequence[Scorer], case: Case, trajectory: Trajectory, digest: str = ""
) -> list[ScoreRecord]:
    """One record for each declared metric of each scorer. `digest` is the trajectory's, where it is known already.

    Raises:
        IntegrityError: the trajectory is of another case.
    """
    return _score(_with_info(scorers), case, trajectory, digest)


def score_all(
    scorers: Sequence[Scorer],
    pairs: Iterable[tuple[Case, Trajectory]],
    progress: Callable[[int], None] | None = None,
) -> Iterator[ScoreRecord]:
    """Records of all pairs, in order. `progress` is called with how many trajectories are scored so far.

    Raises:
        IntegrityError: a trajectory is of another case than the one it is paired with.
    """
    prepared = _with_info(scorers)
    for done, (case, trajectory) in enumerate(pairs, start=1):
        yield from _score(prepared, case, trajectory, "")
        if progress:
            progress(done)


def _with_info(scorers: Sequence[Scorer]) -> list[tuple[Scorer, ScorerInfo]]:
    return [(scorer, scorer.info()) for scorer in scorers]


def _made(
    suite: Suite, use: ScorerUse, context: ScorerContext, home: ScorerHome | None, problems: list[str]
) -> Scorer | None:
    """One scorer of the suite; None where a problem was noted."""
    place = f"suite {suite.name!r}: scorers.{use.name}"
    try:
        factory = scorer_factory(use.name, home)
        if factory is not None:
            settings = _settings(use, factory.Settings, place, problems)
            return None if settings is None else factory(settings, context)
    except ContentError as error:
        problems.append(f"{place}: {error}")
        return None
    try:
        kind = scorer_class(use.name)
    except NotFoundError as error:
        problems.append(f"suite {suite.name!r}: {error}")
        return None
    settings = _settings(use, kind.Settings, place, problems)
    return None if settings is None else kind(settings, context)


def _settings(use: ScorerUse, model: type[Frozen], place: str, problems: list[str]) -> Frozen | None:
    """The validated settings of one use of a scorer; None where a problem was noted."""
    try:
        return model.model_validate_json(json.dumps(use.settings))
    except ValidationError as error:
        for key, problem in validation_problems(error, model):
            problems.append(f"{place}.settings{f'.{key}' if key else ''}: {problem}")
    return None


def _score(
    prepared: Sequence[tuple[Scorer, ScorerInfo]], case: Case, trajectory: Trajectory, digest: str
) -> list[ScoreRecord]:
    if trajectory.case_id != case.id:
        raise IntegrityError(f"a trajectory of case {trajectory.case_id!r} was paired with case {case.id!r}")
    digest = digest or trajectory_digest(trajectory)
    completed = trajectory.outcome is Outcome.COMPLETED
    records: list[ScoreRecord] = []
    for scorer, info in prepared:
        results = (
            _measured(scorer, info, case, trajectory) if completed else _unmeasured(scorer, info, case, trajectory)
        )
        records += (
            ScoreRecord(
                case_id=case.id,
                trial=trajectory.trial,
                trajectory=digest,
                scorer=info.name,
                scorer_digest=info.digest,
                metric=metric.name,
                result=results[metric.name],
            )
            for metric in info.metrics
        )
    return records


def _measured(scorer: Scorer, info: ScorerInfo, case: Case, trajectory: Trajectory) -> dict[str, Result]:
    """What the scorer says of a completed trial, with everything invalid turned into a failure."""
    names = [metric.name for metric in info.metrics]
    try:
        answer = scorer.score(case, trajectory)
    except Exception as error:
        return dict.fromkeys(names, _failure(error))
    if not isinstance(answer, Mapping):
        return dict.fromkeys(names, ScorerFailure(error=f"the scorer returned {type(answer).__name__}, not a mapping"))
    unknown = [str(name) for name in answer if name not in names]
    if unknown:
        error = ScorerFailure(error=f"the scorer returned metrics that it does not declare: {', '.join(unknown)}")
        return dict.fromkeys(names, error)
    return {metric.name: _valid(metric, answer.get(metric.name)) for metric in info.metrics}


def _unmeasured(scorer: Scorer, info: ScorerInfo, case: Case, trajectory: Trajectory) -> dict[str, Result]:
    """What a trial that did not complete counts for."""
    why = f"the trial did not complete: {trajectory.outcome.value}"
    if trajectory.error:
        why = f"{why} ({_short(trajectory.error)})"
    if trajectory.outcome is Outcome.SIMULATOR_ERROR:
        return dict.fromkeys((metric.name for metric in info.metrics), ScorerFailure(error=why))
    return {metric.name: _worst(scorer, metric, case, why) for metric in info.metrics}


def _worst(scorer: Scorer, metric: MetricSpec, case: Case, why: str) -> Result:
    try:
        skipped = scorer.applies(metric, case)
        if skipped is not None:
            if isinstance(skipped, Skipped):
                return skipped
            return ScorerFailure(error=f"'applies' answered with {type(skipped).__name__}, not a reason to skip")
        if metric.kind == "mean":
            return ScorerFailure(error=why)
        return _valid(metric, scorer.worst(metric, why))
    except Exception as error:
        return _failure(error)


def _valid(metric: MetricSpec, result: object) -> Result:
    """The result itself where it is one that the metric can have, else a failure that says what is wrong."""
    if isinstance(result, Skipped | ScorerFailure):
        return result
    if result is None:
        return ScorerFailure(error=f"the scorer said nothing about {metric.name!r}")
    if not isinstance(result, Score):
        return ScorerFailure(error=f"{metric.name!r} is a {type(result).__name__}, not a score")
    problem = _problem(metric, result)
    return ScorerFailure(error=f"{metric.name!r} is not valid: {problem}") if problem else result


def _problem(metric: MetricSpec, score: Score) -> str:
    # A score built without validation can hold anything, so nothing is taken for granted.
    value, of = score.value, score.of
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"value {value!r} is not a finite number"
    if isinstance(of, bool) or not isinstance(of, int) or of < 1:
        return f"'of' is {of!r}, not a positive whole number"
    if metric.kind == "mean":
        low, high = metric.extent
        if not low <= value <= high:
            return f"{value} lies outside {low:g} to {high:g}"
        return "" if of == 1 else f"a mean has 'of' = 1, not {of}"
    if float(value) != int(value):
        return f"a proportion counts whole units, not {value}"
    return "" if 0 <= value <= of else f"{value} of {of} units"


def _failure(error: Exception) -> ScorerFailure:
    told, place = str(error), _place(error)
    what = f"{type(error).__name__}{f': {told}' if told else ''}"
    return ScorerFailure(error=_short(what, _ERROR_LENGTH - len(place)) + place)


def _place(error: Exception) -> str:
    """Where a scorer of a team's own raised: folder, file and line; empty where it was code of ours or of a library.

    The whole path would make the same failure another one on another machine.
    """
    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not path.is_relative_to(_ROOM) and not any(path.is_relative_to(p) for p in libraries):
            return f" ({path.parent.name}/{path.name}:{frame.lineno})"
    return ""


def _short(text: str, limit: int = _ERROR_LENGTH) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: max(0, limit - 3)]}..."
