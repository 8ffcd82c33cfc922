from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assay.registry.errors import NotFoundError
from assay.registry.store.mlflow_scorers import mlflow_scorer
from assay.registry.types.case import Case
from assay.registry.types.score import MetricSpec, Result, Score, ScorerFailure, Skipped
from assay.registry.types.suite import ScorerUse, Suite
from assay.registry.types.trajectory import Trajectory
from assay.runner.elsewhere import mlflow_measure
from assay.runner.judges.deepeval_scorers import deepeval_metric
from assay.runner.score import build_scorers
from assay.runner.scorers.base import Scorer, ScorerContext


def a_case(case_id: str = "balance", turns: int = 1, **expect: object) -> Case:
    return Case.model_validate(
        {
            "id": case_id,
            "intent": "balance_inquiry",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "date": dt.date(2026, 3, 2),
            "turns": [{"customer": f"What is my balance? ({n})", "expect": expect} for n in range(turns)],
            "expect": {"escalation": {"required": False}},
        }
    )


SAYS = {"must_say": [{"any_of": ["$12.50"]}]}
CALLS = {"tool_calls": [{"name": "get_balance", "arguments": {"account": "current"}}]}


def ours(name: str) -> Scorer:
    suite = Suite(name="s", dataset="d", scorers=(ScorerUse(name=name),))
    return build_scorers(suite, ScorerContext())[0]


class Fixed(Scorer):
    """Says what the customer's first words ask for."""

    name = "fixed"
    version = "1"

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (
            MetricSpec(name="harm", kind="proportion", direction="lower_is_better", unit="claim", description="d"),
            MetricSpec(name="tone", kind="mean", direction="higher_is_better", description="d"),
        )

    def score(self, case: Case, trajectory: Trajectory) -> dict[str, Result]:
        if case.id == "raises":
            raise RuntimeError("boom")
        said: dict[str, Result] = {
            "skips": Skipped(reason="nothing to say"),
            "fails": ScorerFailure(error="judge said idk"),
            "nan": Score.model_construct(value=float("nan"), of=1),
        }
        harm = said.get(case.id, Score(value=2, of=4, explanation="two claims"))
        return {"harm": harm, "tone": Score(value=0.25)}


def fixed() -> Scorer:
    return Fixed(Fixed.Settings(), ScorerContext())


NOT_MEASURED = ["skips", "fails", "nan", "raises"]


# --- MLflow -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("mlflow")
    import mlflow as library

    before = library.get_tracking_uri()
    library.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    number = library.create_experiment("elsewhere", artifact_location=(folder / "artifacts").as_uri())
    library.set_experiment(experiment_id=number)
    yield library
    library.set_tracking_uri(before)


def evaluated(mlflow: Any, rows: list[dict[str, Any]], scorer: Scorer, cases: list[Case], **more: Any) -> Any:
    return mlflow.genai.evaluate(
        data=rows, scorers=[mlflow_scorer(scorer.info(), mlflow_measure(scorer, cases))], **more
    )


def measurements(done: Any, metric: str) -> list[float | None]:
    """Values of a metric, None for a row without one, lowest first."""
    column = done.result_df.get(f"{metric}/value", [None] * len(done.result_df))
    return sorted((None if pd.isna(value) else value for value in column), key=lambda value: value or 0.0)


def assessments(mlflow: Any, done: Any) -> dict[str, Any]:
    """What the store holds for a run of one row, by metric."""
    (trace,) = mlflow.search_traces(run_id=done.run_id, return_type="list")
    return {a.name: a for a in trace.info.assessments}


def test_mlflow_evaluates_rows_with_a_scorer_of_ours(mlflow: Any) -> None:
    rows = [
        {"inputs": {"question": "What is my balance?", "conversation": "balance"}, "outputs": "It is $12.50."},
        {"inputs": {"question": "What is my balance?", "conversation": "balance"}, "outputs": "I cannot say."},
    ]
    done = evaluated(mlflow, rows, ours("task"), [a_case(**SAYS)])
    column = "task_success/value"
    assert sorted(done.result_df[column]) == [0.0, 1.0]
    stored = [
        a for trace in mlflow.search_traces(run_id=done.run_id, return_type="list") for a in trace.info.assessments
    ]
    found = [a for a in stored if f"{a.name}/value" == column]
    assert sorted(a.feedback.value for a in found) == [0.0, 1.0]
    assert {a.metadata["assay.scorer_digest"] for a in found} == {ours("task").info().digest}
    assert not done.passed  # a number is no verdict


