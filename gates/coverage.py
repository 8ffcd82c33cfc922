"""How much of what was planned was measured, and which rules had occasion to be broken."""

from __future__ import annotations

from collections.abc import Iterator

from assay.gates.checks import CoverageCheck
from assay.gates.evidence import Evidence
from assay.gates.explain import title
from assay.gates.limits import Ruling, rule_on, too_few
from assay.gates.metrics import Sample, collect, estimate_sample
from assay.gates.policy import GatePolicy
from assay.registry.errors import NotMeasuredError, nearest
from assay.registry.types.decision import Verdict
from assay.registry.types.score import Score
from assay.registry.types.trajectory import Outcome

__all__ = ["judge_coverage"]


def judge_coverage(check: CoverageCheck, evidence: Evidence, policy: GatePolicy) -> Ruling:
    """FAIL if a share is over its budget, or a rule was exercised by too few conversations. No bound: it is counted.

    Raises:
        NotMeasuredError: unknown metric, slice or rule, or the scorer does not tell which rules were exercised.
    """
    sample = collect(evidence, check.metric, check.slice)
    told = _exercised(check, evidence) if check.rules or check.min_rules else {}
    outcomes = [unit.outcome for unit in evidence.scope(check.slice)]
    errored = sum(outcome not in (None, Outcome.COMPLETED) for outcome in outcomes)

    def rule(given: Sample) -> tuple[Verdict, str]:
        problems = [*_over_budget(check, given, errored), *_unexercised(check, told)]
        name = title(check.metric, check.slice)
        if problems:
            return Verdict.FAIL, f"Coverage of {name[:1].lower()}{name[1:]}: {'; '.join(problems)}."
        rules = f", {sum(map(bool, told.values()))} of {len(told)} rules exercised" if told else ""
        text = (
            f"Coverage of {name[:1].lower()}{name[1:]}: of {given.planned} planned trials {given.skipped} do not apply "
            f"and {errored} did not complete{rules}."
        )
        if given.completed_cases < check.min_n:
            return Verdict.INCONCLUSIVE, f"{text} {too_few(given.completed_cases, check.min_n)}"
        return Verdict.PASS, text

    return rule_on(evidence, sample, policy, estimate_sample(sample, policy.confidence), rule)


def _over_budget(check: CoverageCheck, sample: Sample, errored: int) -> Iterator[str]:
    for count, budget, words in (
        (sample.skipped, check.max_skipped, "do not apply"),
        (errored, check.max_errored, "did not complete"),
    ):
        if budget is not None and count > budget * sample.planned:
            yield f"{count} of {sample.planned} planned trials {words}, a share of {budget:g} may"


def _unexercised(check: CoverageCheck, told: dict[str, set[str]]) -> Iterator[str]:
    for rule, least in sorted(check.rules.items()):
        if len(told[rule]) < least:
            yield f"the rule {rule} was exercised by {len(told[rule])} conversations, {least} are needed"
    silent = sorted(rule for rule, cases in told.items() if not cases)
    if check.min_rules is not None and len(told) - len(silent) < check.min_rules * len(told):
        more = f" and {len(silent) - 5} more" if len(silent) > 5 else ""
        yield (
            f"{len(told) - len(silent)} of {len(told)} rules were exercised, a share of {check.min_rules:g} has to be "
            f"(not {', '.join(silent[:5])}{more})"
        )


def _exercised(check: CoverageCheck, evidence: Evidence) -> dict[str, set[str]]:
    """For each rule of the metric's scorer, the cases of the slice that gave occasion to break it."""
    scorer = next(s for s in evidence.run.scorers for m in s.metrics if m.name == check.metric)
    if not scorer.rules:
        raise NotMeasuredError(f"the scorer {scorer.name} of {check.metric} has no rules")
    for rule in check.rules:
        if rule not in scorer.rules:
            raise NotMeasuredError(f"the scorer {scorer.name} has no rule {rule!r}.{nearest(rule, scorer.rules)}")
    told: dict[str, set[str]] = {rule: set() for rule in scorer.rules}
    results, tells = evidence.results[check.metric], False
    for unit in evidence.scope(check.slice):
        result = results.get((unit.case_id, unit.trial))
        if isinstance(result, Score) and result.exercised is not None and unit.outcome is Outcome.COMPLETED:
            tells = True
            if unknown := sorted(set(result.exercised) - told.keys()):
                raise NotMeasuredError(f"{unit.case_id!r} exercised {unknown[0]!r}, which is no rule of {scorer.name}")
            for rule in result.exercised:
                told[rule].add(unit.case_id)
    if not tells:
        raise NotMeasuredError(f"the scorer {scorer.name} does not tell which rules a conversation exercised")
    return told
