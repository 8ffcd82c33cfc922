"""Exports, read back by the tools they are for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from golden_cases import case_lists
from hypothesis import given, settings
from typer.testing import CliRunner, Result

from assay.cli.exporting import ExportFormat, export
from assay.registry.content.datasets import load_dataset
from assay.registry.errors import AssayError, ContentError
from assay.registry.files import write_text
from assay.registry.pii import find_by_form
from assay.registry.types.case import Case, Dataset
from assay.runner.exporters.conversation import expected_outcome, told
from assay.runner.exporters.losses import NOT_HELD, lost
from assay.runner.exporters.mlflow_records import mlflow_records
from assay.runner.exporters.openai_file import openai_remarks, openai_text
from assay.runner.exporters.redaction import redacted
from assay.runner.importers.dataset_files import Target
from assay.runner.importers.folder import publish
from assay.runner.importers.openai_chat import import_openai
from assay.runner.judges.deepeval_goldens import save_goldens
from assay.runner.judges.ragas_samples import save_samples

HARBORLINE = Path(__file__).parents[1] / "datasets" / "harborline"


def case(case_id: str = "late-card", **changes: Any) -> Case:
    plain: dict[str, Any] = {
        "id": case_id, "intent": "late_card", "risk_tier": "high", "autonomy": "confirm", "date": "2026-03-02",
        "tags": ["vip"],
        "customer": {"name": "Nadia Okafor", "customer_number": "48213907",
                     "personal_data": [{"kind": "email", "value": "nadia@example.com"}]},
        "turns": [
            {"customer": "Where is my card? I am Nadia Okafor.", "golden_reply": "It was sent, Nadia Okafor.",
             "expect": {"must_say": [{"any_of": ["sent", "on its way"]}], "must_not_say": ["48213907"],
                        "tool_calls": [{"name": "card_state", "arguments": {"number": "48213907", "deep": None}}],
                        "forbidden_tools": ["block_card"], "supporting_documents": ["cards"]}},
            {"customer": "I want a person."},
        ],
        "tools": [{"name": "card_state", "result": {"state": "sent", "to": "nadia@example.com"}, "latency_s": 60},
                  {"name": "block_card", "result": True}],
        "expect": {"escalation": {"required": True, "reasons": ["customer_request"], "by_turn": 2, "queue": "general"},
                   "handoff": {"intent": "late_card"}, "must_not_say": ["guarantee"]},
        "labels": {"source": "made up", "score": 3},
    }  # fmt: skip
    return Case.model_validate({**plain, **changes})


@pytest.fixture(scope="module")
def harborline() -> Dataset:
    return load_dataset(HARBORLINE)


@pytest.fixture
def run(monkeypatch) -> Callable[..., Result]:
    app = typer.Typer()
    app.command()(export)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return lambda *args, **more: CliRunner().invoke(app, [*map(str, args)], **more)


# OpenAI


def test_openai_messages_of_a_case() -> None:
    record = json.loads(openai_text([case()], handoff_tool="to_person"))
    assert [m["role"] for m in record["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
        "assistant",
        "tool",
    ]
    call = record["messages"][1]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"number": "48213907", "deep": None}
    assert json.loads(record["messages"][2]["content"])["state"] == "sent"
    handoff = record["messages"][5]["tool_calls"][0]["function"]
    assert handoff["name"] == "to_person"
    assert json.loads(handoff["arguments"]) == {"reason": "customer_request", "queue": "general"}
    assert record["metadata"]["customer_number"] == "48213907"
    assert record["metadata"]["source"] == "made up"
    assert "score" not in record["metadata"]
    assert all(isinstance(value, str) for value in record["metadata"].values())


def test_openai_keeps_of_harborline_what_it_holds(harborline, tmp_path) -> None:
    source = tmp_path / "harborline.jsonl"
    source.write_text(openai_text(harborline.cases), encoding="utf-8")
    report = import_openai(source, Target("again", tmp_path / "out"), defaults={})
    assert report.needs_labels == 0
    again = {c.id: c for c in load_dataset(tmp_path / "out").cases}
    for before in harborline.cases:
        after = again[before.id]
        assert after.attributes() == before.attributes()
        assert after.expect.escalation == before.expect.escalation
        assert after.date == before.date
        assert [(t.customer, t.golden_reply, t.expect.tool_calls) for t in after.turns] == [
            (t.customer, t.golden_reply, t.expect.tool_calls) for t in before.turns
        ]


@settings(max_examples=60, deadline=None)
@given(cases=case_lists())
def test_openai_takes_any_case(cases) -> None:
    lines = openai_text(cases).split("\n")[:-1]
    assert [json.loads(line)["metadata"]["id"] for line in lines] == [case.id for case in cases]
    assert isinstance(openai_remarks(cases), list)


def test_what_reads_back_otherwise_is_said() -> None:
    odd = case(tools=[{"name": "card_state", "result": {"error": "x"}}], labels={"intents": "y"})
    said = " ".join(openai_remarks([odd]))
    assert "1 results are" in said
    assert "1 labels are called like a label of Assay" in said
    assert "1 customer turns have no golden reply" in said
    assert "1 expected calls have no fixture" in " ".join(openai_remarks([case(tools=[])]))


# deepeval


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_deepeval_loads_its_goldens(tmp_path, ending, capsys) -> None:
    from deepeval.dataset import EvaluationDataset

    silent = case("silent", turns=[{"customer": "Hi | there"}], expect={"escalation": {"required": False}})
    out = tmp_path / f"goldens.{ending}"
    save_goldens([case(), silent], out)
    assert capsys.readouterr().out == ""
    loaded = EvaluationDataset()
    getattr(loaded, f"add_goldens_from_{ending}_file")(str(out))
    first, second = loaded.goldens
    assert (first.name, first.expected_outcome) == ("late-card", expected_outcome(case()))
    assert [(t.role, t.content) for t in first.turns] == [
        ("user", "Where is my card? I am Nadia Okafor."), ("assistant", "It was sent, Nadia Okafor."),
        ("user", "I want a person."), ("assistant", ""),
    ]  # fmt: skip
    tool = first.turns[1].tools_called[0]
    assert (tool.name, tool.input_parameters) == ("card_state", {"number": "48213907", "deep": None})
    assert tool.output["state"] == "sent"
    assert first.turns[1].metadata == {"supporting_documents": ["cards"]}
    assert first.turns[3].metadata == {"handoff": {"reason": "customer_request", "queue": "general"}}
    assert first.expectations.must == ['In answer to customer turn 1, the agent says "sent" or "on its way".']
    assert len(first.expectations.must_not) == 3
    assert first.additional_metadata["escalation"]["by_turn"] == 2
    assert (second.name, second.turns[0].content, second.expectations) == ("silent", "Hi | there", None)


def test_deepeval_loads_all_of_harborline(harborline, tmp_path) -> None:
    from deepeval.dataset import EvaluationDataset

    save_goldens(harborline.cases, tmp_path / "h.json")
    loaded = EvaluationDataset()
    loaded.add_goldens_from_json_file(str(tmp_path / "h.json"))
    assert [golden.name for golden in loaded.goldens] == [c.id for c in harborline.cases]


def test_deepeval_has_no_other_ending(tmp_path) -> None:
    with pytest.raises(ContentError, match=r"\.json or \.jsonl"):
        save_goldens([case()], tmp_path / "goldens.csv")


# ragas


def test_ragas_loads_its_samples(harborline, tmp_path) -> None:
    from ragas.dataset_schema import EvaluationDataset
    from ragas.messages import AIMessage, HumanMessage, ToolMessage

    save_samples([case(), *harborline.cases], tmp_path / "samples.jsonl")
    loaded = EvaluationDataset.from_jsonl(tmp_path / "samples.jsonl")
    assert len(loaded) == 1 + len(harborline.cases)
    assert loaded.is_multi_turn()
    first: Any = loaded.samples[0]
    assert [type(m) for m in first.user_input] == [HumanMessage, AIMessage, ToolMessage, AIMessage, HumanMessage]
    assert first.reference == expected_outcome(case())
    assert first.user_input[0].metadata["id"] == "late-card"
    assert first.reference_tool_calls[0].args["number"] == "48213907"


@settings(max_examples=30, deadline=None)
@given(cases=case_lists())
def test_deepeval_and_ragas_take_any_case(cases) -> None:
    import tempfile

    from deepeval.dataset import EvaluationDataset as Goldens
    from ragas.dataset_schema import EvaluationDataset as Samples

    with tempfile.TemporaryDirectory() as folder:
        save_goldens(cases, Path(folder) / "g.json")
        save_samples(cases, Path(folder) / "s.jsonl")
        goldens = Goldens()
        goldens.add_goldens_from_json_file(str(Path(folder) / "g.json"))
        samples = Samples.from_jsonl(Path(folder) / "s.jsonl")
    assert len(goldens.goldens) == len(samples) == len(cases)
    for before, golden in zip(cases, goldens.goldens, strict=True):
        said = [t.content for t in golden.turns if t.role == "user"]
        assert said == [t.customer for t in before.turns]


# MLflow


def workspace(folder: Path) -> Path:
    (folder / "assay.yaml").write_text("schema_version: 1\n")
    return folder


def dataset_folder(folder: Path, *cases: Case) -> Path:
    folder.mkdir(exist_ok=True)
    info = {"name": "mine", "version": "1", "description": "d", "licence": "none", "intents": ["late_card"],
            "tools": ["card_state", "block_card"], "queues": ["general"]}  # fmt: skip
    (folder / "dataset.yaml").write_text(json.dumps(info))
    (folder / "cases.jsonl").write_text("".join(f"{c.model_dump_json()}\n" for c in cases))
    return folder


def undocumented(case_id: str = "late-card", **changes: Any) -> Case:
    plain = case(case_id).model_dump(mode="json")
    plain["turns"][0]["expect"]["supporting_documents"] = []
    return Case.model_validate({**plain, **changes})


def test_mlflow_holds_exactly_the_dataset_after_each_export(run, tmp_path, monkeypatch) -> None:
    from mlflow.genai.datasets import create_dataset, get_dataset

    monkeypatch.chdir(workspace(tmp_path))
    folder = dataset_folder(tmp_path / "mine", undocumented("a"), undocumented("b"))
    done = run(folder, "--to", "mlflow")
    assert done.exit_code == 0, done.output
    assert "created: 4 records, one a customer turn; 4 added, 0 removed, 0 as they were" in done.stdout
    stored = get_dataset(name="mine")
    rows = {(r["inputs"]["conversation"], r["inputs"]["turn"]): r for r in stored.to_df().to_dict("records")}
    first = rows["a", 1]
    assert first["inputs"]["messages"] == [{"role": "user", "content": "Where is my card? I am Nadia Okafor."}]
    assert first["expectations"]["expected_response"] == "It was sent, Nadia Okafor."
    assert first["expectations"]["expected_facts"] == ["sent or on its way"]
    assert first["expectations"]["forbidden_tools"] == ["block_card"]
    assert first["expectations"]["escalation"]["by_turn"] == 2
    assert [m["role"] for m in rows["a", 2]["inputs"]["messages"]] == ["user", "assistant", "user"]
    assert first["tags"]["risk_tier"] == "high"
    assert stored.tags is not None
    assert stored.tags["assay.digest"] == load_dataset(folder).digest

    stored.merge_records([{"inputs": {"question": "mine"}, "expectations": {"x": 1}}])
    dataset_folder(folder, undocumented("a"), undocumented("b", risk_tier="low"), undocumented("c"))
    done = run(folder, "--to", "mlflow")
    assert "brought up to date: 6 records, one a customer turn; 4 added, 2 removed, 2 as they were" in done.stdout
    assert "1 records that others added were left alone" in done.stderr
    again = run(folder, "--to", "mlflow")
    assert "0 added, 0 removed, 6 as they were" in again.stdout
    rows = {json.dumps(r["inputs"]): r for r in get_dataset(name="mine").to_df().to_dict("records")}
    assert len(rows) == 7
    assert {r["tags"].get("risk_tier") for r in rows.values()} == {None, "high", "low"}

    create_dataset("theirs", experiment_id="0")
    info = json.loads((folder / "dataset.yaml").read_text()) | {"name": "theirs"}
    (folder / "dataset.yaml").write_text(json.dumps(info))
    refused = run(folder, "--to", "mlflow")
    assert isinstance(refused.exception, AssayError)
    assert "that Assay did not make" in str(refused.exception)
    assert run(folder, "--to", "mlflow", "--overwrite").exit_code == 0


def test_mlflow_records_differ_in_their_inputs(harborline) -> None:
    records = mlflow_records(harborline.cases)
    assert len({json.dumps(r["inputs"], sort_keys=True) for r in records}) == len(records)
    assert len(records) == sum(len(c.turns) for c in harborline.cases)


# What is lost, what is blacked out, what stands in the way


def test_what_a_format_does_not_hold_is_counted(harborline) -> None:
    assert set(NOT_HELD) == {form.value for form in ExportFormat}
    mine = harborline.model_copy(
        update={"cases": (case(), case("b", labels={}, tools=[])), "documents": {}, "wording": ""}
    )
    assert lost(mine, "csv") == []
    assert "must_say (in 2 cases)" in lost(mine, "openai")
    assert "structured labels (in 1 case)" in lost(mine, "openai")
    assert "tool fixtures beyond the results of the expected calls (in 1 case)" in lost(mine, "ragas")
    assert "customer record (in 2 cases)" in lost(mine, "deepeval")
    assert "tool fixtures (in 1 case)" in lost(mine, "mlflow")
    assert lost(harborline, "csv") == [
        f"the dataset's knowledge ({len(harborline.documents)} documents)", "the approved wording",
    ]  # fmt: skip


def test_redaction_blacks_out_the_record_everywhere(harborline) -> None:
    mine = harborline.model_copy(update={"cases": (case(), *harborline.cases)})
    done = redacted(mine)
    text = done.cases[0].model_dump_json()
    for datum in ("Nadia", "48213907", "nadia@example.com"):
        assert datum not in text
    assert done.cases[0].turns[0].customer == "Where is my card? I am [name]."
    assert [c.id for c in done.cases] == [c.id for c in mine.cases]
    for before, after in zip(mine.cases, done.cases, strict=True):
        if before.customer and before.customer.customer_number:
            assert before.customer.customer_number not in after.model_dump_json().replace(before.id, "")
        assert not [s for turn in after.turns for s in find_by_form(turn.customer) if s.kind == "email"]


def test_redaction_blacks_out_ids_tags_keys_and_numbers(harborline) -> None:
    mine = case(
        "complaint-of-48213907",
        tags=["nadia_okafor", "vip"],
        labels={"nadia@example.com": 48213907, "dob": "the first of May"},
        tools=[{"name": "t", "arguments": {"note": "four one one one, " * 4}, "result": {"phone": 2025550142}}],
    )
    done = redacted(harborline.model_copy(update={"cases": (mine,)})).cases[0]
    assert done.id.startswith("case-")
    assert done.tags[0].startswith("tag-")
    assert done.tags[1] == "vip"
    assert done.labels == {"[email]": "[customer number]", "dob": "[date of birth]"}
    assert done.tools[0].result == {"phone": "[phone]"}
    for datum in ("48213907", "nadia", "2025550142"):
        assert datum not in done.model_dump_json().casefold()


def test_the_conversation_follows_the_fixtures_without_waiting() -> None:
    twice = case(
        turns=[{"customer": "x", "expect": {"tool_calls": [{"name": "t"}, {"name": "t"}, {"name": "u"}]}}],
        tools=[{"name": "t", "result": 1, "times": 1}, {"name": "t", "error": "down"}],
        expect={"escalation": {"required": False}},
    )
    calls = told(twice).turns[0].calls
    assert [(c.result, c.error, c.answered) for c in calls[:2]] == [(1, None, True), (None, "down", True)]
    assert not calls[2].answered
    assert told(twice).unanswered == 1


def test_the_command_says_what_was_written_and_what_was_not_held(run, tmp_path) -> None:
    folder = dataset_folder(tmp_path / "mine", undocumented())
    out = tmp_path / "deep" / "er" / "chats.jsonl"
    done = run(folder, "--to", "openai", "--out", out)
    assert (done.exit_code, done.stdout) == (0, f"{out}: 1 cases, 2 customer turns\n")
    assert "not held by this format: must_say (in 1 case)" in done.stderr
    assert "already holds this" in run(folder, "--to", "openai", "--out", out).stdout
    refused = run(folder, "--to", "openai", "--out", out, "--redact")
    assert isinstance(refused.exception, ContentError)
    assert "--overwrite replaces it" in str(refused.exception)
    assert "Nadia" in out.read_text()
    assert run(folder, "--to", "openai", "--out", out, "--redact", "--overwrite").exit_code == 0
    assert "Nadia" not in out.read_text()
    assert [p.name for p in out.parent.iterdir()] == ["chats.jsonl"]


@pytest.mark.parametrize("form", [f for f in ExportFormat if f is not ExportFormat.MLFLOW])
def test_each_format_is_written_the_same_twice(run, tmp_path, form) -> None:
    folder = dataset_folder(tmp_path / "mine", undocumented())
    done = run(folder, "--to", form.value, "--out", tmp_path / "a.jsonl")
    assert done.exit_code == 0, done.output
    assert "already holds this" in run(folder, "--to", form.value, "--out", tmp_path / "a.jsonl").stdout


def test_options_that_do_not_fit_are_told(run, tmp_path) -> None:
    folder = dataset_folder(tmp_path / "mine", undocumented())
    assert "--to csv needs --out" in str(run(folder, "--to", "csv").exception)
    assert "takes no --out" in str(run(folder, "--to", "mlflow", "--out", "x").exception)
    assert "is a folder" in str(run(folder, "--to", "csv", "--out", tmp_path).exception)
    assert run(folder, "--to", "excel", "--out", "x").exit_code == 2


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    out = tmp_path / "a.csv"
    write_text(out, "old")
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(ContentError, match="disk full"):
        write_text(out, "new", overwrite=True)
    assert out.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_overwrite_keeps_the_old_folder(tmp_path, monkeypatch, at) -> None:
    out = tmp_path / "data"
    publish({"a.txt": "old"}, out)
    rename, calls = Path.rename, []

    def interrupted(self, target):
        calls.append(self)
        if len(calls) == at:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            publish({"a.txt": "new"}, out, overwrite=True)
    assert (out / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