def test_mlflow_reads_calls_from_the_trace_of_a_predicted_row(mlflow: Any) -> None:
    @mlflow.trace
    def agent(question: str, conversation: str) -> str:
        if "please" in question:
            with mlflow.start_span("get_balance", span_type="TOOL") as span:
                span.set_inputs({"account": "current"})
                span.set_outputs({"balance": 12.5})
        return "It is $12.50."

    rows = [
        {"inputs": {"question": question, "conversation": "balance"}} for question in ("My balance, please", "Balance!")
    ]
    done = evaluated(mlflow, rows, ours("deepeval_tools"), [a_case(**CALLS)], predict_fn=agent)
    assert sorted(done.result_df["tool_correctness/value"]) == [0.0, 1.0]


def test_mlflow_reads_whole_conversations_and_whole_cases(mlflow: Any) -> None:
    said = [
        {"role": "user", "content": "What is my balance? (0)"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "1", "function": {"name": "get_balance", "arguments": '{"account": "current"}'}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": '{"balance": 12.5}'},
        {"role": "assistant", "content": "It is $12.50."},
        {"role": "user", "content": "What is my balance? (1)"},
        {"role": "assistant", "content": "Still $12.50."},
    ]
    case = a_case(turns=2, **SAYS).model_dump(mode="json")
    row = {"inputs": {"any": "thing"}, "outputs": {"messages": said}, "expectations": {"assay_case": case}}
    done = evaluated(mlflow, [row], ours("task"), [])
    column = "task_success/value"
    assert list(done.result_df[column]) == [1.0]


@pytest.mark.parametrize("case_id", NOT_MEASURED)
def test_what_was_not_measured_is_an_error_in_mlflow(mlflow: Any, case_id: str) -> None:
    row = {"inputs": {"question": "Hello", "conversation": case_id}, "outputs": "Hi."}
    done = evaluated(mlflow, [row], fixed(), [a_case(case_id)])
    assert measurements(done, "harm") == [None]
    found = assessments(mlflow, done)["harm"]
    assert found.feedback.value is None
    assert found.feedback.error.error_code == ("SKIPPED" if case_id == "skips" else "SCORER_FAILURE")
    assert found.feedback.error.error_message
    assert not done.passed
    assert "harm/mean" not in done.metrics


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"inputs": {"question": "Hi", "conversation": "balanc"}, "outputs": "Hi."}, "Did you mean 'balance'?"),
        ({"inputs": {"question": "Hi"}, "outputs": "Hi."}, "nothing to measure by"),
        ({"inputs": {"nothing": 1, "conversation": "balance"}, "outputs": "Hi."}, "no text of a customer"),
        ({"inputs": {"question": "Hi", "conversation": "long"}, "outputs": "Hi."}, "1 of the 2 customer turns"),
        (
            {"inputs": {"question": "Hi"}, "outputs": "Hi.", "expectations": {"assay_case": {"id": "x"}}},
            "not a golden conversation",
        ),
    ],
)
def test_rows_that_cannot_be_measured_say_why(mlflow: Any, row: dict[str, Any], told: str) -> None:
    done = evaluated(mlflow, [row], fixed(), [a_case(), a_case("long", turns=2)])
    found = done.result_df.iloc[0]
    for metric in ("harm", "tone"):
        assert told in found[f"{metric}/error_message"]
        assert measurements(done, metric) == [None]
    assert not done.passed


def test_an_agent_that_says_nothing_counts_at_its_worst_in_mlflow(mlflow: Any) -> None:
    row = {"inputs": {"question": "Hi", "conversation": "balance"}, "outputs": {"answer": "  "}}
    done = evaluated(mlflow, [row], fixed(), [a_case()])
    assert measurements(done, "harm") == [1.0]
    assert measurements(done, "tone") == [None]
    assert assessments(mlflow, done)["tone"].feedback.error.error_code == "SCORER_FAILURE"


# --- deepeval -----------------------------------------------------------------------------------------


def conversation(name: str, reply: str = "It is $12.50.", **more: Any) -> Any:
    from deepeval.test_case import ConversationalTestCase, Turn

    turns = [Turn(role="user", content="What is my balance?"), Turn(role="assistant", content=reply, **more)]
    return ConversationalTestCase(turns=turns, name=name)


