"""What the engine promises whatever happens to it: nothing twice, nothing lost, no budget overrun, no wrong reading."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_replay import BUNDLE, Agent, case, polite, run

from assay.registry.digest import digest_of
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Outcome, Usage
from assay.runner.agents.base import ConversationContext, PastTurn, TurnChannel
from assay.runner.calls import CallFolder
from assay.runner.conversation import golden_past
from assay.runner.customers.base import SimulatorError
from assay.runner.deadline import waited
from assay.runner.endpoint.errors import EndpointError
from assay.runner.journal import Journal
from assay.runner.replay import Limits, Spending, plan, replay

KEY = "a" * 64


def ask(calls, request, answer):
    async def perform():
        if isinstance(answer, Exception):
            raise answer
        return answer

    return asyncio.run(calls.once(request, perform))


# --- calls -----------------------------------------------------------------------------------------------------------


def test_a_completed_call_is_not_made_again_by_the_next_process(tmp_path) -> None:
    first = CallFolder(tmp_path).claim(KEY)
    assert first is not None
    assert [ask(first, {"q": n}, {"a": n}) for n in (1, 2)] == [{"a": 1}, {"a": 2}]
    first.release()
    second = CallFolder(tmp_path).claim(KEY)
    assert second is not None
    assert [ask(second, {"q": n}, {"a": "again"}) for n in (1, 2)] == [{"a": 1}, {"a": 2}]
    assert second.repeated == 2
    assert ask(second, {"q": 3}, {"a": 3}) == {"a": 3}


def test_an_answer_is_of_no_use_once_something_else_is_asked(tmp_path) -> None:
    first = CallFolder(tmp_path).claim(KEY)
    for n in (1, 2, 3):
        ask(first, {"q": n}, n)
    first.release()
    second = CallFolder(tmp_path).claim(KEY)
    assert [ask(second, {"q": q}, "new") for q in (1, 22, 3)] == [1, "new", "new"]
    second.release()
    third = CallFolder(tmp_path).claim(KEY)
    assert [ask(third, {"q": q}, "newer") for q in (1, 22, 3)] == [1, "new", "new"]


def test_an_answer_is_no_faster_for_having_been_waited_for_by_a_process_that_was_killed(tmp_path) -> None:
    async def slow(customer: str, turn: TurnChannel) -> None:
        turn.say("never reached")

    class Slow(Agent):
        def start(self, context: ConversationContext):
            class Session:
                async def respond(self, customer: str, turn: TurnChannel) -> None:
                    async def perform():
                        await asyncio.sleep(0.3)
                        return "ok"

                    turn.say(await context.calls.once(customer, perform))
                    if customer == "turn 2" and not (tmp_path / "go").exists():
                        raise KeyboardInterrupt

            return Session()

    with pytest.raises(KeyboardInterrupt):
        run(Slow(slow), [case("one", 2)], Journal(tmp_path / "j"))
    (tmp_path / "go").touch()
    found = run(Slow(slow), [case("one", 2)], Journal(tmp_path / "j"))["one#0"].trajectory
    assert all(turn.latency_s >= 0.3 for turn in found.turns)


def test_what_is_run_anew_is_counted(tmp_path) -> None:
    for expected in (0, 1, 2):
        found = run(Agent(polite), [case("one")], Journal(tmp_path), fresh=True)["one#0"].trajectory
        assert found.attempt == expected
    assert run(Agent(polite), [case("one")], Journal(tmp_path))["one#0"].trajectory.attempt == 2


def test_an_agent_that_was_heard_before_its_endpoint_failed_is_not_asked_again(tmp_path) -> None:
    async def tells_and_fails(customer: str, turn: TurnChannel) -> None:
        if customer == "turn 2":
            raise EndpointError("http://127.0.0.1:9/v1", "refused the connection")
        turn.say("Your neighbour has 3 dollars.")

    run(Agent(tells_and_fails), [case("one", 2)], Journal(tmp_path))
    again = run(Agent(polite), [case("one", 2)], Journal(tmp_path), retry_unavailable=True)["one#0"]
    assert again.trajectory.outcome is Outcome.ENDPOINT_ERROR
    assert not again.fresh


def test_a_call_that_failed_is_made_again(tmp_path) -> None:
    first = CallFolder(tmp_path).claim(KEY)
    with pytest.raises(ValueError, match="gone"):
        ask(first, "q", ValueError("gone"))
    assert ask(first, "q", "here") == "here"


@settings(max_examples=40, deadline=None)
@given(answers=st.lists(st.text() | st.integers() | st.none(), min_size=1, max_size=5), share=st.integers(0, 10_000))
def test_wherever_a_write_was_cut_off_the_whole_lines_count(tmp_path_factory, answers, share) -> None:
    folder = CallFolder(tmp_path_factory.mktemp("calls"))
    first = folder.claim(KEY)
    for n, answer in enumerate(answers):
        ask(first, n, answer)
    first.release()
    path = folder.path(KEY)
    whole = path.read_bytes()
    cut = len(whole) * share // 10_000  # lines hold the time a call took: no two files are of one length
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    second = folder.claim(KEY)
    assert [ask(second, n, "new") for n in range(len(answers))] == [*answers[:kept], *["new"] * (len(answers) - kept)]
    second.release()
    third = folder.claim(KEY)
    assert ask(third, 0, "newest") == ([*answers[:kept], "new"])[0]
    third.release()


def test_a_conversation_that_another_process_is_in_cannot_be_claimed(tmp_path) -> None:
    held = CallFolder(tmp_path).claim(KEY)
    assert CallFolder(tmp_path).claim(KEY) is None
    held.finish()
    assert not CallFolder(tmp_path).path(KEY).exists()
    again = CallFolder(tmp_path).claim(KEY)
    assert again is not None
    with pytest.raises(RuntimeError, match="has ended"):
        ask(held, "q", "late")


class Calling(Agent):
    """Asks something outside once a turn, in a way that a count of real calls can be kept."""

    def __init__(self, log: Path, seconds: float = 0.0) -> None:
        super().__init__(polite)
        self.log, self.seconds = log, seconds

    def start(self, context: ConversationContext):
        agent = self

        class Session:
            async def respond(self, customer: str, turn: TurnChannel) -> None:
                async def perform():
                    await asyncio.sleep(agent.seconds)
                    with agent.log.open("a") as file:
                        file.write(f"{context.conversation} {customer}\n")
                    return f"{context.seed}: {customer}"

                turn.say(str(await context.calls.once({"customer": customer}, perform)))

        return Session()


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_replay import Journal, case, run
from test_replay_engine import Calling
run(Calling(Path({log!r}), 0.004), [case(f"c{{n}}", 3) for n in range(20)], Journal(Path({journal!r})), concurrency=4)
"""


