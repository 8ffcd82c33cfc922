"""Importing tau-bench runs: what is made of a good file, and that a bad one makes nothing."""

from __future__ import annotations

import copy
import gzip
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.registry.digest import digest_of, digest_tree
from assay.registry.errors import ContentError
from assay.registry.strict import load_yaml, parse_json
from assay.registry.types.case import Case, DatasetInfo
from assay.registry.types.trajectory import Handoff, Outcome, Say, ToolCall, Trajectory
from assay.runner.agents.recorded import load_recordings
from assay.runner.importers.tau_bench import import_tau_bench
from assay.runner.importers.tau_cases import WRITES

PUBLIC_FILE = "tau_bench_airline_gpt4o_trials_0_1.json.gz"

CANCEL = {"name": "cancel_reservation", "kwargs": {"reservation_id": "ABC123"}}
BOOK = {"name": "book_reservation", "kwargs": {"user_id": "u_1", "total_baggages": 2}}
READ = {"name": "get_user_details", "kwargs": {"user_id": "u_1"}}
TRANSFER = {"name": "transfer_to_human_agents", "kwargs": {"summary": "beyond me"}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def agent(text: str | None, *calls: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": i, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for i, name, arguments in calls
        ]
    return message


def tool(call: str, name: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "name": name, "content": content}


SYSTEM = {"role": "system", "content": "Be a good airline agent."}
CHAT = [
    SYSTEM,
    user("Cancel my trip."),
    agent("Which one?"),
    user("ABC123"),
    agent(None, ("c1", "get_reservation_details", {"reservation_id": "ABC123"})),
    tool("c1", "get_reservation_details", '{"reservation_id": "ABC123", "price": 12.5}'),
    agent("One moment.", ("c1", "cancel_reservation", {"reservation_id": "ABC123"})),
    tool("c1", "cancel_reservation", "Error: already cancelled"),
    agent("It was cancelled before."),
    user("Thanks! ###STOP###"),
]


def record(task_id: int = 0, trial: int = 0, **changes: Any) -> dict[str, Any]:
    task = {
        "user_id": "u_1",
        "instruction": "You are u_1. Cancel.",
        "actions": copy.deepcopy([CANCEL]),
        "outputs": ["12"],
    }
    made = {
        "task_id": task_id,
        "trial": trial,
        "reward": 1.0,
        "info": {"task": task, "source": "user"},
        "traj": copy.deepcopy(CHAT),
    }
    for key in ("actions", "instruction", "outputs"):
        if key in changes:
            task[key] = changes.pop(key)
    return {**made, **changes}


def import_records(folder: Path, records: Any, **options: Any):
    source = folder / "runs.json"
    source.write_text(json.dumps(records))
    return import_tau_bench(source, folder / "out", **options)


def cases_in(folder: Path) -> list[Case]:
    lines = (folder / "out" / "cases.jsonl").read_text().splitlines()
    return [parse_json(line, Case, file="cases.jsonl") for line in lines]


def one_recording(folder: Path, **changes: Any) -> Trajectory:
    import_records(folder, [record(**changes)])
    return load_recordings(folder / "out").trajectories[0]


# What is made of a good file


def test_a_conversation_becomes_turns_with_events_at_the_steps_of_the_source(tmp_path) -> None:
    made = one_recording(tmp_path)
    assert [turn.customer for turn in made.turns] == ["Cancel my trip.", "ABC123", "Thanks!"]
    assert [(turn.index, [(e.type, e.step) for e in turn.events]) for turn in made.turns] == [
        (1, [("say", 2)]),
        (2, [("tool_call", 4), ("say", 6), ("tool_call", 6), ("say", 8)]),
        (3, []),
    ]
    read, cancel = made.turns[1].tool_calls
    assert (read.result, read.error) == ({"reservation_id": "ABC123", "price": 12.5}, None)
    assert (cancel.result, cancel.error) == (None, "Error: already cancelled")
    assert made.system == "Be a good airline agent."
    assert (made.labels, made.outcome, made.mode, made.agent) == ({"reward": 1}, Outcome.COMPLETED, "recorded", "runs")


@pytest.mark.parametrize(("arguments", "summary"), [({"summary": "sad"}, "sad"), ({}, ""), ({"summary": 3}, "")])
def test_a_transfer_is_a_tool_call_and_a_handoff(tmp_path, arguments, summary) -> None:
    call = ("t", "transfer_to_human_agents", arguments)
    chat = [user("Help"), agent(None, call), tool("t", "transfer_to_human_agents", "Transfer successful")]
    made = one_recording(tmp_path, traj=chat)
    called, handed = made.turns[0].events
    assert isinstance(called, ToolCall)
    assert isinstance(handed, Handoff)
    assert (called.arguments, called.result, called.step) == (arguments, "Transfer successful", 1)
    assert (handed.packet.summary, handed.packet.reason, handed.step) == (summary, None, 1)
    assert (made.outcome, made.system) == (Outcome.COMPLETED, "")


def test_a_transfer_that_failed_is_no_handoff(tmp_path) -> None:
    call = ("t", "transfer_to_human_agents", {"summary": "x"})
    chat = [user("Help"), agent(None, call), tool("t", "transfer_to_human_agents", "Error: busy"), agent("Sorry.")]
    made = one_recording(tmp_path, traj=chat)
    assert made.handoffs == ()
    assert made.turns[0].tool_calls[0].error == "Error: busy"


def test_a_marker_alone_is_no_turn(tmp_path) -> None:
    for marker in ("###STOP###", "###TRANSFER###", " ###OUT-OF-SCOPE###\n"):
        folder = tmp_path / marker.strip(" #\n")
        folder.mkdir()
        made = one_recording(folder, traj=[user("Hi"), agent("Hello"), user(marker)])
        assert [turn.customer for turn in made.turns] == ["Hi"]
        assert made.outcome is Outcome.COMPLETED


@pytest.mark.parametrize(
    "chat",
    [
        [user("Hi"), agent(None, ("c", "think", {})), tool("c", "think", "")],
        [user("Hi"), agent("Wait", ("c", "think", {})), tool("c", "think", "")],
        [user("Hi"), agent("Hello"), user("Anyone?")],
        [user("Hi"), user("Anyone?"), agent("Hello"), user("###STOP###")],
        [user("Hi"), agent(" "), user("Bye ###STOP###")],
    ],
)
def test_a_conversation_without_an_answer_counts_against_the_agent(tmp_path, chat) -> None:
    made = one_recording(tmp_path, traj=chat)
    assert made.outcome is Outcome.NO_REPLY
    assert made.error
    assert import_records(tmp_path, [record(traj=chat)], overwrite=True).incomplete == 1


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ("[]", []),
        ("255.0", 255),
        ("Transfer successful", "Transfer successful"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5_000, "9" * 5_000),
    ],
)
def test_results_are_json_where_they_are_json(tmp_path, content, result) -> None:
    chat = [user("Hi"), agent(None, ("c", "calculate", {})), tool("c", "calculate", content), agent("Done")]
    assert one_recording(tmp_path, traj=chat).turns[0].tool_calls[0].result == result


