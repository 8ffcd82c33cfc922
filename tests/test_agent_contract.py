"""What an agent outside of Assay may say, and what comes of it."""

from __future__ import annotations

import asyncio

import pytest

from assay.registry.types.base import JsonValue
from assay.registry.types.case import ToolFixture
from assay.registry.types.trajectory import Handoff, Retrieval, Say, ToolCall, Triage, Usage
from assay.runner.agents.applying import MAX_STEPS, answer_turn, apply_reply
from assay.runner.agents.contract import MAX_REPLY_BYTES, AgentReplyError, ToolAnswer, read_reply
from assay.runner.channel import RecordingChannel
from assay.runner.fixtures import FixtureBackend


class Channel(RecordingChannel):
    """Records calls that were made elsewhere too."""

    def executed(
        self, name: str, arguments: dict[str, JsonValue], *, result: JsonValue, error: str | None, role: str = ""
    ) -> None:
        self._record(ToolCall(step=self._step(), role=role, name=name, arguments=arguments, result=result, error=error))


def channel() -> Channel:
    fixtures = ({"name": "get_balance", "result": {"balance": 5}}, {"name": "close", "error": "not allowed"})
    return Channel(FixtureBackend(tuple(ToolFixture.model_validate(f) for f in fixtures)), Usage())


def applied(said: object) -> Channel:
    turn = channel()
    asyncio.run(apply_reply(read_reply(said), turn))
    return turn


PASSAGE = {"document": "fees", "text": "No fee.", "score": 1.5}
SHORT = {
    "handoff": {"reason": "customer_request", "queue": "cards"},
    "tool_calls": [{"name": "get_balance", "arguments": {"account": "savings"}}],
    "reply": ["One moment.", "Here it is."],
    "tool_results": [{"name": "own", "arguments": {"a": 1}, "result": [1, None]}],
    "retrieved": [{"query": "fees", "passages": [PASSAGE]}],
    "triage": {"intent": "balance_inquiry", "confidence": 1, "signals": ["polite"]},
    "usage": {"input_tokens": 7, "output_tokens": 2, "cost_usd": 0.5},
    "role": "desk",
}


def test_text_is_a_reply() -> None:
    assert [e.text for e in applied("Hello.").events if isinstance(e, Say)] == ["Hello."]


def test_the_short_form_has_an_order_of_its_own() -> None:
    turn = applied(SHORT)
    assert [type(event) for event in turn.events] == [Triage, Retrieval, ToolCall, Say, Say, ToolCall, Handoff]
    assert {event.role for event in turn.events} == {"desk"}
    assert turn.usage == Usage(input_tokens=7, output_tokens=2, cost_usd=0.5)
    calls = [event for event in turn.events if isinstance(event, ToolCall)]
    assert [call.result for call in calls] == [[1, None], {"balance": 5}]


