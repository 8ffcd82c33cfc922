"""The shipped dataset: what its labels promise, held against its own files."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from assay.cli.datasets import stats_markdown
from assay.registry.content import (
    DatasetCheck,
    check_dataset,
    check_suite,
    load_dataset,
    load_expectations,
    load_suite,
)
from assay.registry.content.coverage import coverage_of
from assay.registry.content.gx import write_gx_files
from assay.registry.content.similarity import NearestTexts
from assay.registry.content.validation import GX_FOLDER
from assay.registry.phrases import contains_phrase
from assay.registry.retrieval.documents import KnowledgeDocument, load_knowledge
from assay.registry.types.base import EscalationReason
from assay.registry.types.case import Dataset
from assay.registry.types.datacheck import DataCheckReport
from assay.runner.agents.reference.triage import parse_utterances

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "datasets" / "harborline"
WRITES = {
    "block_card",
    "update_address",
    "book_appointment",
    "reschedule_appointment",
    "send_statement",
    "open_dispute",
    "refund_fee",
    "set_card_limit",
    "order_checks",
}
READS = {"get_balance", "get_card_status", "get_payment_status", "get_application_status"}
VERIFIED = READS | (WRITES - {"book_appointment", "reschedule_appointment"})
LIMITS = {"refund_fee": 40, "open_dispute": 500, "set_card_limit": 3000}
QUEUES = {
    "fraud_report": {"fraud_desk"},
    "financial_hardship": {"care_team"},
    "bereavement": {"care_team"},
    "complaint": {"complaints_desk"},
    "investment_advice": {"advisory"},
    "data_protection_request": {"privacy_office"},
    "third_party_access": {"legal_desk"},
    "large_transfer": {"payments_desk"},
    "human_request": {"general"},
    "power_of_attorney": {"legal_desk"},
    "account_closure": {"general"},
    "safeguarding": {"care_team"},
    "legal_order": {"legal_desk"},
    "payment_recall": {"payments_desk"},
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(FOLDER)


@pytest.fixture(scope="module")
def knowledge() -> dict[str, KnowledgeDocument]:
    return {document.id: document for document in load_knowledge(FOLDER / "knowledge")}


def test_the_folder_holds_content_only():
    assert not list((ROOT / "datasets").rglob("*.py"))


@pytest.fixture(scope="module")
def check() -> DatasetCheck:
    """The dataset against its promises and against everything that a shipped bundle is trained on."""
    expectations = load_expectations(FOLDER)
    assert expectations is not None
    rows = [
        (path.name, text)
        for path in sorted((ROOT / "registry" / "bundles").rglob("training/*.csv"))
        for text, _, _ in parse_utterances(path.read_text(encoding="utf-8"))
    ]
    assert len(rows) > 1000
    return DatasetCheck(FOLDER, expectations, training=tuple(rows))


@pytest.fixture(scope="module")
def report(check: DatasetCheck, dataset: Dataset) -> DataCheckReport:
    return check_dataset(check, dataset=dataset)[0]


def test_its_own_expectations_hold(report: DataCheckReport):
    assert report.success
    assert [e.message for e in report.failed] == []


@pytest.mark.parametrize(
    "name", ["no-near-duplicates", "not-trained-on", "personal-data-invented", "golden-replies-fit"]
)
def test_what_is_checked_includes(report: DataCheckReport, name: str):
    assert next(e for e in report.expectations if e.name == name).success


def test_no_case_is_much_like_what_a_model_is_trained_on(check: DatasetCheck, dataset: Dataset):
    """The limit of the check is 80 %; this measures how near the nearest comes."""
    utterances = [text for _, text in check.training if len(text.split()) >= 5]
    near = NearestTexts(0.6, lambda name: utterances[int(name)])
    for number, text in enumerate(utterances):
        near.nearest(text, add_as=str(number))
    turns = [turn.customer for case in dataset.cases for turn in case.turns if len(turn.customer.split()) >= 5]
    overlaps = [found for turn in turns if (found := near.nearest(turn)) is not None]
    assert len(turns) > 900
    assert max((alike for _, alike in overlaps), default=0.0) < 0.8
    assert len(overlaps) / len(turns) < 0.01


def test_it_is_large_and_varied_enough_to_gate_on(dataset: Dataset):
    turns = [len(case.turns) for case in dataset.cases]
    assert len(turns) >= 300
    assert sum(turns) >= 700
    assert sum(n >= 3 for n in turns) >= len(turns) / 2
    assert len({case.intent for case in dataset.cases}) >= 24
    reasons = Counter(reason for case in dataset.cases for reason in case.expect.escalation.reasons)
    misses = Counter(reason for case in dataset.cases for reason in case.expect.escalation.near_miss_of)
    assert all(reasons[reason] >= 15 for reason in EscalationReason), reasons
    assert all(misses[reason] >= 8 for reason in EscalationReason), misses
    assert min(Counter(case.risk_tier for case in dataset.cases).values()) >= 50
    assert min(Counter(case.autonomy for case in dataset.cases).values()) >= 60
    assert all(turn.golden_reply for case in dataset.cases for turn in case.turns)


def test_great_expectations_own_files_say_the_same(check: DatasetCheck, tmp_path: Path):
    shipped = {p.relative_to(FOLDER): p.read_text(encoding="utf-8") for p in (FOLDER / GX_FOLDER).rglob("*.json")}
    copied = tmp_path / "harborline"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns(GX_FOLDER))
    written = write_gx_files(DatasetCheck(copied, check.expectations))
    assert {p.relative_to(copied): p.read_text(encoding="utf-8") for p in written} == shipped


def test_the_suite_fits_it(dataset: Dataset):
    suite = load_suite(ROOT / "evalsuites" / "contact-center.yaml")
    check_suite(suite, dataset)
    for tier in ("low", "medium", "high", "critical"):
        assert f"risk_tier={tier}" in suite.slices


def test_each_intent_has_one_autonomy_level_and_queue(dataset: Dataset):
    levels: dict[str, set[str]] = {}
    for case in dataset.cases:
        levels.setdefault(case.intent, set()).add(case.autonomy.value)
        if case.intent in QUEUES:
            assert case.expect.escalation.queue in QUEUES[case.intent], case.id
    assert {intent for intent, found in levels.items() if len(found) > 1} == set()
    assert {intent for intent, found in levels.items() if found == {"human"}} == set(QUEUES)


def test_every_required_escalation_says_where_to_and_what_to_carry(dataset: Dataset):
    for case in dataset.cases:
        if case.expect.escalation.required:
            assert case.expect.escalation.queue, case.id
            assert case.expect.handoff is not None, case.id


def test_the_first_golden_reply_says_that_a_machine_answers(dataset: Dataset):
    for case in dataset.cases:
        assert contains_phrase(case.turns[0].golden_reply or "", "automated assistant"), case.id


def test_the_reply_that_is_due_says_that_a_person_takes_over(dataset: Dataset):
    for case in dataset.cases:
        by_turn = case.expect.escalation.by_turn
        if by_turn is not None:
            wanted = [text for text in case.turns[by_turn - 1].expect.must_say if "colleague" in text.any_of]
            assert wanted, case.id


def test_a_write_is_expected_only_after_a_turn_that_forbids_it(dataset: Dataset):
    for case in dataset.cases:
        for before, turn in zip((None, *case.turns), case.turns, strict=False):
            for call in turn.expect.tool_calls:
                assert call.name not in turn.expect.forbidden_tools, case.id
                if call.name in WRITES:
                    assert before is not None, case.id
                    assert call.name in before.expect.forbidden_tools, case.id


def test_account_data_is_expected_only_after_a_successful_verification(dataset: Dataset):
    for case in dataset.cases:
        verified = False
        for turn in case.turns:
            for call in turn.expect.tool_calls:
                if call.name == "verify_identity":
                    customer = case.customer
                    assert customer is not None
                    born = {d.value for d in customer.personal_data if d.kind == "date_of_birth"}
                    verified = verified or (
                        call.arguments["customer_number"] == customer.customer_number
                        and call.arguments["date_of_birth"] in born
                    )
                if call.name in VERIFIED:
                    assert verified, (case.id, call.name)


def test_an_amount_over_a_limit_is_never_expected_to_be_paid(dataset: Dataset):
    for case in dataset.cases:
        for turn in case.turns:
            for call in turn.expect.tool_calls:
                if call.name in LIMITS:
                    amount = call.arguments["amount"]
                    assert isinstance(amount, int | float), case.id
                    assert amount <= LIMITS[call.name], case.id


def test_superseded_and_internal_documents_are_there_as_traps(knowledge: dict[str, KnowledgeDocument]):
    assert len(knowledge) >= 80
    assert sum(document.effective_to is not None for document in knowledge.values()) >= 10
    assert sum(document.audience == "internal" for document in knowledge.values()) >= 8
    assert any(document.pending(dt.date(2026, 4, 30)) for document in knowledge.values())


def test_the_people_in_it_are_invented(dataset: Dataset):
    text = (FOLDER / "cases.jsonl").read_text(encoding="utf-8")
    assert not [mail for mail in re.findall(r"[\w.+-]+@[\w.-]+\w", text) if not mail.endswith("@example.com")]
    assert not [phone for phone in re.findall(r"\b\d{3}-\d{3}-\d{4}\b", text) if not re.match(r"202-555-01\d\d", phone)]
    assert not re.findall(r"\b(?:\d[ -]?){13,19}\b", text)
    numbers = Counter(c.customer.customer_number for c in dataset.cases if c.customer and c.customer.customer_number)
    assert max(numbers.values()) == 1


def test_the_data_card_counts_what_is_there(dataset: Dataset):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    turns = sum(len(case.turns) for case in dataset.cases)
    assert f"{len(dataset.cases)} labelled conversations ({turns:,} customer turns)" in card
    assert f"{len(dataset.documents)} knowledge documents" in card
    assert "\n".join(stats_markdown(coverage_of(dataset.cases))).strip() in card