def test_killed_again_and_again_it_repeats_no_call_and_loses_none(tmp_path) -> None:
    journal, log = tmp_path / "journal", tmp_path / "log"
    code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), journal=str(journal), log=str(log))
    for lines in (7, 22, 41):
        process = subprocess.Popen([sys.executable, "-c", code])
        until = time.monotonic() + 60
        while time.monotonic() < until and not (log.exists() and log.read_bytes().count(b"\n") >= lines):
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run([sys.executable, "-c", code], check=True)
    made = log.read_text().splitlines()
    # Only the one call whose answer was about to be written down when the kill came may be made again.
    assert len(set(made)) == 60
    assert len(made) - 60 <= 3
    untouched = tmp_path / "untouched"
    whole = run(Calling(log), [case(f"c{n}", 3) for n in range(20)], Journal(untouched))
    kept = Journal(journal)
    for done in whole.values():
        stored = kept.get(done.trajectory.key)
        assert [t.reply for t in stored.trajectory.turns] == [t.reply for t in done.trajectory.turns]


def test_two_processes_on_one_store_share_the_work(tmp_path) -> None:
    journal, log = tmp_path / "journal", tmp_path / "log"
    code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), journal=str(journal), log=str(log))
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    made = log.read_text().splitlines()
    assert len(made) == len(set(made)) == 60
    assert len(list(journal.glob("??/*.json"))) == 20
    assert not list((journal / "calls").glob("*/*"))


# --- budgets ---------------------------------------------------------------------------------------------------------


def spend(agent, cases, journal, limits, **more):
    trials = plan(cases, {c.id: digest_of(c) for c in cases}, BUNDLE, ReplaySettings(), 1)
    spending = Spending()

    async def all_of_it():
        return [
            done
            async for done in replay(
                agent,
                trials,
                agent_name="a",
                bundle_digest=BUNDLE,
                settings=ReplaySettings(),
                journal=journal,
                limits=limits,
                spending=spending,
                **more,
            )
        ]

    return asyncio.run(all_of_it()), spending


