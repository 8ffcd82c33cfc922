"""What of a run was not measured, and who is to blame: nobody yet, the agent, the simulated customer, or a scorer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.registry.types.run import EvalRun, PlannedUnit

__all__ = ["outcome_lines"]

_NAMED = 3
"""How many cases are named before the rest is only counted."""
_LONGEST = 300
"""Characters of an error that are shown."""


def outcome_lines(run: EvalRun) -> Iterator[str]:
    """Lines for people; none where every planned trial was run, completed and scored."""
    from assay.registry.types.trajectory import Outcome

    missing = sum(unit.outcome is None for unit in run.planned)
    if missing:
        why, verdict = (f" ({run.stopped})", "INCONCLUSIVE") if run.stopped else ("", "ERROR")
        yield f"{missing} of {len(run.planned)} planned trials were not run{why}: a gate will read {verdict}."
    incomplete = run.incomplete()
    simulator = incomplete.pop(Outcome.SIMULATOR_ERROR, ())
    if incomplete:
        told = "; ".join(f"{len(units)} x {outcome.value} {_which(units)}" for outcome, units in incomplete.items())
        again = ""
        if Outcome.ENDPOINT_ERROR in incomplete:
            again = " `assay eval --retry-unavailable` runs those with endpoint_error again."
        yield _stopped(f"{_broken(sum(map(len, incomplete.values())))}: {told}") + again
    if simulator:
        what = f"In {len(simulator)} of {len(run.planned)} trials the simulated customer failed"
        yield _stopped(f"{what}, so they measure nothing: {_which(simulator)}")
    for scorer, reasons in run.failures().items():
        reason, count = next(iter(reasons.items()))
        yield f"The scorer {scorer} failed on trials: {sum(reasons.values())}. On {count}: {reason}{_others(reasons)}"


def _broken(count: int) -> str:
    if count == 1:
        return "1 trial did not complete and counts against the agent"
    return f"{count} trials did not complete and count against the agent"


def _which(units: Sequence[PlannedUnit]) -> str:
    """The cases, and the first error: `(case-a, case-b, case-c and 9 more), the first: <error>`."""
    cases = list(dict.fromkeys(unit.case_id for unit in units))
    more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    error = next((" ".join(unit.error.split()) for unit in units if unit.error), "")
    shown = error if len(error) <= _LONGEST else f"{error[:_LONGEST]}..."
    first = ", the first" if len(units) > 1 else ""
    return f"({', '.join(cases[:_NAMED])}{more}){f'{first}: {shown}' if shown else ''}"


def _stopped(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _others(reasons: dict[str, int]) -> str:
    others = len(reasons) - 1
    return f" (and {others} other reason{'' if others == 1 else 's'})" if others else ""
