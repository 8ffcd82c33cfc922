from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from assay.registry.digest import digest_of
from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import HandoffPacket, Outcome, ToolCall
from assay.runner.agents.base import ConversationContext, TurnChannel
from assay.runner.journal import Journal
from assay.runner.replay import Limits, Replayed, plan, replay

BUNDLE = "b" * 64


def case(name: str, turns: int = 1, **more: object) -> Case:
    return Case.model_validate(
        {
            "id": name,
            "intent": "balance_inquiry",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "date": "2026-03-02",
            "turns": [{"customer": f"turn {n}"} for n in range(1, turns + 1)],
            "expect": {"escalation": {"required": False}},
            **more,
        }
    )


class Agent:
    """Answers by a function of (customer text, channel); counts the conversations it began."""

    def __init__(self, respond) -> None:
        self._respond = respond
        self.started: list[ConversationContext] = []

    def start(self, context: ConversationContext) -> Agent:
        self.started.append(context)
        return self

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        await self._respond(customer, turn)


async def polite(customer: str, turn: TurnChannel) -> None:
    turn.say(f"You said {customer}.")


def run(agent, cases, journal: Journal, **more) -> dict[str, Replayed]:
    settings = more.pop("settings", ReplaySettings(turn_timeout_s=5))
    trials = plan(cases, {c.id: digest_of(c) for c in cases}, BUNDLE, settings, more.pop("trials", 1))
    if "concurrency" in more:
        more["limits"] = Limits(more.pop("concurrency"))

    async def collect() -> dict[str, Replayed]:
        found = {}
        async for done in replay(
            agent, trials, agent_name="a", bundle_digest=BUNDLE, settings=settings, journal=journal, **more
        ):
            found[f"{done.trial.case.id}#{done.trial.trial}"] = done
        return found

    return asyncio.run(collect())


def test_every_turn_is_recorded_in_order(tmp_path) -> None:
    done = run(Agent(polite), [case("one", 3)], Journal(tmp_path))["one#0"]
    assert [t.reply for t in done.trajectory.turns] == ["You said turn 1.", "You said turn 2.", "You said turn 3."]
    assert [t.index for t in done.trajectory.turns] == [1, 2, 3]
    assert done.trajectory.outcome is Outcome.COMPLETED


def test_what_the_journal_holds_is_not_run_again(tmp_path) -> None:
    cases = [case(f"c{n}") for n in range(5)]
    run(Agent(polite), cases, Journal(tmp_path))
    again = Agent(polite)
    found = run(again, [*cases, case("new")], Journal(tmp_path))
    assert len(again.started) == 1
    assert [name for name, done in found.items() if done.fresh] == ["new#0"]


def test_fresh_runs_everything_anew(tmp_path) -> None:
    run(Agent(polite), [case("one")], Journal(tmp_path))
    again = Agent(polite)
    assert run(again, [case("one")], Journal(tmp_path), fresh=True)["one#0"].fresh
    assert len(again.started) == 1


def test_a_changed_case_or_setting_is_another_trial(tmp_path) -> None:
    run(Agent(polite), [case("one")], Journal(tmp_path))
    agent = Agent(polite)
    run(agent, [case("one", tags=["typo"])], Journal(tmp_path))
    run(agent, [case("one")], Journal(tmp_path), settings=ReplaySettings(seed=1))
    assert len(agent.started) == 2


def test_trials_have_distinct_seeds_that_do_not_depend_on_the_run(tmp_path) -> None:
    first, second = Agent(polite), Agent(polite)
    run(first, [case("one"), case("two")], Journal(tmp_path / "a"), trials=3)
    run(second, [case("two"), case("one")], Journal(tmp_path / "b"), trials=3, concurrency=1)
    seeds = {context.seed for context in first.started}
    assert len(seeds) == 6
    assert seeds == {context.seed for context in second.started}


async def _raises(customer: str, turn: TurnChannel) -> None:
    turn.say("Half an answer")
    raise ValueError("the backend\nis gone")


async def _hangs(customer: str, turn: TurnChannel) -> None:
    await asyncio.sleep(3600)


async def _silent(customer: str, turn: TurnChannel) -> None:
    turn.say("   ")


async def _own_timeout(customer: str, turn: TurnChannel) -> None:
    raise TimeoutError("upstream")


async def _nonsense(customer: str, turn: TurnChannel) -> None:
    turn.triage("x", float("nan"))


@pytest.mark.parametrize(
    ("respond", "outcome", "error"),
    [
        (_raises, Outcome.AGENT_ERROR, "turn 1: ValueError: the backend is gone"),
        (_hangs, Outcome.TIMEOUT, "turn 1: no answer within 0.05 s"),
        (_silent, Outcome.NO_REPLY, "turn 1: the agent said nothing and handed nothing off"),
        (_own_timeout, Outcome.AGENT_ERROR, "turn 1: TimeoutError: upstream"),
        (_nonsense, Outcome.AGENT_ERROR, "turn 1: ValidationError"),
    ],
)
def test_a_faulty_agent_ends_as_a_trajectory_with_its_outcome(tmp_path, respond, outcome, error) -> None:
    found = run(Agent(respond), [case("one", 2)], Journal(tmp_path), settings=ReplaySettings(turn_timeout_s=0.05))
    trajectory = found["one#0"].trajectory
    assert trajectory.outcome is outcome
    assert trajectory.error is not None
    assert trajectory.error.startswith(error)
    assert len(trajectory.turns) == 1