def answered() -> Any:
    """A metric of a team's own, with a threshold."""
    from deepeval.metrics import BaseConversationalMetric

    class Answered(BaseConversationalMetric):
        def __init__(self) -> None:
            self.threshold = 0.5

        def measure(self, test_case: Any, *args: Any, **kwargs: Any) -> float:
            self.score = float(bool(test_case.turns[-1].content))
            return self.score

        async def a_measure(self, test_case: Any, *args: Any, **kwargs: Any) -> float:
            return self.measure(test_case)

    return Answered()


def test_deepeval_measures_conversations_with_a_scorer_of_ours() -> None:
    metric = deepeval_metric(ours("task"), "task_success", [a_case(**SAYS)])
    from deepeval.metrics import BaseConversationalMetric

    assert isinstance(metric, BaseConversationalMetric)
    assert metric.measure(conversation("balance")) == metric.score == 1.0
    assert (metric.error, metric.success, metric.is_successful()) == (None, None, None)
    assert "1 of 1" in metric.reason
    assert asyncio.run(metric.a_measure(conversation("balance", "I cannot say."))) == 0.0


def test_deepeval_reads_tool_calls_of_both_kinds_of_test_case() -> None:
    from deepeval.metrics import BaseMetric
    from deepeval.test_case import LLMTestCase, ToolCall

    call = ToolCall(name="get_balance", input_parameters={"account": "current"}, output={"balance": 12.5})
    talk = deepeval_metric(ours("deepeval_tools"), "tool_correctness", [a_case(**CALLS)])
    assert talk.measure(conversation("balance", tools_called=[call])) == 1.0
    assert talk.measure(conversation("balance")) == 0.0
    single = deepeval_metric(ours("deepeval_tools"), "tool_correctness", [a_case(**CALLS)], single_turn=True)
    assert isinstance(single, BaseMetric)
    assert single.measure(LLMTestCase(input="Hi", actual_output="Hi.", tools_called=[call], name="balance")) == 1.0
    assert single.measure(LLMTestCase(input="Hi", actual_output="Hi.", tools_called=[], name="balance")) == 0.0


def test_deepeval_evaluates_offline_and_no_failure_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    from deepeval import evaluate
    from deepeval.evaluate.configs import AsyncConfig, CacheConfig, DisplayConfig

    ids = ["balance", *NOT_MEASURED, "unknown"]
    metric = deepeval_metric(fixed(), "harm", [a_case(name) for name in ids[:-1]])
    for run_async in (True, False):
        # deepeval wants one metric that gives a verdict, and ours gives none.
        done = evaluate(
            test_cases=[conversation(name) for name in ids],
            metrics=[answered(), metric],
            async_config=AsyncConfig(run_async=run_async),
            display_config=DisplayConfig(print_results=False, show_indicator=False),
            cache_config=CacheConfig(write_cache=False),
        )
        found = {result.name: result for result in done.test_results}
        assert set(found) == set(ids)
        measured = next(d for d in found["balance"].metrics_data if d.name == "harm")
        assert (measured.score, measured.error, measured.success) == (0.5, None, None)
        assert measured.reason == "2 of 4, lower is better. two claims"
        for name in ids[1:]:
            data = next(d for d in found[name].metrics_data if d.name == "harm")
            assert data.error
            assert (data.score, data.success) == (None, False)
            assert found[name].success is False


@pytest.mark.parametrize("case_id", [*NOT_MEASURED, "unknown", "long"])
def test_a_result_of_before_does_not_stay_in_deepeval(case_id: str) -> None:
    metric = deepeval_metric(fixed(), "harm", [a_case(), a_case("long", turns=2), *map(a_case, NOT_MEASURED)])
    assert metric.measure(conversation("balance")) == 0.5
    assert metric.measure(conversation(case_id)) is None
    assert (metric.score, metric.reason, metric.success, metric.is_successful()) == (None, None, False, False)
    assert metric.error
    assert metric.measure(conversation("balance")) == 0.5
    assert metric.error is None


def test_a_metric_that_has_not_measured_yet_is_not_successful() -> None:
    assert deepeval_metric(fixed(), "harm").is_successful() is False


def test_a_misspelt_metric_is_told_with_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="'harm'"):
        deepeval_metric(fixed(), "harn")