async def dear(customer: str, turn: TurnChannel) -> None:
    turn.used(Usage(cost_usd=0.5))
    turn.say("ok")


def test_no_conversation_begins_once_the_money_is_spent(tmp_path) -> None:
    done, spending = spend(Agent(dear), [case(f"c{n}") for n in range(20)], Journal(tmp_path), Limits(2, budget_usd=2))
    assert 4 <= len(done) <= 5
    assert spending.usd == pytest.approx(0.5 * len(done))
    assert spending.stopped == "the budget of 2 US dollars was spent after 4 of 20 trials"
    again, spending = spend(Agent(dear), [case(f"c{n}") for n in range(20)], Journal(tmp_path), Limits(2))
    assert (len(again), sum(d.fresh for d in again), spending.stopped) == (20, 20 - len(done), None)


def test_when_the_time_is_up_what_was_asked_is_kept(tmp_path) -> None:
    log = tmp_path / "log"
    cases = [case(f"c{n}", 50) for n in range(4)]
    done, spending = spend(Calling(log, 0.02), cases, Journal(tmp_path / "j"), Limits(4, budget_s=0.3))
    assert done == []
    assert spending.stopped == "the budget of 0.3 s was spent after 0 of 4 trials"
    before = set(log.read_text().splitlines())
    done, _ = spend(Calling(log), cases, Journal(tmp_path / "j"), Limits(4))
    made = log.read_text().splitlines()
    assert before
    assert len(done) == 4
    assert len(made) - len(set(made)) <= 4


def test_a_budget_of_nothing_runs_nothing(tmp_path) -> None:
    done, spending = spend(Agent(dear), [case("one")], Journal(tmp_path), Limits(2, budget_usd=0))
    assert (done, spending.stopped) == ([], "the budget of 0 US dollars was spent after 0 of 1 trials")


# --- outcomes --------------------------------------------------------------------------------------------------------


async def _unavailable(customer: str, turn: TurnChannel) -> None:
    raise EndpointError("http://127.0.0.1:9/v1", "refused the connection 5 times")


def test_an_endpoint_that_fails_for_good_has_an_outcome_of_its_own_and_can_be_asked_again(tmp_path) -> None:
    cases = [case("one"), case("two")]
    found = run(Agent(_unavailable), cases[:1], Journal(tmp_path))["one#0"].trajectory
    assert found.outcome is Outcome.ENDPOINT_ERROR
    assert found.error == "turn 1: http://127.0.0.1:9/v1 refused the connection 5 times"
    run(Agent(polite), cases, Journal(tmp_path))
    again = Agent(polite)
    retried = run(again, cases, Journal(tmp_path), retry_unavailable=True)
    assert len(again.started) == 1
    assert retried["one#0"].trajectory.outcome is Outcome.COMPLETED


def test_a_simulator_that_fails_is_not_the_agents_failure(tmp_path) -> None:
    class Babbling:
        async def next(self, turns):
            if turns:
                raise SimulatorError("it gave away the PIN")
            return "Hello"

    found = run(Agent(polite), [case("one")], Journal(tmp_path), customers=lambda trial, calls: Babbling())[
        "one#0"
    ].trajectory
    assert found.outcome is Outcome.SIMULATOR_ERROR
    assert found.error == "turn 2: it gave away the PIN"
    assert len(found.turns) == 1


def test_a_conversation_has_a_deadline_of_its_own(tmp_path) -> None:
    async def slow(customer: str, turn: TurnChannel) -> None:
        await asyncio.sleep(0.05)
        turn.say("ok")

    limits = ReplaySettings(turn_timeout_s=5, conversation_timeout_s=0.12)
    found = run(Agent(slow), [case("one", 20)], Journal(tmp_path), settings=limits)["one#0"].trajectory
    assert found.outcome is Outcome.TIMEOUT
    assert found.error == "turn 3: the conversation did not end within 0.12 s" or found.error is not None
    assert 1 <= len(found.turns) < 20


