"""Importing OpenAI chat files: what becomes of a conversation, and that a bad file makes nothing."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.registry.content.datasets import load_dataset
from assay.registry.digest import digest_tree
from assay.registry.errors import AssayError, ContentError
from assay.registry.types.case import Case
from assay.runner.exporters.openai_file import openai_text
from assay.runner.importers.dataset_files import Target
from assay.runner.importers.labels import DEFAULTABLE, parse_defaults
from assay.runner.importers.openai_chat import import_openai

LABELS = {
    "intent": "late_card", "risk_tier": "low", "autonomy": "confirm", "escalation": "not_required",
    "date": "2026-03-02", "channel": "chat", "language": "en",
}  # fmt: skip
DEFAULTS = parse_defaults(
    ["intent=other", "risk_tier=low", "autonomy=confirm", "date=2026-03-02", "escalation=not_required"]
)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def agent(text: Any = None, *calls: tuple[str, str, Any], **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"role": "assistant", "content": text, **more}
    if calls:
        made["tool_calls"] = [
            {"id": i, "type": "function", "function": {"name": name, "arguments": args}} for i, name, args in calls
        ]
    return made


def tool(call: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": content}


def chat(*messages: Any, **metadata: Any) -> dict[str, Any]:
    return {"messages": list(messages), "metadata": {**LABELS, **metadata}}


def write(folder: Path, *records: Any) -> Path:
    source = folder / "chats.jsonl"
    lines = [record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return source


def run(folder: Path, *records: Any, defaults: Any = None, overwrite: bool = False, **options: Any):
    target = Target("chats", folder / "out", overwrite=overwrite)
    return import_openai(write(folder, *records), target, defaults=defaults or {}, **options)


def cases(folder: Path) -> list[Case]:
    return list(load_dataset(folder / "out").cases)


def one(folder: Path, *messages: Any, **metadata: Any) -> Case:
    run(folder, chat(*messages, **metadata))
    return cases(folder)[0]


def refused(folder: Path, *records: Any, **options: Any) -> str:
    with pytest.raises(ContentError) as error:
        run(folder, *records, **options)
    assert sorted(p.name for p in folder.iterdir()) == ["chats.jsonl"]
    return str(error.value)


# What becomes of a conversation


def test_messages_become_turns_replies_calls_and_fixtures(tmp_path) -> None:
    made = one(
        tmp_path,
        {"role": "system", "content": "Be good."},
        user("Hello."), user("Where is my card?"),
        agent("One moment.", ("c1", "verify", '{"number": "48"}'), ("c2", "card_status", "{}")),
        tool("c2", '{"state": "sent"}'), tool("c1", "verified"),
        agent("It was sent."),
        user("Thanks"),
        id="late-card", queue_hint="x", customer_name="Nadia", tags="vip | near_miss",
    )  # fmt: skip
    assert [turn.customer for turn in made.turns] == ["Hello.\nWhere is my card?", "Thanks"]
    assert [turn.golden_reply for turn in made.turns] == ["One moment.\nIt was sent.", None]
    assert [(c.name, c.arguments) for c in made.turns[0].expect.tool_calls] == [
        ("verify", {"number": "48"}), ("card_status", {}),
    ]  # fmt: skip
    assert [(f.name, f.arguments, f.result) for f in made.tools] == [
        ("verify", {"number": "48"}, "verified"), ("card_status", {}, {"state": "sent"}),
    ]  # fmt: skip
    assert (made.id, made.intent, made.tags) == ("late-card", "late_card", ("vip", "near_miss"))
    assert made.customer is not None
    assert made.customer.name == "Nadia"
    assert made.labels == {"queue_hint": "x"}
    assert not made.expect.escalation.required


def test_a_transfer_is_the_required_escalation_of_its_turn(tmp_path) -> None:
    labels = {key: value for key, value in LABELS.items() if key != "escalation"}
    call = ("t", "to_person", '{"reason": "emotional_distress", "queue": "care_team"}')
    record = {"messages": [user("Hi"), agent("Yes?"), user("Help!"), agent(None, call), user("?")], "metadata": labels}
    run(tmp_path, record, handoff_tool="to_person")
    escalation = cases(tmp_path)[0].expect.escalation
    assert (escalation.required, escalation.by_turn, escalation.queue) == (True, 2, "care_team")
    assert [reason.value for reason in escalation.reasons] == ["emotional_distress"]
    assert cases(tmp_path)[0].tools == ()
    assert cases(tmp_path)[0].turns[1].expect.tool_calls == ()


def test_what_the_metadata_says_of_a_transfer_wins_but_cannot_deny_it(tmp_path) -> None:
    turns = (user("Hi"), agent(None, ("t", "transfer_to_human", "{}")), tool("t", "ok"), user("And?"))
    reasons = "customer_request | material_impact"
    made = one(tmp_path, *turns, escalation="required", reasons=reasons, by_turn="2")
    assert made.expect.escalation.by_turn == 2
    assert len(made.expect.escalation.reasons) == 2
    other = tmp_path / "other"
    other.mkdir()
    assert "metadata.escalation: the record says 'not_required'" in refused(other, chat(*turns))
    late = (user("a"), agent("b"), *turns)
    told = refused(other, chat(*late, escalation="required", reasons=reasons, by_turn="1"))
    assert "metadata.by_turn: the agent transfers the customer only in turn 2" in told


def test_equal_calls_answer_in_the_order_of_the_recording(tmp_path) -> None:
    def ask(call: str, result: str) -> list[Any]:
        return [agent(None, (call, "status", '{"id": 1}')), tool(call, result)]

    made = one(
        tmp_path, user("a"), *ask("1", '"busy"'), *ask("2", '"busy"'), *ask("3", '{"error": "down"}'),
        *ask("4", '"done"'), agent(None, ("5", "status", {"id": 1, "deep": True})), tool("5", "null"), agent("b"),
    )  # fmt: skip
    assert [(f.arguments, f.result, f.error, f.times) for f in made.tools] == [
        ({"id": 1, "deep": True}, "null", None, None),
        ({"id": 1}, "busy", None, 2),
        ({"id": 1}, None, "down", 1),
        ({"id": 1}, "done", None, None),
    ]


def test_text_parts_are_text_and_anything_else_is_said_to_be_none(tmp_path) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    assert one(tmp_path, user(parts), agent([{"type": "text", "text": "Hi"}])).turns[0].customer == "Hello"
    folder = tmp_path / "image"
    folder.mkdir()
    told = refused(folder, chat(user([parts[0], {"type": "image_url", "image_url": {"url": "x"}}])))
    assert "chats.jsonl:1: messages.0.content.1: a part with 'image_url' is not text" in told


def test_the_last_call_may_be_without_a_result_and_the_report_says_so(tmp_path) -> None:
    record = chat(user("Weather?"), agent(None, ("c", "weather", '{"city": "Dover"}')))
    report = run(tmp_path, record)
    assert "1 calls without a result in the source" in "\n".join(report.lines())
    made = cases(tmp_path)[0]
    assert (made.tools, made.turns[0].expect.tool_calls[0].name) == ((), "weather")


# Labels


def test_a_missing_label_is_an_error_that_names_line_key_and_remedy(tmp_path) -> None:
    told = refused(tmp_path, {"messages": [user("Hi")]}, chat(user("Hi"), escalation="required"))
    assert "chats.jsonl:1: intent: missing; write it into 'metadata', or give --default intent=VALUE" in told
    assert "chats.jsonl:2: reasons: missing" in told
    assert "chats.jsonl:2: by_turn: missing" in told
    assert told.endswith("escalation (1), reasons (1), by_turn (1)")


def test_defaults_are_used_only_where_needed_counted_and_tagged(tmp_path) -> None:
    bare = {"messages": [user("Hi")]}
    report = run(tmp_path, bare, chat(user("Ho")), bare, defaults=DEFAULTS)
    assert [case.tags for case in cases(tmp_path)] == [("needs_labels",), (), ("needs_labels",)]
    assert [case.id for case in cases(tmp_path)] == ["chats-0001", "chats-0002", "chats-0003"]
    assert report.needs_labels == 2
    told = "\n".join(report.lines())
    assert "intent (2), risk_tier (2), autonomy (2), date (2), escalation (2); 2 cases tagged needs_labels" in told
    assert "channel = chat (2), language = en (2)" in told
    assert "intent (2)" in (tmp_path / "out" / "README.md").read_text()


def test_problems_are_collected_and_twenty_are_shown(tmp_path) -> None:
    told = refused(tmp_path, *[{"messages": [user("Hi")]} for _ in range(10)]).splitlines()
    assert len(told) == 22
    assert told[20] == "... and 30 problems more"
    assert "intent (10)" in told[21]


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("intent", "write KEY=VALUE"),
        ("risk_teir=low", "Did you mean 'risk_tier'?"),
        ("tags=x", "can have a default"),
        ("risk_tier=hihg", "Did you mean 'high'?"),
        ("autonomy=", "is not allowed here"),
        ("date=3/2/2026", "no date as in 2026-03-02"),
        ("date=2026-02-30", "no date"),
        ("escalation=perhaps", "'required' or 'not_required'"),
        ("by_turn=0", "whole number from 1"),
        ("intent=two words", "is no name"),
        ("language=english", "no language"),
        ("reasons=material_impact | sad", "'sad' is not allowed"),
    ],
)
def test_a_bad_default_is_told(item, told) -> None:
    with pytest.raises(AssayError, match=rf"--default {item.split('|')[0].strip()}"):
        parse_defaults([item])
    with pytest.raises(AssayError) as error:
        parse_defaults([item])
    assert told in str(error.value)


def test_a_default_given_twice_is_told_and_every_key_is_known() -> None:
    with pytest.raises(AssayError, match="given twice"):
        parse_defaults(["intent=a", "intent=b"])
    assert set(DEFAULTABLE) <= {*LABELS, "reasons", "by_turn", "queue"}


# What a bad file makes: errors with line and key, and no folder

HI = user("Hi")
BAD = [
    (chat(), r"1: messages: a list of at least one"),
    ({"messages": {}}, r"1: messages: a list"),
    ({"mesages": [HI]}, r"1: mesages: unknown key 'mesages'. Did you mean 'messages'"),
    ({"messages": [HI], "metadta": {}}, r"1: metadta: .*'metadata'"),
    ({"messages": [HI], "metadata": [1]}, r"1: metadata: a JSON object"),
    (chat(HI, risk_teir="low"), r"1: metadata.risk_teir: unknown key .*'risk_tier'"),
    (chat(HI, risk_tier="hihg"), r"1: metadata.risk_tier: 'hihg' .*Did you mean 'high'"),
    (chat(HI, tags=["a"]), r"1: metadata.tags: flat text"),
    (chat(HI, id="no good"), r"1: id: .*no good"),
    (chat(HI, customer_number="4"), r"1: customer.name: the key 'name' is required"),
    (chat(agent("Hello")), r"1: messages: the customer says nothing"),
    (chat(user("  ")), r"1: messages.0: the customer's message holds no text"),
    (chat(user(None)), r"1: messages.0: the customer's"),
    (chat(user(3)), r"1: messages.0.content: text or a list"),
    (chat("Hi"), r"1: messages.0: a message is a JSON object"),
    (chat({"role": "assistent", "content": "x"}), r"1: messages.0.role: .*Did you mean 'assistant'"),
    (chat(HI, {"role": "function", "name": "f", "content": "x"}), r"1: messages.1.role: .*use 'tool_calls'"),
    (chat(HI, agent("x", function_call={"name": "f"})), r"1: messages.1.function_call: 'function_call' is not read"),
    (chat(HI, tool("c", "x")), r"1: messages.1.tool_call_id: no call 'c'"),
    (chat(agent(None, ("c", "f", "{}")), HI), r"1: messages.0: the agent calls a tool before"),
    (chat(HI, agent(None, ("c", "f", "{}")), agent("x")), r"1: messages.1.tool_calls.0: the call of 'f' has no result"),
    (chat(HI, agent(None, ("c", "f", "{}"), ("c", "g", "{}"))), r"1: messages.1.tool_calls.1.id: .*twice"),
    (chat(HI, agent(None, ("c", "f", "[]"))), r"1: messages.1.*arguments: a JSON object in a string"),
    (chat(HI, agent(None, ("c", "f", '{"a": NaN}'))), r"1: messages.1.*arguments"),
    (chat(HI, agent(None, ("c", "two words", "{}"))), r"1: turns.0.expect.tool_calls.0.name: "),
    (chat(HI, {"role": "assistant", "tool_calls": {}, "content": "x"}), None),
    (chat(HI, {"role": "assistant", "tool_calls": [3], "content": "x"}), r"1: messages.1.tool_calls.0: a call has"),
    ("[]", r"1: one JSON object a line"),
    ("{", r"1: not valid JSON"),
    ('{"messages": [], "messages": []}', r"1: .*'messages' stands twice"),
    ('{"messages": [1e999]}', r"1: .*too large"),
    ('{"messages": ["\\ud800"]}', r"1: not Unicode"),
    ("[" * 100_000, r"1: .*nested too deeply"),
]


@pytest.mark.parametrize(("record", "told"), BAD)
def test_a_bad_record_is_named_and_nothing_is_written(tmp_path, record, told) -> None:
    if told is None:
        run(tmp_path, record)
        return
    with pytest.raises(ContentError, match=rf"chats\.jsonl:{told}"):
        run(tmp_path, record)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["chats.jsonl"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "holds no conversation"),
        (b"\n\n", "holds no conversation"),
        (b"\xff\xfe{\x00", "not UTF-8"),
        (b'{"a": "\x00"}', "not valid JSON"),
        (b"\x89PNG\r\n\x1a\n", "not UTF-8"),
        (json.dumps(chat(HI)).encode()[:-4], "not valid JSON"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, data, told) -> None:
    source = tmp_path / "chats.jsonl"
    source.write_bytes(data)
    with pytest.raises(ContentError, match=rf"chats\.jsonl(:\d+)?: .*{told}"):
        import_openai(source, Target("chats", tmp_path / "out"), defaults=DEFAULTS)
    assert not (tmp_path / "out").exists()


def test_a_missing_file_and_a_bad_name_are_told(tmp_path) -> None:
    with pytest.raises(ContentError, match="no such file"):
        import_openai(tmp_path / "none", Target("chats", tmp_path / "out"), defaults={})
    with pytest.raises(ContentError, match="name: "):
        import_openai(write(tmp_path, chat(HI)), Target("../up", tmp_path / "out"), defaults={})


def test_ids_that_stand_twice_are_told(tmp_path) -> None:
    told = refused(tmp_path, chat(HI, id="a"), chat(HI, id="b"), chat(HI, id="a"))
    assert "chats.jsonl:3: id: the case id 'a' stands on line 1 already" in told


def test_byte_order_mark_crlf_and_a_turn_of_a_megabyte(tmp_path) -> None:
    record = chat(user("long " * 200_000))
    source = write(tmp_path, record)
    source.write_bytes(b"\xef\xbb\xbf" + source.read_bytes().replace(b"\n", b"\r\n"))
    import_openai(source, Target("chats", tmp_path / "out"), defaults={})
    assert len(cases(tmp_path)[0].turns[0].customer) == 1_000_000


def test_the_same_file_makes_the_same_bytes_and_is_told(tmp_path) -> None:
    assert run(tmp_path, chat(HI)).written
    before = digest_tree(tmp_path / "out")
    again = run(tmp_path, chat(HI))
    assert not again.written
    assert "already holds this" in again.lines()[0]
    with pytest.raises(ContentError, match="already holds another import"):
        run(tmp_path, chat(user("Ho")))
    assert digest_tree(tmp_path / "out") == before
    assert run(tmp_path, chat(user("Ho")), overwrite=True).written


# Whatever a conversation is, exported and imported again it is the same

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.dictionaries(TEXT, JSON, max_size=2)
RESULT = st.one_of(TEXT, JSON.map(json.dumps), TEXT.map(lambda why: json.dumps({"error": why})))


@st.composite
def conversations(draw) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(1, 4))):
        messages += [user(text) for text in draw(st.lists(TEXT, min_size=1, max_size=2))]
        acts = draw(st.integers(0, 3))
        for act in range(acts):
            calls = [
                (f"{turn}-{act}-{n}", draw(st.sampled_from(["get", "put"])), json.dumps(draw(ARGUMENTS)))
                for n in range(draw(st.integers(0, 2)))
            ]
            messages.append(agent(draw(st.none() | TEXT), *calls))
            messages += [tool(call[0], draw(RESULT)) for call in draw(st.permutations(calls))]
        if acts and draw(st.integers(0, 4)) == 0:
            messages.append(agent(None, (f"{turn}-t", "transfer_to_human", "{}")))
    metadata = {**LABELS, "customer_name": draw(TEXT), "source": draw(TEXT)}
    if any("transfer_to_human" in json.dumps(m.get("tool_calls")) for m in messages):
        metadata |= {"escalation": "required", "reasons": "policy_ambiguity"}
    return {"messages": messages, "metadata": metadata}


@settings(max_examples=60, deadline=None)
@given(records=st.lists(conversations(), min_size=1, max_size=3))
def test_an_import_that_is_exported_and_imported_again_is_the_same(records) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(folder, *records)
        first = cases(folder)
        (folder / "chats.jsonl").write_text(openai_text(first), encoding="utf-8", newline="")
        import_openai(folder / "chats.jsonl", Target("chats", folder / "again"), defaults={})
        assert list(load_dataset(folder / "again").cases) == first


NASTY = st.sampled_from([None, True, -1, 10**30, "", "x", [], {}, [[]], {"role": "user"}, {"type": "text"}])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_wrong_the_folder_appears_whole_or_not_at_all(data) -> None:
    record = chat(user("Hi"), agent("x", ("c", "f", "{}")), tool("c", "1"), agent([{"type": "text", "text": "y"}]))
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for key, item in pairs:
            places.append((value, key))
            if isinstance(item, dict | list):
                collect(item)

    collect(record)
    at, key = places[data.draw(st.integers(0, len(places) - 1))]
    at[key] = data.draw(NASTY)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            run(folder, record)
        except ContentError as error:
            told = str(error)
        else:
            assert len(cases(folder)) == 1
            return
        assert "chats.jsonl" in told
        assert not (folder / "out").exists()


# The command and the page


def test_the_conversation_in_the_docs_can_be_imported(tmp_path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "datasets-formats.md").read_text()
    block = page.split("```json\n", 1)[1].split("```", 1)[0]
    run(tmp_path, json.loads(block))
    made = cases(tmp_path)[0]
    assert (made.id, made.turns[0].golden_reply) == ("late-card", "It was sent on Monday.")


def test_the_command_writes_results_and_remarks_apart(assay, tmp_path) -> None:
    source = write(tmp_path, {"messages": [HI]})
    args = ("import", "openai", str(source), "--name", "chats", "--out", str(tmp_path / "out"))
    refused = assay(*args)
    assert refused.code == 2
    assert "chats.jsonl:1: intent: missing" in refused.err
    done = assay(*args, *[part for item in DEFAULTS.items() for part in ("--default", "=".join(item))])
    assert (done.code, done.out) == (0, f"{tmp_path / 'out'}: 1 case, 1 customer turn\n")
    assert "tagged needs_labels" in done.err
