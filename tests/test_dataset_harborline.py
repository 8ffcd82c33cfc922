"""The shipped dataset: what its labels promise, held against its own files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from assay.registry.content import check_dataset, check_suite, load_dataset, load_suite
from assay.registry.retrieval.documents import KnowledgeDocument, load_knowledge
from assay.registry.types.case import Case, Dataset
from assay.runner.scorers.text import contains_any, contains_phrase

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
}
READS = {"get_balance", "get_card_status", "get_payment_status"}
VERIFIED = READS | (WRITES - {"book_appointment", "reschedule_appointment"})
LIMITS = {"refund_fee": 40, "open_dispute": 500}
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
}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(FOLDER)


@pytest.fixture(scope="module")
def knowledge() -> dict[str, KnowledgeDocument]:
    return {document.id: document for document in load_knowledge(FOLDER / "knowledge")}


def said_until(case: Case, turn: int) -> str:
    return "\n".join(t.customer for t in case.turns[:turn])


def test_the_folder_holds_content_only():
    assert not list((ROOT / "datasets").rglob("*.py"))


def test_its_own_expectations_hold(dataset: Dataset, tmp_path: Path):
    report = check_dataset(dataset, FOLDER, tmp_path)
    assert report is not None
    assert report.success, [e.message for e in report.expectations if not e.success]


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


def test_golden_replies_meet_their_own_expectations(dataset: Dataset):
    for case in dataset.cases:
        for number, turn in enumerate(case.turns, start=1):
            if turn.golden_reply is None:
                continue
            where = (case.id, number)
            for wanted in turn.expect.must_say:
                assert contains_any(turn.golden_reply, wanted.any_of), (where, wanted)
            for banned in (*turn.expect.must_not_say, *case.expect.must_not_say):
                assert not contains_phrase(turn.golden_reply, banned), (where, banned)
            assert number > 1 or contains_phrase(turn.golden_reply, "automated assistant"), where


def test_what_a_knowledge_answer_must_say_stands_in_its_documents(
    dataset: Dataset, knowledge: dict[str, KnowledgeDocument]
):
    for case in dataset.cases:
        for turn in case.turns:
            if not turn.expect.supporting_documents:
                continue
            text = "\n".join(knowledge[name].text for name in turn.expect.supporting_documents)
            for wanted in turn.expect.must_say:
                assert contains_any(text, wanted.any_of), (case.id, wanted)
            for banned in turn.expect.must_not_say:
                assert not contains_phrase(text, banned), (case.id, banned)


def test_a_handoff_asks_only_for_what_was_said_and_done_in_time(dataset: Dataset):
    for case in dataset.cases:
        handoff, by_turn = case.expect.handoff, case.expect.escalation.by_turn
        if handoff is None or by_turn is None:
            continue
        for wanted in handoff.must_mention:
            assert contains_any(said_until(case, by_turn), wanted.any_of), (case.id, wanted)
        done = {call.name for turn in case.turns[:by_turn] for call in turn.expect.tool_calls}
        assert set(handoff.prior_actions) <= done, case.id


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
    assert sum(document.effective_to is not None for document in knowledge.values()) == 2
    assert sum(document.audience == "internal" for document in knowledge.values()) == 2


def test_the_people_in_it_are_invented(dataset: Dataset):
    text = (FOLDER / "cases.jsonl").read_text(encoding="utf-8")
    assert not [mail for mail in re.findall(r"[\w.+-]+@[\w.-]+\w", text) if not mail.endswith("@example.com")]
    assert not [phone for phone in re.findall(r"\b\d{3}-\d{3}-\d{4}\b", text) if not re.match(r"202-555-01\d\d", phone)]
    assert not re.findall(r"\b(?:\d[ -]?){13,19}\b", text)
    numbers = Counter(c.customer.customer_number for c in dataset.cases if c.customer and c.customer.customer_number)
    assert max(numbers.values()) == 1


def test_the_data_card_counts_what_is_there(dataset: Dataset):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"{len(dataset.cases)} labelled conversations" in card
    assert f"{len(dataset.documents)} knowledge documents" in card
    rows = dict(re.findall(r"^\| (\w+) \| (\d+ \| \d+) \|$", card, flags=re.MULTILINE))
    cases: Counter[str] = Counter()
    required: Counter[str] = Counter()
    for case in dataset.cases:
        names = {case.intent, case.risk_tier.value, case.autonomy.value, case.channel, str(len(case.turns)), *case.tags}
        cases.update(names)
        required.update(names if case.expect.escalation.required else ())
    assert {name: f"{n} | {required[name]}" for name, n in cases.items()} == {
        name: row for name, row in rows.items() if name in cases
    }
    assert set(cases) <= set(rows)
