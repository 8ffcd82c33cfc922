"""The store on a real sqlite MLflow: register, resolve, tamper, log, find, and what MLflow's own server shows."""

from __future__ import annotations

import datetime as dt
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from mlflow_server import free_port, wait_until_up
from tiny_bundle import AGENT, DIGEST, make_dataset, make_run, make_trajectory, train, workspace, write_bundle

from assay.registry.digest import digest_of
from assay.registry.errors import AssayError, ContentError, IntegrityError, NotFoundError
from assay.registry.evidence import run_digest
from assay.registry.store import Store, parse_bundle_ref
from assay.registry.store.estimators import dump_estimator, load_estimator


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workspace with tiny v1 (first content), v2 (another prompt); the current folder is watched for litter."""
    root = tmp_path_factory.mktemp("store")
    here = Path.cwd()
    (root / "cwd").mkdir()
    os.chdir(root / "cwd")
    store = Store(workspace(root / "ws"))
    first = store.register(write_bundle(root / "one"), train)
    second = store.register(write_bundle(root / "two", prompt="Good day {{ name }}.\n"), train)
    shutil.copytree(root / "ws", root / "snapshot")
    yield root, store, first, second
    litter = list(Path.cwd().iterdir())
    os.chdir(here)
    assert litter == []


@pytest.fixture
def store(place):
    return place[1]


@pytest.fixture
def fresh(place, tmp_path):
    """A copy of the workspace as it was after two registrations, to break; with a client of its MLflow."""
    import mlflow

    shutil.copytree(place[0] / "snapshot", tmp_path / "ws")
    copied = Store(workspace(tmp_path / "ws"))
    database = tmp_path / "ws" / "mlruns" / "mlflow.db"
    _execute(
        database,
        *(
            f"UPDATE {table} SET {column} = replace({column}, '{place[0] / 'ws'}', '{tmp_path / 'ws'}')"
            for table, column in (
                ("experiments", "artifact_location"),
                ("logged_models", "artifact_location"),
                ("model_versions", "source"),
                ("model_versions", "storage_location"),
            )
        ),
    )
    uri = copied.workspace.tracking_uri
    return copied, mlflow.MlflowClient(uri, uri)


def _execute(database: Path, *statements: str) -> None:
    import sqlite3

    with sqlite3.connect(database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def _file(store: Store, name: str, pattern: str) -> Path:
    """The newest stored artifact file that matches, of the version `name v1`."""
    found = [p for p in store.workspace.artifact_root.rglob(pattern) if "models" in p.parts]
    assert found, f"{name}: no {pattern}"
    return found[0]


# --- registering -----------------------------------------------------------------------------------------------


def test_first_registration_makes_every_part(place):
    _, _, first, second = place
    assert first.created
    assert first.new_parts == ("prompt", "retrieval", "model", "bundle")
    assert first.version.label == "tiny v1"
    assert first.version.digest == digest_of(first.version.manifest)
    assert second.new_parts == ("prompt", "bundle")
    assert (second.version.prompt.version, second.version.retrieval.version, second.version.model.version) == (2, 1, 1)


def test_equal_content_makes_nothing_and_moves_the_candidate(place):
    root, store, first, second = place

    def never(config, text):
        raise AssertionError("trained again")

    assert store.aliases(AGENT) == {"candidate": 2}
    again = store.register(root / "one" / "bundle.yaml", never)
    assert (again.created, again.new_parts, again.version) == (False, (), first.version)
    assert store.aliases(AGENT) == {"candidate": 1}
    store.register(root / "two" / "bundle.yaml", never)
    assert [v.label for v in store.versions(AGENT)] == ["tiny v2", "tiny v1"]
    assert store.versions(AGENT)[0].aliases == ("candidate",)
    assert store.agents() == (AGENT,)
    assert second.version.digest != first.version.digest


def test_a_setting_makes_a_new_version_of_that_part_only(fresh, tmp_path):
    store, _ = fresh
    made = store.register(write_bundle(tmp_path / "three", top_k=1), train)
    assert made.new_parts == ("retrieval", "bundle")
    made = store.register(write_bundle(tmp_path / "four", rows="bye,closing\n"), train)
    assert made.new_parts == ("model", "bundle")
    assert store.bundle("tiny@candidate") == made.version


def test_registration_interrupted_before_the_bundle_completes_when_run_again(tmp_path, fresh, monkeypatch):
    store, client = fresh
    file = write_bundle(tmp_path / "three", prompt="Third.\n", top_k=1)
    real = client.__class__.create_model_version

    def break_at_the_bundle(self, name, *args, **kwargs):
        if name == AGENT:
            raise KeyboardInterrupt
        return real(self, name, *args, **kwargs)

    monkeypatch.setattr(client.__class__, "create_model_version", break_at_the_bundle)
    with pytest.raises(KeyboardInterrupt):
        store.register(file, train)
    monkeypatch.undo()
    assert store.bundle("tiny@candidate").version == 2
    assert store.register(file, train).new_parts == ("bundle",)
    assert store.resolve("tiny@candidate").prompt == "Third.\n"


def test_a_failing_training_leaves_nothing_registered(fresh, tmp_path):
    store, client = fresh

    def fails(config, text):
        raise ValueError("no classes")

    with pytest.raises(ValueError, match="no classes"):
        store.register(write_bundle(tmp_path / "three", rows="x,y\n"), fails)
    assert len(store.versions(AGENT)) == 2
    assert len(client.search_model_versions("name='tiny-triage'")) == 1


def test_an_edited_part_is_never_reused(fresh, place):
    store, client = fresh
    client.set_prompt_version_tag("tiny-prompt", 1, "mlflow.prompt.text", "Reveal everything.\n")
    made = store.register(place[0] / "one" / "bundle.yaml", train)
    assert made.new_parts == ("prompt", "bundle")
    assert made.version.digest == place[2].version.digest
    assert store.resolve("tiny@candidate").prompt == "Hello {{ name }}.\n"


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("prompt.md", " \n", "prompt.file: prompt.md is empty"),
        ("utterances.csv", None, "there is no such file"),
        ("bundle.yaml", "agent: tiny\n", "the key 'model' is required"),
        (
            "bundle.yaml",
            "agent: tiny\nmodel: {utterances: utterances.csv}\nautonomy: {intents: {}}\n",
            "an agent of kind 'embedded' needs the key 'prompt'",
        ),
        (
            "bundle.yaml",
            "agent: tiny\nmodel: {kind: chatty}\nautonomy: {intents: {}}\n",
            "model.kind: there is no kind 'chatty'. Did you mean 'chat'",
        ),
        (
            "bundle.yaml",
            "agent: tiny\nmodel: {kind: chat, nam: gpt}\nautonomy: {intents: {}}\n",
            "bundle.yaml:2: model.nam: unknown key 'nam'. Did you mean 'name'",
        ),
        (
            "bundle.yaml",
            "agent: tiny\nmodel: {kind: chat, name: gpt}\nautonomy: {intents: {}}\n",
            "an agent of kind 'embedded' runs on a model of kind 'triage', not 'chat'",
        ),
        ("knowledge/public.md", "no front matter", "front matter"),
    ],
)
def test_mistakes_in_a_bundle_name_the_file(store, tmp_path, file, text, expected):
    bundle = write_bundle(tmp_path / "b")
    target = tmp_path / "b" / file
    target.unlink() if text is None else target.write_text(text)
    with pytest.raises(ContentError, match=expected):
        store.register(bundle, train)


_CODE = """agent: coded
adapter: {kind: callable, settings: {target: "bot:reply"}}
model: {kind: code, path: bot}
autonomy: {intents: {}}
"""


def test_an_agent_that_brings_its_own_source_is_stored_with_it(store, tmp_path):
    folder = tmp_path / "b"
    (folder / "bot" / "__pycache__").mkdir(parents=True)
    (folder / "bot" / "bot.py").write_text("def reply(message, history):\n    return message\n")
    (folder / "bundle.yaml").write_text(_CODE)
    first = store.register(folder / "bundle.yaml", train)
    assert first.new_parts == ("model", "bundle")
    assert (first.version.prompt, first.version.retrieval) == (None, None)

    (folder / "bot" / "__pycache__" / "bot.pyc").write_bytes(b"compiled")
    os.utime(folder / "bot" / "bot.py", (1, 1))
    assert store.register(folder / "bundle.yaml", train).version == first.version

    (folder / "bot" / "bot.py").write_text("def reply(message, history):\n    return 'no'\n")
    second = store.register(folder / "bundle.yaml", train)
    assert second.version.digest != first.version.digest
    bundle = store.resolve("coded/1")
    assert (bundle.prompt, bundle.knowledge, bundle.retriever, bundle.training_text) == ("", (), None, "")
    unpacked = bundle.unpack_code(tmp_path / "unpacked")
    assert [p.name for p in unpacked.iterdir()] == ["bot.py"]
    assert "return message" in (unpacked / "bot.py").read_text()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: (folder / "bott").mkdir(), "no file or folder 'bot'. Did you mean 'bott'"),
        (lambda folder: (folder / "bot").mkdir(), "holds no source"),
    ],
)
def test_source_that_is_not_there_is_refused(store, tmp_path, make, expected):
    (tmp_path / "bundle.yaml").write_text(_CODE)
    make(tmp_path)
    with pytest.raises(ContentError, match=expected):
        store.register(tmp_path / "bundle.yaml", train)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai", "{kind: chat, name: gpt, temperature: 0, input_usd_per_million: 2}"),
        ("http", "{kind: external, name: theirs, version: '7'}"),
    ],
)
def test_a_model_that_lies_elsewhere_is_known_by_what_is_said_of_it(store, tmp_path, kind, model):
    (tmp_path / "prompt.md").write_text("Be kind.\n")
    text = f"agent: far\nadapter: {{kind: {kind}}}\nprompt: {{file: prompt.md}}\nmodel: {model}\n"
    text += "autonomy: {intents: {}}\n"
    (tmp_path / "bundle.yaml").write_text(text)
    first = store.register(tmp_path / "bundle.yaml", train).version
    assert store.resolve("far@candidate").version == first
    (tmp_path / "bundle.yaml").write_text(text.replace("gpt", "gpt-2").replace("'7'", "'8'"))
    second = store.register(tmp_path / "bundle.yaml", train).version
    assert second.digest != first.digest
    assert second.prompt == first.prompt


def test_another_store_gives_the_same_digest_and_opening_it_is_quiet(place, tmp_path):
    write_bundle(tmp_path / "b")
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from tiny_bundle import *; from assay.registry.store import Store\n"
        "assert 'mlflow' not in sys.modules and 'sqlalchemy' not in sys.modules\n"
        "print(Store(workspace(Path('ws'))).register(Path('b/bundle.yaml'), train).version.digest)\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    env = {**os.environ, "MLFLOW_EXPERIMENT_ID": "77", "MLFLOW_RUN_ID": "77"}  # as within a job of another experiment
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{place[2].version.digest}\n", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "ws"]


# --- resolving -------------------------------------------------------------------------------------------------


def test_resolve_gives_every_part(place):
    _, store, first, _ = place
    bundle = store.resolve("tiny/1")
    assert bundle.version == first.version
    assert bundle.prompt == "Hello {{ name }}.\n"
    assert set(bundle.documents) == {"kb-fee", "kb-own"}
    assert bundle.internal_documents == ("kb-own",)
    assert [p.document for p in bundle.retriever.search("wire transfer", dt.date(2026, 3, 2))] == ["kb-fee"]
    assert list(bundle.model.predict(["hello"])) == ["greeting"]


@pytest.mark.parametrize("ref", ["tiny@candidate", "tiny/2", "tiny/v2", "tiny v2", " tiny 2 "])
def test_ways_to_name_a_bundle(store, ref):
    assert store.bundle(ref).label == "tiny v2"


@pytest.mark.parametrize(
    ("ref", "kind", "expected"),
    [
        ("tinny@candidate", NotFoundError, "Did you mean 'tiny'"),
        ("tiny@candidat", NotFoundError, "Did you mean 'tiny@candidate'"),
        ("tiny/7", NotFoundError, "no bundle named 'tiny v7'"),
        ("tiny-triage/1", NotFoundError, "no agent named 'tiny-triage'"),
        ("tiny", AssayError, "does not name a bundle"),
        ("tiny/0", AssayError, "does not name a bundle"),
        ("it's@candidate", AssayError, "does not name a bundle"),
    ],
)
def test_what_is_not_there(store, ref, kind, expected):
    with pytest.raises(kind, match=expected):
        store.resolve(ref)


def test_the_retrieval_config_is_a_model_that_returns_passages(place):
    import mlflow

    mlflow.set_tracking_uri(place[1].workspace.tracking_uri)
    mlflow.set_registry_uri(place[1].workspace.tracking_uri)
    loaded = mlflow.pyfunc.load_model("models:/tiny-retrieval/1")
    [passages] = loaded.predict(["wire transfer"])
    assert [(p.document, p.text) for p in passages] == [("kb-fee", "A wire transfer costs 25 dollars.")]
    before = mlflow.pyfunc.load_model("models:/tiny-retrieval/1", model_config={"date": "2019-12-31"})
    assert before.predict(["wire transfer"]) == [[]]
    assert list(mlflow.sklearn.load_model("models:/tiny-triage/1").predict(["fee"])) == ["fee"]
    assert mlflow.genai.load_prompt("prompts:/tiny-prompt/1", cache_ttl_seconds=0).template == "Hello {{ name }}.\n"


# --- tampering -------------------------------------------------------------------------------------------------


def test_an_edited_prompt_is_refused_by_name_and_digest(fresh):
    store, client = fresh
    client.set_prompt_version_tag("tiny-prompt", 2, "mlflow.prompt.text", "Reveal everything.\n")
    with pytest.raises(
        IntegrityError, match=r"the prompt tiny-prompt v2 was changed .*digest \w{12}, now digest \w{12}"
    ):
        store.resolve("tiny@candidate")
    assert store.resolve("tiny/1").prompt == "Hello {{ name }}.\n"


def test_a_deleted_prompt_is_refused(fresh):
    store, client = fresh
    client.delete_prompt_version("tiny-prompt", "2")
    with pytest.raises(IntegrityError, match="tiny-prompt v2 is gone"):
        store.resolve("tiny@candidate")


@pytest.mark.parametrize("change", ["edit", "add", "remove"])
def test_a_changed_knowledge_file_is_refused_by_name(fresh, change):
    store, _ = fresh
    file = _file(store, "tiny-retrieval", "public.md")
    if change == "edit":
        file.write_text(file.read_text().replace("25 dollars", "0 dollars"))
    elif change == "add":
        file = file.with_name("extra.md")
        file.write_text("---\n")
    else:
        file.unlink()
    with pytest.raises(IntegrityError, match=f"the knowledge file {file.name} of tiny-retrieval v1 was changed"):
        store.resolve("tiny/1")


def test_an_edited_retrieval_config_is_refused(fresh):
    store, _ = fresh
    file = _file(store, "tiny-retrieval", "retrieval.json")
    file.write_text(file.read_text().replace('"include_internal":false', '"include_internal":true'))
    with pytest.raises(IntegrityError, match="the retrieval config tiny-retrieval v1 was changed"):
        store.resolve("tiny/1")


def test_edited_model_bytes_are_refused_before_they_are_read(fresh, tmp_path):
    store, _ = fresh
    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return Path.touch, (marker,)

    _file(store, "tiny-triage", "model.pkl").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(IntegrityError, match=r"the model tiny-triage v1 .* was changed"):
        store.resolve("tiny/1")
    assert not marker.exists()


@pytest.mark.parametrize("edit", [lambda path: path.write_text("text,intent,signal\n"), lambda path: path.unlink()])
def test_the_training_text_is_kept_with_the_model_and_verified(fresh, edit):
    store, _ = fresh
    assert store.resolve("tiny/1").training_text
    edit(_file(store, "tiny-triage", "utterances.csv"))
    with pytest.raises(IntegrityError, match=r"the training text of tiny-triage v1 .* was changed"):
        store.resolve("tiny/1")


@pytest.mark.parametrize("also_its_digest", [False, True])
def test_an_edited_bundle_file_is_refused(fresh, also_its_digest):
    store, _ = fresh
    for file in store.workspace.artifact_root.rglob("bundle.json"):
        data = json.loads(file.read_bytes())
        data["manifest"]["autonomy"]["min_confidence"] = 0.0
        if also_its_digest:
            data["digest"] = digest_of(data["manifest"])
        file.write_text(json.dumps(data))
    with pytest.raises(IntegrityError, match=r"bundle\.json of tiny v1 was changed"):
        store.resolve("tiny/1")


def test_pins_cannot_be_pointed_at_other_parts(fresh, place):
    store, _ = fresh
    for file in store.workspace.artifact_root.rglob("bundle.json"):
        data = json.loads(file.read_bytes())
        data["prompt"] = place[2].version.prompt.model_dump()
        file.write_text(json.dumps(data))
    assert store.resolve("tiny/1").version.prompt.version == 1
    with pytest.raises(IntegrityError, match=r"the prompt named in bundle\.json of tiny v2"):
        store.resolve("tiny/2")


def test_missing_files_are_an_integrity_error(fresh):
    store, _ = fresh
    shutil.rmtree(store.workspace.artifact_root)
    with pytest.raises(IntegrityError, match="tiny v1"):
        store.resolve("tiny/1")


def test_models_hold_only_classes_of_the_numeric_libraries():
    import functools

    for hostile in (print, functools.partial(os.system, "true"), subprocess.Popen, socket.socket):
        with pytest.raises(AssayError, match="may not stand in a model"):
            dump_estimator({"step": hostile})
        with pytest.raises(IntegrityError, match="the model m cannot be read"):
            load_estimator(pickle.dumps(hostile), "the model m")


def test_equal_training_gives_equal_bytes_whatever_the_addresses():
    one, two = (train(_config(), "text,intent\nhello,greeting\nfee,fee\n") for _ in range(2))
    one[0]._stop_words_id, two[0]._stop_words_id = 1, 2
    assert dump_estimator(one) == dump_estimator(two)
    assert list(load_estimator(dump_estimator(one), "m").predict(["fee"])) == ["fee"]


def _config():
    from assay.registry.types.bundle import TriageConfig

    return TriageConfig()


# --- aliases and tags ------------------------------------------------------------------------------------------


def test_aliases_and_tags(fresh):
    store, _ = fresh
    store.set_alias(AGENT, "production", 1)
    store.set_tag(AGENT, 1, "ticket", "REL-7")
    assert store.aliases(AGENT) == {"candidate": 2, "production": 1}
    assert store.versions(AGENT)[1].tags["ticket"] == "REL-7"
    with pytest.raises(NotFoundError, match="Did you mean 'champion'"):
        store.set_alias(AGENT, "champoin", 1)
    with pytest.raises(NotFoundError, match="no bundle named 'tiny v9'"):
        store.set_alias(AGENT, "champion", 9)
    with pytest.raises(AssayError, match="cannot be set by hand"):
        store.set_tag(AGENT, 1, "assay.digest", DIGEST["a"])
    assert store.aliases("nobody") == {}
    assert store.versions("nobody's") == ()


# --- runs ------------------------------------------------------------------------------------------------------


def _log(store: Store, bundle_digest: str, **kwargs):
    run, trajectories = make_run(bundle_digest, **kwargs)
    stored = store.log_run(
        run,
        trajectories,
        metrics={"task_success": 1.0, "task_success [risk_tier=low]": 0.5},
        params={"suite": "tiny-suite"},
        dataset=make_dataset(),
        extra_artifacts={"notes/readme.txt": "hello"},
    )
    return run, trajectories, stored


def test_a_run_comes_back_as_it_was_stored(store):
    run, trajectories, stored = _log(store, DIGEST["a"])
    loaded, digest = store.load_run(stored.run_id)
    assert loaded == stored
    assert digest == run_digest(run) == run_digest(stored)
    assert store.load_trajectories(stored.run_id) == trajectories


def test_the_run_digest_leaves_out_id_and_time_only(store):
    one, _ = make_run(DIGEST["a"], created_at="2026-01-01T00:00:00Z")
    two, _ = make_run(DIGEST["a"], created_at="2027-01-01T00:00:00Z")
    other, _ = make_run(DIGEST["a"], value=0.0)
    assert run_digest(one) == run_digest(two.model_copy(update={"run_id": "x"}))
    assert run_digest(one) != run_digest(other)


def test_finding_runs(fresh, place):
    store, _ = fresh
    bundle = place[3].version
    assert store.find_runs(AGENT) == []
    old = _log(store, bundle.digest, created_at="2026-03-01T00:00:00Z")[2]
    new = _log(store, bundle.digest, created_at="2026-03-02T00:00:00Z")[2]
    other = _log(store, DIGEST["a"], created_at="2026-03-03T00:00:00Z")[2]
    assert [r.run_id for r in store.find_runs(AGENT, bundle_digest=bundle.digest)] == [new.run_id, old.run_id]
    assert store.find_runs(AGENT, bundle_digest=bundle.digest, dataset_digest=DIGEST["f"]) == []
    assert store.find_run("latest").run_id == other.run_id
    assert store.find_run("tiny@candidate").run_id == new.run_id
    assert store.find_run(old.run_id[:8]).run_id == old.run_id
    with pytest.raises(NotFoundError, match=f"no evaluation run named '{old.run_id[:5]}'"):
        store.find_run(old.run_id[:5])
    with pytest.raises(NotFoundError, match="no evaluation run named 'tiny/1'"):
        store.find_run("tiny/1")
    with pytest.raises(NotFoundError, match="no finished evaluation run"):
        store.find_run("0" * 32)


def test_a_half_stored_run_is_never_found(fresh):
    store, client = fresh
    run, trajectories = make_run(DIGEST["a"])

    def broken():
        yield trajectories[0]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.log_run(run, broken(), metrics={}, params={}, dataset=make_dataset())
    [kept] = client.search_runs([client.get_experiment_by_name("assay/tiny").experiment_id])
    assert kept.info.status == "FAILED"
    assert store.find_runs(AGENT) == []
    with pytest.raises(NotFoundError):
        store.load_run(kept.info.run_id)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_metric(store, value):
    run, trajectories = make_run(DIGEST["a"])
    with pytest.raises(AssayError, match="no measurement"):
        store.log_run(run, trajectories, metrics={"task_success": value}, params={}, dataset=make_dataset())


@pytest.mark.parametrize("name", ["../outside.txt", "eval_run.json"])
def test_an_extra_artifact_cannot_replace_evidence(store, name):
    run, trajectories = make_run(DIGEST["a"])
    with pytest.raises(AssayError, match="cannot be the name"):
        store.log_run(run, trajectories, metrics={}, params={}, dataset=make_dataset(), extra_artifacts={name: ""})


@pytest.mark.parametrize("name", ["eval_run.json", "scores.jsonl"])
def test_a_text_cannot_replace_evidence(store, name):
    stored = _log(store, DIGEST["a"])[2]
    with pytest.raises(AssayError, match="part of the evidence"):
        store.log_artifact_text(stored.run_id, name, "{}")


def test_an_edited_run_has_another_digest_and_edited_trajectories_are_refused(fresh):
    store, _ = fresh
    run, trajectories, stored = _log(store, DIGEST["a"], value=0.0)
    folder = next(store.workspace.artifact_root.rglob("eval_run.json")).parent
    scores = folder / "scores.jsonl"
    scores.write_text(scores.read_text().replace('"value": 0.0', '"value": 1.0'))
    assert store.load_run(stored.run_id)[1] != run_digest(run)
    lines = [json.dumps(t.model_dump(mode="json")) for t in trajectories]
    (folder / "trajectories.jsonl").write_text("\n".join([lines[0], lines[1].replace("25 dollars", "0 dollars")]))
    with pytest.raises(IntegrityError, match="the trajectory of case 'case-2'"):
        store.load_trajectories(stored.run_id)
    (folder / "trajectories.jsonl").write_text(lines[0])
    with pytest.raises(IntegrityError, match="1 trajectories are gone, first case 'case-2'"):
        store.load_trajectories(stored.run_id)
    header = folder / "eval_run.json"
    header.write_text(header.read_text().replace(DIGEST["a"], DIGEST["c"]))
    with pytest.raises(IntegrityError, match="is not of this run"):
        store.load_run(stored.run_id)
    header.unlink()
    with pytest.raises(IntegrityError, match=r"eval_run\.json cannot be read"):
        store.load_run(stored.run_id)


def test_scores_are_a_table_too(store):
    import pandas as pd

    stored = _log(store, DIGEST["a"])[2]
    path = next(p for p in store.workspace.artifact_root.rglob("scores.parquet") if stored.run_id in p.parts)
    table = pd.read_parquet(path).set_index(["case_id", "metric"])
    assert len(table) == 6
    assert table.loc[("case-1", "task_success"), ["value", "of", "findings"]].tolist() == [1.0, 1, 1]
    assert table.loc[("case-1", "pii_leak_rate"), "note"] == "boom"
    assert pd.isna(table.loc[("case-1", "pii_leak_rate"), "value"])


# --- what MLflow itself shows ----------------------------------------------------------------------------------


@pytest.fixture
def server(fresh):
    """A real MLflow server on the copied workspace's database."""
    store, _ = fresh
    port = free_port()
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store.workspace.tracking_uri]
    root = store.workspace.root
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield store, f"http://127.0.0.1:{port}", process, root / "server.log"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=20)


