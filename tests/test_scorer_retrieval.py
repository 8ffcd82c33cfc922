"""Retrieval scores: the formulas against others' code, and trajectories that search well, badly and not at all."""

from __future__ import annotations

import pytest
from conversations import plain_case, plain_run, turns_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import ndcg_score

from assay.registry.types.case import (
    Case,
    CustomerTurn,
    TurnExpectation,
)
from assay.registry.types.score import Score, Skipped
from assay.registry.types.trajectory import Passage, Retrieval, Say, Trajectory
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.retrieval import RetrievalScorer, RetrievalSettings, ndcg, precision, recall, reciprocal_rank

SCORER = RetrievalScorer(RetrievalSettings(k=(1, 3)), ScorerContext())


def a_case(*wanted: tuple[str, ...]) -> Case:
    return plain_case(
        intent="fee_question",
        turns=tuple(
            CustomerTurn(customer="What?", expect=TurnExpectation(supporting_documents=documents))
            for documents in wanted
        ),
    )


def a_run(*turns: list[list[str]]) -> Trajectory:
    """Per turn, the documents of each search."""
    return plain_run(turns_of(*(("What?", map(search, searches)) for searches in turns)))


def search(documents: list[str]) -> Retrieval:
    return Retrieval(step=0, query="q", passages=tuple(Passage(document=d, text=d, score=1.0) for d in documents))


def scored(case: Case, run: Trajectory) -> dict[str, tuple[float, int]]:
    results = SCORER.score(case, run)
    assert set(results) == {metric.name for metric in SCORER.metrics}
    return {name: (r.value, r.of) for name, r in results.items() if isinstance(r, Score)}


def test_the_right_document_first() -> None:
    results = scored(a_case(("kb-fees",)), a_run([["kb-fees", "kb-cards"]]))
    assert results["retrieval_recall_at_1"] == results["retrieval_precision_at_1"] == (1, 1)
    assert results["retrieval_precision_at_3"] == (1, 2)
    assert results["retrieval_ndcg_at_3"] == results["retrieval_mrr"] == (1, 1)


def test_the_right_document_third_in_a_second_search_counts_once_and_low() -> None:
    results = scored(a_case(("kb-fees",)), a_run([["a", "b", "a"], ["b", "kb-fees"]]))
    assert results["retrieval_recall_at_1"] == (0, 1)
    assert results["retrieval_recall_at_3"] == (1, 1)
    assert results["retrieval_mrr"][0] == pytest.approx(1 / 3)
    assert results["retrieval_ndcg_at_3"][0] == pytest.approx(0.5)


@pytest.mark.parametrize("searches", [[], [[]]])
def test_no_search_and_an_empty_one_score_zero(searches: list[list[str]]) -> None:
    case = a_case(("kb-fees", "kb-cards"))
    results = scored(case, a_run(searches))
    assert {value for value, _ in results.values()} == {0}
    assert results["retrieval_recall_at_3"] == (0, 2)
    [finding] = SCORER.score(case, a_run(searches))["retrieval_recall_at_1"].findings  # type: ignore[union-attr]
    assert (finding.rule, finding.turn) == ("not_searched", 1)


def test_a_follow_up_stands_on_the_last_search_but_a_new_search_does_not_on_an_old_one() -> None:
    wanted = a_case(("kb-fees",), ("kb-fees",), ("kb-fees",))
    results = scored(wanted, a_run([["kb-fees"]], [], [["other"]]))
    assert results["retrieval_recall_at_1"] == (2, 3)
    assert results["retrieval_mrr"][0] == pytest.approx(2 / 3)


def test_turns_that_name_nothing_are_left_out_and_a_case_without_any_is_skipped() -> None:
    assert scored(a_case((), ("kb-fees",)), a_run([["x"]], [["kb-fees"]]))["retrieval_precision_at_1"] == (1, 1)
    results = SCORER.score(a_case(()), a_run([["x"]]))
    assert all(isinstance(result, Skipped) for result in results.values())
    assert all(SCORER.applies(metric, a_case(())) for metric in SCORER.metrics)
    assert not any(SCORER.applies(metric, a_case(("kb-fees",))) for metric in SCORER.metrics)


def test_a_search_after_the_reply_bears_nothing() -> None:
    run = a_run([["kb-fees"]])
    late = run.turns[0].model_copy(update={"events": (Say(step=0, text="It costs $5."), *run.turns[0].events)})
    assert scored(a_case(("kb-fees",)), run.model_copy(update={"turns": (late,)}))["retrieval_mrr"] == (0, 1)


def test_a_recording_with_turns_of_its_own_is_not_judged_turn_by_turn() -> None:
    run = a_run([["x"]], [["kb-fees"]]).model_copy(update={"mode": "recorded"})
    results = SCORER.score(a_case(("kb-fees",)), run)
    assert all(isinstance(result, Skipped) for result in results.values())


def test_a_conversation_that_broke_off_counts_its_missing_turns() -> None:
    assert scored(a_case(("a",), ("b",)), a_run([["a"]]))["retrieval_recall_at_1"] == (1, 2)


@pytest.mark.parametrize("depths", [(), (0,), (1, 1), (-1,), (1001,)])
def test_depths_are_whole_positive_and_once(depths: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        RetrievalSettings(k=depths)


@given(
    ranking=st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=2, max_size=8),
    wanted=st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1),
    k=st.integers(1, 8),
)
def test_ndcg_is_that_of_scikit_learn(ranking: list[str], wanted: list[str], k: int) -> None:
    # scikit-learn ranks all there is: what was not returned stands at the end of its ranking.
    everything = [*ranking, *(d for d in "abcdefgh" if d not in ranking)]
    truth = [[float(d in wanted) for d in everything]]
    depth = min(k, len(ranking))
    scores = [[float(-n) for n in range(len(everything))]]
    ideal = ndcg_score([sorted(truth[0], reverse=True)], scores, k=k)
    assert ideal == pytest.approx(1)
    if depth == k:
        assert ndcg(ranking, wanted, k) == pytest.approx(ndcg_score(truth, scores, k=k))
    assert 0 <= ndcg(ranking, wanted, k) <= 1 + 1e-12


@given(
    ranking=st.lists(st.sampled_from("abcdef"), unique=True),
    wanted=st.lists(st.sampled_from("abcdef"), unique=True, min_size=1),
    k=st.integers(1, 8),
)
def test_the_measures_agree_on_what_was_found(ranking: list[str], wanted: list[str], k: int) -> None:
    found, of = recall(ranking, wanted, k)
    right, returned = precision(ranking, wanted, k)
    assert found == right <= min(of, returned, k)
    assert (ndcg(ranking, wanted, k) > 0) == (found > 0)
    assert (reciprocal_rank(ranking, wanted) > 0) == bool(set(ranking) & set(wanted))
    assert recall(ranking, wanted, k + 1)[0] >= found
