"""Agents of kind `openai`, replayed against a model server on loopback."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from openai_bundles import PROMPT, RENDERED, TOOLS, build, manifest, play
from openai_faults import Fault
from openai_script import reply_to
from openai_server import OpenAIServer
from test_replay import case

from assay.registry.errors import ContentError
from assay.registry.strict import load_yaml
from assay.registry.types.bundle import Adapter, BundleSource, TriageConfig
from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Handoff, Outcome, Retrieval, Say, ToolCall, Trajectory
from assay.runner.agents.base import ConversationContext
from assay.runner.agents.openai.agent import build_openai_agent, check_openai_bundle
from assay.runner.agents.openai.settings import OpenAISettings, read_openai_settings
from assay.runner.endpoint.settings import Retries

FIXTURES = [
    {"name": "get_balance", "arguments": {"account": "savings"}, "result": {"balance": 9}},
    {"name": "get_balance", "error": "backend busy"},
    {"name": "block_card", "result": "blocked"},
]


@pytest.fixture
def server():
    with OpenAIServer() as server:
        server.keep = True
        yield server


def of_turns(*turns: dict[str, str]) -> Case:
    return Case.model_validate(case("one").model_dump(mode="json") | {"turns": turns, "tools": FIXTURES})


def one(server: OpenAIServer, folder: Path, *customer: str, **more: Any) -> Trajectory:
    """The trajectory of one conversation in which the customer says this; settings of the agent in `more`."""
    settings = ReplaySettings(turn_timeout_s=5)
    agent = build(server.base_url, **more)
    return play(agent, [of_turns(*({"customer": text} for text in customer))], folder, settings=settings)["one"]


def calls_of(trajectory: Trajectory) -> list[tuple[str, dict[str, Any], Any, str | None, bool]]:
    events = [event for _, event in trajectory.events if isinstance(event, ToolCall)]
    return [(e.name, e.arguments, e.result, e.error, e.matched) for e in events]


def test_each_turn_is_a_request_with_the_conversation_so_far(server, tmp_path) -> None:
    price = {"input_usd_per_million": 1000, "output_usd_per_million": 2000}
    body = {"temperature": 0.2, "top_p": 0.9, "max_tokens": 50, "parameters": {"top_k": 4}}
    trajectory = one(server, tmp_path, "Hello", "Bye", model=price | body)
    first, second = server.requests
    assert first["messages"] == [{"role": "system", "content": RENDERED}, {"role": "user", "content": "Hello"}]
    assert second["messages"][2:] == [
        {"role": "assistant", "content": reply_to(first["messages"])},
        {"role": "user", "content": "Bye"},
    ]
    said = {name: first[name] for name in ("model", "temperature", "top_p", "max_tokens", "top_k")}
    assert said == {"model": "test-model", "temperature": 0.2, "top_p": 0.9, "max_tokens": 50, "top_k": 4}
    assert isinstance(first["seed"], int)
    assert [turn.reply for turn in trajectory.turns] == [reply_to(r["messages"]) for r in server.requests]
    assert trajectory.outcome is Outcome.COMPLETED
    assert {call.conversation for call in server.log} == {trajectory.key}
    usage = trajectory.usage
    assert usage.input_tokens > 0
    assert usage.cost_usd == pytest.approx(usage.input_tokens / 1000 + usage.output_tokens / 500)


def test_the_seed_can_be_left_out(server, tmp_path) -> None:
    one(server, tmp_path, "Hello", send_seed=False)
    assert "seed" not in server.requests[0]


def test_tools_are_offered_with_their_arguments(server, tmp_path) -> None:
    one(server, tmp_path, "Hello", parallel_tool_calls=False)
    assert server.requests[0]["parallel_tool_calls"] is False
    offered = {tool["function"]["name"]: tool["function"] for tool in server.requests[0]["tools"]}
    assert set(offered) == {"get_balance", "block_card", "transfer_to_human"}
    assert offered["block_card"]["parameters"] == {
        "type": "object",
        "properties": {
            "limit": {"type": "number", "description": "dollars"},
            "note": {"type": "string", "description": "optional: what to write down"},
        },
        "required": ["limit"],
    }
    handoff = offered["transfer_to_human"]["parameters"]["properties"]
    assert "customer_request" in handoff["reason"]["enum"]
    assert set(handoff) == {"reason", "queue", "intent", "summary", "prior_actions", "knowledge"}


@pytest.mark.parametrize("stream", [False, True])
def test_tools_answer_from_the_case_step_by_step_and_side_by_side(server, tmp_path, stream: bool) -> None:
    asked = 'Let me look.\nuse get_balance {"account": "savings"} & get_balance {}\nuse block_card {"limit": 5}'
    trajectory = one(server, tmp_path, asked, stream=stream)
    assert calls_of(trajectory) == [
        ("get_balance", {"account": "savings"}, {"balance": 9}, None, True),
        ("get_balance", {}, None, "backend busy", True),
        ("block_card", {"limit": 5}, "blocked", None, True),
    ]
    kinds = [type(event) for event in trajectory.turns[0].events]
    assert kinds == [Say, ToolCall, ToolCall, ToolCall, Say]
    results = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "tool"]
    assert results == ['{"balance":9}', '{"error":"backend busy"}', "blocked"]
    assert trajectory.turns[0].reply == f"Let me look.\n{reply_to(server.requests[-1]['messages'])}"


def test_a_handoff_ends_the_turn_and_what_was_to_follow_is_not_done(server, tmp_path) -> None:
    packet = {
        "reason": "customer_request",
        "queue": "care",
        "intent": "complaint",
        "summary": "Wants a person.",
        "prior_actions": ["get_balance"],
        "knowledge": "kb-fees",
        "mood": "bad",
    }
    asked = f"use get_balance {{}} & transfer_to_human {json.dumps(packet)} & block_card {{}}"
    trajectory = one(server, tmp_path, asked, "Still there?")
    assert [call[0] for call in calls_of(trajectory)] == ["get_balance"]
    given = trajectory.turns[0].handoff
    assert given is not None
    assert given.model_dump(exclude={"history"}) == {
        "reason": "customer_request",
        "queue": "care",
        "intent": "complaint",
        "summary": "Wants a person.",
        "prior_actions": ("get_balance",),
        "knowledge": ("kb-fees",),
    }
    assert trajectory.outcome is Outcome.COMPLETED
    assert len(server.requests) == 2
    assert "not done" in server.requests[1]["messages"][5]["content"]
    assert trajectory.turns[1].reply


@pytest.mark.parametrize("arguments", ["{}", '{"reason": 7, "prior_actions": {"a": 1}, "knowledge": [1, "kb"]}'])
def test_a_handoff_stands_whatever_the_form_of_its_arguments(server, tmp_path, arguments: str) -> None:
    trajectory = one(server, tmp_path, f"use transfer_to_human {arguments}")
    assert trajectory.outcome is Outcome.COMPLETED
    assert trajectory.handoffs[0][1].reason is None


def test_the_handoff_tool_can_have_another_name_or_be_left_out(server, tmp_path) -> None:
    trajectory = one(server, tmp_path / "a", "use escalate {}", handoff_tool="escalate")
    assert [type(event) for event in trajectory.turns[0].events] == [Handoff]
    one(server, tmp_path / "b", "Hello", handoff_tool=None)
    assert [tool["function"]["name"] for tool in server.requests[-1]["tools"]] == ["get_balance", "block_card"]


@pytest.mark.parametrize("arguments", ['{"limit": ', "[1]", '{"a": 1, "a": 2}', '{"a": NaN}', '"x"', '{"a": 1e999}'])
def test_arguments_that_cannot_be_read_are_told_and_no_fixture_answers_them(server, tmp_path, arguments: str) -> None:
    trajectory = one(server, tmp_path, f"use block_card {arguments}\nuse block_card {{}}")
    bad, good = calls_of(trajectory)
    assert bad[0] == "block_card (unreadable arguments)"
    assert (bad[1], bad[4]) == ({"arguments": arguments}, False)
    assert good == ("block_card", {}, "blocked", None, True)
    told = server.requests[1]["messages"]
    assert "the arguments are not" in told[-1]["content"]
    assert told[-2]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert trajectory.outcome is Outcome.COMPLETED


def test_a_tool_that_is_not_there_is_told_with_the_nearest(server, tmp_path) -> None:
    trajectory = one(server, tmp_path, "use get_balanse {}")
    assert calls_of(trajectory)[0][3:] == ("no answer: the case has no fixture for this call of get_balanse", False)
    assert (
        "there is no tool named 'get_balanse'. Did you mean 'get_balance'?"
        in server.requests[1]["messages"][-1]["content"]
    )


def test_calls_with_one_id_get_their_own_results(tmp_path) -> None:
    with OpenAIServer(faults=[Fault("duplicate_ids")]) as server:
        trajectory = one(server, tmp_path, "use block_card {}")
    assert len(calls_of(trajectory)) == 2
    assert trajectory.outcome is Outcome.COMPLETED


def test_a_model_that_only_calls_tools_is_an_agent_error(tmp_path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "block_card", "arguments": "{}"}}
    with OpenAIServer(handler=lambda _: {"role": "assistant", "content": None, "tool_calls": [call]}) as server:
        trajectory = one(server, tmp_path, "Hello", max_steps=3)
        assert len(server.log) == 3
    assert trajectory.outcome is Outcome.AGENT_ERROR
    assert "called tools in 3 messages running without ending the turn" in str(trajectory.error)


def test_a_refusal_is_said(tmp_path) -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
    for stream in (False, True):
        with OpenAIServer(handler=lambda _: refusal) as server:
            trajectory = one(server, tmp_path / str(stream), "Hello", "Why?", stream=stream)
        assert [turn.reply for turn in trajectory.turns] == ["I can't help with that."] * 2


@pytest.mark.parametrize(
    ("kind", "outcome", "says"),
    [
        ("length", Outcome.AGENT_ERROR, "turn 1: ModelError: the model's message was cut off before it said anything"),
        ("content_filter", Outcome.AGENT_ERROR, "turn 1: ModelError: the endpoint's content filter held the message"),
        ("null_content", Outcome.NO_REPLY, "turn 1: the agent said nothing"),
    ],
)
def test_an_answer_without_words_says_why(tmp_path, kind: str, outcome: Outcome, says: str) -> None:
    with OpenAIServer(faults=[Fault(kind)]) as server:
        trajectory = one(server, tmp_path, "Hello")
        assert len(server.log) == 1
    assert trajectory.outcome is outcome
    assert says in str(trajectory.error)


def test_golden_history_is_what_was_said_before(server, tmp_path) -> None:
    turns = [{"customer": "a", "golden_reply": "A"}, {"customer": "b", "golden_reply": "B"}, {"customer": "c"}]
    settings = ReplaySettings(mode="golden_history", turn_timeout_s=5)
    done = play(build(server.base_url), [of_turns(*turns)], tmp_path, settings=settings)["one"]
    seen = [[(m["role"], m["content"]) for m in request["messages"][1:]] for request in server.requests]
    past = [("user", "a"), ("assistant", "A"), ("user", "b"), ("assistant", "B"), ("user", "c")]
    assert seen == [past[:1], past[:3], past]
    assert len({call.conversation for call in server.log}) == 3
    assert len(done.turns) == 3


# --- knowledge ---


def test_the_agent_searches_each_turn_and_passages_cannot_end_their_delimiters(server, tmp_path) -> None:
    trajectory = one(server, tmp_path, "What does a wire transfer cost?", "Thanks", knowledge=True)
    found, nothing = [event for _, event in trajectory.events if isinstance(event, Retrieval)]
    assert [p.document for p in found.passages] == ["kb-fees"]
    system = [request["messages"][0]["content"] for request in server.requests]
    assert system[0].startswith(RENDERED)
    assert '<passage document="kb-fees" title="Wire \'fees\'">' in system[0]
    assert system[0].count("</passage>") == 1
    assert (system[1], nothing.passages) == (RENDERED, ())


def test_the_model_can_search_by_a_tool(server, tmp_path) -> None:
    asked = 'use search_knowledge {"query": "wire transfer"}\nuse search_knowledge {"query": 7}'
    trajectory = one(server, tmp_path, asked, knowledge=True, retrieval="tool")
    found, nothing = [event for _, event in trajectory.events if isinstance(event, Retrieval)]
    assert (found.query, nothing.query) == ("wire transfer", "7")
    results = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "tool"]
    assert "A wire transfer costs 25 dollars." in results[0]
    assert results[1] == "Nothing was found."
    assert server.requests[0]["messages"][0]["content"] == RENDERED
    assert calls_of(trajectory) == []


def test_knowledge_can_be_left_alone(server, tmp_path) -> None:
    trajectory = one(server, tmp_path, "What does a wire transfer cost?", knowledge=True, retrieval="off")
    assert not [event for _, event in trajectory.events if isinstance(event, Retrieval)]


# --- what does not fit ---


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"base_ulr": "http://x"},
            "b.yaml: adapter.settings.base_ulr: unknown key 'base_ulr'. Did you mean 'base_url'?",
        ),
        ({"base_url": "x"}, "adapter.settings.base_url: a URL with http:// or https:// and a host is expected"),
        ({"max_steps": 0}, "adapter.settings.max_steps: "),
        ({"retrieval": "pre_turn"}, "adapter.settings.retrieval: "),
        ({"retries": {"max_attempts": 0}}, "adapter.settings.retries.max_attempts: "),
        ({"headers": {"Authorization": "Bearer x"}}, "takes its value from the environment: write ${NAME}"),
        ({"handoff_tool": "hand off"}, "adapter.settings.handoff_tool: "),
    ],
)
def test_settings_that_are_wrong_are_told_by_file_and_key(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ContentError) as raised:
        read_openai_settings(Adapter(kind="openai", settings=settings), Path("b.yaml"))
    assert says in str(raised.value)


LOCAL = {"base_url": "http://localhost:1/v1"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"settings": LOCAL | {"retrieval": "tool"}}, "the bundle has no knowledge to search"),
        ({"settings": LOCAL | {"api_key_env": "NOT_SET_HERE"}}, "the environment variable NOT_SET_HERE is not set"),
        (
            {"settings": LOCAL | {"handoff_tool": "get_balance"}},
            "tools: 'get_balance' is the tool by which the agent hands",
        ),
        ({"model": {"parameters": {"n": 2}}}, "model.parameters.n: 'n' is the agent's to set"),
        ({"model": {"parameters": {"top_p": 1}}}, "model.parameters.top_p: 'top_p' stands under 'model' itself"),
        (
            {"tools": (TOOLS[0].model_copy(update={"name": "a.b"}),)},
            "at most 64 letters, digits, '_' and '-', not 'a.b'",
        ),
        ({"prompt": "On {{ dat }}"}, "the prompt uses the unknown placeholder 'dat'. Did you mean 'date'?"),
        ({"prompt": "{% if %}"}, "the prompt is not valid Jinja"),
        ({"prompt": " \n"}, "the prompt is empty"),
    ],
)
def test_parts_that_do_not_fit_are_told_before_anything_runs(change: dict[str, Any], says: str) -> None:
    prompt = change.pop("prompt", PROMPT)
    with pytest.raises(ContentError) as raised:
        build_openai_agent(manifest(**{"settings": LOCAL} | change), prompt, None)
    assert says in str(raised.value)


def test_a_model_of_another_kind_is_refused() -> None:
    bundle = manifest(LOCAL).model_copy(update={"model": TriageConfig()})
    with pytest.raises(ContentError, match="runs on a model of kind 'chat', not 'triage'"):
        build_openai_agent(bundle, PROMPT, None)


def test_a_prompt_cannot_reach_out_of_its_sandbox(tmp_path) -> None:
    agent = build_openai_agent(manifest(LOCAL), "{{ agent.__class__.__mro__ }}", None)
    with pytest.raises(ContentError, match="the prompt cannot be rendered"):
        agent.start(ConversationContext(channel="chat", language="en", date=dt.date(2026, 3, 2), seed=1))


# --- killed ---

KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from openai_bundles import build, play
from test_replay import case

cases = [case(f"c{{n}}", 3) for n in range(30)]
play(build({url!r}), cases, Path({journal!r}), concurrency=4)
print("finished")
"""


