"""Comparing, counting, versioning and labelling datasets: through the library and through the command line."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_content import INFO, case, complaint, write

from assay.registry.content import load_dataset
from assay.registry.content.agreement import Agreement, FieldAgreement, compare_labels
from assay.registry.content.checks import parse_expectations
from assay.registry.content.coverage import coverage_of
from assay.registry.content.dataset_diff import diff_datasets
from assay.registry.errors import ContentError, IntegrityError, NotFoundError
from assay.registry.store import Store
from assay.registry.types.case import Case
from assay.registry.workspace import Workspace, WorkspaceConfig

CONFIG = "schema_version: 1\nstore: mlruns\nbundles: bundles\ndatasets: datasets\nsuites: evalsuites\n"
EXPECTATIONS = "min_cases: 2\nslices: {risk_tier=high: 1, near_miss=emotional_distress: 1}\n"


def cases(*plain: dict[str, Any]) -> list[Case]:
    return [Case.model_validate_json(json.dumps(p)) for p in plain]


def booking(id: str = "b", **changes: Any) -> dict[str, Any]:
    escalation = {"required": False, "near_miss_of": ["emotional_distress"]}
    return case(
        id, turns=[{"customer": "I am dying to know when you open."}], expect={"escalation": escalation}, **changes
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with one dataset, `tiny`."""
    (tmp_path / "assay.yaml").write_text(CONFIG)
    folder = write(tmp_path / "datasets" / "tiny", case("a"), booking(), complaint("c"))
    (folder / "expectations.yaml").write_text(EXPECTATIONS)
    return tmp_path


class TestDiff:
    def test_equal_content_is_the_same(self, tmp_path: Path):
        one = load_dataset(write(tmp_path / "one", case("a"), complaint("c")))
        two = load_dataset(write(tmp_path / "two", complaint("c"), case("a")))
        assert diff_datasets(one, two).same

    def test_cases_added_removed_and_renamed(self, tmp_path: Path):
        one = load_dataset(write(tmp_path / "one", case("a"), complaint("c"), booking()))
        two = load_dataset(write(tmp_path / "two", case("a-renamed"), complaint("c"), case("new", channel="voice")))
        found = diff_datasets(one, two)
        assert (found.added, found.removed, found.renamed) == (("new",), ("b",), (("a", "a-renamed"),))
        assert not found.same

    def test_a_relabelled_case_says_which_expectation_and_from_what_to_what(self, tmp_path: Path):
        changed = complaint("c")
        changed["expect"] = {"escalation": {**changed["expect"]["escalation"], "reasons": ["material_impact"]}}
        changed["turns"] = [{"customer": "I complain.", "expect": {"must_say": [{"any_of": ["sorry"]}]}}]
        changed["risk_tier"] = "critical"
        one = load_dataset(write(tmp_path / "one", complaint("c")))
        two = load_dataset(write(tmp_path / "two", changed))
        [found] = diff_datasets(one, two).relabelled
        assert {(c.key, json.dumps(c.old), json.dumps(c.new)) for c in found.changes} == {
            ("risk_tier", '"high"', '"critical"'),
            ("expect.escalation.reasons", '["interpretation_required"]', '["material_impact"]'),
            ("turns.1.expect.must_say", "[]", '[{"any_of": ["sorry"]}]'),
        }

    def test_other_words_and_another_back_office_are_no_relabelling(self, tmp_path: Path):
        one = load_dataset(write(tmp_path / "one", case("a"), case("t", turns=[{"customer": "Hi."}])))
        tools = [{"name": "block_card", "result": True}]
        more = [{"customer": "Hi there."}, {"customer": "Bye.", "expect": {"forbidden_tools": ["block_card"]}}]
        two = load_dataset(write(tmp_path / "two", case("a", tools=tools), case("t", turns=more)))
        found = diff_datasets(one, two)
        assert {c.case: c.kinds for c in found.changed} == {"a": ("back office",), "t": ("reworded", "relabelled")}

    def test_knowledge_wording_expectations_and_settings(self, tmp_path: Path):
        one = load_dataset(write(tmp_path / "one", case("a")))
        folder = write(tmp_path / "two", case("a"), info=INFO.replace('"1"', '"2"') + "wording: wording.md\n")
        (folder / "wording.md").write_text("## greeting\nHello.\n")
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        hours = folder / "knowledge" / "hours.md"
        (folder / "knowledge" / "more.md").write_text(hours.read_text().replace("kb-hours", "kb-more"))
        hours.write_text(hours.read_text().replace("nine", "ten"))
        found = diff_datasets(one, load_dataset(folder))
        assert (found.documents_added, found.documents_changed) == (("kb-more",), ("kb-hours",))
        assert set(found.settings) == {"version", "wording"}
        assert found.wording_changed
        assert found.expectations_changed

    def test_equal_to_python_is_not_equal(self, tmp_path: Path):
        """`true` and 1, and null and nothing, are other content: the digests differ, and the diff says where."""
        one = load_dataset(write(tmp_path / "one", case("a", labels={"reward": 1, "k": None})))
        two = load_dataset(write(tmp_path / "two", case("a", labels={"reward": True})))
        found = diff_datasets(one, two)
        assert not found.same
        assert {c.key for c in found.changed[0].changes} == {"labels.reward", "labels.k"}

    def test_a_changed_day_is_a_changed_label(self, tmp_path: Path):
        one = load_dataset(write(tmp_path / "one", case("a")))
        two = load_dataset(write(tmp_path / "two", case("a", date="2026-04-02")))
        assert diff_datasets(one, two).relabelled[0].changes[0].key == "date"


