"""Importing traced conversations from a real MLflow store."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.registry.content.datasets import load_dataset
from assay.registry.digest import digest_tree
from assay.registry.errors import AssayError, ContentError, NotFoundError
from assay.registry.store.sessions import RecordedCall, RecordedSession, RecordedTurn, read_sessions, workspace_at
from assay.runner.importers.dataset_files import Target
from assay.runner.importers.labels import parse_defaults
from assay.runner.importers.mlflow_sessions import import_sessions
from assay.runner.importers.traced_text import Said, agent_text, customer_text

DEFAULTS = parse_defaults(["intent=other", "risk_tier=low", "autonomy=confirm", "escalation=not_required"])


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    """An MLflow store with the traces of a few applications."""
    import mlflow
    from mlflow.entities import SpanType
    from mlflow.pyfunc import ChatAgent, ResponsesAgent
    from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse
    from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse

    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("support-bot", (folder / "artifacts").as_uri()))

    @mlflow.trace(span_type=SpanType.TOOL)
    def lookup(number: str) -> dict[str, Any]:
        return {"state": cache(number)}

    @mlflow.trace(span_type=SpanType.TOOL)
    def cache(number: str) -> str:
        return f"sent {number}"

    @mlflow.trace(span_type=SpanType.TOOL)
    def broken() -> None:
        raise ValueError("no line")

    @mlflow.trace(span_type=SpanType.TOOL)
    def transfer_to_human(reason: str) -> str:
        return "done"

    @mlflow.trace(span_type=SpanType.AGENT)
    def answer(question: str, session: str, act: Any, tags: Any = None) -> str:
        mlflow.update_current_trace(metadata={"mlflow.trace.session": session}, tags=tags or {})
        return act()

    def late_card() -> str:
        lookup("7")
        with contextlib.suppress(ValueError):
            broken()
        return "It was sent."

    def hand_off() -> str:
        transfer_to_human("emotional_distress")
        return "A colleague takes over."

    labels = {"intent": "late_card", "assay.risk_tier": "high", "autonomy": "confirm"}
    answer("Where is my card?", "s/1", late_card, labels)
    answer("Hello?", "s-2", lambda: "Hi.", {**labels, "escalation": "not_required"})
    answer("Still not there! I am in tears.", "s/1", hand_off)
    with pytest.raises(ZeroDivisionError):
        answer("And now?", "s-2", lambda: str(1 // 0))

    class Responses(ResponsesAgent):
        def predict(self, request: ResponsesAgentRequest) -> ResponsesAgentResponse:
            return ResponsesAgentResponse(output=[self.create_text_output_item(text="hi there", id="1")])

    class Chat(ChatAgent):
        @mlflow.trace
        def predict(self, messages: Any, context: Any = None, custom_inputs: Any = None) -> ChatAgentResponse:
            return ChatAgentResponse(messages=[ChatAgentMessage(role="assistant", content="yo", id="1")])

    mlflow.set_experiment(experiment_id=mlflow.create_experiment("others", (folder / "artifacts2").as_uri()))
    Responses().predict(ResponsesAgentRequest.model_validate({"input": [{"role": "user", "content": "hello"}]}))
    Chat().predict([ChatAgentMessage(role=role, content=text, id=text) for role, text in
                    (("user", "first"), ("assistant", "ok"), ("user", "hey"))])  # fmt: skip
    mlflow.create_experiment("empty")
    mlflow.flush_trace_async_logging()
    return uri


def test_sessions_become_cases_in_the_order_of_time(store, tmp_path) -> None:
    sessions = read_sessions(workspace_at(store), "support-bot")
    assert [(s.session, len(s.turns)) for s in sessions] == [("s/1", 2), ("s-2", 2)]
    report = import_sessions(sessions, "support-bot", Target("prod", tmp_path / "out"), defaults={})
    first, second = load_dataset(tmp_path / "out").cases
    assert (first.intent, first.risk_tier.value, first.autonomy.value) == ("late_card", "high", "confirm")
    assert [turn.customer for turn in first.turns] == ["Where is my card?", "Still not there! I am in tears."]
    assert [turn.golden_reply for turn in first.turns] == ["It was sent.", "A colleague takes over."]
    assert [(c.name, c.arguments) for c in first.turns[0].expect.tool_calls] == [
        ("lookup", {"number": "7"}), ("broken", {}),
    ]  # fmt: skip
    assert [(f.name, f.result, bool(f.error)) for f in first.tools] == [
        ("lookup", {"state": "sent 7"}, False), ("broken", None, True),
    ]  # fmt: skip
    escalation = first.expect.escalation
    assert (escalation.required, escalation.by_turn, escalation.reasons) == (True, 2, ("emotional_distress",))
    assert first.id.startswith("s-1-")
    assert second.id == "s-2"
    assert [turn.golden_reply for turn in second.turns] == ["Hi.", None]
    assert first.labels["mlflow_session"] == "s/1"
    told = "\n".join(report.lines())
    assert "1 traces did not end well" in told
    assert "1 escalation without a queue" in told


def test_agents_of_mlflow_and_traces_without_a_session(store, tmp_path) -> None:
    sessions = read_sessions(workspace_at(store), "others")
    report = import_sessions(sessions, "others", Target("prod", tmp_path / "out"), defaults=DEFAULTS)
    cases = load_dataset(tmp_path / "out").cases
    assert [[(t.customer, t.golden_reply) for t in case.turns] for case in cases] == [
        [("hello", "hi there")],
        [("first", "ok"), ("hey", "yo")],
    ]
    assert report.needs_labels == 2
    assert "2 traces name no session" in "\n".join(report.lines())


def test_the_same_store_makes_the_same_bytes(store, tmp_path) -> None:
    for _ in range(2):
        sessions = read_sessions(workspace_at(store), "support-bot")
        report = import_sessions(sessions, "support-bot", Target("prod", tmp_path / "out"), defaults={})
    assert not report.written
    assert len(digest_tree(tmp_path / "out")) == 3


def test_what_is_not_there_is_told(store, tmp_path) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'support-bot'"):
        read_sessions(workspace_at(store), "suport-bot")
    with pytest.raises(NotFoundError):
        read_sessions(workspace_at(store), "4711")
    with pytest.raises(AssayError, match="there is no MLflow database"):
        workspace_at(f"sqlite:///{tmp_path / 'typo.db'}")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ContentError, match="MLflow experiment 'empty': holds no conversation"):
        import_sessions(
            read_sessions(workspace_at(store), "empty"), "empty", Target("p", tmp_path / "out"), defaults={}
        )


def test_the_command(store, assay, tmp_path) -> None:
    out = tmp_path / "out"
    args = ("import", "mlflow", "support-bot", "--name", "prod", "--out", str(out), "--tracking-uri", store)
    done = assay(*args)
    assert (done.code, done.out) == (0, f"{out}: 2 cases, 4 customer turns\n")
    assert assay(*args, "--default", "channel=voice").code == 2
    assert "already holds this" in assay(*args).out


def test_expectations_that_people_noted_are_labels_and_golden_replies(tmp_path) -> None:
    import mlflow

    uri = f"sqlite:///{tmp_path / 'm.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("noted", (tmp_path / "a").as_uri()))

    @mlflow.trace
    def answer(query: str) -> str:
        return "wrong"

    answer("Hi?")
    trace = mlflow.get_last_active_trace_id()
    assert trace is not None
    mlflow.flush_trace_async_logging()
    for name, value in {"expected_response": "Right.", "escalation": False, "tags": ["vip"]}.items():
        mlflow.log_expectation(trace_id=trace, name=name, value=value)
    sessions = read_sessions(workspace_at(uri), "noted")
    import_sessions(sessions, "noted", Target("prod", tmp_path / "out"), defaults=DEFAULTS)
    case = load_dataset(tmp_path / "out").cases[0]
    assert case.turns[0].golden_reply == "Right."
    assert case.tags == ("vip", "needs_labels")
    assert not case.expect.escalation.required


# Shapes

SAID = [
    ("Hi", "Hi"),
    ({"question": "Hi"}, "Hi"),
    ({"input": "Hi", "temperature": 1}, "Hi"),
    ({"query": "Hi", "k": 3}, "Hi"),
    ({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "Hi"}]}, "Hi"),
    ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "a\nb"),
    ({"messages": [{"type": "human", "content": "Hi"}]}, "Hi"),
    ([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "Hi"),
    ({"request": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]}}, "Hi"),
    ({"model_input": {"messages": [{"role": "user", "content": "Hi"}]}}, "Hi"),
]
ANSWERED = [
    ("Yes", "Yes"),
    ("", None),
    (None, None),
    ({"answer": "Yes"}, "Yes"),
    ({"response": "Yes", "sources": []}, "Yes"),
    ({"content": "Yes", "role": "assistant"}, "Yes"),
    ({"role": "assistant", "content": None}, None),
    ({"choices": [{"message": {"role": "assistant", "content": "Yes"}}]}, "Yes"),
    ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "Yes"}]}, "Yes"),
    ({"messages": [{"type": "human", "content": "a"}, {"type": "ai", "content": "Yes"}]}, "Yes"),
    ({"output": [{"type": "function_call", "name": "f"},
                 {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Yes"}]}]}, "Yes"),
    ([{"type": "response.output_item.done", "item": {"role": "assistant", "content": "Yes"}}], "Yes"),
    (["Ye", "s"], "Ye\ns"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "text"), SAID)
def test_what_the_customer_says_is_found(inputs, text) -> None:
    assert customer_text(inputs) == Said((), text)


@pytest.mark.parametrize(("outputs", "text"), ANSWERED)
def test_what_the_agent_answers_is_found(outputs, text) -> None:
    assert agent_text(outputs) == text


def test_the_conversation_before_comes_first() -> None:
    roles = ("user", "assistant", "user", "user", "assistant", "assistant", "user")
    messages = [{"role": role, "content": str(n)} for n, role in enumerate(roles)]
    assert customer_text({"messages": messages}) == Said((("0", "1"), ("2\n3", "4\n5")), "6")


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (None, "found in nothing"),
        ({}, "an object with the keys none"),
        ({"x": 1, "y": 2}, r"the keys 'x', 'y'; known are text, 'messages', 'question'"),
        (3, "a value of type int"),
        ("  ", "the customer says nothing"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "do not end with one of the customer"),
        ({"messages": [3]}, "a message is an object"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "'image_url' is not text"),
    ],
)
def test_inputs_of_another_shape_are_told(inputs, told) -> None:
    with pytest.raises(ContentError, match=told):
        customer_text(inputs)


@pytest.mark.parametrize("outputs", [{}, {"x": 1}, 3, [3], True])
def test_outputs_of_another_shape_are_told(outputs) -> None:
    with pytest.raises(ContentError):
        agent_text(outputs)


@settings(max_examples=200, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["messages", "input", "role", "content", "type", "text", "output", "choices", "item"]),
                inner | st.sampled_from(["user", "assistant", "text"]),
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_any_shape_is_text_or_an_error(value) -> None:
    for read in (customer_text, agent_text):
        with contextlib.suppress(ContentError):
            read(value)


# Records without a store


def turn(inputs: Any = "Hi", outputs: Any = "Hello", trace: str = "tr-1", **changes: Any) -> RecordedTurn:
    made = RecordedTurn(trace, 1_767_312_000_000, inputs, outputs, False, (), {}, {})
    return replace(made, **changes)


def session(*turns: RecordedTurn, name: str | None = "s") -> RecordedSession:
    return RecordedSession(name, turns)


def refused(folder: Path, *sessions: RecordedSession, **options: Any) -> str:
    with pytest.raises(ContentError) as error:
        import_sessions(sessions, "e", Target("prod", folder / "out"), **{"defaults": DEFAULTS, **options})
    assert not (folder / "out").exists()
    return str(error.value)


def test_problems_name_session_trace_and_key(tmp_path) -> None:
    place = "MLflow experiment 'e': session 's'"
    assert f"{place}, trace tr-1, inputs: no text" in refused(tmp_path, session(turn({})))
    assert "trace tr-1, outputs: no text" in refused(tmp_path, session(turn(outputs=3), name=None))
    assert f"{place}, intent: missing; set the tag 'intent'" in refused(tmp_path, session(turn()), defaults={})
    assert "another trace or note of the conversation says 'a'" in refused(
        tmp_path, session(turn(notes={"intent": "a"}), turn(notes={"intent": "b"}))
    )
    assert f"{place}, risk_tier: 'hihg' is not allowed here. Did you mean 'high'" in refused(
        tmp_path, session(turn(notes={"risk_tier": "hihg"}))
    )
    bad = RecordedCall("two words", {}, 1, None)
    assert f"{place}, turns.0.expect.tool_calls.0.name" in refused(tmp_path, session(turn(calls=(bad,))))
    for value in (float("nan"), "\ud800", {"a": [float("inf")]}):
        bad = RecordedCall("tool", {}, value, None)
        assert f"{place}: the conversation holds what is not JSON" in refused(tmp_path, session(turn(calls=(bad,))))
    twice = refused(tmp_path, session(turn(), name="x"), session(turn(), name="x"))
    assert "the case id 'x' stands already" in twice


def test_tool_results_of_all_kinds(tmp_path) -> None:
    calls = (
        RecordedCall("a", "text", {"type": "tool", "content": '{"x": 1}', "tool_call_id": "1"}, None),
        RecordedCall("b", None, None, None),
        RecordedCall("c", {"n": 1}, '"quoted"', None),
    )
    import_sessions([session(turn(calls=calls))], "e", Target("prod", tmp_path / "out"), defaults=DEFAULTS)
    case = load_dataset(tmp_path / "out").cases[0]
    assert [(f.name, f.arguments, f.result) for f in case.tools] == [
        ("a", {"input": "text"}, {"x": 1}), ("b", {}, "null"), ("c", {"n": 1}, "quoted"),
    ]  # fmt: skip
    assert case.date.isoformat() == "2026-01-02"
    assert json.loads((tmp_path / "out" / "cases.jsonl").read_text())["labels"] == {
        "mlflow_traces": ["tr-1"], "mlflow_session": "s",
    }  # fmt: skip


def test_labels_with_the_prefix_win_and_a_packet_says_why(tmp_path) -> None:
    packet = RecordedCall("hand off", None, {"reason": "policy_ambiguity", "summary": "x"}, None)
    notes = {"channel": "web", "assay.channel": "chat", "intent": "a", "risk_tier": "low", "autonomy": "human"}
    traced = session(turn(calls=(packet,), notes=notes))
    import_sessions([traced], "e", Target("prod", tmp_path / "out"), defaults={}, handoff_tool="hand off")
    case = load_dataset(tmp_path / "out").cases[0]
    assert (case.channel, case.expect.escalation.reasons) == ("chat", ("policy_ambiguity",))
