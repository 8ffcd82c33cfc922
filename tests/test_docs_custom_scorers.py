"""The example of docs/custom-scorers.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.registry.content import load_dataset, load_suite
from assay.registry.types.score import Result, Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import Outcome, Say, Trajectory, TurnRecord
from assay.runner.elsewhere import mlflow_measure
from assay.runner.score import build_scorers, score_trajectory
from assay.runner.scorers.base import Scorer, ScorerContext
from assay.runner.scorers.custom import ScorerHome

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "custom-scorers.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w/.-]+)`\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def scorers(tmp_path: Path) -> tuple[Scorer, ...]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return build_scorers(load_suite(tmp_path / "evalsuites" / "team.yaml"), ScorerContext(), ScorerHome(tmp_path))


def results(scorers: tuple[Scorer, ...], *replies: str, channel: str = "chat") -> dict[str, Result]:
    case = next(c for c in load_dataset(ROOT / "datasets" / "harborline").cases if len(c.turns) == len(replies))
    case = case.model_copy(update={"channel": channel})
    turns = tuple(
        TurnRecord(index=n, customer=turn.customer, events=(Say(step=0, text=reply),) if reply else ())
        for n, (turn, reply) in enumerate(zip(case.turns, replies, strict=True), start=1)
    )
    trajectory = Trajectory(
        key="a" * 64,
        agent="a",
        bundle_digest="b" * 64,
        case_id=case.id,
        case_digest="c" * 64,
        mode="scripted",
        turns=turns,
        outcome=Outcome.COMPLETED,
    )
    return {record.metric: record.result for record in score_trajectory(scorers, case, trajectory)}


def test_the_example_is_whole() -> None:
    assert set(FILES) == {"checks/length.py", "checks/greeting.py", "evalsuites/team.yaml"}


def test_the_example_scores_good_and_bad_replies(scorers: tuple[Scorer, ...]) -> None:
    good = results(scorers, "Good morning.", "It is done.", "Goodbye.")
    assert good["greets"] == Score(value=1)
    assert good["short_replies"] == Score(value=3, of=3, explanation="3 of 3 replies are short")
    bad = results(scorers, "word " * 31, "It is done.", "")
    assert bad["short_replies"] == Score(value=1, of=2, explanation="1 of 2 replies are short")
    greets = bad["greets"]
    assert isinstance(greets, Score)
    assert greets.value == 0
    assert greets.findings[0].turn == 1
    silent = results(scorers, "", "", "", channel="voice")
    assert isinstance(silent["short_replies"], Skipped)
    assert isinstance(silent["greets"], Skipped)
    assert "task_success" in silent


def test_the_python_of_the_page_names_what_exists(scorers: tuple[Scorer, ...]) -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        imports = [line for line in block.splitlines() if line.startswith(("from assay", "from deepeval"))]
        exec(compile("\n".join(imports), "docs/custom-scorers.md", "exec"), {})
    cases = load_dataset(ROOT / "datasets" / "harborline").cases
    assert callable(mlflow_measure(scorers[0], cases))
    assert not any(isinstance(result, ScorerFailure) for result in results(scorers, "Hello", "a", "b").values())
