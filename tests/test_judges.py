from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.registry.types.base import Frozen, JsonValue
from assay.registry.types.case import Case
from assay.registry.types.score import Result, Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import Passage, Retrieval, ToolCall, Trajectory, TurnRecord
from assay.runner.judges import deepeval_metrics, ragas_metrics
from assay.runner.judges.deepeval_metrics import DeepEvalToolsScorer, DeepEvalToolsSettings
from assay.runner.judges.ragas_metrics import RagasRetrievalScorer
from assay.runner.score import score_trajectory
from assay.runner.scorers.base import ScorerContext


def a_case(*turns: dict[str, object]) -> Case:
    return Case.model_validate(
        {
            "id": "c1",
            "intent": "fee_question",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "date": "2026-03-02",
            "turns": [{"customer": "Hello", "expect": expect} for expect in turns],
            "expect": {"escalation": {"required": False}},
        }
    )


def a_trajectory(*turns: TurnRecord, outcome: str = "completed") -> Trajectory:
    return Trajectory.model_validate(
        {
            "key": "a" * 64,
            "agent": "harborline",
            "bundle_digest": "b" * 64,
            "case_id": "c1",
            "case_digest": "c" * 64,
            "mode": "scripted",
            "turns": [turn.model_dump() for turn in turns],
            "outcome": outcome,
        }
    )


def called(*calls: tuple[str, dict[str, JsonValue]], index: int = 1) -> TurnRecord:
    events = tuple(ToolCall(step=i, name=name, arguments=args, result={}) for i, (name, args) in enumerate(calls))
    return TurnRecord(index=index, customer="Hello", events=events)


def retrieved(*documents: str, index: int = 1) -> TurnRecord:
    passages = tuple(Passage(document=d, text="t", score=1.0) for d in documents)
    return TurnRecord(index=index, customer="Hello", events=(Retrieval(step=0, query="q", passages=passages),))


def tools(case: Case, trajectory: Trajectory, **settings: bool) -> Result:
    scorer = DeepEvalToolsScorer(DeepEvalToolsSettings(**settings), ScorerContext())
    (record,) = score_trajectory([scorer], case, trajectory)
    return record.result


def recall(case: Case, trajectory: Trajectory) -> Result:
    (record,) = score_trajectory([RagasRetrievalScorer(Frozen(), ScorerContext())], case, trajectory)
    return record.result


def value(result: Result) -> float:
    assert isinstance(result, Score), result
    return result.value


BLOCK = {"tool_calls": [{"name": "block_card", "arguments": {"card_last4": "4821"}}]}


# --- nothing measured is never full marks -------------------------------------------------------------


def test_a_case_that_expects_nothing_is_skipped_even_if_the_agent_did_nothing() -> None:
    assert isinstance(tools(a_case({}), a_trajectory(called())), Skipped)
    assert isinstance(recall(a_case({}), a_trajectory(retrieved("kb-fees"))), Skipped)
    assert isinstance(tools(a_case({}), a_trajectory(outcome="timeout")), Skipped)
    assert isinstance(recall(a_case({}), a_trajectory(outcome="timeout")), Skipped)


