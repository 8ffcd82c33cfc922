"""Replays against an endpoint that fails in every way it can: no case is lost, mixed up or asked twice."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from openai_bundles import RENDERED, build, play
from openai_faults import Fault, Rates, status
from openai_script import reply_to
from openai_server import OpenAIServer
from test_replay import BUNDLE, case

from assay.registry.digest import digest_of
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.journal import Journal
from assay.runner.replay import Limits, plan, replay

CANARY = "sk-canary-8812Qz0123456789"
TURN_S = 1.5
RETRY_AFTER_S = 0.3
FAULTS = {
    status(429, retry_after=RETRY_AFTER_S): 0.10,
    status(500): 0.05,
    status(503, retry_after=0.05): 0.01,
    Fault("hang"): 0.01,
    Fault("reset"): 0.01,
    Fault("reset_midway"): 0.01,
    Fault("malformed_json"): 0.01,
    Fault("truncated_body"): 0.01,
    Fault("truncated_stream"): 0.01,
    Fault("empty_choices"): 0.01,
    Fault("null_message"): 0.01,
    Fault("html"): 0.01,
}


def cases(count: int, turns: int = 3) -> list[Any]:
    made = [case(f"c{n}").model_dump(mode="json") for n in range(count)]
    return [
        type(case("c")).model_validate(one | {"turns": [{"customer": f"{one['id']}, turn {t}"} for t in range(turns)]})
        for one in made
    ]


def timed(server: OpenAIServer, folder: Path, count: int, **more: Any) -> tuple[dict[str, Trajectory], float]:
    settings = ReplaySettings(turn_timeout_s=more.pop("turn_timeout_s", TURN_S))
    began = time.monotonic()
    done = play(build(server.base_url, **more), cases(count), folder, settings=settings, concurrency=32)
    return done, time.monotonic() - began


def own_words(trajectory: Trajectory) -> bool:
    """Whether each reply is what the model says in this very conversation, whose digest it carries."""
    messages = [{"role": "system", "content": RENDERED}]
    for turn in trajectory.turns:
        messages.append({"role": "user", "content": turn.customer})
        messages.append({"role": "assistant", "content": reply_to(messages)})
        if turn.reply != messages[-1]["content"]:
            return False
    return True


@pytest.mark.parametrize("stream", [False, True])
def test_faults_lose_no_case_mix_up_no_answer_and_cost_no_more_than_their_waits(tmp_path, stream: bool) -> None:
    count = 100 if stream else 200
    with OpenAIServer(latency=0.005) as server:
        _, free = timed(server, tmp_path / "free", count, stream=stream)
    with OpenAIServer(latency=0.005, faults=Rates(FAULTS, seed=3)) as server:
        done, took = timed(server, tmp_path / "faulty", count, stream=stream)
        assert {call.fault for call in server.log} == {None, *(fault.kind for fault in FAULTS)}
        assert server.repeated == []
        assert sum(call.completed for call in server.log) == 3 * count
    assert len(done) == count
    assert {trajectory.outcome for trajectory in done.values()} == {Outcome.COMPLETED}, [
        t.error for t in done.values() if t.error
    ]
    assert all(len(trajectory.turns) == 3 and own_words(trajectory) for trajectory in done.values())
    assert took <= free + RETRY_AFTER_S * 1.1 + 2 * TURN_S


def test_an_endpoint_that_always_fails_fails_every_case_by_name(tmp_path) -> None:
    with OpenAIServer(handler=lambda _: status(500, message="out of memory")) as server:
        done, _ = timed(server, tmp_path, 20, retries={"max_attempts": 3, "first_wait_s": 0.01})
        assert len(server.log) == 60
    assert {trajectory.outcome for trajectory in done.values()} == {Outcome.ENDPOINT_ERROR}
    for trajectory in done.values():
        assert f"turn 1: {server.base_url}/chat/completions gave no usable answer in 3 attempts" in str(
            trajectory.error
        )
        assert str(trajectory.error).endswith("The last: HTTP 500. It says: out of memory")


def test_an_endpoint_that_always_hangs_costs_each_case_its_turn_and_no_more(tmp_path) -> None:
    with OpenAIServer(handler=lambda _: Fault("hang")) as server:
        done, took = timed(server, tmp_path, 20, turn_timeout_s=0.4)
    assert len(done) == 20
    assert {trajectory.outcome for trajectory in done.values()} <= {Outcome.ENDPOINT_ERROR, Outcome.TIMEOUT}
    assert took < 5


def test_a_dead_endpoint_is_told_by_its_address(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    began = time.monotonic()
    done = play(build(f"http://127.0.0.1:{port}/v1"), cases(200), tmp_path, concurrency=16)
    assert time.monotonic() - began < 20
    assert {trajectory.outcome for trajectory in done.values()} == {Outcome.ENDPOINT_ERROR}
    for trajectory in done.values():
        assert f"http://127.0.0.1:{port}/v1/chat/completions gave no usable answer in " in str(trajectory.error)
        assert "The last: cannot connect: Connection refused" in str(trajectory.error)


def test_a_server_that_dies_midway_and_comes_back_costs_no_case(tmp_path) -> None:
    server = OpenAIServer(latency=0.003)
    settings = ReplaySettings(turn_timeout_s=TURN_S)

    async def down_for_a_while() -> None:
        async with server.running():
            while sum(call.completed for call in server.log) < 60:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.4)
        async with server.running():
            await asyncio.Event().wait()

    async def run() -> list[Trajectory]:
        outage = asyncio.create_task(down_for_a_while())
        while not server.port:
            await asyncio.sleep(0.001)
        agent = build(server.base_url, retries={"first_wait_s": 0.02, "longest_wait_s": 0.2, "dead_after_s": 30})
        all_cases = cases(60)
        trials = plan(all_cases, {c.id: digest_of(c) for c in all_cases}, BUNDLE, settings, 1)
        journal, limits = Journal(tmp_path), Limits(concurrency=8)
        stream = replay(
            agent, trials, agent_name="a", bundle_digest=BUNDLE, settings=settings, journal=journal, limits=limits
        )
        found = [done.trajectory async for done in stream]
        outage.cancel()
        await asyncio.gather(outage, return_exceptions=True)
        assert agent.statistics.failed >= 8
        return found

    done = asyncio.run(run())
    assert len(done) == 60
    assert {trajectory.outcome for trajectory in done} == {Outcome.COMPLETED}
    assert all(own_words(trajectory) for trajectory in done)
    assert server.repeated == []


def test_a_key_that_is_not_accepted_is_told_by_its_variable_and_asked_once_a_case(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TEAM_KEY", CANARY)
    with OpenAIServer(key="another") as server:
        done, _ = timed(server, tmp_path, 10, api_key_env="TEAM_KEY")
        assert len(server.log) == 10
    for trajectory in done.values():
        assert trajectory.outcome is Outcome.ENDPOINT_ERROR
        assert "refused (HTTP 401): the environment variable TEAM_KEY should hold a key" in str(trajectory.error)


def test_a_wait_that_the_endpoint_asks_for_is_not_the_agents(tmp_path) -> None:
    faults = Rates({status(429, retry_after=0.6): 0.5}, seed=1)
    with OpenAIServer(faults=faults) as server:
        done, _ = timed(server, tmp_path, 10, turn_timeout_s=0.5)
        assert any(call.fault for call in server.log)
    assert {trajectory.outcome for trajectory in done.values()} == {Outcome.COMPLETED}


ECHOES = [
    status(500, message=f"upstream refused Bearer {CANARY}"),
    status(400, message="x" * 195 + CANARY),
    status(401, message=f"Incorrect API key: {CANARY[:12]}****{CANARY[-8:]}"),
    f"My key is {CANARY}.",
    {"choices": [{"message": {"content": {"key": CANARY}}}]},
    {"choices": [], "error": {"message": CANARY, "code": 400}},
    {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": CANARY, "arguments": f'"{CANARY}'}}]},
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("echo", range(len(ECHOES)))
def test_no_key_gets_into_what_is_written_down(tmp_path, monkeypatch, caplog, capfd, echo: int, stream: bool) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TEAM_KEY", CANARY)
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    given = ECHOES[echo]
    tools = isinstance(given, dict) and "tool_calls" in given
    with OpenAIServer(handler=lambda _: given) as server:
        settings = {"headers": {"X-Key": "k ${TEAM_KEY}"}, "max_steps": 2, "retries": {"max_attempts": 2}}
        agent = build(
            server.base_url, api_key_env="TEAM_KEY", stream=stream and (tools or isinstance(given, str)), **settings
        )
        done = play(agent, cases(2), tmp_path)
        assert server.log
    assert len(done) == 2
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    out = capfd.readouterr()
    texts = [
        *written,
        caplog.text.encode(),
        out.out.encode(),
        out.err.encode(),
        repr(done).encode(),
        repr(agent).encode(),
    ]
    assert len(written) >= 2
    for text in texts:
        assert not any(CANARY[n : n + 8].encode() in text for n in range(len(CANARY) - 7))
