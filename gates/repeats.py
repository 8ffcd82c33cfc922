"""Several trials of each case: how often all of k pass, and whether each case passes often enough."""

from __future__ import annotations

import math
from dataclasses import replace

from assay.gates.checks import EveryCaseCheck, PassKCheck
from assay.gates.evidence import Evidence
from assay.gates.explain import figures, percent, title
from assay.gates.limits import Ruling, best_bound, more_for_share, rule_on, share_bound, too_few
from assay.gates.metrics import CaseScore, Sample, collect, estimate_sample
from assay.gates.policy import GatePolicy
from assay.registry.errors import NotMeasuredError
from assay.registry.types.decision import Verdict
from assay.registry.types.score import MetricSpec, Score
from assay.registry.types.trajectory import Outcome

__all__ = ["judge_every_case", "judge_pass_k", "pass_k", "repeated_sample"]


def pass_k(passed: int, trials: int, k: int) -> float:
    """The chance that k trials drawn from those of one case all pass: C(passed, k) / C(trials, k).

    Unbiased for the chance that k trials pass (Yao et al. 2024, tau-bench, arXiv 2406.12045).

    Raises:
        ValueError: fewer than k trials.
    """
    if not 1 <= k <= trials or not 0 <= passed <= trials:
        raise ValueError(f"pass^{k} of {passed} in {trials} trials cannot be")
    return math.comb(passed, k) / math.comb(trials, k)


def judge_pass_k(check: PassKCheck, evidence: Evidence, policy: GatePolicy) -> Ruling:
    """PASS if the lower bound of pass^k meets the limit; FAIL if pass^k itself misses it; else INCONCLUSIVE.

    The bound is the Korn-Graubard bound over cases, where a case of n trials counts for at most n / k units: so many
    times k trials of it were seen. With fewer than 100 cases it counts for one.

    Raises:
        NotMeasuredError: unknown metric or slice, no metric that a trial passes or not, or fewer than k trials.
    """
    repeated = repeated_sample(check, evidence)
    spread = _spread(evidence, check)

    def rule(given: Sample) -> tuple[Verdict, str]:
        return _against_share(check, given, spread, policy)

    worst = repeated_sample(check, evidence, failures=True)
    return rule_on(evidence, repeated, policy, estimate_sample(repeated, policy.confidence), rule, worst)