@pytest.mark.parametrize(
    ("actions", "intent", "risk", "autonomy", "tags"),
    [
        ([], "no_change", "low", "autonomous", ()),
        ([READ], "no_change", "low", "autonomous", ()),
        ([READ, BOOK], "book", "medium", "confirm", ("book",)),
        ([BOOK, CANCEL, BOOK], "book", "high", "confirm", ("book", "cancel")),
        ([{"name": "send_certificate", "kwargs": {}}], "certificate", "high", "confirm", ("certificate",)),
        ([{"name": "update_reservation_flights", "kwargs": {}}], "change_flights", "medium", "confirm",
         ("change_flights",)),
        ([READ, TRANSFER], "transfer", "high", "human", ()),
        ([BOOK, TRANSFER], "transfer", "high", "human", ("book",)),
    ],
)  # fmt: skip
def test_cases_follow_from_the_gold_actions(tmp_path, actions, intent, risk, autonomy, tags) -> None:
    import_records(tmp_path, [record(7, actions=actions)])
    (case,) = cases_in(tmp_path)
    assert (case.id, case.intent, case.risk_tier, case.autonomy, case.tags) == (
        "airline-007", intent, risk, autonomy, tags,
    )  # fmt: skip
    writes = [a for a in actions if a not in (READ, TRANSFER)]
    assert [c.model_dump() for c in case.turns[0].expect.tool_calls] == [
        {"name": a["name"], "arguments": a["kwargs"]} for a in writes
    ]
    assert set(case.turns[0].expect.forbidden_tools) == set(WRITES) - {a["name"] for a in actions}
    assert case.expect.escalation.required is (TRANSFER in actions)
    assert case.labels == {"user_id": "u_1", "gold_actions": [a["name"] for a in actions], "outputs": ["12"]}
    assert case.turns[0].customer == "You are u_1. Cancel."


