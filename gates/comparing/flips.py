"""Cases that read otherwise in one run than in another, metric by metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from assay.gates.evidence import Evidence
from assay.gates.metrics import CaseScore, Sample
from assay.gates.pairing import Pairs
from assay.registry.types.base import RiskTier
from assay.registry.types.comparison import Flip, Flips
from assay.registry.types.trajectory import Outcome

__all__ = ["find_flips"]

_GRAVEST = tuple(reversed([tier.value for tier in RiskTier]))
_INCOMPLETE, _UNSCORED, _IDLE = "did not complete", "was not scored", "does not apply"


def find_flips(pairs: Pairs, before: tuple[Evidence, Sample], after: tuple[Evidence, Sample]) -> Flips:
    """The cases that a proportion gained and lost over all cases, and those that cannot be told.

    Args:
        pairs: the two samples paired, `after` as the candidate's.
    """
    was, now = _states(*before), _states(*after)
    attributes = after[0].attributes()

    def flips(case_ids: Iterable[str]) -> tuple[Flip, ...]:
        found = (_flip(case_id, attributes[case_id], was(case_id), now(case_id)) for case_id in case_ids)
        return tuple(sorted(found, key=_gravity))

    lost = {case_id for case_id, pair in pairs.cases.items() if pair.lost > 0}
    gained = {case_id for case_id, pair in pairs.cases.items() if pair.lost < 0}
    untold = {_INCOMPLETE, _UNSCORED}
    undecided = {case_id for case_id in attributes if untold & {was(case_id), now(case_id)}} - lost - gained
    return Flips(
        metric=after[1].spec.name,
        lost=flips(lost),
        gained=flips(gained),
        undecided=flips(undecided),
    )


def _flip(case_id: str, attributes: dict[str, tuple[str, ...]], a: str, b: str) -> Flip:
    intent, tier = (", ".join(attributes.get(key, ())) for key in ("intent", "risk_tier"))
    return Flip(case_id=case_id, intent=intent, risk_tier=tier, a=a, b=b)


def _gravity(flip: Flip) -> tuple[int, str]:
    rank = _GRAVEST.index(flip.risk_tier) if flip.risk_tier in _GRAVEST else len(_GRAVEST)
    return rank, flip.case_id


def _states(evidence: Evidence, sample: Sample) -> Callable[[str], str]:
    """A function that says how a case reads. What did not complete or was not scored is never said to have passed."""
    scores = {case.case_id: case for case in sample.cases}
    incomplete = {unit.case_id for unit in evidence.units if unit.outcome is not Outcome.COMPLETED}
    unscored = {*sample.missing, *sample.failed}

    def state(case_id: str) -> str:
        if case_id in incomplete:
            return _INCOMPLETE
        if case_id in unscored:
            return _UNSCORED
        return _passed(scores[case_id], sample) if case_id in scores else _IDLE

    return state


def _passed(case: CaseScore, sample: Sample) -> str:
    good = case.value if sample.higher_is_better else case.of - case.value
    if case.of == 1:
        return "passed" if good else "failed"
    return f"{good:g} of {case.of} passed"