class TestCoverage:
    def test_every_attribute_is_counted(self):
        found = coverage_of(cases(case("a"), booking(), complaint("c")), parse_expectations(EXPECTATIONS))
        assert (found.cases, found.customer_turns, found.escalations) == (3, 3, 1)
        tiers = {share.value: (share.cases, share.escalations, share.wanted) for share in found.attributes["risk_tier"]}
        assert tiers == {"low": (2, 0, None), "high": (1, 1, 1)}
        assert [share.value for share in found.attributes["near_miss"]] == ["emotional_distress"]
        kinds = {share.value for share in found.attributes["escalation"]}
        assert kinds == {"required", "not_required", "near_miss", "ordinary"}
        assert {share.value: share.cases for share in found.promised} == {
            "risk_tier=high": 1,
            "near_miss=emotional_distress": 1,
        }

    def test_the_chart_says_all_of_it(self):
        from assay.gates.reports.coverage import coverage_chart

        found = coverage_of(cases(case("a"), booking(), complaint("c")), parse_expectations(EXPECTATIONS))
        chart = coverage_chart(found.tables, "tiny: 3 cases")
        root = ElementTree.fromstring(chart)
        words = " ".join(element.text or "" for element in root.iter())
        assert "tiny: 3 cases" in words
        assert "near_miss: emotional_distress 1" in words
        assert chart == coverage_chart(found.tables, "tiny: 3 cases")


def labelled(answers: list[bool]) -> list[Case]:
    """Cases that a labeller says require a person (True) or not."""
    said = [{"customer": "I complain."}]
    return cases(*(complaint(f"c{n}") if yes else case(f"c{n}", turns=said) for n, yes in enumerate(answers)))


def field(found: Agreement, name: str) -> FieldAgreement:
    return next(f for f in found.fields if f.field == name)