def test_recordings_belong_to_the_cases_as_they_are_read_back(tmp_path) -> None:
    import_records(tmp_path, [record(3, 1), record(3, 0), record(0, 0), record(0, 1)], name="demo", agent="model-x")
    digests = {case.id: digest_of(case) for case in cases_in(tmp_path)}
    found = load_recordings(tmp_path / "out")
    assert [(t.case_id, t.trial) for t in found.trajectories] == [
        ("airline-000", 0), ("airline-000", 1), ("airline-003", 0), ("airline-003", 1),
    ]  # fmt: skip
    assert {t.case_id: t.case_digest for t in found.trajectories} == digests
    assert found.agent == "model-x"
    info = load_yaml(tmp_path / "out" / "dataset.yaml", DatasetInfo)
    assert info.name == "demo"
    assert {case.intent for case in cases_in(tmp_path)} <= set(info.intents)


def test_missing_trials_are_reported(tmp_path) -> None:
    report = import_records(tmp_path, [record(0, 0), record(0, 2), record(1, 0), record(1, 1), record(1, 2)])
    assert (report.trials, report.recordings, report.missing) == (3, 5, ("airline-000 trial 1",))
    assert "airline-000 trial 1" in (tmp_path / "out" / "README.md").read_text()
    assert "1 trial is missing" in report.lines()[-1]
    assert report.bundle_digest in report.lines()[1]


def test_plain_and_gzipped_files_make_the_same_bytes(tmp_path) -> None:
    packed = tmp_path / "runs.json.gz"
    packed.write_bytes(gzip.compress(json.dumps([record()]).encode()))
    import_records(tmp_path, [record()])
    import_tau_bench(packed, tmp_path / "again")
    assert digest_tree(tmp_path / "out") == digest_tree(tmp_path / "again")


# What a bad file makes: one error that names file, record and key, and no folder


def without(*path: Any) -> Any:
    made = record(1)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return [record(0), made]


def chat_of(*messages: Any) -> Any:
    return [record(0), record(1, traj=list(messages))]


THINK = agent(None, ("c", "think", {}))
BAD_RECORDS = [
    (without("task_id"), r"record 1, task_id: the key 'task_id' is required"),
    (without("trial"), r"record 1, trial: the key"),
    (without("reward"), r"record 1, reward: the key"),
    (without("traj"), r"record 1, traj: the key"),
    (without("info", "task"), r"record 1, info\.task: the key"),
    (without("info", "task", "actions"), r"record 1, info\.task\.actions: the key"),
    (without("info", "task", "actions", 0, "kwargs"), r"record 1, info\.task\.actions\.0\.kwargs: the key"),
    ([record(), 3], r"record 1: "),
    ([record(task_id="1")], r"record 0, task_id: .*integer.*'1'"),
    ([record(task_id=True)], r"record 0, task_id: "),
    ([record(trial=-1)], r"record 0, trial: "),
    ([record(trial=10**9)], r"record 0, trial: "),
    ([record(reward=0.5)], r"record 0, reward: .*0\.5"),
    ([record(reward=True)], r"record 0, reward: "),
    ([record(reward=None)], r"record 0, reward: "),
    ([record(traj=[])], r"record 0, traj: "),
    ([record(traj={"0": user("Hi")})], r"record 0, traj: "),
    ([record(instruction="")], r"record 0, info\.task\.instruction: "),
    (chat_of(SYSTEM), r"record 1, traj\.1: a conversation starts with"),
    (chat_of(SYSTEM, agent("Hello")), r"record 1, traj\.1: a conversation starts with"),
    (chat_of(SYSTEM, user("###STOP###")), r"record 1, traj: the customer says nothing"),
    (chat_of(user("Hi"), {"role": "critic", "content": "x"}), r"record 1, traj\.1\.role: .*critic"),
    (chat_of(user("Hi"), {"content": "x"}), r"record 1, traj\.1"),
    (chat_of(user("Hi"), {"role": "assistant"}), r"record 1, traj\.1.*content"),
    (chat_of(user("Hi"), agent([{"type": "text"}])), r"record 1, traj\.1.*content"),  # type: ignore[arg-type]
    (chat_of(user("Hi"), SYSTEM, agent("x")), r"record 1, traj\.1: .*'system'"),
    (chat_of(user("Hi"), tool("c", "think", "")), r"record 1, traj\.1: .*'tool' here answers no tool call"),
    (chat_of(user("Hi"), THINK), r"record 1, traj\.1\.tool_calls\.0: the call of 'think' is not followed"),
    (chat_of(user("Hi"), THINK, user("?")), r"record 1, traj\.1\.tool_calls\.0: the call of 'think' is not"),
    (chat_of(user("Hi"), THINK, tool("d", "think", "")), r"record 1, traj\.1\.tool_calls\.0: .*id 'c'"),
    (chat_of(user("Hi"), THINK, tool("c", "drink", "")), r"record 1, traj\.1\.tool_calls\.0: .*'drink'"),
    (chat_of(user("Hi"), agent("Action: x"), user("API output: 1")), r"record 1, traj\.2: this agent wrote"),
    ([record(0, 0), record(1, 0), record(0, 0)], r"record 2, trial: trial 0 of task 0 stands twice .*record 0"),
    ([record(0, 0), record(0, 1, actions=[])], r"record 1, info\.task: task 0 is another one than in record 0"),
    ([record(0), record(1, traj=[{**SYSTEM, "content": "Be rude."}, *CHAT[1:]])], r"record 1, traj\.0: the system"),
    ([record(actions=[{"name": "cancel_reservations", "kwargs": {}}])],
     r"record 0, .*actions\.0\.name: .*mean 'cancel_reserv"),
    ([record(traj=[user("\ud800"), agent("x")])], r"record 0: not Unicode"),
    ([record(traj=[user("Hi"), agent("x", ("c", "think", {"a": "\udfff"})), tool("c", "think", "")])],
     r"record 0, .*a JSON object"),
]  # fmt: skip


