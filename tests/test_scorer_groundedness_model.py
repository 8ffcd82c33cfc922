"""The support model and the stricter arithmetic of groundedness, through the scorer where it can be."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.registry.types.base import JsonValue, Severity
from assay.registry.types.case import Case
from assay.registry.types.score import Score
from assay.registry.types.trajectory import Passage, Retrieval, Say, ToolCall, Trajectory, TurnRecord
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.claims.arithmetic import amount_follows, broken_equation
from assay.runner.scorers.claims.features import FAQ, is_faq, measure
from assay.runner.scorers.claims.model import FILE, OPERATING_POINT, SupportModel, calibrated_support, load_model
from assay.runner.scorers.groundedness import ClaimVerdict, GroundednessScorer, GroundednessSettings

FEES = "The overdraft fee is $25.00 for each item. Harborline charges at most three overdraft fees a day."
FLIGHTS: JsonValue = [
    {"flight_number": "HAT017", "prices": {"economy": 120, "business": 410}, "available_seats": {"economy": 14}},
    {"flight_number": "HAT136", "prices": {"economy": 154, "business": 380}, "available_seats": {"economy": 6}},
]
PASSENGERS: JsonValue = {"passengers": [{"first_name": "Mia"}, {"first_name": "Noah"}, {"first_name": "Ivy"}]}
DATA = os.environ.get("ASSAY_EXTERNAL_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ASSAY_EXTERNAL_DATA does not name the folder of labelled data")


def scored(*said: str, tools: tuple[JsonValue, ...] = (), customer: str = "Hello", system: str = "", passage: str = ""):
    calls = [ToolCall(step=i, name="look_up", arguments={}, result=result) for i, result in enumerate(tools)]
    found = Passage.model_validate({"document": "kb", "text": passage, "score": 1.0, "audience": "public"})
    events = [*calls, *([Retrieval(step=8, query="q", passages=(found,))] if passage else [])]
    events += [Say(step=9 + i, text=text) for i, text in enumerate(said)]
    trajectory = Trajectory.model_validate(
        {
            "key": "a" * 64, "agent": "harborline", "bundle_digest": "b" * 64, "case_id": "c1", "case_digest": "c" * 64,
            "mode": "scripted", "system": system, "outcome": "completed",
            "turns": [TurnRecord(index=1, customer=customer, events=tuple(events)).model_dump()],
        }
    )  # fmt: skip
    case = Case.model_validate(
        {
            "id": "c1", "intent": "fee_question", "risk_tier": "low", "autonomy": "autonomous",
            "date": dt.date(2026, 3, 3), "turns": [{"customer": customer, "expect": {}}],
            "expect": {"escalation": {"required": False}},
        }
    )  # fmt: skip
    return GroundednessScorer(GroundednessSettings(), ScorerContext()), case, trajectory


def verdicts(*said: str, **evidence: object) -> tuple[ClaimVerdict, ...]:
    scorer, case, trajectory = scored(*said, **evidence)  # type: ignore[arg-type]
    return scorer.verdicts(case, trajectory)


def broken(*said: str, **evidence: object) -> list[str]:
    return [v.rule for v in verdicts(*said, **evidence) if v.rule]


# --- amounts ------------------------------------------------------------------------------------------


def test_free_seats_and_lengths_of_lists_are_no_money() -> None:
    assert broken("Flight HAT017 has 14 free seats.", tools=(FLIGHTS,)) == []
    assert broken("The economy price is $14.", tools=(FLIGHTS,)) == ["unsupported_amount"]
    assert broken("A bag is $3.", tools=(PASSENGERS,)) == ["unsupported_amount"]


def test_a_price_has_to_be_that_of_the_flight_it_is_given_for() -> None:
    assert broken("Flight HAT017:\n- Price: $120\nFlight HAT136:\n- Price: $154", tools=(FLIGHTS,)) == []
    assert broken("Flight HAT017:\n- Price: $154", tools=(FLIGHTS,)) == ["unsupported_amount"]


def test_sums_and_products_per_passenger_follow_and_others_do_not() -> None:
    evidence = {"tools": (FLIGHTS, PASSENGERS)}
    legs = "HAT017 costs $120.\nHAT136 costs $154.\n"
    assert broken(f"{legs}The total is $274.", **evidence) == []
    assert broken(f"{legs}The total for all three passengers is $822.", **evidence) == []
    assert broken(f"{legs}The difference is $34.", **evidence) == []
    assert broken(f"{legs}The total is $34.", **evidence) == ["unsupported_amount"]
    assert broken(f"{legs}The total is $284.", **evidence) == ["unsupported_amount"]
    assert broken(f"{legs}The total per passenger is $822.", **evidence) == ["unsupported_amount"]


def test_a_fee_of_the_policy_is_part_of_a_total_that_speaks_of_it() -> None:
    policy = {"system": "Each extra bag costs $50.", "tools": (FLIGHTS,)}
    assert broken("HAT017 costs $120.\nThe total with an extra bag is $170.", **policy) == []
    assert broken("HAT017 costs $120.\nThe total is $170.", **policy) == ["unsupported_amount"]


@pytest.mark.parametrize(
    ("sentence", "is_broken"),
    [
        ("Total: $105 + $263 = $368", False),
        ("Total: $94 + $263 = $368", True),
        ("Return: $443 (Business) - $180 (Economy) = $263", False),
        ("Now $174 per passenger ($94 + $80).", False),
        ("Now $174 per passenger ($144 + $80).", True),
        ("Three at $120 × 3 = $360", False),
        ("It costs $5.", False),
    ],
)
def test_a_sum_that_is_written_out_has_to_add_up(sentence: str, is_broken: bool) -> None:
    assert (broken_equation(sentence) is not None) == is_broken


def test_what_a_sentence_says_of_an_amount_decides_how_it_may_follow() -> None:
    assert amount_follows(50, [], [1250.40, 1200.40], (), "The difference is $50.")
    assert not amount_follows(50, [], [1250.40, 1200.40], (), "The total is $50.")
    assert not amount_follows(240, [], [120], (2,), "That is $240 each in total.")


def test_a_person_nobody_spoke_of_is_flagged_and_a_place_is_not() -> None:
    assert "unsupported_name" not in broken("Your booking is for passenger Mia.", tools=(PASSENGERS,))
    assert broken("Your booking is for passenger Leopold.", tools=(PASSENGERS,)) == ["unsupported_name"]
    assert broken("Your booking is for passenger Leo\u200bpold.", tools=(PASSENGERS,)) == ["unsupported_name"]
    assert "unsupported_name" not in broken("Your booking goes to Las Vegas.", tools=(PASSENGERS,))


# --- the model ----------------------------------------------------------------------------------------


def test_no_wording_lets_a_wrong_figure_pass() -> None:
    """Word for word the passage, but for one digit: the model alone would let it through."""
    wrong = FEES.replace("$25.00", "$26.00").split(". ")[0] + "."
    assert calibrated_support(wrong, FEES) >= OPERATING_POINT
    (verdict,) = verdicts(wrong, passage=FEES)
    assert (verdict.rule, verdict.severity, verdict.support) == ("unsupported_amount", Severity.HIGH, None)


def test_every_claim_has_its_verdict_its_span_and_its_score() -> None:
    kept, lost = verdicts(
        "Harborline charges at most three overdraft fees a day. Overdrafts are insured by a scheme for farmers.",
        passage=FEES,
    )
    assert (kept.rule, kept.severity) == ("", None)
    assert kept.evidence == "kb: Harborline charges at most three overdraft fees a day."
    assert (lost.rule, lost.turn) == ("unsupported_claim", 1)
    assert lost.severity in (Severity.LOW, Severity.MEDIUM)
    assert lost.support is not None
    assert lost.support < OPERATING_POINT


def test_a_wrong_fee_is_worse_than_a_loose_paraphrase() -> None:
    scorer, case, trajectory = scored("The fee is $31. Overdrafts are insured by a scheme for farmers.", passage=FEES)
    result = scorer.score(case, trajectory)["hallucination_rate"]
    assert isinstance(result, Score)
    assert (result.value, result.of) == (1, 1)
    severities = {finding.rule: finding.severity for finding in result.findings}
    assert severities["unsupported_amount"] == Severity.HIGH
    assert severities["unsupported_claim"] != Severity.HIGH


def test_the_answer_to_a_question_is_read_with_its_polarity() -> None:
    evidence = "Is there outdoor seating? No, there is no outdoor seating."
    assert is_faq(evidence)
    assert not is_faq(FEES)
    assert measure("Yes, there is outdoor seating.", evidence)["wrong_yes"] == 1
    right, wrong = (f"{word}, there is {no}outdoor seating." for word, no in (("No", "no "), ("Yes", "")))
    assert calibrated_support(right, evidence) > calibrated_support(wrong, evidence)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_have_a_support_between_0_and_1(claim: str, evidence: str) -> None:
    assert set(measure(claim, evidence)) >= set(FAQ)
    assert 0 <= calibrated_support(claim, evidence) <= 1


def test_the_shipped_file_is_small_names_its_data_and_is_read_strictly() -> None:
    text = files("assay.runner.scorers.claims").joinpath(FILE).read_text(encoding="utf-8")
    assert len(text) < 20_000
    raw = json.loads(text)
    assert load_model() == SupportModel.model_validate(raw)
    assert "BEGIN" in raw["prose"]["lineage"]
    assert "DSTC9" in raw["faq"]["lineage"]
    del raw["prose"]["weights"]["g4"]
    with pytest.raises(ValidationError, match="g4"):
        SupportModel.model_validate(raw)


@needs_data
def test_the_shipped_weights_are_what_training_gives() -> None:
    from assay.runner.scorers.claims.training import trained

    fresh, shipped = trained(Path(DATA or "")), load_model()
    for form in ("prose", "faq"):
        assert fresh.of(form).lineage == shipped.of(form).lineage
        assert fresh.of(form).intercept == pytest.approx(shipped.of(form).intercept, abs=1e-3)
        for name, weight in fresh.of(form).weights.items():
            assert weight.weight == pytest.approx(shipped.of(form).weights[name].weight, abs=1e-3)


@needs_data
def test_the_figures_of_the_model_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "bench")
    import scorers

    monkeypatch.setattr(scorers, "REPLICATES", 2)  # the intervals are not looked at here
    rows = {str(row["set"]): row for row in scorers.labelled(Path(DATA or ""))}
    floors = {"BEGIN Topical-Chat": 0.945, "BEGIN CMU-DoG": 0.972, "DSTC9": 0.90, "Q2, in domain": 0.77}
    for name, floor in floors.items():
        (row,) = (row for key, row in rows.items() if key.startswith(name))
        assert row["auc"]["value"] >= floor  # type: ignore[index]


@needs_data
def test_corrupted_turns_of_an_airline_agent_are_caught(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parent / "bench"))
    import scorers_corruption as corruption

    file = Path(DATA or "") / "tau_bench_airline_gpt4o_trials_0_1.json.gz"
    airline = corruption.load(file, tmp_path / "airline")
    for kind, false, caught in (("identifier", 0.0, 0.99), ("amount", 0.125, 0.92)):
        tally = corruption.trial(airline, kind)  # type: ignore[arg-type]
        assert tally.flagged <= false * tally.sites
        assert sum(was for _, was in tally.caught) >= caught * len(tally.caught)
