"""The shipped simulated customers: their sheets, held against their promises, the bank and the agent they talk to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from simulations import talk

from assay.registry.content import DatasetCheck, check_dataset, check_suite, load_dataset, load_expectations, load_suite
from assay.registry.content.gx import write_gx_files
from assay.registry.content.validation import GX_FOLDER
from assay.registry.types.case import Dataset
from assay.runner.agents.reference.triage import parse_utterances

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "datasets" / "harborline-simulated"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(FOLDER)


@pytest.fixture(scope="module")
def check() -> DatasetCheck:
    """Against its promises, all that a shipped bundle is trained on, and the scripted conversations."""
    expectations = load_expectations(FOLDER)
    assert expectations is not None
    rows = [
        (path.name, text)
        for path in sorted((ROOT / "registry" / "bundles").rglob("training/*.csv"))
        for text, _, _ in parse_utterances(path.read_text(encoding="utf-8"))
    ]
    return DatasetCheck(FOLDER, expectations, training=tuple(rows), others=(ROOT / "datasets" / "harborline",))


def test_its_own_expectations_hold(check: DatasetCheck, dataset: Dataset):
    report = check_dataset(check, dataset=dataset)[0]
    assert [e.message for e in report.failed] == []
    assert report.success


def test_the_suites_beside_it_are_what_its_expectations_say(check: DatasetCheck, tmp_path: Path):
    copied = tmp_path / FOLDER.name
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns(GX_FOLDER))
    for path in write_gx_files(DatasetCheck(copied, check.expectations)):
        assert (FOLDER / path.relative_to(copied)).read_bytes() == path.read_bytes(), path.name


def test_its_suite_fits_it(dataset: Dataset):
    check_suite(load_suite(ROOT / "evalsuites" / "simulated.yaml"), dataset)


def test_every_case_is_simulated_and_says_what_has_to_hold(dataset: Dataset):
    for case in dataset.cases:
        assert case.simulation is not None, case.id
        expected = case.simulation.expect
        asks = expected.tool_calls or expected.forbidden_tools or expected.must_say
        assert asks or case.expect.escalation.required, case.id


def test_what_a_customer_tells_is_what_the_bank_knows(dataset: Dataset):
    """Otherwise the agent could never verify them, and the case would measure nothing."""
    for case in dataset.cases:
        facts = case.simulation.facts if case.simulation else {}
        if case.customer is None or "customer_number" not in facts:
            continue
        for form in facts["customer_number"].forms:
            assert re.sub(r"\D", "", form) == case.customer.customer_number, case.id
        known = [f.arguments for f in case.tools if f.name == "verify_identity" and f.arguments]
        assert all(k["customer_number"] == case.customer.customer_number for k in known), case.id


def test_who_asks_for_every_fact_gets_what_may_be_told_and_no_more(dataset: Dataset):
    everything = (
        "Please tell me your customer number, date of birth, the amount, the merchant, the branch, the date and time, "
        "the month, your new address, the last four digits of the card and your mother's customer number."
    )
    for case in dataset.cases:
        said = " ".join(talk(case, [everything, everything, everything, "Pardon?"]))
        facts = case.simulation.facts if case.simulation else {}
        for name, fact in facts.items():
            assert any(form in said for form in fact.forms) == (fact.reveal != "never"), (case.id, name)


def test_the_people_in_it_are_invented():
    text = (FOLDER / "cases.jsonl").read_text(encoding="utf-8")
    assert not [mail for mail in re.findall(r"[\w.+-]+@[\w.-]+\w", text) if not mail.endswith("@example.com")]
    assert not [phone for phone in re.findall(r"\b\d{3}-\d{3}-\d{4}\b", text) if not re.match(r"202-555-01\d\d", phone)]
    names = set(re.findall(r'"customer": \{"name": "([^"]+)"', text))
    scripted = (ROOT / "datasets" / "harborline" / "cases.jsonl").read_text(encoding="utf-8")
    assert not [name for name in names if f'"{name}"' in scripted]


def test_the_data_card_counts_what_is_there(dataset: Dataset):
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"\n{len(dataset.cases)} cases of Harborline" in card
    assert f"Coverage: {len({case.intent for case in dataset.cases})} intents" in card
