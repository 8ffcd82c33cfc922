"""Content from disk: datasets, suites, rule packs, slices, and the datasets' own checks."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.registry import slices
from assay.registry.content import (
    DatasetCheck,
    check_dataset,
    check_suite,
    load_dataset,
    load_expectations,
    load_rule_packs,
    load_suite,
    validation,
)
from assay.registry.content.datasets import DatasetReader, read_case_at
from assay.registry.content.similarity import Fingerprints, HeldTexts, NearestTexts, as_words, similarity
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
EXPECTATIONS = (
    "min_cases: 2\nmin_intents: 2\nslices: {risk_tier=high: 1}\nknowledge_intents: [opening_hours]\nmax_similarity: 1\n"
)

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

    @pytest.mark.parametrize("name", ["wording.md", "expectations.yaml"])
    def test_line_ends_of_the_wording_and_the_expectations_do_not_but_their_text_does(self, tmp_path: Path, name: str):
        folder = write(tmp_path, case("a"), info=INFO + "wording: wording.md\n")
        (folder / "wording.md").write_text("# Wording\n\nHello.\n")
        (folder / "expectations.yaml").write_text("first: 1\nsecond: 2\n")
        before = load_dataset(folder)
        (folder / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n"))
        assert load_dataset(folder).digest == before.digest
        (folder / name).write_bytes((folder / name).read_bytes() + b"more: 3\n")
        assert load_dataset(folder).digest != before.digest

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
        folder = write(tmp_path, case(), info=INFO.replace("knowledge: knowledge\n", ""))
        assert "dataset.yaml: knowledge: knowledge stands beside it and is not named" in refused(folder)
        (folder / "knowledge").rename(tmp_path / "elsewhere")
        assert "no document named 'kb-hours'" in refused(folder)


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


def check(folder: Path, **more: Any) -> DataCheckReport:
    """The report on a folder, by its own expectations."""
    expectations = load_expectations(folder)
    assert expectations is not None
    return check_dataset(DatasetCheck(folder, expectations, **more), dataset=load_dataset(folder))[0]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DataCheckReport]:
    """A dataset that loads and breaks every expectation that loading does not hold already; and its report."""
    asks = {"any_of": ["nine"]}
    folder = write(
        tmp_path_factory.mktemp("bad"),
        case("no-document", turns=[{"customer": "When?"}]),
        case("unanswerable", tags=["unanswerable"], turns=[{"customer": "Do you sell stamps?"}]),
        case("before-it-held", date="2025-12-31"),
        case("human-alone", intent="complaint", autonomy="human", turns=[{"customer": "x" * 10_001}]),
        case(
            "no-fixture",
            intent="card_block",
            turns=[
                {
                    "customer": "Block.",
                    "expect": {"tool_calls": [{"name": "block_card", "arguments": {"n": 1}}]},
                    "golden_reply": "Done.",
                },
            ],
            tools=[{"name": "block_card", "arguments": {"n": 2}, "result": True}],
        ),
        case(
            "contradiction",
            intent="card_block",
            autonomy="confirm",
            turns=[
                {
                    "customer": "Block it now, please!",
                    "expect": {"tool_calls": [{"name": "block_card"}], "forbidden_tools": ["block_card"]},
                },
            ],
            tools=[{"name": "block_card", "result": True}],
        ),
        case(
            "golden-reply",
            turns=[
                {
                    "customer": "From when on are you open on weekdays?",
                    "expect": {"must_say": [asks], "must_not_say": ["ten"], "supporting_documents": ["kb-hours"]},
                    "golden_reply": "From ten on.",
                }
            ],
        ),
        case(
            "unsupported",
            turns=[
                {
                    "customer": "Are you open on Sunday mornings?",
                    "expect": {"must_say": [{"any_of": ["Sunday"]}], "supporting_documents": ["kb-hours"]},
                }
            ],
        ),
        case(
            "nowhere-to-go",
            intent="complaint",
            risk_tier="critical",
            autonomy="human",
            turns=[{"customer": "Your clerk was rude to my mother."}],
            expect={"escalation": {"required": True, "reasons": ["interpretation_required"], "by_turn": 1}},
        ),
        case(
            "asks-too-much",
            intent="complaint",
            autonomy="human",
            turns=[{"customer": "I complain about the queue."}, {"customer": "It was on Monday."}],
            expect={
                "escalation": {**complaint()["expect"]["escalation"]},
                "handoff": {"must_mention": [{"any_of": ["Monday"]}], "prior_actions": ["block_card"]},
            },
        ),
        case("real-person", turns=[{"customer": "Write to jo@somewhere.org or call 212-555-7788."}]),
        case("copied", turns=[{"customer": "I would like to know how late you are open on Monday the 4th."}]),
        case("copied-again", turns=[{"customer": "I would like to know how late you are open on Monday the 7th."}]),
        case("trained-on", turns=[{"customer": "Hello, where on earth did my new card go to?"}]),
    )
    (folder / "expectations.yaml").write_text(
        "min_cases: 20\nmin_customer_turns: 100\nmin_intents: 4\nmin_documents: 2\nknowledge_intents: [opening_hours]\n"
        "slices: {risk_tier=high: 1, intent=card_block: 3, near_miss=low_confidence: 1}\n"
        "long_conversations: {customer_turns: 2, min_share: 0.5}\nmin_escalation_share: 0.4\n"
        "expectations:\n"
        "  - {name: own, text: chat only, type: expect_column_values_to_be_in_set,"
        " kwargs: {column: channel, value_set: [voice]}, severity: warning}\n"
    )
    return folder, check(folder, training=(("a training file", "hello where on earth did my new card go to?"),))


class TestChecks:
    def test_each_broken_expectation_is_found(self, bad: tuple[Path, DataCheckReport]):
        _, report = bad
        assert not report.success
        assert {e.name for e in report.expectations if not e.success} == {
            "answers-have-documents",
            "answers-supported",
            "calls-answered",
            "calls-consistent",
            "cases-ask-something",
            "cases-covered",
            "documents-covered",
            "documents-quotable",
            "escalation-share",
            "escalations-routed",
            "golden-replies-fit",
            "handoffs-askable",
            "human-escalates",
            "intents-covered",
            "long-conversations-share",
            "no-near-duplicates",
            "not-trained-on",
            "one-level-per-intent",
            "own",
            "personal-data-invented",
            "slice intent=card_block",
            "slice near_miss=low_confidence",
            "slice risk_tier=high",
            "turns-covered",
            "turns-readable",
        }

    def test_what_breaks_it_is_named_with_case_and_line(self, bad: tuple[Path, DataCheckReport]):
        found = {e.name: {p.case: (p.line, p.detail) for p in e.places} for e in bad[1].expectations}
        assert found["answers-have-documents"].keys() >= {"no-document"}
        assert found["documents-quotable"] == {"before-it-held": (3, "kb-hours holds from 2026-01-01 on")}
        assert found["human-escalates"].keys() == {"human-alone"}
        assert found["calls-answered"] == {
            "no-fixture": (
                5,
                "turn 1: no fixture answers block_card: tools.0 is the nearest; argument 'n': wanted 2, given: 1",
            )
        }
        assert found["calls-consistent"] == {"contradiction": (6, "turn 1: block_card is expected and forbidden")}
        assert found["golden-replies-fit"] == {"golden-reply": (7, "turn 1 does not say 'nine'; turn 1 says 'ten'")}
        assert found["answers-supported"] == {"unsupported": (8, "turn 1: 'Sunday' is not in its documents")}
        assert found["escalations-routed"] == {"nowhere-to-go": (9, "no queue; no handoff")}
        assert found["handoffs-askable"] == {
            "asks-too-much": (10, "'Monday' is not said by turn 1; block_card is not expected by turn 1")
        }
        assert found["personal-data-invented"].keys() == {"real-person"}
        assert "jo@" not in found["personal-data-invented"]["real-person"][1]
        assert found["no-near-duplicates"] == {"copied-again": (13, "100% like copied")}
        line, detail = found["not-trained-on"]["trained-on"]
        assert (line, "a training file" in detail) == (14, True)
        assert found["one-level-per-intent"].keys() in ({"no-fixture"}, {"contradiction"})
        assert found["turns-readable"] == {"human-alone": (4, "turn 1 has 10,001 characters")}

    def test_messages_say_what_was_found_and_where(self, bad: tuple[Path, DataCheckReport]):
        found = {e.name: e.message for e in bad[1].expectations}
        assert "found 14" in found["cases-covered"]
        assert "copied-again (line 13: 100% like copied)" in found["no-near-duplicates"]

    def test_a_warning_alone_does_not_make_a_dataset_fail(self, tmp_path: Path):
        folder = write(tmp_path, case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        report = check(folder)
        assert [(e.name, e.severity) for e in report.failed] == [
            ("escalations-routed", "warning"),
            ("cases-ask-something", "warning"),
        ]
        assert report.success

    def test_great_expectations_own_result_comes_with_the_report(self, tmp_path: Path):
        folder = write(tmp_path / "d", case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        expectations = load_expectations(folder)
        assert expectations is not None
        report, own = check_dataset(DatasetCheck(folder, expectations))
        assert report.success
        assert json.loads(own)["cases"]["statistics"]["evaluated_expectations"] > 20

    def test_what_it_rests_on_is_in_the_reports_digest(self, tmp_path: Path):
        folder = write(tmp_path / "d", case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        plain = check(folder)
        trained = check(folder, training=(("t", "when do you open in the morning"),))
        assert plain.dataset_digest == trained.dataset_digest
        assert plain.expectations_digest != trained.expectations_digest

    @pytest.mark.parametrize("name", ["meta", "id", "severity", "result_format", "catch_exceptions"])
    def test_an_own_expectation_cannot_pose_as_another(self, tmp_path: Path, name: str):
        folder = write(tmp_path, case("a"))
        kwargs = f"{{min_value: 0, {name}: {{}}}}"
        own = f"{{name: o, text: t, type: expect_table_row_count_to_be_between, kwargs: {kwargs}}}"
        (folder / "expectations.yaml").write_text(f"expectations: [{own}]\n")
        with pytest.raises(ContentError, match=name):
            check(folder)

    def test_one_failed_result_of_a_name_is_a_failure(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        folder = write(tmp_path / "d", case("a"))
        (folder / "expectations.yaml").write_text("min_cases: 7\n")
        run = validation._run

        def doubled(*given: Any) -> Any:
            done = run(*given)
            for result in done.run_results.values():
                good = next((r for r in result.results if r.success), None)
                for r in [r for r in result.results if not r.success]:
                    again = copy.deepcopy(good)
                    again.expectation_config.meta["name"] = r.expectation_config.meta["name"]
                    result.results = [again, *result.results, again]
            return done

        monkeypatch.setattr(validation, "_run", doubled)
        assert not next(e for e in check(folder).expectations if e.name == "cases-covered").success

    @pytest.mark.parametrize(
        "said",
        [
            "Hello where on earth did my new card go to",
            "HELLO, where-on-earth did my new card go to?!",
            "hеllo whеrе on еarth did my nеw card go to",
            "héllo whére on éarth did my néw card go to",
            "he\u200bllo where on ea\u200brth did my new card go to",
            "ｈｅｌｌｏ where on earth did my new card go to",
            "Good morning to you. Hello, where on earth did my new card go to? Thanks.",
            " " * 30_000 + "hello where on earth did my new card go to",
        ],
    )
    def test_training_text_in_disguise_is_found(self, tmp_path: Path, said: str):
        folder = write(tmp_path, case("a", turns=[{"customer": said}]))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        report = check(folder, training=(("t", "hello where on earth did my new card go to?"),))
        assert not next(e for e in report.expectations if e.name == "not-trained-on").success

    def test_a_copy_is_found_however_many_variants_lie_between(self, tmp_path: Path):
        base = "I was at the branch by the harbor on Monday and nobody could tell me anything"
        first = {"customer": base}
        seconds = [{"customer": f"and {'xyzw'[n % 4] * 40} {chr(97 + n % 26) * n}"} for n in range(60)]
        variants = [case(f"v{n}", turns=[first, second]) for n, second in enumerate(seconds)]
        folder = write(tmp_path, case("one", turns=[first]), *variants, case("two", turns=[first]))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        found = next(e for e in check(folder).expectations if e.name == "no-near-duplicates")
        assert {p.case: p.detail for p in found.places}["two"] == "100% like one"

    @pytest.mark.parametrize(
        "expect",
        [
            {"must_say": [{"any_of": ["refund"]}], "must_not_say": ["refund"]},
            {"must_say": [{"any_of": [" . "]}]},
            {"must_not_say": [" "]},
        ],
    )
    def test_what_cannot_be_met_is_a_mistake(self, tmp_path: Path, expect: Json):
        folder = write(tmp_path, case("a", turns=[{"customer": "Hi.", "expect": expect}]))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        assert not next(e for e in check(folder).expectations if e.name == "phrases-possible").success

    @pytest.mark.parametrize(
        "changes",
        [
            {"tags": ["4111111111111111"]},
            {"labels": {"card": 4111111111111111}},
            {"labels": {"4111 1111 1111 1111": 1}},
            {"tools": [{"name": "block_card", "error": "no card 4111-1111-1111-1111"}]},
            {"turns": [{"customer": "Hi.", "expect": {"must_not_say": ["jo@somewhere.org"]}}]},
            {"turns": [{"customer": "My card is 4111\n1111\n1111\n1111"}]},
            {"turns": [{"customer": "jo＠somewhere.org"}]},
            {"turns": [{"customer": "\u200b".join("4111111111111111")}]},
            {"turns": [{"customer": "Call +49 30 15550123 please"}]},
            {"turns": [{"customer": "Call +49 (0)30 1234567 please"}]},
            {"turns": [{"customer": "Call 020 7123 4567 please"}]},
            {"turns": [{"customer": "Call 0171/1234567 please"}]},
            {"turns": [{"customer": "Write to jo@b\u00fccher.de"}]},
            {"turns": [{"customer": "jo\ufe6bsomewhere.org"}]},
            {"turns": [{"customer": "My card is 4111_1111_1111_1111"}]},
            {"turns": [{"customer": "My card is 4111 - 1111 - 1111 - 1111"}]},
            {"turns": [{"customer": "My card is 4111 ~~~~~~~~~~~~ 1111 ~~~~~~~~~~~~ 1111 ~~~~~~~~~~~~ 1111"}]},
            {"turns": [{"customer": ("\u200b" * 20).join("4111111111111111")}]},
            {"customer": {"name": "4111 1111 1111 1111"}},
            {"id": "4111111111111111"},
        ],
    )
    def test_personal_data_is_found_wherever_it_stands(self, tmp_path: Path, changes: Json):
        folder = write(tmp_path, {**case("a"), **changes})
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        assert not next(e for e in check(folder).expectations if e.name == "personal-data-invented").success

    @pytest.mark.parametrize(
        "said",
        [
            "86769105 - 1948-05-17. Raise my card's limit to 3000.",
            "Call +1 212 555 0123, 07700 900123 or +44 20 7946 0123, or write to jo@example.com",
        ],
    )
    def test_what_is_kept_for_examples_is_nobodys(self, tmp_path: Path, said: str):
        record = {"name": "Jo Doe", "customer_number": "4111111111111111"}
        folder = write(tmp_path, case("a", turns=[{"customer": said}], customer=record))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        assert next(e for e in check(folder).expectations if e.name == "personal-data-invented").success

    def test_personal_data_in_documents_and_wording_is_found_but_not_the_banks_own_number(self, tmp_path: Path):
        document = DOCUMENT + "\nCall 212-555-7788. Not: 4111 1111 1111 1111.\n"
        folder = write(tmp_path, case("a"), document=document, info=INFO + "wording: wording.md\n")
        (folder / "wording.md").write_text("Your number is 219-09-9999.\n")
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        [failed] = [e for e in check(folder).failed if e.name == "texts-without-personal-data"]
        assert "found 2; kb-hours: a real-looking card number (...11); wording.md: a real-looking" in failed.message
        assert "phone" not in failed.message

    @pytest.mark.parametrize(
        ("turns", "found"),
        [
            (["{}"], True),
            (["Well, I looked in every drawer this morning and so I ask you: {} That is all I know of it."], True),
            (["Hello where on earth did my", "new card for the savings account go to"], True),
            (["Hello. Where is my new card for the savings account?"], False),
        ],
    )
    def test_training_text_within_a_turn_or_over_several_is_found(
        self, tmp_path: Path, turns: list[str], *, found: bool
    ):
        told = "hello where on earth did my new card for the savings account go to"
        folder = write(tmp_path, case("a", turns=[{"customer": turn.format(told)} for turn in turns]))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        report = check(folder, training=(("t", told),))
        assert next(e for e in report.expectations if e.name == "not-trained-on").success is not found

    @pytest.mark.parametrize(
        ("fixtures", "calls", "mistake"),
        [
            ([{"result": 1, "times": 1}], [{}, {}], "turn 2: the fixtures for block_card are used up by then"),
            ([{"error": "down", "times": 1}, {"result": 1, "times": 1}], [{}, {}], "turn 2: the fixtures"),
            ([{"error": "down", "times": 1}, {"result": 1}], [{}, {}], ""),
            ([{"result": 1, "times": 1}, {"result": 2}], [{}, {}], ""),
            ([{"result": 1, "times": 1, "arguments": {"n": 1}}], [{}, {"n": 1}], ""),
        ],
    )
    def test_a_call_whose_answers_are_used_up_is_a_mistake(
        self, tmp_path: Path, fixtures: list[Json], calls: list[Json], mistake: str
    ):
        asked = [{"tool_calls": [{"name": "block_card", "arguments": arguments}]} for arguments in calls]
        turns = [{"customer": "Block it.", "expect": expect} for expect in asked]
        folder = write(tmp_path, case("a", turns=turns, tools=[{"name": "block_card", **f} for f in fixtures]))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        [answered] = [e for e in check(folder).expectations if e.name == "calls-answered"]
        assert answered.success is not bool(mistake)
        assert all(mistake in place.detail for place in answered.places)

    def test_calls_need_no_fixtures_only_where_the_back_office_was_recorded(self, tmp_path: Path):
        turns = [{"customer": "Block it.", "expect": {"tool_calls": [{"name": "block_card"}]}}]
        folder = write(tmp_path, case("a", turns=turns))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        assert "calls-answered" in {e.name for e in check(folder).failed}
        (folder / "recordings.jsonl").write_text("")
        assert "calls-answered" not in {e.name for e in check(folder).failed}

    def test_a_handoff_of_another_intent_and_a_call_after_it_are_warned_of(self, tmp_path: Path):
        late = {"customer": "And block my card.", "expect": {"tool_calls": [{"name": "block_card"}]}}
        plain = complaint("a")
        plain["turns"].append(late)
        plain["expect"]["handoff"] = {"intent": "card_block"}
        folder = write(tmp_path, {**plain, "tools": [{"name": "block_card", "result": 1}]})
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        [warned] = [e for e in check(folder).failed if e.name == "handoffs-consistent"]
        assert warned.severity == "warning"
        assert warned.places[0].detail == (
            "the handoff is of the intent card_block, the case of complaint; "
            "turn 2: block_card is expected after the handover of turn 1"
        )

    @pytest.mark.parametrize("said", [" ", "\u200b\u2060", "\u3164", "\u2800 \u2800", "\n**\n"])
    def test_a_turn_that_shows_nothing_says_nothing(self, tmp_path: Path, said: str):
        folder = write(tmp_path, case("a", turns=[{"customer": said}]))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        assert "turns-said" in {e.name for e in check(folder).failed if e.severity == "critical"}

    def test_an_own_expectation_about_the_whole_table_names_no_cases(self, tmp_path: Path):
        folder = write(tmp_path, case("a"))
        own = "type: expect_table_columns_to_match_set, kwargs: {column_set: [id]}"
        (folder / "expectations.yaml").write_text(f"expectations: [{{name: o, text: few columns, {own}}}]\n")
        assert next(e for e in check(folder).failed if e.name == "o").message == "few columns: it does not hold"

    @pytest.mark.parametrize("number", [".nan", ".inf"])
    def test_an_own_expectation_takes_finite_numbers(self, tmp_path: Path, number: str):
        folder = write(tmp_path, case("a"))
        own = f"type: expect_column_values_to_be_between, kwargs: {{column: line, min_value: {number}}}"
        (folder / "expectations.yaml").write_text(f"expectations: [{{name: o, text: t, {own}}}]\n")
        with pytest.raises(ContentError, match=r"expectations\.0: an argument is infinite or no number"):
            check(folder)

    def test_an_expectation_without_a_result_has_failed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        folder = write(tmp_path / "d", case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        run = validation._run

        def forgetful(*given: Any) -> Any:
            done = run(*given)
            for result in done.run_results.values():
                result.results = [r for r in result.results if r.expectation_config.meta["name"] != "turns-covered"]
            return done

        monkeypatch.setattr(validation, "_run", forgetful)
        report = check(folder)
        assert not report.success
        [failed] = [e for e in report.failed if e.severity == "critical"]
        assert failed.name == "turns-covered"
        assert "was not evaluated" in failed.message

    def test_without_expectations_there_is_no_promise(self, tmp_path: Path):
        assert load_expectations(write(tmp_path, case("a"))) is None

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("knowledge_intents: [opening_hour]", "opening_hours"),
            ("slices: {intent=complaints: 1}", "complaint"),
            ("slices: {risk_teir=high: 1}", "risk_tier"),
            ("min_case: 1", "min_cases"),
            (
                "expectations: [{name: o, text: t, type: expect_column_values_to_be_in_sett, kwargs: {column: id}}]",
                "expect_column_values_to_be_in_set",
            ),
            (
                "expectations: [{name: o, text: t, type: expect_column_values_to_be_unique, kwargs: {column: idd}}]",
                "id",
            ),
        ],
    )
    def test_an_unknown_name_is_refused_with_the_nearest(self, tmp_path: Path, text: str, hint: str):
        folder = write(tmp_path, case("a"))
        (folder / "expectations.yaml").write_text(text + "\n")
        with pytest.raises(ContentError, match=f"Did you mean '{hint}'") as caught:
            check(folder)
        assert "expectations.yaml" in str(caught.value)

    def test_an_expectation_of_its_own_cannot_take_the_name_of_another(self, tmp_path: Path):
        folder = write(tmp_path, case("a"))
        own = "{name: ids-unique, text: t, type: expect_table_row_count_to_be_between, kwargs: {min_value: 0}}"
        (folder / "expectations.yaml").write_text(f"expectations: [{own}]\n")
        with pytest.raises(ContentError, match="ids-unique"):
            check(folder)

    def test_a_case_of_another_dataset_is_found(self, tmp_path: Path):
        ours = write(
            tmp_path / "ours", case("a", turns=[{"customer": "Is the branch by the harbor open on holidays?"}])
        )
        theirs = write(
            tmp_path / "theirs", case("z", turns=[{"customer": "Is the branch by the harbor open on holidays"}])
        )
        (ours / "expectations.yaml").write_text("min_cases: 1\n")
        report = check(ours, others=(theirs,))
        [found] = [e for e in report.failed if e.name == "no-near-duplicates"]
        assert found.places[0].detail.endswith("like tiny/z")

    def test_data_that_changed_since_it_was_loaded_is_not_checked(self, tmp_path: Path):
        folder = write(tmp_path, case("a"), complaint("b"))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        dataset = load_dataset(folder)
        (folder / "knowledge" / "hours.md").write_text(DOCUMENT.replace("public", "internal"))
        expectations = load_expectations(folder)
        assert expectations is not None
        with pytest.raises(NotMeasuredError, match="changed after the dataset was loaded"):
            check_dataset(DatasetCheck(folder, expectations), dataset=dataset)


WORDS = ["card", "fee", "bank", "lost", "open", "today", "please", "when", "where"]


class TestSimilarity:
    @settings(deadline=None)
    @given(st.text(max_size=200), st.text(max_size=200))
    def test_it_is_symmetric_and_between_nought_and_one(self, one: str, other: str):
        assert similarity(one, other) == similarity(other, one)
        assert 0 <= similarity(one, other) <= 1

    @settings(deadline=None)
    @given(st.text(min_size=1, max_size=300).filter(as_words))
    def test_a_text_is_like_itself_whatever_its_case_digits_and_spaces(self, text: str):
        assert similarity(text, f"  {text} ") == 1
        assert similarity(f"{text} 17", f"{text} 42") == 1

    @settings(deadline=None)
    @given(
        st.lists(
            st.sampled_from(["card", "fee", "bank", "lost", "open", "today", "please", "when", "where"]),
            min_size=8,
            max_size=40,
        )
    )
    def test_an_almost_equal_text_is_found(self, words: list[str]):
        text = " ".join(words)
        near = NearestTexts(0.8, {"a": text}.__getitem__)
        near.nearest(text, add_as="a")
        assert near.nearest(f"{text}!") == ("a", similarity(text, f"{text}!"))

    @settings(deadline=None)
    @given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=12, unique=True), st.data())
    def test_a_repeated_text_is_paired_with_an_earlier_one(self, texts: list[str], data: st.DataObject):
        again = data.draw(st.sampled_from(texts))
        fingerprints = Fingerprints()
        for text in [*texts, again]:
            fingerprints.append(text)
        pairs = list(fingerprints.candidates(0.8))
        assert any(later == len(texts) for later, _ in pairs)
        assert all(earlier < later for later, earlier in pairs)

    def test_a_copy_is_found_in_a_crowd_of_like_texts(self):
        words = [f"{a}{b}card" for a in "abcdef" for b in "ghijklm"]
        crowd = [" ".join([*words[:n], c * 9, *words[n + 1 :]]) for c in "nopqrstuv" for n in range(len(words))]
        texts = ["first and alone", *crowd, *reversed(crowd)]
        fingerprints = Fingerprints()
        for text in texts:
            fingerprints.append(text)
        best = dict(reversed(list(fingerprints.candidates(0.8))))
        assert best.keys() >= set(range(1 + len(crowd), len(texts)))
        assert all(similarity(texts[later], texts[earlier]) > 0.8 for later, earlier in best.items())

    @settings(deadline=None)
    @given(
        st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join), min_size=1, max_size=8),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=20).map(" ".join),
        st.sampled_from([0.5, 0.8, 0.95, 1.0]),
    )
    def test_what_a_text_holds_is_found_as_if_each_was_looked_at(self, texts: list[str], said: str, least: float):
        def shingles(text: str) -> set[str]:
            plain = as_words(text)
            return {plain[i : i + 5] for i in range(max(1, len(plain) - 4))}

        shares = [len(shingles(text) & shingles(said)) / len(shingles(text)) for text in texts]
        most = max(shares)
        assert HeldTexts(texts, least).find(said) == ((shares.index(most), most) if most >= least else None)

    def test_what_is_not_near_enough_is_not_reported(self):
        texts = {"a": "where is my card", "b": "what does a wire cost"}
        near = NearestTexts(0.8, texts.__getitem__)
        for name, text in texts.items():
            near.nearest(text, add_as=name)
        assert near.nearest("when does the branch open") is None
        assert near.nearest("") is None


class TestHostileFiles:
    def test_a_turn_of_a_megabyte_is_read_and_told(self, tmp_path: Path):
        folder = write(tmp_path, case("long", turns=[{"customer": "words " * 180_000}]))
        (folder / "expectations.yaml").write_text("min_cases: 1\n")
        report = check(folder)
        assert [p.detail for e in report.failed if e.name == "turns-readable" for p in e.places] == [
            "turn 1 has 1,080,000 characters"
        ]

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            (b'{"id": "a"', "not valid JSON"),
            (b"[]", "a case is a JSON object"),
            (b"\xff\xfe{", "not UTF-8"),
            (b'{"id": "a", "id": "b"}', "stands twice"),
            (b'{"id": NaN}', "NaN is not a JSON number"),
            (b"\x00", "not valid JSON"),
        ],
    )
    def test_a_broken_line_is_named(self, tmp_path: Path, line: bytes, why: str):
        folder = write(tmp_path, case("good"), line)
        with pytest.raises(ContentError, match=why) as caught:
            load_dataset(folder)
        assert "cases.jsonl:2" in str(caught.value)

    @pytest.mark.parametrize(
        ("info", "why"),
        [
            (INFO + 'cases: "a\\0b"\n', "dataset.yaml: cases: .*null"),
            (INFO + "cases: circle\n", "dataset.yaml: cases: "),
            (INFO + f"more: {'[' * 3000}{']' * 3000}\n", "dataset.yaml: it is nested too deeply"),
        ],
    )
    def test_what_cannot_be_a_dataset_is_told(self, tmp_path: Path, info: str, why: str):
        folder = write(tmp_path, case("a"), info=info)
        (folder / "circle").symlink_to("circle")
        with pytest.raises(ContentError, match=why):
            load_dataset(folder)

    def test_a_folder_without_permission_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        folder = write(tmp_path, case("a"))
        monkeypatch.setattr(Path, "is_dir", refuse)
        with pytest.raises(ContentError, match="knowledge: cannot be read: Permission denied"):
            load_dataset(folder)

    def test_expectations_that_cannot_be_read_are_not_none(self, tmp_path: Path):
        folder = write(tmp_path, case("a"))
        (folder / "expectations.yaml").symlink_to("nowhere.yaml")
        with pytest.raises(ContentError, match="no such file"):
            load_dataset(folder)
        (folder / "expectations.yaml").unlink()
        (folder / "expectations.yaml").write_text(f"slices: {'[' * 3000}{']' * 3000}\n")
        with pytest.raises(ContentError, match="nested too deeply"):
            load_expectations(folder)

    def test_cases_can_be_read_again_by_where_they_stand(self, tmp_path: Path):
        folder = write(tmp_path, case("a"), case("b", turns=[{"customer": "Grüße?"}]), case("c"))
        (folder / "cases.jsonl").write_bytes(
            b"\xef\xbb\xbf" + (folder / "cases.jsonl").read_bytes().replace(b"\n", b"\r\n")
        )
        reader = DatasetReader(folder)
        for read in reader.cases():
            assert read_case_at(reader.path, read.offset) == read.case
        assert reader.digest == load_dataset(folder).digest
