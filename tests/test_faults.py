"""Injected faults never pass: each is shown with its verdict and exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from test_main_job import copy_of

from assay.cli.bundles import register_bundle
from assay.cli.pipeline import Session
from assay.cli.setting_up import make_workspace
from assay.registry.types.case import Case
from assay.registry.types.trajectory import Trajectory
from assay.registry.workspace import find_workspace
from assay.runner.agents import factory
from assay.runner.agents.base import AgentSession, ConversationContext, TurnChannel
from assay.runner.scorers.escalation import EscalationScorer

BUNDLE = "bundles/harborline/improved.yaml"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shipped") / "workspace"
    make_workspace(folder)
    return folder


@pytest.fixture
def workspace(shipped: Path, tmp_path: Path) -> Path:
    return copy_of(shipped, tmp_path / "workspace")


@pytest.fixture(scope="module")
def evaluated(shipped: Path, trained_once: None) -> Path:
    """The shipped workspace, once the bundle was evaluated in it without a fault."""
    session = Session(find_workspace(shipped, {}))
    session.evaluate(register_bundle(session, shipped / BUNDLE), "contact-center")
    return shipped


def begun(evaluated: Path, workspace: Path, *again: int) -> Path:
    """A workspace that goes on from a run without faults: only the conversations at these places (from 1) run again."""
    chosen = {case_at(workspace, place) for place in again}
    for file in (evaluated / "mlruns" / "trajectories").rglob("*.json"):
        if json.loads(file.read_text())["trajectory"]["case_id"] not in chosen:
            to = workspace / file.relative_to(evaluated)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)
    return workspace


class Faulty:
    """An agent that misbehaves in chosen conversations, counted in the order they begin."""

    def __init__(self, good, at, fault: str) -> None:
        self._good, self._at, self._fault, self._count = good, at, fault, 0

    def start(self, context: ConversationContext) -> AgentSession:
        self._count += 1
        return _FaultySession(self._fault) if self._at(self._count) else self._good.start(context)


class _FaultySession:
    def __init__(self, fault: str) -> None:
        self._fault = fault

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        if self._fault == "raises":
            raise RuntimeError("injected")


def break_agent(monkeypatch: pytest.MonkeyPatch, at, fault: str = "raises") -> None:
    build = factory.build_agent
    monkeypatch.setattr(factory, "build_agent", lambda *args, **more: Faulty(build(*args, **more), at, fault))


def case_count(workspace: Path) -> int:
    return len((workspace / "datasets" / "harborline" / "cases.jsonl").read_text().splitlines())


def case_at(workspace: Path, place: int) -> str:
    return json.loads((workspace / "datasets" / "harborline" / "cases.jsonl").read_text().splitlines()[place - 1])["id"]


def test_without_a_fault_the_same_bundle_passes(assay, evaluated: Path, workspace: Path) -> None:
    done = assay("check", BUNDLE, cwd=begun(evaluated, workspace))
    assert done.code == 0
    assert "0 trajectories run" in done.err


@pytest.mark.parametrize("which", ["every", "one", "the last"])
@pytest.mark.parametrize("fault", ["raises", "returns nothing"])
def test_an_agent_that_fails_is_not_promoted(assay, evaluated, workspace, monkeypatch, which: str, fault: str) -> None:
    if which != "every":
        begun(evaluated, workspace, 7 if which == "one" else case_count(workspace))
    break_agent(monkeypatch, lambda n: True, fault)
    done = assay("check", BUNDLE, cwd=workspace)
    assert done.code == 1, done.out
    assert f"{case_count(workspace) if which == 'every' else 1} trajectories run" in done.err
    assert "FAIL" in done.out
    assert "did not complete" in done.out
    assert assay("promote", "harborline@candidate").code == 1


def test_a_scorer_that_raises_makes_an_error_not_a_number(assay, evaluated, workspace: Path, monkeypatch) -> None:
    score, first = EscalationScorer.score, case_at(workspace, 1)
    begun(evaluated, workspace)

    def sometimes(self: EscalationScorer, case: Case, trajectory: Trajectory):
        if case.id == first:
            raise ZeroDivisionError("injected")
        return score(self, case, trajectory)

    monkeypatch.setattr(EscalationScorer, "score", sometimes)
    done = assay("check", BUNDLE, cwd=workspace)
    assert done.code == 4, done.out
    assert "ERROR" in done.out


def test_a_run_cut_short_is_an_error(assay, evaluated: Path, workspace: Path) -> None:
    assert assay("register", BUNDLE, cwd=begun(evaluated, workspace, case_count(workspace))).code == 0
    assert assay("eval", "harborline@candidate", "--limit", str(case_count(workspace) - 1)).code == 0
    done = assay("gate", "latest", "--policy", "production")
    assert done.code == 4, done.out
    assert assay("promote", "harborline@candidate").code == 1


def test_an_empty_dataset_is_refused(assay, workspace: Path) -> None:
    (workspace / "datasets" / "harborline" / "cases.jsonl").write_text("")
    done = assay("check", BUNDLE, cwd=workspace)
    assert done.code == 2
    assert "holds no cases" in done.err


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        (
            "policies/production.yaml",
            "metric: escalation_recall",
            "metric: escalation_recal",
            "checks.3.metric: no scorer of the suite measures 'escalation_recal'. Did you mean 'escalation_recall'?",
        ),
        ("policies/production.yaml", "min_n:", "min_m:", "Did you mean 'min_n'?"),
        (
            "evalsuites/contact-center.yaml",
            "- name: escalation\n",
            "- name: escalations\n",
            "Did you mean 'escalation'?",
        ),
        ("evalsuites/contact-center.yaml", "risk_tier=low", "risk_tire=low", "Did you mean 'risk_tier'?"),
        ("evalsuites/contact-center.yaml", "risk_tier=low", "risk_tier=lowest", "risk_tier"),
        ("evalsuites/contact-center.yaml", "rules: harborline", "rules: harbourline", "Did you mean 'harborline'?"),
        ("evalsuites/contact-center.yaml", "trials: 1", "trails: 1", "Did you mean 'trials'?"),
        ("assay.yaml", "policy: production", "policy: produktion", "Did you mean 'production'?"),
    ],
)
def test_a_misspelt_name_never_passes(assay, workspace: Path, file: str, old: str, new: str, part: str) -> None:
    path = workspace / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    done = assay("check", BUNDLE, cwd=workspace)
    assert done.code == 2, done.out + done.err
    assert part in done.err


def test_a_policy_without_checks_is_refused(assay, workspace: Path) -> None:
    (workspace / "policies" / "production.yaml").write_text("name: production\nchecks: []\n")
    done = assay("check", BUNDLE, cwd=workspace)
    assert done.code == 2
    assert "checks" in done.err


def test_a_policy_slice_that_names_nothing_is_refused_before_anything_runs(assay, workspace: Path) -> None:
    (workspace / "policies" / "production.yaml").write_text(
        "name: production\nchecks:\n"
        "  - {name: a, kind: limit, metric: escalation_recall, slice: intent=frau_report, at_least: 0.5}\n"
    )
    done = assay("check", BUNDLE, cwd=workspace)
    assert done.code == 2, done.out + done.err
    assert "production.yaml:3: checks.0.slice: " in done.err
    assert "fraud_report" in done.err


def test_a_suite_without_scorers_is_refused(assay, workspace: Path) -> None:
    (workspace / "evalsuites" / "contact-center.yaml").write_text(
        "name: contact-center\ndataset: harborline\nscorers: []\n"
    )
    done = assay("check", BUNDLE, cwd=workspace)
    assert done.code == 2
    assert "scorers" in done.err


def test_data_that_fails_its_own_checks_is_an_error(assay, workspace: Path) -> None:
    cases = workspace / "datasets" / "harborline" / "cases.jsonl"
    lines = cases.read_text().splitlines()
    critical = [line for line in lines if json.loads(line)["risk_tier"] == "critical"]
    cases.write_text("\n".join(line for line in lines if line not in critical[1:]) + "\n")
    suite = workspace / "evalsuites" / "contact-center.yaml"
    lines = [line for line in suite.read_text().splitlines() if not line.strip().startswith("- ") or "name:" in line]
    suite.write_text("\n".join(line for line in lines if line != "slices:") + "\n")
    done = assay("check", BUNDLE, cwd=workspace)
    assert done.code == 4, done.out + done.err
    assert assay("dataset", "check", "harborline").code == 1
