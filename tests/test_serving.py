"""Answering one request at a time, with agents of a few lines: what they ask outside, how they fail, what is kept."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import pytest

from assay.registry.errors import ContentError
from assay.runner.agents.base import ConversationContext, TurnChannel
from assay.runner.serving.answer import AnswerError, Answering


class Agent:
    """Answers by a coroutine of (context, customer text, channel). `context` is that of each session."""

    def __init__(self, respond) -> None:
        self._respond = respond
        self.began: list[ConversationContext] = []

    def start(self, context: ConversationContext) -> Agent:
        self.began.append(context)
        self.context = context
        return self

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        await self._respond(self.context, customer, turn)


def answering(respond, **more: Any) -> Answering:
    return Answering(Agent(respond), name="a", digest="b" * 64, **{"repeatable": False, **more})


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def result(call: dict[str, Any], output: str) -> dict[str, str]:
    return {"type": "function_call_output", "call_id": call["call_id"], "output": output}


def test_a_model_is_asked_once_for_each_step_of_a_turn() -> None:
    """A model that says something else each time: the turn is run again with what it said first."""
    numbers = itertools.count()

    async def ask() -> int:
        return next(numbers)

    async def respond(context, customer, turn) -> None:
        first = await context.calls.once(["first", context.conversation], ask)
        found = await turn.tool("look", {"what": first})
        second = await context.calls.once(["second", found.result], ask)
        turn.say(f"{first} {found.result} {second}")

    answer = answering(respond)
    (call,) = answer({"input": "hi"})["output"]
    assert (call["name"], call["arguments"]) == ("look", '{"what": 0}')
    items = [user("hi"), call, result(call, "7")]
    done = answer({"input": items})["output"]
    assert [part["text"] for item in done for part in item["content"]] == ["0 7 1"]
    # The turn is over: the next customer who says the same gets an answer of their own.
    (other,) = answer({"input": "hi"})["output"]
    assert other["arguments"] == '{"what": 2}'


def test_a_turn_goes_another_way_where_it_is_not_remembered() -> None:
    """Another process gets the result: the agent asks anew, and a result for another call is never taken."""
    numbers = itertools.count()

    async def ask() -> int:
        return next(numbers)

    async def respond(context, customer, turn) -> None:
        turn.say(str((await turn.tool("look", {"what": await context.calls.once("x", ask)})).result))

    (call,) = answering(respond)({"input": "hi"})["output"]
    (again,) = answering(respond)({"input": [user("hi"), call, result(call, "7")]})["output"]
    assert (again["type"], again["arguments"]) == ("function_call", '{"what": 1}')
    assert again["call_id"] != call["call_id"]


def test_tools_asked_for_at_once_come_at_once_and_text_is_not_repeated() -> None:
    async def respond(context, customer, turn) -> None:
        turn.say("One moment.")
        both = await asyncio.gather(turn.tool("a", {}), turn.tool("b", {}))
        turn.say(f"{both[0].result} {both[1].error}")

    answer = answering(respond)
    said, a, b = answer({"input": "hi"})["output"]
    assert (said["content"][0]["text"], a["name"], b["name"]) == ("One moment.", "a", "b")
    half = answer({"input": [user("hi"), said, a, b, result(a, '{"x": 1}')]})["output"]
    assert [item["call_id"] for item in half] == [b["call_id"]]
    items = [user("hi"), said, a, b, result(a, '{"x": 1}'), result(b, '{"error": "down"}')]
    (last,) = answer({"input": items})["output"]
    assert last["content"][0]["text"] == "{'x': 1} down"


def test_earlier_turns_are_the_history_of_an_agent_that_cannot_be_run_again() -> None:
    async def respond(context, customer, turn) -> None:
        turn.say(f"{[(t.customer, t.reply) for t in context.history]} {context.conversation} {context.language}")

    reply = answering(respond)(
        {
            "messages": [user("a"), {"role": "assistant", "content": "b"}, user("c"), user("d")],
            "context": {"conversation_id": "42"},
            "custom_inputs": {"language": "de"},
        }
    )
    assert reply["messages"][0]["content"] == "[('a', 'b')] 42 de"


def test_an_agent_that_can_be_run_again_is_and_only_while_it_says_the_same() -> None:
    async def respond(context, customer, turn) -> None:
        turn.say(f"{customer}!")

    answer = answering(respond, repeatable=True)
    same = [user("a"), {"role": "assistant", "content": "a!"}, user("b")]
    assert answer({"messages": same})["messages"][0]["content"] == "b!"
    assert [len(context.history) for context in answer._agent.began] == [0]
    answer({"messages": [user("a"), {"role": "assistant", "content": "else"}, user("b")]})
    assert [len(context.history) for context in answer._agent.began] == [0, 0, 1]


@pytest.mark.parametrize(
    ("respond", "expected"),
    [
        ("raises", "the agent failed with ValueError$"),
        ("exits", "the agent failed with SystemExit$"),
        ("hangs", "no answer within 0.2 s"),
        ("silent", "said nothing"),
    ],
)
def test_an_agent_that_fails_says_so_without_its_secrets_and_the_next_is_answered(respond, expected) -> None:
    async def behave(context, customer, turn) -> None:
        if customer == "well":
            turn.say("fine")
        elif respond == "raises":
            raise ValueError("key sk-123")
        elif respond == "exits":
            raise SystemExit(3)
        elif respond == "hangs":
            await asyncio.sleep(3600)

    answer = answering(behave, timeout_s=0.2)
    with pytest.raises(AnswerError, match=expected):
        answer({"input": "go"})
    assert answer({"messages": [user("well")]})["messages"][0]["content"] == "fine"


def test_an_agent_with_connections_is_entered_once_whoever_asks_from_wherever() -> None:
    async def respond(context, customer, turn) -> None:
        turn.say(f"{customer} {answer._agent.entered}")

    class Entered(Agent):
        entered = 0

        async def __aenter__(self):
            self.entered += 1
            await asyncio.sleep(0.01)

        async def __aexit__(self, *raised) -> None: ...

    answer = Answering(Entered(respond), name="a", digest="b" * 64, repeatable=False)
    said: list[str] = []

    def ask(n: int) -> None:
        said.append(answer({"messages": [user(str(n))]})["messages"][0]["content"])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert sorted(said) == [f"{n} 1" for n in range(8)]

    async def within_a_loop() -> Any:  # as in a notebook
        return answer({"messages": [user("x")]})["messages"][0]["content"]

    assert asyncio.run(within_a_loop()) == "x 1"


def test_a_call_before_anybody_spoke_is_refused() -> None:
    with pytest.raises(ContentError, match="begins with a message of the customer"):
        answering(None)({"input": [{"type": "function_call", "call_id": "c", "name": "x", "arguments": "{}"}]})
