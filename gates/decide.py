"""From evidence to a decision: a pure function. Equal inputs give equal bytes, in whatever order the evidence comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from assay.gates.comparable import differences
from assay.gates.evidence import Evidence, read_evidence
from assay.gates.policy import GatePolicy
from assay.gates.rules import GRAVITY, Bench, NoBaseline, judge
from assay.registry.errors import NotMeasuredError
from assay.registry.types.decision import CheckResult, Decision, EvidenceRef, Verdict
from assay.registry.types.run import EvalRun

__all__ = ["decide"]

_WORDS = {
    Verdict.ERROR: "{} could not be judged",
    Verdict.FAIL: "{} failed",
    Verdict.INCONCLUSIVE: "{} not shown",
}


def decide(
    policy: GatePolicy,
    policy_digest: str,
    run: EvalRun,
    run_digest: str,
    baseline: tuple[EvalRun, str] | None,
    champion_exists: bool,
    now: str,
) -> Decision:
    """Judge a candidate's run, and compare it with the champion's where the policy asks for it.

    Bad evidence never raises: it is a verdict. The overall verdict is the worst one of the blocking checks (ERROR,
    FAIL, INCONCLUSIVE, PASS), and ERROR where the run contradicts itself, the dataset's own checks failed, or planned
    trials were not run (INCONCLUSIVE where a budget stopped the run).

    Args:
        baseline: the champion's run on the same suite and dataset, with its digest.
        champion_exists: whether the agent has a champion, so that a comparison without a baseline is a gap.
        now: when the decision is taken, ISO 8601.
    """
    candidate = _read(run)
    bench = Bench(policy, candidate, _baseline(run, run_digest, baseline, champion_exists))
    checks = tuple(judge(check, bench) for check in policy.checks)
    flaw = _flaw(run, candidate, policy)
    gap = "" if flaw else _gap(run)
    verdicts = [c.verdict for c in checks if c.blocking]
    if gap:  # whatever a slice shows: who decides what is left out could leave out what fails
        verdicts.append(Verdict.INCONCLUSIVE if run.stopped else Verdict.ERROR)
    verdict = Verdict.ERROR if flaw else max(verdicts, key=GRAVITY.index)
    return Decision(
        agent=run.agent,
        verdict=verdict,
        summary=_summary(verdict, flaw, gap, checks, policy.name),
        decided_at=now,
        candidate=_reference(run, run_digest),
        baseline=None if baseline is None else _reference(*baseline),
        dataset=run.dataset,
        dataset_digest=run.dataset_digest,
        suite=run.suite,
        suite_digest=run.suite_digest,
        policy=policy.name,
        policy_digest=policy_digest,
        checks=checks,
        not_measured=tuple(_not_measured(run, candidate)),
    )


def _read(run: EvalRun) -> Evidence | str:
    try:
        return read_evidence(run)
    except NotMeasuredError as error:
        return str(error)


def _baseline(
    run: EvalRun, run_digest: str, baseline: tuple[EvalRun, str] | None, champion_exists: bool
) -> Evidence | NoBaseline:
    command = f"`assay eval {run.agent}@champion --suite {run.suite}`"
    if baseline is None and not champion_exists:
        return NoBaseline(
            Verdict.INCONCLUSIVE,
            "the agent has no champion, other than perhaps this bundle, to compare with.",
            applies=False,
        )
    if baseline is None:
        return NoBaseline(Verdict.INCONCLUSIVE, f"There is no run of the champion to compare with. Run {command}.")
    other, digest = baseline
    evidence = _read(other)
    if isinstance(evidence, str):
        return NoBaseline(Verdict.ERROR, f"The champion's run cannot be used: {evidence}. Run {command}.")
    if problem := _mismatch(run, other, same=digest == run_digest):
        return NoBaseline(Verdict.ERROR, f"The run to compare with {problem}. Run {command}.")
    return evidence


def _mismatch(run: EvalRun, other: EvalRun, *, same: bool) -> str:
    """Why two runs cannot be compared, or nothing."""
    if same or other.run_id == run.run_id:
        return "is the candidate's own run"
    return next((difference.words for difference in differences(run, other)), "")


def _flaw(run: EvalRun, candidate: Evidence | str, policy: GatePolicy) -> str:
    """What spoils the whole run, or nothing."""
    if isinstance(candidate, str):
        return candidate
    if run.data_checks_passed is False:
        return "the dataset's own checks failed, so its cases cannot be relied on"
    if run.data_checks_passed is None and policy.require_data_checks:
        return "the dataset brings no expectations.yaml to be checked against, and the policy requires data checks"
    attempts = Counter(unit.attempt for unit in candidate.units if unit.outcome is not None)
    if len(attempts) > 1:
        again = sum(count for attempt, count in attempts.items() if attempt)
        return (
            f"{again} of {sum(attempts.values())} trials were run anew and the others were not, which would let people "
            "choose the better of two. Run all of them anew with `assay eval --fresh`"
        )
    return ""


def _gap(run: EvalRun) -> str:
    """What of the plan was not run, or nothing."""
    absent = sum(unit.outcome is None for unit in run.planned)
    if not absent:
        return ""
    why = f": {run.stopped}" if run.stopped else ""
    return f"{absent} of {len(run.planned)} planned trials were not run{why}"


def _summary(verdict: Verdict, flaw: str, gap: str, checks: Sequence[CheckResult], policy: str) -> str:
    """One sentence that names what blocks."""
    if flaw:
        return f"Nothing can be concluded: {flaw}."
    tail = _tail(checks)
    if gap and all(c.verdict is Verdict.PASS for c in checks if c.blocking):
        return f"{gap[:1].upper()}{gap[1:]}{tail}."
    blocking = [c for c in checks if c.blocking and c.applicable]
    if verdict is Verdict.PASS:
        every = "The only blocking check" if len(blocking) == 1 else f"All {len(blocking)} blocking checks"
        return f"{every} of the policy {policy!r} {'passes' if len(blocking) == 1 else 'pass'}{tail}."
    held = len([c for c in blocking if c.verdict is Verdict.PASS])
    parts: list[str] = []
    for kind, words in _WORDS.items():
        names = [c.check + (" (critical)" if c.critical else "") for c in blocking if c.verdict is kind]
        if names:
            parts.append(words.format(", ".join(names)))
    noun = "blocking check" if len(blocking) == 1 else "blocking checks"
    return f"{held} of {len(blocking)} {noun} of the policy {policy!r} pass; {'; '.join(parts)}{tail}."


def _tail(checks: Sequence[CheckResult]) -> str:
    """What the summary says of checks that do not block."""
    warnings = [c.check for c in checks if not c.blocking and c.verdict is not Verdict.PASS]
    idle = sum(c.blocking and not c.applicable for c in checks)
    told = f"; warnings: {', '.join(warnings)}" if warnings else ""
    return told + (f"; {idle} not applicable" if idle else "")


def _reference(run: EvalRun, digest: str) -> EvidenceRef:
    return EvidenceRef(
        run_id=run.run_id, run_digest=digest, bundle_digest=run.bundle_digest, bundle_label=run.bundle_label
    )


def _not_measured(run: EvalRun, candidate: Evidence | str) -> Iterator[str]:
    """What a reader might take for measured and was not."""
    if run.data_checks_passed is None:
        yield "The dataset's own checks were not run."
    elif not run.data_checks_passed:
        yield "The dataset's own checks failed: its cases cannot be relied on."
    if isinstance(candidate, str):
        yield f"Everything: {candidate}."
        return
    planned = len(candidate.units)
    absent = sum(unit.outcome is None or unit.trajectory is None for unit in candidate.units)
    if absent:
        why = f": {run.stopped}" if run.stopped else ""
        yield f"{absent} of {planned} planned trials were not run{why}."
    for metric, results in sorted(candidate.results.items()):
        words = metric.replace("_", " ")
        kinds = Counter(result.kind for result in results.values())
        if kinds["failure"]:
            yield f"{words}: {kinds['failure']} of {planned} trials could not be scored."
        if planned - len(results) > absent:
            yield f"{words}: {planned - len(results) - absent} trials were run but not scored."
        if kinds["skipped"] == planned:
            yield f"{words}: does not apply to any of the {planned} trials."
    yield from _never_exercised(run)


def _never_exercised(run: EvalRun) -> Iterator[str]:
    """Rules that no conversation gave occasion to break: that they were kept is no evidence."""
    for scorer, rules in run.never_exercised().items():
        yield f"Rules of the scorer {scorer} that were never exercised: {', '.join(rules)}."
