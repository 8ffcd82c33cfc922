"""Content from disk: datasets, suites, rule packs, slices, and the datasets' own checks."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.registry import slices
from assay.registry.content import check_dataset, check_suite, checks, load_dataset, load_rule_packs, load_suite
from assay.registry.digest import digest_of
from assay.registry.errors import ContentError, NotMeasuredError
from assay.registry.types.case import Case
from assay.registry.types.datacheck import DataCheckReport

INFO = """\
name: tiny
version: "1"
description: Three conversations.
licence: CC0-1.0
knowledge: knowledge
intents: [opening_hours, card_block, complaint]
tools: [block_card]
queues: [complaints_desk]
"""
DOCUMENT = """\
---
id: kb-hours
title: Hours
version: "1"
effective_from: 2026-01-01
audience: public
topics: [hours]
---

## Hours

We are open from nine to five.
"""
EXPECTATIONS = "min_cases: 2\nmin_intents: 2\nrisk_tiers: {high: 1}\nknowledge_intents: [opening_hours]\n"

Json = dict[str, Any]


def case(id: str = "a", **changes: Any) -> Json:
    plain: Json = {
        "id": id,
        "intent": "opening_hours",
        "risk_tier": "low",
        "autonomy": "autonomous",
        "date": "2026-03-02",
        "turns": [{"customer": "When do you open?", "expect": {"supporting_documents": ["kb-hours"]}}],
        "expect": {"escalation": {"required": False}},
    }
    return {**plain, **changes}


def complaint(id: str = "c") -> Json:
    escalation = {"required": True, "reasons": ["interpretation_required"], "by_turn": 1, "queue": "complaints_desk"}
    return case(
        id,
        intent="complaint",
        risk_tier="high",
        autonomy="human",
        turns=[{"customer": "I complain."}],
        expect={"escalation": escalation},
    )


def write(folder: Path, *cases: Json | bytes | str, info: str = INFO, document: str = DOCUMENT) -> Path:
    (folder / "knowledge").mkdir(parents=True, exist_ok=True)
    (folder / "knowledge" / "hours.md").write_text(document, encoding="utf-8")
    (folder / "dataset.yaml").write_text(info, encoding="utf-8")
    lines = [
        c if isinstance(c, bytes) else (c if isinstance(c, str) else json.dumps(c, ensure_ascii=False)).encode()
        for c in cases
    ]
    (folder / "cases.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(ContentError) as caught:
        load_dataset(folder)
    return str(caught.value)


class TestLoadDataset:
    def test_a_good_one(self, tmp_path: Path):
        dataset = load_dataset(write(tmp_path, case("a"), complaint("b")))
        assert [c.id for c in dataset.cases] == ["a", "b"]
        assert dataset.case_digests["a"] == digest_of(Case.model_validate_json(json.dumps(case("a"))))
        assert set(dataset.documents) == {"kb-hours"}

    def test_byte_order_mark_crlf_and_blank_lines_change_nothing(self, tmp_path: Path):
        plain = load_dataset(write(tmp_path / "plain", case("a"), case("b")))
        odd = write(tmp_path / "odd")
        text = f"\ufeff\r\n{json.dumps(case('a'))}\r\n\r\n   \r\n{json.dumps(case('b'))}"
        (odd / "cases.jsonl").write_bytes(text.encode())
        assert load_dataset(odd).digest == plain.digest

    def test_text_may_hold_characters_that_unicode_calls_line_ends(self, tmp_path: Path):
        text = "one\u2028two\u0085three\u000bfour"
        folder = write(tmp_path, json.dumps(case(turns=[{"customer": text}]), ensure_ascii=False).replace("\x0b", " "))
        assert load_dataset(folder).cases[0].turns[0].customer.startswith("one\u2028two\u0085three")

    def test_reordered_lines_and_keys_have_one_digest(self, tmp_path: Path):
        one = load_dataset(write(tmp_path / "one", case("a"), complaint("b")))
        backwards = dict(reversed(list(case("a").items())))
        two = load_dataset(write(tmp_path / "two", complaint("b"), json.dumps(backwards, indent=None)))
        assert one.digest == two.digest

    @pytest.mark.parametrize(
        "change",
        [
            lambda f: write(f, case("a", channel="voice")),
            lambda f: write(f, case("a"), case("b")),
            lambda f: write(f, case("a"), document=DOCUMENT.replace("nine", "ten")),
            lambda f: write(f, case("a"), info=INFO.replace("[block_card]", "[block_card, open_dispute]")),
        ],
    )
    def test_every_change_of_content_changes_the_digest(self, tmp_path: Path, change: Callable[[Path], Path]):
        before = load_dataset(write(tmp_path / "before", case("a")))
        assert load_dataset(change(tmp_path / "after")).digest != before.digest

    def test_line_ends_of_a_document_do_not(self, tmp_path: Path):
        before = load_dataset(write(tmp_path / "before", case("a")))
        after = write(tmp_path / "after", case("a"))
        (after / "knowledge" / "hours.md").write_bytes(DOCUMENT.replace("\n", "\r\n").encode())
        assert load_dataset(after).digest == before.digest

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
    def test_an_empty_dataset_is_refused(self, tmp_path: Path, content: bytes):
        folder = write(tmp_path)
        (folder / "cases.jsonl").write_bytes(content)
        assert "holds no cases" in refused(folder)

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ('{"id": "a"', "not valid JSON"),
            ("[]", "a case is a JSON object"),
            ("null", "a case is a JSON object"),
            ('{"id": "a", "id": "b"}', "'id' stands twice"),
            (json.dumps(case()).replace('"low"', "NaN"), "NaN is not a JSON number"),
            ("[" * 100_000, "not valid JSON"),
            (b'{"id": "\xff"}', "not UTF-8"),
        ],
    )
    def test_a_broken_line_is_named(self, tmp_path: Path, line: str | bytes, problem: str):
        message = refused(write(tmp_path, case("first"), line))
        assert problem in message
        assert "cases.jsonl:2" in message

    def test_an_id_that_stands_twice_is_named_with_both_lines(self, tmp_path: Path):
        message = refused(write(tmp_path, case("a"), case("b"), case("a")))
        assert "cases.jsonl:3" in message
        assert "'a' stands on line 1 already" in message

    @pytest.mark.parametrize(
        ("broken", "key", "hint"),
        [
            (case(intent="opening_hour"), "intent", "opening_hours"),
            (case(tools=[{"name": "block_cards", "error": "no"}]), "tools.0.name", "block_card"),
            (
                case(turns=[{"customer": "x", "expect": {"forbidden_tools": ["blok_card"]}}]),
                "forbidden_tools.0",
                "block_card",
            ),
            (
                case(turns=[{"customer": "x", "expect": {"tool_calls": [{"name": "bloc_card"}]}}]),
                "tool_calls.0.name",
                "block_card",
            ),
            (
                case(turns=[{"customer": "x", "expect": {"supporting_documents": ["kb-hour"]}}]),
                "supporting_documents.0",
                "kb-hours",
            ),
            (
                complaint()
                | {"expect": {"escalation": {**complaint()["expect"]["escalation"], "queue": "complaint_desk"}}},
                "expect.escalation.queue",
                "complaints_desk",
            ),
            (
                complaint() | {"expect": {**complaint()["expect"], "handoff": {"intent": "complain"}}},
                "expect.handoff.intent",
                "complaint",
            ),
            (
                complaint() | {"expect": {**complaint()["expect"], "handoff": {"prior_actions": ["block_crd"]}}},
                "expect.handoff.prior_actions.0",
                "block_card",
            ),
            (
                complaint() | {"expect": {**complaint()["expect"], "handoff": {"documents": ["kb-houres"]}}},
                "expect.handoff.documents.0",
                "kb-hours",
            ),
        ],
    )
    def test_an_unknown_name_is_located_and_the_nearest_is_offered(
        self, tmp_path: Path, broken: Json, key: str, hint: str
    ):
        message = refused(write(tmp_path, case("good"), broken))
        assert f"cases.jsonl:2: case {broken['id']!r}" in message
        assert key in message
        assert f"Did you mean {hint!r}?" in message

    def test_all_problems_of_a_file_stand_in_one_error(self, tmp_path: Path):
        message = refused(
            write(tmp_path, case("a", intnt="x"), "{", case("b", risk_tier="lo"), case("a", intent="none"))
        )
        assert all(f"cases.jsonl:{line}" in message for line in (1, 2, 3, 4))
        assert "Did you mean 'intent'?" in message
        assert "case 'b', risk_tier" in message

    def test_a_flood_of_problems_is_cut_and_counted(self, tmp_path: Path):
        message = refused(write(tmp_path, *(case(f"c{n}", intent="none") for n in range(200))))
        assert "180 problems more" in message

    @pytest.mark.parametrize("key", ["cases", "knowledge"])
    def test_a_path_outside_of_the_folder_is_refused(self, tmp_path: Path, key: str):
        info = INFO.replace("knowledge: knowledge\n", "") + f"{key}: ../elsewhere\n"
        assert "outside of the dataset's folder" in refused(write(tmp_path / "set", case(), info=info))

    def test_what_is_missing_is_named(self, tmp_path: Path):
        assert "dataset.yaml" in refused(tmp_path)
        folder = write(tmp_path, case())
        (folder / "cases.jsonl").unlink()
        assert "cases.jsonl: cannot be read" in refused(folder)

    def test_a_document_needs_knowledge(self, tmp_path: Path):
        assert "no document named 'kb-hours'" in refused(
            write(tmp_path, case(), info=INFO.replace("knowledge: knowledge\n", ""))
        )


SUITE = "name: s\ndataset: tiny\nscorers: [{name: task}]\nslices:\n"


class TestSuites:
    def load(self, folder: Path, *wanted: str):
        path = folder / "s.yaml"
        path.write_text(SUITE + "".join(f"  - {text}\n" for text in wanted) + ("  []\n" if not wanted else ""))
        return load_suite(path)

    def test_a_good_one(self, tmp_path: Path):
        suite = self.load(tmp_path, "risk_tier=low", "intent=complaint & autonomy=human")
        dataset = load_dataset(write(tmp_path / "d", case("a"), complaint("b")))
        check_suite(suite, dataset)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("risk_teir=low", "Did you mean 'risk_tier'?"),
            ("risk_tier", "attribute=value"),
            ("risk_tier=", "attribute=value"),
            ("risk_tier==low", "attribute=value"),
            ("risk_tier=low &", "attribute=value"),
            ("risk_tier=low & risk_tier=low", "stands twice"),
        ],
    )
    def test_an_ill_formed_slice_is_located(self, tmp_path: Path, text: str, problem: str):
        with pytest.raises(ContentError) as caught:
            self.load(tmp_path, "intent=complaint", text)
        assert problem in str(caught.value)
        assert "s.yaml:6: slices.1" in str(caught.value)

    def test_a_slice_listed_twice_is_refused(self, tmp_path: Path):
        with pytest.raises(ContentError, match="listed twice"):
            self.load(tmp_path, "intent=complaint", "intent=complaint")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("risk_tier=hihg", "Did you mean 'high'?"),
            ("tag=injection", "no case has tag=injection"),
            ("risk_tier=low & autonomy=human", "no case meets all its terms"),
        ],
    )
    def test_a_slice_that_selects_nothing_is_refused(self, tmp_path: Path, text: str, problem: str):
        dataset = load_dataset(write(tmp_path / "d", case("a"), complaint("b")))
        with pytest.raises(ContentError) as caught:
            check_suite(self.load(tmp_path, text), dataset)
        assert problem in str(caught.value)

    def test_a_suite_for_another_dataset_is_refused(self, tmp_path: Path):
        dataset = load_dataset(write(tmp_path / "d", case("a"), info=INFO.replace("name: tiny", "name: other")))
        with pytest.raises(ContentError, match="meant for the dataset 'tiny'"):
            check_suite(self.load(tmp_path), dataset)

    def test_a_misspelt_key_is_refused(self, tmp_path: Path):
        path = tmp_path / "s.yaml"
        path.write_text(SUITE.replace("scorers", "scorer") + "  []\n")
        with pytest.raises(ContentError, match="Did you mean 'scorers'"):
            load_suite(path)


class TestRulePacks:
    def test_yaml_files_by_name(self, tmp_path: Path):
        (tmp_path / "b.yaml").write_text("\ufeffrules: []", encoding="utf-8")
        (tmp_path / "a.yaml").write_text("x")
        (tmp_path / "rules.schema.json").write_text("{}")
        assert load_rule_packs(tmp_path) == {"a": "x", "b": "rules: []"}
        assert load_rule_packs(tmp_path / "none") == {}

    def test_a_file_that_would_be_passed_over_is_refused(self, tmp_path: Path):
        (tmp_path / "bank.yml").write_text("x")
        with pytest.raises(ContentError, match="rename"):
            load_rule_packs(tmp_path)


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,8}", fullmatch=True)
TERMS = st.lists(st.tuples(st.sampled_from(slices.ATTRIBUTES), NAMES), min_size=1, max_size=4, unique=True)


class TestSlices:
    def test_the_attributes_are_those_of_cases(self):
        assert set(slices.ATTRIBUTES) == set(Case.model_validate_json(json.dumps(case())).attributes())

    @given(TERMS, st.sampled_from(["&", " & ", "  &\t"]))
    def test_what_is_written_is_what_is_parsed(self, terms: list[tuple[str, str]], joint: str):
        assert slices.parse(joint.join(f"{a}={v}" for a, v in terms)) == tuple(terms)

    @given(st.text(max_size=30))
    def test_any_text_parses_or_is_refused_by_name(self, text: str):
        with contextlib.suppress(slices.SliceError):
            assert slices.parse(text)
            return
        with pytest.raises(slices.SliceError, match=re.escape(repr(text))):
            slices.parse(text)

    @given(TERMS)
    def test_a_case_is_in_a_slice_when_it_meets_every_term(self, terms: list[tuple[str, str]]):
        attributes: dict[str, tuple[str, ...]] = {a: tuple(v for b, v in terms if a == b) for a, _ in terms}
        assert slices.matches(tuple(terms), attributes)
        for name in attributes:
            assert not slices.matches(tuple(terms), {**attributes, name: ()})

    def test_a_case_with_several_values_meets_one_term_of_each(self):
        cases = {"x": {"tag": ("a", "b")}, "y": {"tag": ("b",)}, "z": {"tag": ()}}
        assert slices.select("tag=b", cases) == ("x", "y")
        assert slices.select("tag=a & tag=b", cases) == ("x",)

    def test_no_cases_are_in_no_slice(self):
        with pytest.raises(slices.SliceError):
            slices.select("tag=a", {})


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DataCheckReport]:
    """A dataset that loads and breaks every expectation that loading does not hold already; and its report."""
    folder = write(
        tmp_path_factory.mktemp("bad"),
        case("no-document", turns=[{"customer": "When?"}]),
        case("unanswerable", tags=["unanswerable"], turns=[{"customer": "When?"}]),
        case("before-it-held", date="2025-12-31"),
        case("human-alone", intent="complaint", autonomy="human"),
        case(
            "no-fixture",
            intent="card_block",
            turns=[{"customer": "Block.", "expect": {"tool_calls": [{"name": "block_card", "arguments": {"n": 1}}]}}],
            tools=[{"name": "block_card", "arguments": {"n": 2}, "result": True}],
        ),
    )
    (folder / "expectations.yaml").write_text(
        "min_cases: 6\nmin_intents: 4\nrisk_tiers: {high: 1}\nintents: {card_block: 2}\n"
        "escalation_reasons: {low_confidence: 1}\nmin_multi_turn_share: 0.5\nmin_escalation_share: 0.2\n"
        "knowledge_intents: [opening_hours]\n"
    )
    report = check_dataset(load_dataset(folder), folder)
    assert report is not None
    return folder, report


class TestChecks:
    def test_each_broken_expectation_is_found(self, bad: tuple[Path, DataCheckReport]):
        _, report = bad
        assert not report.success
        assert {e.name for e in report.expectations if not e.success} == {
            "answers-have-documents",
            "documents-quotable",
            "human-escalates",
            "calls-answered",
            "cases-covered",
            "intents-covered",
            "risk-tier-high-covered",
            "intent-card_block-covered",
            "reason-low_confidence-covered",
            "several-turns-share",
            "escalation-share",
        }

    def test_the_cases_that_break_it_are_named(self, bad: tuple[Path, DataCheckReport]):
        found = {e.name: e for e in bad[1].expectations}
        assert found["answers-have-documents"].cases == ("no-document",)
        assert found["documents-quotable"].cases == ("before-it-held",)
        assert found["human-escalates"].cases == ("human-alone",)
        assert found["calls-answered"].cases == ("no-fixture",)
        assert "no-document" in found["answers-have-documents"].message
        assert "found 5" in found["cases-covered"].message

    def test_a_report_is_kept_and_not_made_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        folder = write(tmp_path / "d", case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        dataset, kept = load_dataset(folder), tmp_path / "kept"
        first = check_dataset(dataset, folder, kept)
        assert first is not None
        assert first.success
        calls: list[int] = []
        run = checks._run
        monkeypatch.setattr(checks, "_run", lambda rows, wanted: calls.append(len(rows)) or run(rows, wanted))
        assert check_dataset(dataset, folder, kept) == first
        assert calls == []
        (folder / "expectations.yaml").write_text(EXPECTATIONS.replace("min_cases: 2", "min_cases: 3"))
        stricter = check_dataset(dataset, folder, kept)
        assert stricter is not None
        assert not stricter.success
        assert calls == [2]

    @pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b'{"success": true}'])
    def test_a_damaged_report_is_made_again(self, tmp_path: Path, damage: bytes):
        folder = write(tmp_path / "d", case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        dataset = load_dataset(folder)
        first = check_dataset(dataset, folder, tmp_path / "kept")
        [file] = (tmp_path / "kept").iterdir()
        file.write_bytes(damage)
        assert check_dataset(dataset, folder, tmp_path / "kept") == first

    def test_a_report_that_contradicts_itself_is_not_believed(self, tmp_path: Path):
        folder = write(tmp_path / "d", case("a"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        dataset = load_dataset(folder)
        first = check_dataset(dataset, folder, tmp_path / "kept")
        assert first is not None
        assert not first.success
        [file] = (tmp_path / "kept").iterdir()
        file.write_text(first.model_copy(update={"success": True}).model_dump_json())
        assert check_dataset(dataset, folder, tmp_path / "kept") == first

    def test_an_expectation_without_a_result_has_failed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        folder = write(tmp_path / "d", case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        rows = checks.case_rows
        monkeypatch.setattr(
            checks,
            "case_rows",
            lambda *given: [{k: v for k, v in row.items() if k != "several_turns"} for row in rows(*given)],
        )
        report = check_dataset(load_dataset(folder), folder)
        assert report is not None
        assert not report.success
        [failed] = [e for e in report.expectations if not e.success]
        assert failed.name == "several-turns-share"
        assert "could not be evaluated" in failed.message

    def test_without_expectations_there_is_no_report(self, tmp_path: Path):
        folder = write(tmp_path, case("a"))
        assert check_dataset(load_dataset(folder), folder) is None

    def test_an_unknown_intent_or_key_is_refused(self, tmp_path: Path):
        folder = write(tmp_path, case("a"))
        dataset = load_dataset(folder)
        for text, hint in (
            ("min_cases: 1\nknowledge_intents: [opening_hour]\n", "opening_hours"),
            ("min_cases: 1\nintents: {complaints: 1}\n", "complaint"),
            ("min_cases: 1\nmin_case: 1\n", "min_cases"),
        ):
            (folder / "expectations.yaml").write_text(text)
            with pytest.raises(ContentError, match=f"Did you mean '{hint}'"):
                check_dataset(dataset, folder)

    def test_knowledge_that_changed_since_is_not_checked(self, tmp_path: Path):
        folder = write(tmp_path, case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        dataset = load_dataset(folder)
        (folder / "knowledge" / "hours.md").write_text(DOCUMENT.replace("public", "internal"))
        with pytest.raises(NotMeasuredError, match="changed after the dataset was loaded"):
            check_dataset(dataset, folder)
