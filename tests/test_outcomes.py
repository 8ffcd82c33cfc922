"""What the command line says of trials that did not complete, and of scorers that failed."""

from __future__ import annotations

from collections.abc import Mapping

from gating import make_run

from assay.cli.outcomes import outcome_lines
from assay.registry.types.run import EvalRun
from assay.registry.types.score import ScorerFailure
from assay.registry.types.trajectory import Outcome


def run_of(errors: Mapping[str, tuple[Outcome | None, str | None]], failed: dict[str, str] | None = None) -> EvalRun:
    """A run of good cases, of cases that ended otherwise, and of cases whose scorer failed."""
    run = make_run(dict.fromkeys(("good", *errors, *(failed or {})), 1.0))
    planned, scores = [], []
    for unit, scored in zip(run.planned, run.scores, strict=True):
        outcome, error = errors.get(unit.case_id, (Outcome.COMPLETED, None))
        planned.append(unit.model_copy(update={"outcome": outcome, "error": error}))
        why = (failed or {}).get(unit.case_id)
        if outcome is not Outcome.COMPLETED:
            why = f"the trial did not complete: {outcome} ({error})"
        if outcome is not None:
            scores.append(scored.model_copy(update={"result": ScorerFailure(error=why)}) if why else scored)
    return run.model_copy(update={"planned": tuple(planned), "scores": tuple(scores)})


def test_a_run_in_which_all_went_well_says_nothing() -> None:
    assert list(outcome_lines(run_of({}))) == []


def test_trials_that_did_not_complete_are_told_once_and_as_the_agents() -> None:
    errors = {f"case-{n:02}": (Outcome.ENDPOINT_ERROR, f"turn 1: HTTP 500, attempt {n}") for n in range(12)}
    assert list(outcome_lines(run_of(errors))) == [
        "12 trials did not complete and count against the agent: 12 x endpoint_error (case-00, case-01, case-02 and 9 "
        "more), the first: turn 1: HTTP 500, attempt 0. `assay eval --retry-unavailable` runs those with "
        "endpoint_error again."
    ]


def test_each_way_to_end_is_told_with_its_cases() -> None:
    errors = {
        "a": (Outcome.TIMEOUT, "turn 2: no answer within 60 s"),
        "b": (Outcome.NO_REPLY, None),
        "c": (Outcome.TIMEOUT, None),
        "d": (Outcome.SIMULATOR_ERROR, "it has no words.\nNone at all."),
        "e": (None, None),
    }
    run = run_of(errors)
    assert list(outcome_lines(run)) == [
        "1 of 6 planned trials were not run: a gate will read ERROR.",
        "3 trials did not complete and count against the agent: 2 x timeout (a, c), the first: turn 2: no answer "
        "within 60 s; 1 x no_reply (b).",
        "In 1 of 6 trials the simulated customer failed, so they measure nothing: (d): it has no words. None at all.",
    ]


def test_a_scorers_own_failures_are_told_apart() -> None:
    lines = list(outcome_lines(run_of({"a": (Outcome.TIMEOUT, "late")}, {"b": "idk", "c": "idk", "d": "NaN"})))
    assert lines[0].startswith("1 trial did not complete and counts against the agent: 1 x timeout (a)")
    assert lines[1:] == ["The scorer judge failed on trials: 3. On 2: idk (and 1 other reason)"]