@pytest.mark.parametrize(("records", "message"), BAD_RECORDS)
def test_a_bad_record_is_named_and_nothing_is_written(tmp_path, records, message) -> None:
    with pytest.raises(ContentError, match=rf"runs\.json: (.*, )?{message}"):
        import_records(tmp_path, records)
    assert [p.name for p in tmp_path.iterdir()] == ["runs.json"]


def test_arguments_that_are_no_object_are_refused(tmp_path) -> None:
    for arguments in ("", "{", "[]", "null", '{"a": NaN}'):
        call = {"id": "c", "function": {"name": "think", "arguments": arguments}}
        chat = [user("Hi"), {"role": "assistant", "content": None, "tool_calls": [call]}, tool("c", "think", "")]
        with pytest.raises(ContentError, match=r"record 0, traj\.1\.tool_calls\.0\.function\.arguments: a JSON object"):
            import_records(tmp_path, [record(traj=chat)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not valid JSON"),
        (b"[", "not valid JSON"),
        (b"[]", "at least one record"),
        (b"{}", "at least one record"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[1e999]", "1e999 is too large"),
        (b'[{"reward": 0, "reward": 1}]', "'reward' stands twice"),
        (b"[" * 200_000, "nested too deeply"),
        (gzip.compress(json.dumps([record()]).encode())[:-30], "damaged or cut short"),
        (b"\x1f\x8b not gzip at all", "damaged or cut short"),
        (gzip.compress(b"[{]", mtime=0), "not valid JSON"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_written(tmp_path, data, message) -> None:
    source = tmp_path / "runs.json.gz"
    source.write_bytes(data)
    with pytest.raises(ContentError, match=rf"runs\.json\.gz:(\d+:)? .*{message}"):
        import_tau_bench(source, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["runs.json.gz"]


def test_a_missing_file_a_folder_and_a_bad_name_are_told(tmp_path) -> None:
    with pytest.raises(ContentError, match="no such file"):
        import_tau_bench(tmp_path / "none.json", tmp_path / "out")
    with pytest.raises(ContentError, match="cannot be read"):
        import_tau_bench(tmp_path, tmp_path / "out")
    with pytest.raises(ContentError, match="name: "):
        import_records(tmp_path, [record()], name="../up")
    with pytest.raises(ContentError, match="agent: "):
        import_records(tmp_path, [record()], agent="no good")


def test_many_problems_are_listed_up_to_a_limit(tmp_path) -> None:
    with pytest.raises(ContentError) as problem:
        import_records(tmp_path, [{} for _ in range(30)])
    lines = str(problem.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == f"... and {30 * 5 - 10} more"


NASTY = st.sampled_from([None, True, -1, 10**30, 0.5, "", "x", [], {}, [[]], {"role": "user"}, "###STOP###"])


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in pairs for found in ((value, key), *places(item))]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_wrong_the_folder_appears_whole_or_not_at_all(data) -> None:
    made = record()
    found = places(made)
    at, key = found[data.draw(st.integers(0, len(found) - 1))]
    if data.draw(st.booleans()):
        del at[key]
    else:
        at[key] = data.draw(NASTY)
    folder = Path(tempfile.mkdtemp())
    try:
        try:
            import_records(folder, [made])
        except ContentError:
            assert not (folder / "out").exists()
        else:
            assert len(load_recordings(folder / "out").trajectories) == 1
            assert len(cases_in(folder)) == 1
        assert not [p for p in folder.iterdir() if p.name.startswith(".")]
    finally:
        shutil.rmtree(folder)


# What stands in the way


def test_the_same_import_twice_writes_once(tmp_path) -> None:
    assert import_records(tmp_path, [record()]).written
    assert not import_records(tmp_path, [record()]).written


def test_another_folder_is_not_overwritten_by_accident(tmp_path) -> None:
    import_records(tmp_path, [record()])
    before = digest_tree(tmp_path / "out")
    with pytest.raises(ContentError, match="already holds another import"):
        import_records(tmp_path, [record(reward=0.0)])
    assert digest_tree(tmp_path / "out") == before
    assert import_records(tmp_path, [record(reward=0.0)], overwrite=True).written
    assert load_recordings(tmp_path / "out").trajectories[0].labels == {"reward": 0}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "runs.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_files_that_an_import_does_not_make_are_never_deleted(tmp_path, overwrite) -> None:
    import_records(tmp_path, [record()])
    (tmp_path / "out" / "thesis.docx").write_text("years of work")
    with pytest.raises(ContentError, match=r"does not make \(thesis\.docx\)"):
        import_records(tmp_path, [record(reward=0.0)], overwrite=overwrite)
    assert (tmp_path / "out" / "thesis.docx").read_text() == "years of work"


def test_an_empty_folder_is_filled_and_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "out").mkdir()
    assert import_records(tmp_path, [record()]).written
    source = tmp_path / "runs.json"
    with pytest.raises(ContentError, match="is a file"):
        import_tau_bench(source, source, overwrite=True)
    assert json.loads(source.read_text())


def test_a_write_that_fails_leaves_the_old_folder(tmp_path, monkeypatch) -> None:
    import_records(tmp_path, [record()])
    before = digest_tree(tmp_path / "out")
    real = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("disk full")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="disk full"):
        import_records(tmp_path, [record(reward=0.0)], overwrite=True)
    assert digest_tree(tmp_path / "out") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "runs.json"]


# The public file


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    root = os.environ.get("ASSAY_EXTERNAL_DATA")
    if not root or not (Path(root) / PUBLIC_FILE).is_file():
        pytest.skip(f"ASSAY_EXTERNAL_DATA names no folder with {PUBLIC_FILE}")
    out = tmp_path_factory.mktemp("tau") / "tau-airline"
    return import_tau_bench(Path(root) / PUBLIC_FILE, out), out


def test_the_public_runs_are_imported_whole(public) -> None:
    report, _ = public
    assert (report.cases, report.trials, report.recordings, report.missing) == (50, 2, 100, ())
    assert report.incomplete == 2


def test_transfers_against_gold_transfers(public) -> None:
    _, out = public
    required = {
        case.id: case.expect.escalation.required
        for case in (parse_json(line, Case, file=out) for line in (out / "cases.jsonl").read_text().splitlines())
    }
    trajectories = load_recordings(out).trajectories
    confusion = Counter((required[t.case_id], bool(t.handoffs)) for t in trajectories)
    assert confusion == {(True, True): 2, (True, False): 6, (False, True): 20, (False, False): 72}
    assert sum(t.labels["reward"] for t in trajectories) == 43  # type: ignore[misc]


def test_every_message_of_the_public_runs_is_somewhere(public) -> None:
    _, out = public
    source = Path(os.environ["ASSAY_EXTERNAL_DATA"]) / PUBLIC_FILE
    with gzip.open(source) as stream:
        records = {(r["task_id"], r["trial"]): r["traj"] for r in json.load(stream)}
    for t in load_recordings(out).trajectories:
        traj = records[int(t.case_id.removeprefix("airline-")), t.trial]
        calls = [c["function"]["name"] for m in traj for c in m.get("tool_calls") or []]
        spoken = [(n, m["content"] or "") for n, m in enumerate(traj) if m["role"] == "assistant"]
        assert [e.name for _, e in t.events if isinstance(e, ToolCall)] == calls
        assert [(e.step, e.text) for _, e in t.events if isinstance(e, Say)] == [s for s in spoken if s[1].strip()]
