"""The figures that a report shows beside the checks: every metric, overall and by slice, for display only.

Nothing here decides: the verdict and the checks come from the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.gates.evidence import read_evidence
from assay.gates.metrics import collect, estimate_sample
from assay.gates.reports.headlines import HEADLINES
from assay.registry.errors import NotMeasuredError
from assay.registry.types.decision import Decision, Estimate
from assay.registry.types.run import EvalRun

__all__ = ["Figures", "figures_of"]

_CONFIDENCE = 0.95
_ATTRIBUTES = ("risk_tier", "autonomy", "escalation_reason", "intent")


@dataclass(frozen=True)
class Figures:
    """Estimates of a run; `problem` says why there are none."""

    estimates: tuple[Estimate, ...] = ()
    problem: str = ""

    def of(self, metric: str, part: str = "") -> Estimate | None:
        """The estimate of a metric over a slice, where there is one."""
        return next((e for e in self.estimates if (e.metric, e.slice) == (metric, part)), None)


def figures_of(run: EvalRun, decision: Decision, given: Iterable[Estimate] = ()) -> Figures:
    """The headline metrics and those that a check names, overall, by risk tier, autonomy, escalation reason and intent,
    and over the run's own slices. An estimate that is `given` stands in place of one computed here.
    """
    estimates = {(estimate.metric, estimate.slice): estimate for estimate in given}
    try:
        evidence = read_evidence(run)
    except NotMeasuredError as error:
        return Figures(tuple(estimates.values()), f"There are no figures by slice: {error}.")
    problems: dict[str, None] = {}
    for metric in shown_metrics(run, decision):
        for part in _slices(run, decision):
            if (metric, part) not in estimates:
                try:
                    sample = collect(evidence, metric, part)
                except NotMeasuredError as error:
                    problems[f"No figures for a slice: {error}"] = None
                else:
                    estimates[metric, part] = estimate_sample(sample, _CONFIDENCE, "wilson", "two")
    return Figures(tuple(estimates.values()), " ".join(problems))


def shown_metrics(run: EvalRun, decision: Decision) -> Sequence[str]:
    """The headline metrics first, then those that a check names, as far as the run measures them."""
    wanted = dict.fromkeys((*HEADLINES, *(check.metric for check in decision.checks)))
    return [metric for metric in wanted if run.metric(metric)]


def _slices(run: EvalRun, decision: Decision) -> Sequence[str]:
    found = {
        f"{attribute}={value}"
        for unit in run.planned
        for attribute in _ATTRIBUTES
        for value in unit.attributes.get(attribute, ())
    }
    return list(dict.fromkeys(("", *sorted(found), *run.slices, *(check.slice for check in decision.checks))))