class TestAgreement:
    def test_kappa_of_a_published_table(self):
        """Two readers of 50 proposals: 20 both yes, 15 both no, 5 and 10 apart; kappa is .40."""
        first = [True] * 25 + [False] * 25
        second = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
        found = field(compare_labels(labelled(first), labelled(second)), "escalation.required")
        assert (found.n, found.agreed) == (50, 35)
        assert found.kappa == pytest.approx(0.40, abs=1e-12)
        assert found.interval is not None
        # By hand, after Fleiss, Cohen and Everitt (1969): variance .2016 / (50 * .25), standard error .12700.
        assert found.interval == pytest.approx((0.15109, 0.64891), abs=1e-5)

    @settings(deadline=None)
    @given(st.lists(st.booleans(), min_size=2, max_size=30))
    def test_whoever_agrees_with_themselves_agrees_fully(self, answers: list[bool]):
        found = compare_labels(labelled(answers), labelled(answers))
        assert found.disagreements == ()
        assert {f.kappa for f in found.fields} <= {1.0, None}

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=30))
    def test_it_does_not_matter_who_is_first(self, pairs: list[tuple[bool, bool]]):
        first, second = labelled([a for a, _ in pairs]), labelled([b for _, b in pairs])
        one, other = compare_labels(first, second), compare_labels(second, first)
        assert field(one, "intent").kappa == pytest.approx(field(other, "intent").kappa)
        assert len(one.disagreements) == len(other.disagreements)

    def test_where_nothing_varies_there_is_no_kappa(self):
        found = compare_labels(labelled([True, True]), labelled([True, True]))
        assert field(found, "escalation.required").kappa is None

    def test_disagreements_are_listed_by_case_and_turn(self):
        one = case(
            "a",
            turns=[{"customer": "When?", "expect": {"supporting_documents": ["kb-hours"]}}, {"customer": "Thanks."}],
        )
        two = case("a", risk_tier="high", turns=[{"customer": "When?"}, {"customer": "Thanks."}])
        found = compare_labels(cases(one), cases(two))
        assert {(d.case, d.turn, d.field, d.first, d.second) for d in found.disagreements} == {
            ("a", None, "risk_tier", "low", "high"),
            ("a", 1, "turn.supporting_documents", "kb-hours", "(none)"),
        }

    def test_cases_of_one_labeller_alone_are_told(self):
        found = compare_labels(cases(case("a"), case("b")), cases(case("b"), case("c")))
        assert (found.only_first, found.only_second) == (("a",), ("c",))

    def test_other_text_is_refused(self):
        with pytest.raises(ContentError, match="other customer turns"):
            compare_labels(cases(case("a")), cases(case("a", turns=[{"customer": "Something else."}])))
        with pytest.raises(ContentError, match="no case in common"):
            compare_labels(cases(case("a")), cases(case("b")))


class TestVersions:
    @pytest.fixture
    def store(self, home: Path) -> Store:
        return Store(Workspace(home, WorkspaceConfig(), {}))

    def test_the_same_content_makes_no_second_version(self, store: Store, home: Path):
        folder = home / "datasets" / "tiny"
        first = store.register_dataset(folder)
        assert (first.ref, first.created, first.digest) == ("tiny/1", True, load_dataset(folder).digest)
        assert store.register_dataset(folder).created is False
        (folder / "README.md").write_text("A card is not part of the content.")
        assert store.register_dataset(folder).ref == "tiny/1"
        write(folder, case("a"), complaint("c"))
        assert store.register_dataset(folder).ref == "tiny/2"
        assert [v.ref for v in store.dataset_versions("tiny")] == ["tiny/2", "tiny/1"]
        assert store.load_dataset("tiny@latest")[0].ref == "tiny/2"
        assert {c.id for c in store.load_dataset("tiny/1")[1].cases} == {"a", "b", "c"}

    def test_it_is_an_input_of_its_run_and_no_agent(self, store: Store, home: Path):
        import mlflow

        store.register_dataset(home / "datasets" / "tiny")
        client = mlflow.MlflowClient(store.workspace.tracking_uri, store.workspace.tracking_uri)
        version = client.get_model_version("tiny-dataset", "1")
        [logged] = client.get_run(version.run_id).inputs.dataset_inputs
        assert logged.dataset.name == "tiny"
        assert {tag.key: tag.value for tag in logged.tags}["assay.digest"] == version.tags["assay.digest"]
        assert store.agents() == ()
        assert store.agents_with_runs() == ()

    def test_what_was_edited_after_registration_is_refused_and_registered_anew(self, store: Store, home: Path):
        store.register_dataset(home / "datasets" / "tiny")
        stored = next((home / "mlruns" / "artifacts").rglob("cases.jsonl"))
        stored.write_text(stored.read_text().replace("I complain.", "I praise."))
        with pytest.raises(IntegrityError, match="tiny-dataset v1 was changed after it was registered"):
            store.load_dataset("tiny/1")
        assert store.register_dataset(home / "datasets" / "tiny").ref == "tiny/2"

    def test_an_edited_digest_is_refused(self, store: Store, home: Path):
        store.register_dataset(home / "datasets" / "tiny")
        database = sqlite3.connect(home / "mlruns" / "mlflow.db")
        database.execute("UPDATE model_version_tags SET value = ? WHERE key = 'assay.digest'", ("0" * 64,))
        database.commit()
        with pytest.raises(IntegrityError):
            store.load_dataset("tiny/1")

    def test_a_version_that_does_not_exist(self, store: Store, home: Path):
        store.register_dataset(home / "datasets" / "tiny")
        with pytest.raises(NotFoundError, match="tiny/1"):
            store.load_dataset("tiny/7")
        with pytest.raises(NotFoundError, match="latest"):
            store.load_dataset("tiny@newest")


