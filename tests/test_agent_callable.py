"""Agents that are Python code of a team's own: the shapes they may have, and what they are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from callable_agents import case, made, manifest, run

from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Handoff, Outcome, Retrieval, Say, ToolCall, Trajectory, Triage
from assay.runner.agents.callable.agent import build_callable_agent

TOOLS = [
    {"name": "get_balance", "arguments": {"account": "savings"}, "result": {"balance": 5}},
    {"name": "close", "error": "not allowed"},
]


def replies(trajectory: Trajectory) -> list[str]:
    assert trajectory.outcome is Outcome.COMPLETED, trajectory.error
    return [turn.reply for turn in trajectory.turns]


FUNCTIONS = {
    "message and history": "def reply(message, history): return f'{message}/{len(history)}'",
    "other names": "def reply(text, past): return f'{text}/{len(past)}'",
    "message alone": "n = 0\ndef reply(message): return f'{message}/0' if message == 'one' else f'{message}/2'",
    "turn": "def reply(turn): return f'{turn.message}/{len(turn.history)}'",
    "by name": "def reply(*, history, message, conversation): return f'{message}/{len(history)}'",
    "async": "async def reply(message, history): return f'{message}/{len(history)}'",
    "generator": "def reply(message, history):\n    yield message\n    yield '/'\n    yield str(len(history))",
    "async generator": "async def reply(turn):\n    yield turn.message + '/'\n    yield str(len(turn.history))",
    "dict": "def reply(turn): return {'reply': f'{turn.message}/{len(turn.history)}'}",
    "lambda": "reply = lambda turn: f'{turn.message}/{len(turn.history)}'",
    "partial": "from functools import partial\n"
    "def answer(sign, message, history): return f'{message}{sign}{len(history)}'\nreply = partial(answer, '/')",
    "callable object": "class Agent:\n"
    "    def __call__(self, message, history): return f'{message}/{len(history)}'\nreply = Agent()",
    "async callable object": "class Agent:\n"
    "    async def __call__(self, turn): return f'{turn.message}/{len(turn.history)}'\nreply = Agent()",
    "object with respond": "class Agent:\n"
    "    def respond(self, turn): return f'{turn.message}/{len(turn.history)}'\nreply = Agent()",
    "factory of a function": "def reply():\n    def answer(turn): return f'{turn.message}/{len(turn.history)}'\n"
    "    return answer",
    "plain function that returns a coroutine": "async def later(turn): return f'{turn.message}/{len(turn.history)}'\n"
    "def reply(turn): return later(turn)",
    "dataclass": "import dataclasses\n@dataclasses.dataclass\nclass Said:\n    reply: str\n"
    "def reply(turn): return Said(f'{turn.message}/{len(turn.history)}')",
    "class": "class reply:\n    def __init__(self, conversation): self.n = 0\n"
    "    def respond(self, turn):\n        self.n += 2\n        return f'{turn.message}/{self.n - 2}'",
    "class without a constructor": "class reply:\n    n = -2\n"
    "    def respond(self, message):\n        self.n += 2\n        return f'{message}/{self.n}'",
    "async class": "class reply:\n    def __init__(self, conversation): self.n = 0\n"
    "    async def respond(self, turn):\n        self.n += 2\n        return f'{turn.message}/{self.n - 2}'",
    "factory for every conversation": "class Agent:\n    n = 0\n    def respond(self, turn):\n        self.n += 2\n"
    "        return f'{turn.message}/{self.n - 2}'\ndef reply(conversation): return Agent()",
}


@pytest.mark.parametrize("shape", FUNCTIONS)
def test_every_shape_answers(tmp_path: Path, shape: str) -> None:
    found = run(made(tmp_path, FUNCTIONS[shape]), case("a", "one", "two"))
    assert replies(found["a"]) == ["one/0", "two/2"]


def test_a_class_has_one_object_for_each_conversation(tmp_path: Path) -> None:
    code = """
        class Agent:
            def __init__(self, conversation): self.heard = []
            def respond(self, turn):
                self.heard.append(turn.message)
                return " ".join(self.heard)
    """
    cases = [case(f"c{n}", f"a{n}", f"b{n}", f"c{n}") for n in range(12)]
    for concurrency in (1, 3):
        agent = made(tmp_path, code, target="agent:Agent", workers=2, concurrency=concurrency)
        found = run(agent, *cases, journal=tmp_path / f"journal{concurrency}")
        for n in range(12):
            assert replies(found[f"c{n}"]) == [f"a{n}", f"a{n} b{n}", f"a{n} b{n} c{n}"]


def test_what_an_agent_is_told(tmp_path: Path) -> None:
    code = """
        import json, os, sys
        def reply(turn):
            c = turn.conversation
            return json.dumps([turn.number, turn.history, str(turn.date), turn.channel, turn.language, c.prompt,
                               c.retrieval, c.id, turn.seed == c.seed, os.getcwd(), "assay.runner" in sys.modules])
    """
    agent = made(tmp_path, code, prompt="Be brief.")
    found = [json.loads(text) for text in replies(run(agent, case("a", "one", "two", channel="voice"))["a"])]
    assert found[0][:7] == [1, [], "2026-03-02", "voice", "en", "Be brief.", None]
    assert found[1][0] == 2
    assert [m["role"] for m in found[1][1]] == ["user", "assistant"]
    assert found[1][1][0]["content"] == "one"
    assert found[0][7] == found[1][7]
    assert found[0][8:] == [True, str(tmp_path / "source"), False]


TOOL_AGENTS = {
    "sync": """
        def reply(turn):
            balance = turn.tool("get_balance", account="savings")["balance"]
            try:
                turn.tool("close", name="x")
            except turn.ToolError as error:
                return f"{balance}, {error}"
    """,
    "async": """
        import asyncio
        async def reply(turn):
            first, second = await asyncio.gather(
                turn.tool("get_balance", account="savings"), turn.tool("close", name="x"), return_exceptions=True)
            return f"{first['balance']}, {second}"
    """,
    "yield": """
        def reply(turn):
            answers = yield {"tool_calls": [{"name": "get_balance", "arguments": {"account": "savings"}},
                                            {"name": "close", "arguments": {"name": "x"}}]}
            yield f"{answers[0]['result']['balance']}, {answers[1]['error']}"
    """,
    "async yield": """
        async def reply(turn):
            answers = yield {"events": [
                {"type": "tool_call", "name": "get_balance", "arguments": {"account": "savings"}},
                {"type": "tool_call", "name": "close", "arguments": {"name": "x"}}]}
            yield f"{answers[0]['result']['balance']}, {answers[1]['error']}"
    """,
    "called again": """
        def reply(turn):
            if not turn.tool_results:
                return {"tool_calls": [{"name": "get_balance", "arguments": {"account": "savings"}}]}
            if len(turn.tool_results) == 1:
                return {"tool_calls": [{"name": "close", "arguments": {"name": "x"}}]}
            first, second = turn.tool_results
            return f"{first['result']['balance']}, {second['error']}"
    """,
}


@pytest.mark.parametrize("way", TOOL_AGENTS)
def test_tools_are_answered_from_fixtures(tmp_path: Path, way: str) -> None:
    found = run(made(tmp_path, TOOL_AGENTS[way]), case("a", "one", tools=TOOLS))["a"]
    assert replies(found) == ["5, not allowed"]
    calls = [event for _, event in found.events if isinstance(event, ToolCall)]
    assert [(c.name, c.arguments, c.matched) for c in calls] == [
        ("get_balance", {"account": "savings"}, True),
        ("close", {"name": "x"}, True),
    ]


def test_everything_that_a_turn_can_do_is_recorded_in_order(tmp_path: Path) -> None:
    code = """
        def reply(turn):
            turn.triage("balance_inquiry", 0.9, ["calm"])
            turn.retrieved("fees", [{"document": "fees", "text": "None.", "score": 1}])
            turn.as_role("desk").say("One moment.")
            turn.used(input_tokens=3, cost_usd=0.25)
            turn.hand_off("customer_request", queue="cards")
            yield "It is"
            yield " done."
            yield {"type": "say", "text": "Bye."}
    """
    found = run(made(tmp_path, code), case("a", "one"))["a"]
    assert [type(event) for _, event in found.events] == [Triage, Retrieval, Say, Handoff, Say, Say]
    assert replies(found) == ["One moment.\nIt is done.\nBye."]
    assert found.events[2][1].role == "desk"
    assert found.usage.input_tokens == 3
    assert found.handoffs[0][1].queue == "cards"


@pytest.mark.parametrize("act", ["hand_off('customer_request')", "as_role('desk').hand_off()", "say('One moment.')"])
@pytest.mark.parametrize(
    "code", ["def reply(turn):", "async def reply(turn):", "class reply:\n  def respond(_, turn):"]
)
def test_an_agent_that_acted_may_return_nothing(tmp_path: Path, code: str, act: str) -> None:
    found = run(made(tmp_path, f"{code}\n    turn.{act}\n"), case("a"))["a"]
    assert (found.outcome, found.error) == (Outcome.COMPLETED, None)
    assert [event.type for _, event in found.events] == ["say" if "say" in act else "handoff"]


@pytest.mark.parametrize("work", ["triage('x', 0.5)", "used(input_tokens=1)", "tool('get_balance', account='savings')"])
def test_an_agent_that_gave_the_customer_nothing_may_not(tmp_path: Path, work: str) -> None:
    found = run(made(tmp_path, f"def reply(turn):\n    turn.{work}\n"), case("a", tools=TOOLS))["a"]
    assert found.outcome is Outcome.AGENT_ERROR
    assert "the agent answered with nothing (None)" in str(found.error)


def test_an_act_of_an_earlier_turn_is_none_of_this_one(tmp_path: Path) -> None:
    code = "def reply(turn):\n    if turn.number == 1:\n        turn.say('Hello.')\n"
    found = run(made(tmp_path, code), case("a", "one", "two"))["a"]
    assert found.outcome is Outcome.AGENT_ERROR
    assert str(found.error).startswith("turn 2: ")


def test_an_agent_may_have_modules_and_data_of_its_own(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bank").mkdir(parents=True)
    (source / "bank" / "__init__.py").write_text("")
    (source / "bank" / "desk.py").write_text(
        "from pathlib import Path\nfrom .words import HELLO\n"
        "def reply(message, history): return HELLO + Path('words.txt').read_text()"
    )
    (source / "bank" / "words.py").write_text("HELLO = 'hello '")
    (source / "words.txt").write_text("world")
    assert replies(run(made(tmp_path, "", target="bank.desk:reply"), case("a"))["a"]) == ["hello world"]


def test_the_working_directory_is_relative_to_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    code = "import os\ndef reply(turn): return os.path.basename(os.getcwd())"
    agent = made(tmp_path, code, working_directory="data")
    assert replies(run(agent, case("a"), journal=tmp_path / "journal")["a"]) == ["data"]


def test_what_a_killed_run_got_from_a_function_is_not_asked_again(tmp_path: Path) -> None:
    """The second session finds the answer of the first in the log, and records the same acts."""
    import asyncio

    from assay.registry.types.trajectory import Usage
    from assay.runner.agents.base import ConversationContext
    from assay.runner.channel import RecordingChannel
    from assay.runner.fixtures import FixtureBackend

    code = "from pathlib import Path\ndef reply(turn):\n    Path('asked').open('a').write('x')\n" + (
        "    return f\"{turn.tool('get_balance', account='savings')['balance']}\""
    )
    agent = made(tmp_path, code)
    fixtures = case("a", tools=TOOLS).tools
    kept: list[object] = []

    class Log:
        async def once(self, request, perform):
            if not kept:
                kept.append(await perform())
            return kept[0]

    async def twice() -> list[RecordingChannel]:
        channels = []
        async with agent:
            for _ in range(2):
                context = ConversationContext("chat", "en", case("a").date, 1, conversation="c", calls=Log())
                channels.append(RecordingChannel(FixtureBackend(fixtures), Usage()))
                await agent.start(context).respond("one", channels[-1])
        return channels

    first, second = asyncio.run(twice())
    assert [e.type for e in first.events] == ["tool_call", "say"]
    assert first.events == second.events
    assert (tmp_path / "source" / "asked").read_text() == "x"


def test_an_agent_acts_in_the_only_role_that_there_is(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    code = "def reply(turn):\n    turn.tool('t')\n    turn.as_role('other').say('Hm.')\n    return 'Done.'"
    (tmp_path / "source" / "agent.py").write_text(code)
    talk = case("a", tools=[{"name": "t", "result": 5}])
    for roles, expected in (([{"name": "desk"}], "desk"), ([{"name": "a"}, {"name": "b"}], "")):
        bundle = manifest({"target": "agent:reply"}, roles=roles)
        agent = build_callable_agent(bundle, "", tmp_path / "source", tmp_path)
        found = run(agent, talk, journal=tmp_path / str(len(roles)))["a"]
        assert [event.role for _, event in found.events] == [expected, "other", expected]


def test_golden_history_is_what_was_said_before(tmp_path: Path) -> None:
    code = """
        class Agent:
            def __init__(self, conversation): self.before = [m["content"] for m in conversation.history]
            def respond(self, turn): return f"{turn.number}: {self.before}"
    """
    talk = case("a").model_dump(mode="json")
    talk["turns"] = [{"customer": "one", "golden_reply": "gold"}, {"customer": "two"}]
    settings = ReplaySettings(mode="golden_history")
    found = run(made(tmp_path, code, target="agent:Agent"), Case.model_validate(talk), settings=settings)["a"]
    assert replies(found) == ["1: []", "2: ['one', 'gold']"]


def test_nothing_is_added_to_a_turn_that_is_over(tmp_path: Path) -> None:
    code = """
        import threading
        from pathlib import Path
        late = []
        def reply(turn):
            for thread in late:
                thread.join()
            ended = threading.Event()
            def go_on():
                ended.wait(0.2)
                try:
                    turn.say("late")
                except RuntimeError as error:
                    Path("late").write_text(str(error))
            late.append(threading.Thread(target=go_on, daemon=True))
            late[-1].start()
            return "in time"
    """
    found = run(made(tmp_path, code, workers=1), case("a", "one", "two"))["a"]
    assert replies(found) == ["in time", "in time"]
    assert (tmp_path / "source" / "late").read_text() == "the turn is over"