def test_what_was_said_before_a_crash_is_kept(tmp_path) -> None:
    assert run(Agent(_raises), [case("one")], Journal(tmp_path))["one#0"].trajectory.turns[0].reply == "Half an answer"


def test_a_failure_is_kept_too_so_that_a_rerun_cannot_fish_for_a_pass(tmp_path) -> None:
    run(Agent(_raises), [case("one")], Journal(tmp_path))
    assert run(Agent(polite), [case("one")], Journal(tmp_path))["one#0"].trajectory.outcome is Outcome.AGENT_ERROR


def test_an_agent_that_cannot_start_costs_its_cases_not_the_run(tmp_path) -> None:
    class Broken(Agent):
        def start(self, context: ConversationContext) -> Agent:
            raise RuntimeError("no model")

    found = run(Broken(polite), [case("one"), case("two")], Journal(tmp_path))
    assert {done.trajectory.outcome for done in found.values()} == {Outcome.AGENT_ERROR}


def test_an_agent_cannot_act_after_its_deadline(tmp_path) -> None:
    kept: list[TurnChannel] = []

    async def lingers(customer: str, turn: TurnChannel) -> None:
        kept.append(turn)
        turn.say("quick")

    run(Agent(lingers), [case("one")], Journal(tmp_path))
    with pytest.raises(RuntimeError, match="the turn is over"):
        kept[0].say("late")


def test_a_handoff_without_words_is_an_answer(tmp_path) -> None:
    async def hand_off(customer: str, turn: TurnChannel) -> None:
        turn.hand_off(HandoffPacket(reason="customer_request"))

    assert run(Agent(hand_off), [case("one")], Journal(tmp_path))["one#0"].trajectory.outcome is Outcome.COMPLETED


TOOLS = [
    {"name": "get_balance", "error": "backend busy", "times": 1},
    {"name": "get_balance", "arguments": {"account": "savings"}, "result": {"balance": 9}},
    {"name": "get_balance", "result": {"balance": 5}, "times": 2},
]


def test_fixtures_answer_in_order_by_arguments_and_run_out(tmp_path) -> None:
    async def calls(customer: str, turn: TurnChannel) -> None:
        for arguments in ({}, {"account": "Savings "}, {"account": "current"}, {}, {}):
            await turn.tool("get_balance", arguments)
        await turn.tool("transfer_all", {})
        turn.say("done")

    trajectory = run(Agent(calls), [case("one", tools=TOOLS)], Journal(tmp_path))["one#0"].trajectory
    calls_made = [event for _, event in trajectory.events if isinstance(event, ToolCall)]
    assert [c.error for c in calls_made[:4]] == ["backend busy", None, None, None]
    assert [c.result for c in calls_made[1:4]] == [{"balance": 9}, {"balance": 5}, {"balance": 5}]
    assert [c.matched for c in calls_made[4:]] == [False, False]
    assert all("no fixture" in str(c.error) for c in calls_made[4:])


def test_true_is_not_one_in_a_fixture(tmp_path) -> None:
    async def calls(customer: str, turn: TurnChannel) -> None:
        result = await turn.tool("t", {"n": True})
        turn.say(str(result.error))

    tools = [{"name": "t", "arguments": {"n": 1}, "result": {}}]
    assert (
        "no fixture"
        in run(Agent(calls), [case("one", tools=tools)], Journal(tmp_path))["one#0"].trajectory.turns[0].reply
    )


def test_no_more_conversations_are_in_flight_than_allowed(tmp_path) -> None:
    now = most = 0

    async def slow(customer: str, turn: TurnChannel) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        turn.say("ok")

    run(Agent(slow), [case(f"c{n}") for n in range(20)], Journal(tmp_path), concurrency=4)
    assert most == 4


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"digest": "x"}', None])
def test_a_damaged_trajectory_is_set_aside_and_run_again(tmp_path, damage: bytes | None) -> None:
    journal = Journal(tmp_path)
    key = run(Agent(polite), [case("one")], journal)["one#0"].trajectory.key
    path = journal.path(key)
    path.write_bytes(path.read_bytes().replace(b"You said", b"You sang") if damage is None else damage)
    fresh = Journal(tmp_path)
    again = run(Agent(polite), [case("one")], fresh)["one#0"]
    assert again.fresh
    assert again.trajectory.turns[0].reply == "You said turn 1."
    assert len(fresh.set_aside) == 1
    assert fresh.set_aside[0].exists()


KILLED = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from test_replay import Agent, Journal, case, run
from pathlib import Path

async def slow(customer, turn):
    await asyncio.sleep(0.02)
    turn.say("ok")

class Counting(Agent):
    def start(self, context):
        with open({log!r}, "a") as file:
            file.write("begun\\n")
        return super().start(context)

run(Counting(slow), [case(f"c{{n}}") for n in range(40)], Journal(Path({journal!r})), concurrency=2)
print("finished")
"""


def test_kill_9_half_way_loses_nothing_and_repeats_nothing_finished(tmp_path) -> None:
    journal, log = tmp_path / "journal", tmp_path / "log"
    code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), journal=str(journal), log=str(log))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(list(journal.glob("*/*.json"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = len(list(journal.glob("*/*.json")))
    assert 8 <= done < 40
    log.unlink()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"finished\n"
    assert len(log.read_text().split()) == 40 - done
    assert len(list(journal.glob("*/*.json"))) == 40
    assert not list((journal / "calls").glob("*/*"))