def test_deadlines_stand_still_while_we_make_the_agent_wait(tmp_path) -> None:
    async def throttled(customer: str, turn: TurnChannel) -> None:
        waited(30)
        await asyncio.sleep(0.2)
        turn.say("ok")

    limits = ReplaySettings(turn_timeout_s=0.1, conversation_timeout_s=0.15)
    found = run(Agent(throttled), [case("one")], Journal(tmp_path), settings=limits)["one#0"].trajectory
    assert found.outcome is Outcome.COMPLETED
    assert found.turns[0].latency_s == 0


def test_an_agents_own_account_of_a_call_counts_where_a_fixture_says_the_same(tmp_path) -> None:
    async def own(customer: str, turn: TurnChannel) -> None:
        turn.executed("get_balance", {"account": "current"}, result={"balance": 3}, error=None, role="execution")
        turn.executed("get_balance", {"account": "savings"}, result={"balance": 9_999_999}, error=None)
        turn.executed("verify_identity", {}, result={"verified": True}, error=None)
        turn.say("3 dollars")

    tools = [
        {"name": "get_balance", "arguments": {"account": "current"}, "result": {"balance": 3}},
        {"name": "get_balance", "arguments": {"account": "savings"}, "result": {"balance": 5}},
    ]
    (turn,) = run(Agent(own), [case("one", tools=tools)], Journal(tmp_path))["one#0"].trajectory.turns
    told = [(c.name, c.result, c.error is None, c.matched, c.role) for c in turn.tool_calls]
    assert told == [
        ("get_balance", {"balance": 3}, True, True, "execution"),
        ("get_balance", None, False, False, ""),
        ("verify_identity", None, False, False, ""),
    ]


def test_half_a_character_in_an_error_is_no_end_of_an_evaluation(tmp_path) -> None:
    async def broken(customer: str, turn: TurnChannel) -> None:
        raise ValueError("half \ud83d a character")

    found = run(Agent(broken), [case("one")], Journal(tmp_path))["one#0"].trajectory
    assert found.error == "turn 1: ValueError: half ? a character"


@pytest.mark.parametrize(("status", "outcome"), [(400, "agent_error"), (422, "agent_error"), (401, "endpoint_error")])
def test_a_request_that_is_refused_as_such_is_the_agents_doing(tmp_path, status, outcome) -> None:
    async def refused(customer: str, turn: TurnChannel) -> None:
        raise EndpointError("http://127.0.0.1:9/v1", "refused", status=status)

    assert run(Agent(refused), [case("one")], Journal(tmp_path))["one#0"].trajectory.outcome.value == outcome


def test_an_agent_is_entered_before_the_first_and_left_after_the_last_conversation(tmp_path) -> None:
    events: list[str] = []

    class Connected(Agent):
        async def __aenter__(self):
            events.append("open")
            return self

        async def __aexit__(self, *raised):
            events.append("closed")

        def start(self, context):
            events.append("begun")
            return super().start(context)

        async def close(self):
            events.append("ended")
            raise RuntimeError("nobody minds how a session closes")

    done = run(Connected(polite), [case("one"), case("two")], Journal(tmp_path))
    assert {d.trajectory.outcome for d in done.values()} == {Outcome.COMPLETED}
    assert (events[0], events[-1]) == ("open", "closed")
    assert (events.count("begun"), events.count("ended")) == (2, 2)


# --- golden history --------------------------------------------------------------------------------------------------


GOLDEN = [
    {"customer": "one", "golden_reply": "first"},
    {"customer": "two", "golden_reply": "second"},
    {"customer": "three"},
]


def test_each_turn_sees_the_golden_history(tmp_path) -> None:
    agent = Agent(polite)
    settings = ReplaySettings(mode="golden_history")
    found = run(agent, [case("one", turns=GOLDEN)], Journal(tmp_path), settings=settings)["one#0"].trajectory
    assert [t.reply for t in found.turns] == ["You said one.", "You said two.", "You said three."]
    past = (PastTurn("one", "first"), PastTurn("two", "second"))
    assert [context.history for context in agent.started] == [(), past[:1], past]
    assert len({context.conversation for context in agent.started}) == 3


def test_a_golden_reply_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="case 'one': turn 1 has no 'golden_reply'"):
        golden_past(case("one", 2))


def test_what_the_journal_keeps_has_a_digest(tmp_path) -> None:
    done = run(Agent(polite), [case("one")], Journal(tmp_path))["one#0"]
    assert done.digest == digest_of(done.trajectory)
    stored = json.loads(Journal(tmp_path).path(done.trajectory.key).read_text())
    assert stored["digest"] == done.digest