def test_kill_9_half_way_asks_no_completed_call_again(tmp_path) -> None:
    journal = tmp_path / "journal"
    with OpenAIServer(latency=0.01) as server:
        code = textwrap.dedent(KILLED).format(
            tests=str(Path(__file__).parent), url=server.base_url, journal=str(journal)
        )
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while sum(call.completed for call in server.log) < 45 and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        stored = {path.stem for path in journal.glob("*/*.json")}
        unfinished = [path for path in journal.glob("calls/*/*.jsonl") if path.stem not in stored]
        written = 3 * len(stored) + sum(path.read_bytes().count(b"\n") for path in unfinished)
        before = len(server.log)
        assert 40 <= written < 90
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"finished\n"
        assert len(server.log) - before == 90 - written
        answered_unseen = sum(call.completed for call in server.log[:before]) - written
        assert len(server.repeated) == answered_unseen <= 4


# --- the bundle file, and the page about it ---

PAGE = (Path(__file__).parents[1] / "docs" / "openai-agents.md").read_text(encoding="utf-8")
BUNDLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path) -> Path:
    (prompt,) = re.findall(r"^```markdown\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "prompt.md").write_text(prompt, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("text", BUNDLES)
def test_the_bundles_of_the_docs_are_what_an_agent_runs_with(folder, monkeypatch, text: str) -> None:
    for name in ("OPENAI_API_KEY", "GATEWAY_KEY", "GATEWAY_TENANT"):
        monkeypatch.setenv(name, "key-of-the-docs")
    monkeypatch.setenv("GATEWAY_URL", "https://gateway.example/v1")
    file = folder / "bundle.yaml"
    file.write_text(text, encoding="utf-8")
    source = load_yaml(file, BundleSource)
    check_openai_bundle(source, file)
    bundle = manifest(source.adapter.settings, tools=source.tools).model_copy(update={"model": source.model})
    build_openai_agent(bundle, (folder / "prompt.md").read_text(), None)


_RETRIEVAL = re.search(r"^retrieval:\n(  .*\n)+", BUNDLES[0], re.MULTILINE).group()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "api_key_env: OPENAI_API_KEY",
            "api_key: sk-1",
            "yaml: adapter.settings.api_key: unknown key 'api_key'",
        ),
        (
            "max_tokens: 800",
            "parameters: {stream: true}",
            "yaml: model.parameters.stream: 'stream' is the agent's",
        ),
        (
            "name: get_balance",
            "name: transfer_to_human",
            "yaml: tools: 'transfer_to_human' is the tool by which",
        ),
        ("kind: openai", "kind: openai\n  settings_: {}", "settings_"),
        ("prompt.md", "promt.md", "promt.md: there is no such file. Did you mean 'prompt.md'?"),
        (_RETRIEVAL, "", None),
    ],
)
def test_a_bundle_file_that_does_not_fit_is_told_by_place(folder, old: str, new: str, says: str | None) -> None:
    file = folder / "bundle.yaml"
    assert old in BUNDLES[0]
    file.write_text(BUNDLES[0].replace(old, new), encoding="utf-8")
    if says is None:
        check_openai_bundle(load_yaml(file, BundleSource), file)
        return
    with pytest.raises(ContentError) as raised:
        check_openai_bundle(load_yaml(file, BundleSource), file)
    assert says in str(raised.value)


def test_every_setting_is_on_the_page() -> None:
    assert [name for name in (*OpenAISettings.model_fields, *Retries.model_fields) if f"`{name}`" not in PAGE] == []