@pytest.mark.parametrize("answer", [None, float("nan"), float("inf"), "idk", "1.0", True, [], 1.5, -0.5])
def test_no_number_from_the_library_is_a_failure(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    class Metric:
        def measure(self, *args: object, **kwargs: object) -> object:
            return answer

    def anything(**kwargs: object) -> None:
        return None

    monkeypatch.setattr(deepeval_metrics, "_deepeval", lambda *_: (Metric(), anything, anything))
    monkeypatch.setattr(ragas_metrics, "_recall", lambda *_: answer)
    assert isinstance(tools(a_case(BLOCK), a_trajectory(called())), ScorerFailure)
    wanted = {"supporting_documents": ["kb-fees"]}
    assert isinstance(recall(a_case(wanted), a_trajectory(retrieved("kb-fees"))), ScorerFailure)


def test_a_trial_that_did_not_complete_is_a_failure_of_a_mean() -> None:
    assert isinstance(tools(a_case(BLOCK), a_trajectory(outcome="agent_error")), ScorerFailure)
    wanted = a_case({"supporting_documents": ["kb-fees"]})
    assert isinstance(recall(wanted, a_trajectory(outcome="agent_error")), ScorerFailure)


# --- deepeval -----------------------------------------------------------------------------------------


def test_no_call_where_one_is_expected_is_zero() -> None:
    assert value(tools(a_case(BLOCK), a_trajectory(called()))) == 0


def test_expected_arguments_are_a_subset() -> None:
    done = called(("block_card", {"card_last4": "4821", "customer_number": "48213907"}))
    assert value(tools(a_case(BLOCK), a_trajectory(done))) == 1
    wrong = called(("block_card", {"card_last4": "9999", "customer_number": "48213907"}))
    assert value(tools(a_case(BLOCK), a_trajectory(wrong))) == 0
    assert value(tools(a_case(BLOCK), a_trajectory(wrong), arguments=False)) == 1


def test_a_call_without_arguments_counts() -> None:
    case = a_case({"tool_calls": [{"name": "list_branches"}, {"name": "block_card"}]})
    assert value(tools(case, a_trajectory(called(("list_branches", {}))))) == 0.5
    both = called(("list_branches", {}), ("block_card", {"card_last4": "4821"}))
    assert value(tools(case, a_trajectory(both))) == 1


def test_the_same_call_twice_counts_twice() -> None:
    case = a_case(BLOCK, BLOCK)
    once = called(("block_card", {"card_last4": "4821"}))
    assert value(tools(case, a_trajectory(once))) == 0.5
    again = called(("block_card", {"card_last4": "4821"}), index=2)
    assert value(tools(case, a_trajectory(once, again))) == 1


def test_exact_mode_refuses_more_calls_than_expected() -> None:
    more = called(("block_card", {"card_last4": "4821"}), ("get_balance", {}))
    assert value(tools(a_case(BLOCK), a_trajectory(more))) == 1
    assert value(tools(a_case(BLOCK), a_trajectory(more), exact=True)) == 0


# --- ragas --------------------------------------------------------------------------------------------


def test_recall_is_the_mean_over_turns_of_what_was_retrieved_so_far() -> None:
    case = a_case({"supporting_documents": ["kb-a", "kb-b"]}, {}, {"supporting_documents": ["kb-c"]})
    found = recall(case, a_trajectory(retrieved("kb-a", "kb-x"), retrieved("kb-c", index=2), retrieved(index=3)))
    assert value(found) == pytest.approx(0.75)
    late = recall(case, a_trajectory(retrieved(), retrieved("kb-a", index=2), retrieved("kb-b", index=3)))
    assert value(late) == 0


def test_turns_that_never_happened_count_as_not_retrieved() -> None:
    case = a_case({"supporting_documents": ["kb-a"]}, {"supporting_documents": ["kb-c"]})
    assert value(recall(case, a_trajectory(retrieved("kb-a")))) == 0.5


# --- conduct ------------------------------------------------------------------------------------------


def test_identity_names_the_version_of_the_library() -> None:
    from importlib.metadata import version

    assert DeepEvalToolsScorer(DeepEvalToolsSettings(), ScorerContext()).identity["deepeval"] == version("deepeval")
    assert RagasRetrievalScorer(Frozen(), ScorerContext()).identity["ragas"] == version("ragas")


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import test_judges as t
assert "deepeval" not in sys.modules and "ragas" not in sys.modules
t.test_expected_arguments_are_a_subset()
t.test_recall_is_the_mean_over_turns_of_what_was_retrieved_so_far()
import os
assert "PLANTED" not in os.environ, "the .env of the folder was read"
assert os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] == "YES" and os.environ["RAGAS_DO_NOT_TRACK"] == "true"
"""


def test_the_libraries_read_no_dotenv_write_nothing_and_print_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLANTED=1\nOPENAI_API_KEY=invented\n", encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DEEPEVAL", "RAGAS", "OPENAI"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(tests=str(Path(__file__).parent))],
        cwd=tmp_path,
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    written = {path.name for path in tmp_path.iterdir()}
    assert written <= {".env", ".cache", ".config"}, written
