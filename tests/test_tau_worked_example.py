"""The figures of docs/tau-bench.md are those that the suite and the gate give for the public runs today."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from assay.gates.decide import decide
from assay.gates.load import load_policy
from assay.registry.content import load_dataset
from assay.registry.digest import digest_of
from assay.registry.strict import load_yaml
from assay.registry.types.decision import CheckResult, Decision
from assay.registry.types.run import EvalRun
from assay.registry.types.score import Score
from assay.registry.types.suite import Suite
from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.agents.recorded import load_recordings
from assay.runner.evaluate import Subject, assemble, match_trajectories
from assay.runner.importers.tau_bench import import_tau_bench
from assay.runner.score import build_scorers
from assay.runner.scorers.base import ScorerContext

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "tau-bench.md").read_text(encoding="utf-8")
PUBLIC_FILE = "tau_bench_airline_gpt4o_trials_0_1.json.gz"


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> tuple[EvalRun, Decision, dict[tuple[str, int], Trajectory]]:
    root = os.environ.get("ASSAY_EXTERNAL_DATA")
    if not root or not (Path(root) / PUBLIC_FILE).is_file():
        pytest.skip(f"ASSAY_EXTERNAL_DATA names no folder with {PUBLIC_FILE}")
    out = tmp_path_factory.mktemp("tau") / "tau-airline"
    import_tau_bench(Path(root) / PUBLIC_FILE, out)
    dataset, recordings = load_dataset(out), load_recordings(out)
    suite = load_yaml(ROOT / "evalsuites" / "tau-airline.yaml", Suite)
    rules = (ROOT / "evalsuites" / "policies" / "airline.yaml").read_text(encoding="utf-8")
    subject = Subject(recordings.agent, recordings.bundle_digest, recordings.label)
    found = recordings.for_dataset(dataset, suite.replay)
    evidence = match_trajectories(found, subject, dataset, suite)
    scorers = build_scorers(suite, ScorerContext(rule_packs={"airline": rules}))
    now = "2026-01-01T00:00:00Z"
    run = assemble(evidence, subject, dataset, suite, scorers, created_at=now, data_checks=None)
    policy = load_policy(ROOT / "gates" / "policies" / "tau-airline.yaml")
    decision = decide(policy, digest_of(policy), run, digest_of(run), None, False, now)
    return run, decision, {(t.case_id, t.trial): t for t in found}


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables under a heading, without the markup for code."""
    section = PAGE.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    return [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| ") and not line.startswith("| ---")
    ]


def test_the_verdicts_and_figures_of_the_checks(judged) -> None:
    _, decision, _ = judged
    told = rows("The verdict")[1:]
    assert f"## The verdict: {decision.verdict}" in PAGE
    assert [row[3] for row in told] == [check.verdict for check in decision.checks]
    for row, check in zip(told, decision.checks, strict=True):
        assert check.estimate is not None
        unit = "turns" if check.metric == "hallucination_rate" else "trials"
        events = check.estimate.events if check.estimate.events is not None else 0
        assert row[1].startswith(f"{events:g} of {check.estimate.units} {unit}"), check.check
        assert row[2] == bound_of(check), check.check


def bound_of(check: CheckResult) -> str:
    """The bound on the side that the measured value does not decide, as the page words it."""
    assert check.estimate is not None
    assert check.estimate.interval is not None
    interval = check.estimate.interval
    if check.kind == "zero_tolerance":
        return "none tolerated"
    wants_high = check.limit.startswith("lower")
    failed = check.verdict == "FAIL"
    side, bound = ("at most", interval.high) if wants_high == failed else ("at least", interval.low)
    return f"{side} {bound:.3f}".replace(" 0.", " .")


def test_the_table_of_transfers(judged) -> None:
    run, _, trajectories = judged
    required = {u.case_id: "required" in u.attributes["escalation"] for u in run.planned}
    made = Counter((required[k[0]], bool(t.handoffs)) for k, t in trajectories.items())
    paid = Counter((required[k[0]], bool(t.handoffs)) for k, t in trajectories.items() if t.labels["reward"] == 1)
    order = [(True, True), (True, False), (False, True), (False, False)]
    told = rows("Transfers to a person")
    assert [int(cell) for row in told[1:3] for cell in row[1:]] == [made[key] for key in order]
    assert [(int(row[1]), int(row[2])) for row in told[4:]] == [(made[key], paid[key]) for key in order]


def test_the_table_of_rules(judged) -> None:
    run, _, trajectories = judged
    trials: dict[str, set[tuple[str, int]]] = {}
    for record in run.scores:
        unit = (record.case_id, record.trial)
        if record.metric == "policy_adherence" and trajectories[unit].outcome is Outcome.COMPLETED:
            assert isinstance(record.result, Score)
            for finding in record.result.findings:
                trials.setdefault(finding.rule, set()).add(unit)
    rewarded = {rule: sum(trajectories[u].labels["reward"] == 1 for u in units) for rule, units in trials.items()}
    told = {row[0]: (row[2], row[3]) for row in rows("Policy")[1:]}
    silent = next(rule for rule in told if "," in rule)
    del told[silent]
    assert told == {rule: (str(len(units)), str(rewarded[rule])) for rule, units in trials.items()}
    scorer = next(s for s in run.scorers if s.name == "policy")
    assert set(silent.split(", ")) == set(scorer.rules) - set(trials)
    broken = len(set().union(*trials.values()))
    assert re.search(rf"\b{broken} of the 98 trials break at least one rule", PAGE)