class TestCommands:
    def test_check_passes_and_fails_with_exit_codes(self, assay, home: Path):
        done = assay("dataset", "check", "tiny", cwd=home)
        assert done.code == 0, done.out
        assert "PASS: " in done.out
        folder = home / "datasets" / "tiny"
        write(folder, case("a", turns=[{"customer": "Call me: jo@somewhere.org"}]), complaint("c"))
        failed = assay("dataset", "check", str(folder))
        assert failed.code == 1
        assert "cases.jsonl:1: case 'a': personal-data-invented: turn 1: a real-looking e-mail" in failed.out
        assert "jo@" not in failed.out
        plain = json.loads(assay("dataset", "check", "tiny", "--json").out)
        assert plain["success"] is False
        assert any(e["name"] == "personal-data-invented" and e["places"][0]["line"] == 1 for e in plain["expectations"])

    def test_check_names_a_dataset_that_there_is(self, assay, home: Path):
        done = assay("dataset", "check", "tinny", cwd=home)
        assert done.code == 2
        assert "Did you mean 'tiny'?" in done.err

    def test_check_against_training_text(self, assay, home: Path):
        rows = (
            "text,intent,signal",
            "I am dying to know when you open today,hours,none",
            "block my card,block,distress",
        )
        (home / "train.csv").write_text("\n".join(rows) + "\n")
        done = assay("dataset", "check", "tiny", "--training", "train.csv", cwd=home)
        assert done.code == 1
        assert "not-trained-on" in done.out
        assert "in train.csv" in done.out

    def test_suites_and_checkpoint_in_great_expectations_own_format(self, assay, home: Path):
        import great_expectations as gx

        folder = home / "datasets" / "tiny" / "great_expectations"
        assert assay("dataset", "check", "tiny", "--write-suites", "--table", "table.csv", cwd=home).code == 0
        plain = json.loads((folder / "expectations" / "cases.json").read_text())
        suite = gx.ExpectationSuite(name=plain["name"], expectations=plain["expectations"])
        assert "ids-unique" in {e.meta["name"] for e in suite.expectations if e.meta}
        assert json.loads((folder / "checkpoints" / "dataset.json").read_text())["validation_definitions"]
        before = {path: path.read_bytes() for path in folder.rglob("*.json")}
        assert assay("dataset", "check", "tiny", "--write-suites").code == 0
        assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before
        with (home / "table.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["id"] for row in rows] == ["a", "b", "c"]

    def test_stats_as_table_chart_and_json(self, assay, home: Path):
        done = assay("dataset", "stats", "tiny", "--chart", "coverage.svg", cwd=home)
        assert done.code == 0
        assert "3 cases, 3 customer turns" in done.out
        assert "near miss" in done.out
        assert (home / "coverage.svg").read_text().startswith("<svg")
        assert json.loads(assay("dataset", "stats", "tiny", "--json").out)["cases"] == 3

    def test_register_diff_and_versions(self, assay, home: Path):
        assert "tiny/1 registered" in assay("dataset", "register", "tiny", cwd=home).out
        assert "tiny/1 already registered" in assay("dataset", "register", "tiny").out
        assert "No difference" in assay("dataset", "diff", "tiny/1", "tiny").out
        write(home / "datasets" / "tiny", case("a", risk_tier="medium"), booking(), case("d"))
        shown = assay("dataset", "diff", "tiny/1", "tiny").out
        assert "cases: 1 added, 1 removed, 0 renamed, 1 changed" in shown
        assert 'risk_tier: "low" -> "medium"' in shown
        assert json.loads(assay("dataset", "diff", "tiny/1", "tiny", "--json").out)["same"] is False
        assert json.loads(assay("dataset", "versions", "tiny", "--json").out)[0]["dataset"] == "tiny/1"
        missing = assay("dataset", "diff", "tiny/9", "tiny")
        assert missing.code == 2
        assert "Traceback" not in missing.err

    def test_agree_writes_what_is_to_be_settled(self, assay, home: Path):
        other = home / "second.jsonl"
        shutil.copy(home / "datasets" / "tiny" / "cases.jsonl", other)
        other.write_text(other.read_text().replace('"risk_tier": "low"', '"risk_tier": "medium"', 1))
        done = assay("dataset", "agree", "tiny", "second.jsonl", "--out", "settle.csv", cwd=home)
        assert done.code == 0
        assert "1 disagreements to settle" in done.out
        with (home / "settle.csv").open() as file:
            [row] = csv.DictReader(file)
        assert row == {"case": "a", "turn": "", "field": "risk_tier", "first": "low", "second": "medium", "settled": ""}

    @pytest.mark.parametrize(
        "args",
        [
            ("dataset", "agree", "tiny", "tiny", "--out", "mine.txt"),
            ("dataset", "stats", "tiny", "--chart", "mine.txt"),
            ("dataset", "check", "tiny", "--table", "mine.txt"),
        ],
    )
    def test_nobodys_file_is_written_over_unasked(self, assay, home: Path, args: tuple[str, ...]):
        (home / "mine.txt").write_text("settled decisions")
        refused = assay(*args, cwd=home)
        assert refused.code == 2
        assert "--overwrite" in refused.err
        assert (home / "mine.txt").read_text() == "settled decisions"
        assert assay(*args, "--overwrite").code == 0
        assert (home / "mine.txt").read_text() != "settled decisions"

    @pytest.mark.parametrize("out", ["datasets", "/dev/null/x.svg", "n" * 300 + ".svg"])
    def test_a_place_that_cannot_be_written_is_told(self, assay, home: Path, out: str):
        done = assay("dataset", "stats", "tiny", "--chart", out, cwd=home)
        assert done.code == 2
        assert "unexpected" not in done.err

    def test_a_name_that_is_too_long_is_no_dataset(self, assay, home: Path):
        done = assay("dataset", "check", "x" * 3000, cwd=home)
        assert (done.code, "unexpected" in done.err) == (2, False)

    def test_agree_refuses_garbage_by_line(self, assay, home: Path):
        (home / "second.jsonl").write_text("{}\nnonsense\n")
        done = assay("dataset", "agree", "tiny", "second.jsonl", cwd=home)
        assert done.code == 2
        assert "second.jsonl:1" in done.err


@pytest.mark.skipif("ASSAY_EXTERNAL_DATA" not in os.environ, reason="needs the public data in ASSAY_EXTERNAL_DATA")
def test_public_recordings_keep_the_rules_that_every_dataset_keeps(assay, tmp_path: Path, monkeypatch):
    """Real data by others: no fixture answers their calls, since their back office was recorded."""
    source = Path(os.environ["ASSAY_EXTERNAL_DATA"]) / "tau_bench_airline_gpt4o_trials_0_1.json.gz"
    assert assay("import", "tau-bench", str(source), "--out", str(tmp_path / "tau"), cwd=tmp_path).code == 0
    done = assay("dataset", "check", str(tmp_path / "tau"))
    assert done.code == 0, done.out
    assert "escalations-routed" in done.out
    assert "no coverage is promised" in done.err
