"""The words and figures of a check's result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from assay.gates.evidence import Evidence
from assay.gates.metrics import Sample

__all__ = [
    "Load",
    "breakdown",
    "counted",
    "exactly",
    "figures",
    "listed",
    "percent",
    "sample_breakdown",
    "slice_figures",
    "title",
    "worst_cases",
]

Load = tuple[float, int]
"""What a case lacks, and how many units that is of."""

_MOST_CASES = 50
_MOST_SLICES = 5
_LEAST_UNITS = 3
_ATTRIBUTES = ("risk_tier", "intent", "escalation_reason", "autonomy")


def figures(*values: float, least: int = 2) -> list[str]:
    """Values with as many decimals, `least` to six, as it takes to tell them apart; never `-0.00`."""
    texts: list[str] = []
    for decimals in range(least, 7):
        texts = [f"{value:.{decimals}f}" for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return [_trimmed(text, least) for text in texts]


def exactly(value: float) -> str:
    """A limit as it was written, with at least two decimals and at most six."""
    return _trimmed(f"{value:.6f}", 2)


def _trimmed(text: str, least: int) -> str:
    whole, _, decimals = text.partition(".")
    trimmed = f"{whole}.{decimals[:least]}{decimals[least:].rstrip('0')}"
    return trimmed.removeprefix("-") if not trimmed.strip("-0.") else trimmed


def percent(confidence: float) -> str:
    """A confidence as `95 %`."""
    return f"{100 * confidence:.6g} %"


def title(metric: str, slice_text: str) -> str:
    """What is measured, to begin a sentence with: `Escalation recall in risk_tier=critical`."""
    words = metric.replace("_", " ").replace("pii", "PII")
    return f"{words[:1].upper()}{words[1:]}" + (f" in {slice_text}" if slice_text else "")


def counted(sample: Sample) -> str:
    """What a value rests on: `45 of 48`, `5 of 320 turns in 80 conversations`, `over 60 conversations`."""
    cases = f"{len(sample.cases)} conversation{'' if len(sample.cases) == 1 else 's'}"
    if sample.spec.kind == "mean":
        return f"over {cases}"
    if not sample.clustered:
        return f"{sample.total:g} of {sample.units}"
    unit = "trials" if sample.spec.unit == "conversation" else f"{sample.spec.unit}s"
    return f"{sample.total:g} of {sample.units} {unit} in {cases}"


def listed(case_ids: Iterable[str], most: int = 5) -> str:
    """The first few of some case ids, sorted and each once: `a, b and 3 more`."""
    ids = sorted(set(case_ids))
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more


def worst_cases(shortfalls: Mapping[str, float]) -> tuple[str, ...]:
    """Ids of the cases that lack something, the greatest lack first, at most 50."""
    lacking = [case_id for case_id, lack in shortfalls.items() if lack > 0]
    return tuple(sorted(lacking, key=lambda case_id: (-shortfalls[case_id], case_id))[:_MOST_CASES])


def sample_breakdown(evidence: Evidence, sample: Sample) -> tuple[str, ...]:
    """The slices in which a sample's shortfall is concentrated, e.g. `intent=complaint: 2 of 9`."""
    loads = {case.case_id: (sample.shortfall(case), case.of) for case in sample.cases}
    return breakdown(evidence, loads, slice_figures(sample))


def slice_figures(sample: Sample) -> Callable[[frozenset[str]], str]:
    """A function that words what a sample holds over some cases: `2 of 9`, or `none`."""
    scores = {case.case_id: case for case in sample.cases}

    def phrase(case_ids: frozenset[str]) -> str:
        known = [scores[case_id] for case_id in sorted(case_ids) if case_id in scores]
        value, of = math.fsum(case.value for case in known), sum(case.of for case in known)
        if not of:
            return "none"
        return f"mean {value / of:.3f} over {of}" if sample.spec.kind == "mean" else f"{value:g} of {of}"

    return phrase


def breakdown(
    evidence: Evidence, loads: Mapping[str, Load], phrase: Callable[[frozenset[str]], str]
) -> tuple[str, ...]:
    """The slices in which a shortfall is concentrated, worst first, at most five.

    Slices rank by how far their rate lies above the overall one, in units of its standard error; those of
    fewer than three units come last, those with all cases or with no shortfall not at all. Of slices with
    the same cases only the first is named.

    Args:
        loads: for each case, what it lacks.
        phrase: the figures of a slice, given its cases.
    """
    units = sum(of for _, of in loads.values())
    if not units:
        return ()
    overall = math.fsum(lack for lack, _ in loads.values()) / units
    ranked: list[tuple[bool, float, str, frozenset[str]]] = []
    seen: set[frozenset[str]] = {frozenset(loads)}
    for name, case_ids in _groups(evidence, loads):
        if not case_ids or case_ids in seen:
            continue
        seen.add(case_ids)
        lack, of = math.fsum(loads[c][0] for c in case_ids), sum(loads[c][1] for c in case_ids)
        if lack > 0 and lack / of > overall:
            ranked.append((of < _LEAST_UNITS, -(lack / of - overall) * math.sqrt(of), name, case_ids))
    ranked.sort(key=lambda row: row[:3])
    return tuple(f"{name}: {phrase(case_ids)}" for _, _, name, case_ids in ranked[:_MOST_SLICES])


def _groups(evidence: Evidence, loads: Mapping[str, Load]) -> Iterator[tuple[str, frozenset[str]]]:
    """The run's slices, then every value of the attributes that matter most, each with its cases."""
    for text in sorted(evidence.run.slices):
        yield text, frozenset(unit.case_id for unit in evidence.scope(text) if unit.case_id in loads)
    attributes = evidence.attributes()
    for attribute in _ATTRIBUTES:
        members: dict[str, set[str]] = {}
        for case_id in loads:
            for value in attributes[case_id].get(attribute, ()):
                members.setdefault(value, set()).add(case_id)
        for value in sorted(members):
            yield f"{attribute}={value}", frozenset(members[value])