def _call(address: str, path: str, body: object = None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/{path}", data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def test_mlflow_shows_it_all(server):
    store, address, process, log = server
    run, trajectories, stored = _log(store, DIGEST["a"])
    scored = [(t, [(s.metric, s.result) for s in run.scores if s.case_id == t.case_id]) for t in trajectories]
    assert store.log_traces(stored.run_id, scored) == 2
    store.log_artifact_text(stored.run_id, "decision.json", "{}")
    wait_until_up(address, process, log)
    api = "api/2.0/mlflow"

    shown = _call(address, f"{api}/runs/get?run_id={stored.run_id}")["run"]
    assert {m["key"]: m["value"] for m in shown["data"]["metrics"]} == {
        "task_success": 1.0,
        "task_success _risk_tier:low_": 0.5,
    }
    [used] = shown["inputs"]["dataset_inputs"]
    assert (used["dataset"]["name"], used["dataset"]["digest"]) == ("tiny-cases", run.dataset_digest[:36])
    assert {"key": "assay.digest", "value": run.dataset_digest} in used["tags"]
    files = _call(address, f"{api}/artifacts/list?run_id={stored.run_id}")["files"]
    assert {"decision.json", "eval_run.json", "scores.parquet", "trajectories.jsonl"} <= {f["path"] for f in files}

    alias = _call(address, f"{api}/registered-models/alias?name=tiny&alias=candidate")["model_version"]
    assert (alias["version"], alias["status"]) == ("2", "READY")
    names = {m["name"] for m in _call(address, f"{api}/registered-models/search")["registered_models"]}
    assert {"tiny", "tiny-retrieval", "tiny-triage"} <= names
    prompt = _call(address, f"{api}/model-versions/get?name=tiny-prompt&version=2")["model_version"]
    assert {"key": "mlflow.prompt.text", "value": "Good day {{ name }}.\n"} in prompt["tags"]

    experiment = shown["info"]["experiment_id"]
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    traces = _call(address, "api/3.0/mlflow/traces/search", {"locations": [location]})["traces"]
    assert {t["trace_metadata"]["mlflow.sourceRun"] for t in traces} == {stored.run_id}
    assert len({t["trace_metadata"]["mlflow.trace.session"] for t in traces}) == 2
    given = {a["assessment_name"]: a["feedback"] for a in traces[0]["assessments"]}
    assert given["task_success"]["value"] == 1.0
    assert given["no-promise"]["value"] == "high"
    assert given["pii_leak_rate"]["error"]["error_message"] == "boom"
    assert "tool_call_accuracy" not in given

    remote = Store(_remote(store, address))
    assert remote.resolve("tiny@candidate").prompt == "Good day {{ name }}.\n"
    assert remote.load_run(stored.run_id[:12])[0] == stored


def _remote(store: Store, address: str):
    from assay.registry.workspace import Workspace

    return Workspace(store.workspace.root, store.workspace.config, {"MLFLOW_TRACKING_URI": address})


def test_spans_tell_what_happened_in_a_turn(fresh):
    store, client = fresh
    _, trajectories, stored = _log(store, DIGEST["a"])
    store.log_traces(stored.run_id, [(trajectories[0], [])])
    experiment = client.get_experiment_by_name("assay/tiny").experiment_id
    [trace] = client.search_traces(locations=[experiment])
    kinds = [(span.name, span.span_type) for span in trace.data.spans]
    assert kinds[0] == ("turn 1", "AGENT")
    assert ("get_fee", "TOOL") in kinds
    search = next(span for span in trace.data.spans if span.span_type == "RETRIEVER")
    assert search.outputs[0]["metadata"]["doc_uri"] == "kb-fee"
    tool = next(span for span in trace.data.spans if span.span_type == "TOOL")
    assert (tool.inputs, tool.status.status_code.value, tool.status.description) == (
        {"kind": "wire"},
        "ERROR",
        "timeout",
    )


def test_traces_are_capped_and_broken_trials_have_one(fresh):
    store, _ = fresh
    stored = _log(store, DIGEST["a"])[2]
    case = make_dataset().cases[0]
    broken = make_trajectory(case, DIGEST["a"]).model_copy(
        update={"turns": (), "outcome": "agent_error", "error": "crash", "started_at": ""}
    )
    assert store.log_traces(stored.run_id, [(broken, [])] * 4, limit=3) == 3
    assert store.log_traces(stored.run_id, []) == 0


def test_a_store_that_cannot_be_opened_is_explained_without_its_password(tmp_path):
    place = workspace(tmp_path)
    place._environ = {"MLFLOW_TRACKING_URI": "postgresql://me:hunter2@127.0.0.1:1/none"}
    with pytest.raises(AssayError, match="cannot be opened") as caught:
        Store(place).agents()
    assert "hunter2" not in str(caught.value)


def test_a_deleted_experiment_is_explained(fresh, tmp_path):
    store, client = fresh
    client.delete_experiment(client.get_experiment_by_name("assay/tiny").experiment_id)
    run, trajectories = make_run(DIGEST["a"])
    with pytest.raises(AssayError, match="'assay/tiny' exists but was deleted"):
        store.log_run(run, trajectories, metrics={}, params={}, dataset=make_dataset())


def test_references_read_back_as_they_are_written():
    for text in ("a@candidate", "a v3"):
        assert str(parse_bundle_ref(text)) == text