def repeated_sample(check: PassKCheck, evidence: Evidence, *, failures: bool = False) -> Sample:
    """For each case, pass^k in as many units as it has times k trials.

    Args:
        failures: count the trials that could not be scored as trials that did not pass.

    Raises:
        NotMeasuredError: unknown metric or slice, no metric that a trial passes or not, or fewer than k trials.
    """
    sample = collect(evidence, check.metric, check.slice, _passing(evidence.spec(check.metric)))
    sample = sample.with_failures_at_worst() if failures else sample
    if short := [case for case in sample.cases if case.of < check.k]:
        raise NotMeasuredError(
            f"pass^{check.k} takes {check.k} scored trials of each case, and {short[0].case_id!r} has {short[0].of}; "
            "the suite says how many 'trials' there are"
        )
    blocks = min((case.of // check.k for case in sample.cases), default=1)
    return replace(sample, cases=tuple(_in_blocks(case, check.k, blocks) for case in sample.cases))


def judge_every_case(check: EveryCaseCheck, evidence: Evidence, policy: GatePolicy) -> Ruling:
    """FAIL if more than `max_cases` cases pass fewer than `min_passes` trials. It speaks of these cases alone.

    Raises:
        NotMeasuredError: unknown metric or slice, no metric that a trial passes or not, or fewer trials than asked for.
    """
    sample = collect(evidence, check.metric, check.slice, _passing(evidence.spec(check.metric)))
    if evidence.run.trials < check.min_passes:
        raise NotMeasuredError(
            f"no case can pass {check.min_passes} of {evidence.run.trials} trials; the suite says how many there are"
        )
    held, worst = _reached(sample, check), _reached(sample.with_failures_at_worst(), check)

    def rule(given: Sample) -> tuple[Verdict, str]:
        dead = sum(case.value < case.of for case in given.cases)
        text = (
            f"{title(check.metric, check.slice)}: {dead} of {len(given.cases)} cases pass fewer than "
            f"{check.min_passes} of {evidence.run.trials} trials; {check.max_cases} may"
        )
        if dead > check.max_cases:
            return Verdict.FAIL, f"{text}."
        if given.completed_cases < check.min_n:
            return Verdict.INCONCLUSIVE, f"{text}. {too_few(given.completed_cases, check.min_n)}"
        return Verdict.PASS, f"{text}."

    return rule_on(evidence, held, policy, estimate_sample(held, policy.confidence), rule, worst)


def _reached(sample: Sample, check: EveryCaseCheck) -> Sample:
    cases = (case._replace(value=float(case.value >= check.min_passes), of=1) for case in sample.cases)
    return replace(sample, cases=tuple(cases))


def _passing(spec: MetricSpec):
    """Whether a trial passes by this metric: all of its units are good."""
    if spec.kind != "proportion":
        raise NotMeasuredError(f"{spec.name} is a mean: no trial passes or fails by it")
    if spec.direction == "higher_is_better":
        return _all_of
    return _none_of


def _all_of(score: Score) -> bool:
    return score.value == score.of


def _none_of(score: Score) -> bool:
    return score.value == 0


def _in_blocks(case: CaseScore, k: int, blocks: int) -> CaseScore:
    return case._replace(value=blocks * pass_k(int(case.value), case.of, k), of=blocks)


def _spread(evidence: Evidence, check: PassKCheck) -> str:
    """pass^1 over all trials, and the lowest and highest of one trial over all cases."""
    passes, results = _passing(evidence.spec(check.metric)), evidence.results[check.metric]
    rates: dict[int, list[bool]] = {}
    for unit in evidence.scope(check.slice):
        result = results.get((unit.case_id, unit.trial))
        if isinstance(result, Score):
            rates.setdefault(unit.trial, []).append(passes(result) and unit.outcome is Outcome.COMPLETED)
    if not rates:
        return ""
    each = sorted(sum(found) / len(found) for found in rates.values())
    overall = sum(map(sum, rates.values())) / sum(map(len, rates.values()))
    return f"pass^1 {overall:.3f}, from {each[0]:.3f} to {each[-1]:.3f} between the {len(each)} trials"


def _against_share(check: PassKCheck, sample: Sample, spread: str, policy: GatePolicy) -> tuple[Verdict, str]:
    alpha, value = 1 - policy.confidence, sample.total / sample.units
    name = f"{title(check.metric, check.slice)}: pass^{check.k}"
    if value < check.at_least:
        shown, limit = figures(value, check.at_least)
        return Verdict.FAIL, f"{name} {shown} ({len(sample.cases)} cases; {spread}) misses the limit {limit}."
    lower = share_bound(sample, alpha)
    if lower is None:
        return Verdict.INCONCLUSIVE, f"{name} {value:.3f}: one completed case shows nothing."
    shown, bound, limit = figures(value, lower, check.at_least)
    text = f"{name} {shown} ({len(sample.cases)} cases; {spread}), {percent(policy.confidence)} lower bound {bound}, "
    text += f"limit {limit}"
    if sample.completed_cases < check.min_n:
        return Verdict.INCONCLUSIVE, f"{text}: not shown. {too_few(sample.completed_cases, check.min_n)}"
    if lower >= check.at_least:
        return Verdict.PASS, f"{text}: shown."

    text += f": not shown. {more_for_share(sample, alpha, check.at_least)}"
    best = best_bound(sample, alpha)
    if best is not None and best < check.at_least:
        text += (
            f" These {len(sample.cases)} cannot show it at all: without a single failure the bound would be {best:.3f}."
        )
    return Verdict.INCONCLUSIVE, text