def test_events_keep_their_order_and_their_own_role() -> None:
    said = {
        "role": "desk",
        "events": [
            {"type": "say", "text": "Looking."},
            {"type": "tool_call", "name": "close", "role": "back_office"},
            {"type": "say", "text": "Sorry."},
            {"type": "tool_result", "name": "own", "error": "down"},
            {"type": "handoff", "packet": {"reason": "workflow_exception"}},
        ],
    }
    turn = applied(said)
    assert [type(event) for event in turn.events] == [Say, ToolCall, Say, ToolCall, Handoff]
    assert [event.role for event in turn.events] == ["desk", "back_office", "desk", "desk", "desk"]
    assert [event.error for event in turn.events if isinstance(event, ToolCall)] == ["not allowed", "down"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (None, "the answer is nothing (None); it has to be text or an object"),
        (float("nan"), "the answer is of the type float"),
        ([{"reply": "x"}], "the answer is of the type list"),
        ({"replies": "x"}, "replies: unknown key 'replies'. Did you mean 'reply'?"),
        ({"reply": 5}, "reply: "),
        ({"reply": ["a", 5]}, "reply.1: Input should be a valid string (given: 5)"),
        ({"reply": "x", "usage": {"cost_usd": float("nan")}}, "the answer cannot be written as JSON: "),
        ({"reply": "x", "usage": {"cost_usd": "1"}}, "usage.cost_usd: Input should be a valid number (given: '1')"),
        ({"reply": "\ud800"}, "Invalid JSON: "),
        ({"reply": {1, 2}}, "the answer cannot be written as JSON: "),
        (b"\xff{", "Invalid JSON: "),
        (b"", "Invalid JSON: "),
        ({"triage": {"intent": "x", "confidence": 1.5}}, "triage.confidence: "),
        ({"tool_calls": [{"arguments": {}}]}, "tool_calls.0.name: the key 'name' is required"),
        ({"tool_calls": [{"name": "x", "args": {}}]}, "tool_calls.0.args: unknown key 'args'. "),
        ({"tool_calls": [{"name": "x", "arguments": "{}"}]}, "tool_calls.0.arguments: "),
        ({"handoff": {"reason": "x", "to": "y"}}, "handoff.to: unknown key 'to'. "),
        ({"events": [{"type": "say", "txt": "x"}]}, "events.0.text: the key 'text' is required; events.0.txt: "),
        ({"events": [{"type": "speak", "text": "x"}]}, "events.0.type: there is no type 'speak'."),
        ({"events": [{"type": "say", "text": "x"}], "reply": "y"}, "either 'events' or 'reply'"),
        ({"tool_calls": [{"name": "x", "id": "1"}, {"name": "y", "id": "1"}]}, "the id '1' stands for two calls"),
    ],
)
def test_an_ill_formed_reply_is_refused_with_its_key_and_nothing_of_it_is_recorded(said: object, problem: str) -> None:
    turn = channel()
    with pytest.raises(AgentReplyError) as caught:
        asyncio.run(apply_reply(read_reply(said), turn))
    assert str(caught.value).startswith(problem) or problem in str(caught.value)
    assert turn.events == []


def test_a_reply_that_is_too_long_or_endless_is_refused() -> None:
    with pytest.raises(AgentReplyError, match="at most"):
        read_reply("x" * MAX_REPLY_BYTES)
    endless: dict[str, object] = {}
    endless["reply"] = endless
    with pytest.raises(AgentReplyError, match="cannot be written as JSON"):
        read_reply(endless)


def test_tool_calls_are_answered_and_the_agent_is_asked_again_with_all_answers() -> None:
    told: list[tuple[ToolAnswer, ...]] = []
    script = [
        {"tool_calls": [{"name": "get_balance"}, {"name": "close", "id": "mine"}]},
        {"tool_calls": [{"name": "unknown"}], "reply": "Still looking."},
        {"reply": "Done."},
    ]

    async def ask(answers: tuple[ToolAnswer, ...]):
        told.append(answers)
        return read_reply(script[len(told) - 1])

    turn = channel()
    assert asyncio.run(answer_turn(ask, turn)) == ("Still looking.", "Done.")
    assert [[a.id for a in answers] for answers in told] == [
        [],
        ["call-1", "mine"],
        ["call-1", "mine", "call-3"],
    ]
    assert told[1][0].result == {"balance": 5}
    assert told[1][1].error == "not allowed"
    assert [e.matched for e in turn.events if isinstance(e, ToolCall)] == [True, True, False]


def test_an_agent_that_never_ends_its_turn_is_stopped() -> None:
    asked = 0

    async def ask(answers: tuple[ToolAnswer, ...]):
        nonlocal asked
        asked += 1
        return read_reply({"tool_calls": [{"name": "get_balance"}]})

    with pytest.raises(AgentReplyError, match="did not end it"):
        asyncio.run(answer_turn(ask, channel()))
    assert asked == MAX_STEPS


def test_calls_made_elsewhere_need_a_channel_that_takes_them() -> None:
    class Plain:
        def say(self, text: str, *, role: str = "") -> None:
            raise AssertionError("nothing is recorded")

    with pytest.raises(AgentReplyError, match="tool_results"):
        asyncio.run(apply_reply(read_reply(SHORT), Plain()))  # type: ignore[arg-type]
