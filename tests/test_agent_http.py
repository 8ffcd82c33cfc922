"""Agents behind an HTTP service, against a real one on loopback."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from agent_service import AgentService, nowhere
from callable_agents import BUNDLE, case, manifest

from assay.registry.digest import digest_of
from assay.registry.errors import ContentError
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Outcome, Say, ToolCall, Trajectory, Triage
from assay.runner.agents.contract import TurnRequest
from assay.runner.agents.http.agent import build_http_agent
from assay.runner.agents.http.settings import read_http_settings
from assay.runner.journal import Journal
from assay.runner.replay import Limits, plan, replay

QUICK = {"max_attempts": 3, "first_wait_s": 0.001, "longest_wait_s": 0.002}


def bundle(settings: dict[str, object]) -> Any:
    more = {"adapter": {"kind": "http", "settings": settings}}
    return manifest({}, **more, model={"kind": "external", "name": "mine", "version": "1"})


def run(
    url: str, *cases: Any, journal: Path, timeout: float = 10, environ: dict[str, str] | None = None, **settings: object
) -> dict[str, Trajectory]:
    agent = build_http_agent(bundle({"url": url, "retries": QUICK, **settings}), environ or {})
    how = ReplaySettings(turn_timeout_s=timeout)
    trials = plan(cases, {c.id: digest_of(c) for c in cases}, BUNDLE, how, 1)

    async def collect() -> dict[str, Trajectory]:
        found = {}
        async for done in replay(
            agent,
            trials,
            agent_name="mine",
            bundle_digest=BUNDLE,
            settings=how,
            journal=Journal(journal),
            limits=Limits(8),
        ):
            found[done.trial.case.id] = done.trajectory
        return found

    return asyncio.run(collect())


def test_a_turn_is_posted_with_everything_that_is_known_of_it(tmp_path: Path) -> None:
    with AgentService() as service:
        found = run(
            service.url,
            case("a", "one", "two", channel="voice"),
            journal=tmp_path,
            headers={"X-Team": "bank", "X-Api-Key": "${BANK}"},
            environ={"BANK": "secret-value-1"},
        )["a"]
    assert [turn.reply for turn in found.turns] == ["one", "one two"]
    first, second = service.seen
    for body in service.seen:
        headers = body.pop("headers")
        assert headers["Assay-Conversation"] == body["conversation"]
        assert (headers["X-Team"], headers["X-Api-Key"]) == ("bank", "secret-value-1")
        TurnRequest.model_validate_json(json.dumps(body), strict=True)
    assert first["conversation"] == second["conversation"]
    assert (first["turn"], first["history"], first["channel"], first["date"]) == (1, [], "voice", "2026-03-02")
    assert second["history"] == [{"role": "user", "content": "one"}, {"role": "assistant", "content": "one"}]
    assert second["message"] == "two"


def test_a_service_keeps_a_session_for_each_conversation(tmp_path: Path) -> None:
    with AgentService() as service:
        found = run(service.url, *(case(f"c{n}", f"a{n}", f"b{n}") for n in range(20)), journal=tmp_path)
    for n in range(20):
        assert [turn.reply for turn in found[f"c{n}"].turns] == [f"a{n}", f"a{n} b{n}"]
    assert len(service.sessions) == 20


def test_tool_calls_are_answered_and_posted_back(tmp_path: Path) -> None:
    def work(session: dict[str, Any], body: dict[str, Any]) -> Any:
        if not body["tool_results"]:
            return {
                "triage": {"intent": "balance_inquiry", "confidence": 0.9},
                "reply": "One moment.",
                "tool_calls": [{"id": "b", "name": "get_balance", "arguments": {"account": "savings"}}],
            }
        return {"reply": str(body["tool_results"]), "usage": {"input_tokens": 4}}

    tools = [{"name": "get_balance", "result": {"balance": 5}}]
    with AgentService(work) as service:
        found = run(service.url, case("a", "one", tools=tools), journal=tmp_path)["a"]
    assert found.outcome is Outcome.COMPLETED
    assert [type(event) for _, event in found.events] == [Triage, Say, ToolCall, Say]
    assert service.seen[1]["tool_results"] == [
        {"id": "b", "name": "get_balance", "arguments": {"account": "savings"}, "result": {"balance": 5}, "error": None}
    ]
    assert len({body["headers"]["Idempotency-Key"] for body in service.seen}) == 2
    assert found.usage.input_tokens == 4


@pytest.mark.parametrize("fault", ["500", "429", "503", "garbage", "[]", "lost"])
def test_what_passes_is_asked_again_and_answered_once(tmp_path: Path, fault: str) -> None:
    """Also where the answer was lost: the attempt that follows has the same key, so that nothing is done twice."""
    with AgentService(faults=[None, fault, fault]) as service:
        found = run(service.url, case("a", "one", "two", "three"), journal=tmp_path)["a"]
    assert [turn.reply for turn in found.turns] == ["one", "one two", "one two three"]
    assert len(service.seen) == 5
    assert service.worked == 3
    assert len({body["headers"]["Idempotency-Key"] for body in service.seen}) == 3


@pytest.mark.parametrize(
    ("every", "outcome", "problem"),
    [
        ("500", Outcome.ENDPOINT_ERROR, "gave no usable answer in 3 attempts"),
        ("garbage", Outcome.ENDPOINT_ERROR, "the answer (application/json) cannot be used: it is not JSON"),
        ("[1]", Outcome.ENDPOINT_ERROR, "it is no JSON object"),
        ("307", Outcome.ENDPOINT_ERROR, "HTTP 307, a redirect to elsewhere.example, which is not followed"),
        (
            "404",
            Outcome.ENDPOINT_ERROR,
            "Is 'adapter.settings.url' the whole address that takes a POST? It says: bro",
        ),
        ("422", Outcome.AGENT_ERROR, "What is sent to it stands in docs/http-agent.openapi.yaml."),
        ('{"replies": "x"}', Outcome.AGENT_ERROR, "AgentReplyError: replies: unknown key 'replies'. Did you mean"),
        ('{"reply": 5}', Outcome.AGENT_ERROR, "AgentReplyError: reply: "),
        ("{}", Outcome.NO_REPLY, "said nothing"),
        pytest.param(
            f'{{"reply": "{"x" * 5_000_000}"}}', Outcome.AGENT_ERROR, "the answer has 5,000,013 bytes", id="too long"
        ),
        ('{"tool_calls": [{"name": "t"}]}', Outcome.AGENT_ERROR, "asked for tool calls 50 times in one turn"),
    ],
)
def test_what_does_not_pass_ends_the_conversation_with_its_reason(
    tmp_path: Path, every: str, outcome: Outcome, problem: str
) -> None:
    with AgentService(every=every) as service:
        found = run(service.url, case("a", "one"), journal=tmp_path)["a"]
    assert found.outcome is outcome
    assert problem in str(found.error)
    assert len(service.seen) in {1, 3, 50}


def test_a_service_that_hangs_is_asked_again_within_the_turn(tmp_path: Path) -> None:
    with AgentService(faults=["hang"]) as service:
        found = run(service.url, case("a", "one"), journal=tmp_path, attempt_timeout_s=0.1)["a"]
        assert [turn.reply for turn in found.turns] == ["one"]
    with AgentService(every="hang") as service:
        found = run(service.url, case("a", "one"), journal=tmp_path / "other", timeout=0.3, attempt_timeout_s=60)["a"]
    assert found.outcome is Outcome.TIMEOUT


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    with nowhere() as url:
        retries = {**QUICK, "dead_after_s": 0.001}
        found = run(f"{url}?key=hidden", case("a", "one"), journal=tmp_path, retries=retries)["a"]
    assert found.outcome is Outcome.ENDPOINT_ERROR
    assert f"{url} gave no usable answer" in str(found.error)
    assert "hidden" not in str(found.error)


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ({}, "Its key goes into 'adapter.settings.headers'; none is sent."),
        ({"Authorization": "Bearer ${BANK}"}, "the one that is sent there is not accepted."),
    ],
)
def test_a_key_that_is_refused_is_told_without_the_key(tmp_path: Path, headers: dict[str, str], hint: str) -> None:
    with AgentService(token="right") as service:  # its error repeats the header that it got
        environ = {"BANK": "wrong-secret-0123"}
        found = run(service.url, case("a", "one"), journal=tmp_path, headers=headers, environ=environ)["a"]
    assert found.outcome is Outcome.ENDPOINT_ERROR
    assert hint in str(found.error)
    assert "wrong-secret" not in found.model_dump_json()
    assert len(service.seen) == 1


def test_a_killed_run_goes_on_in_the_same_session(tmp_path: Path) -> None:
    """The second run asks only what the first did not get, and the service finds its session again."""
    agent_case = case("a", "one", "two", "three")

    def count(session: dict[str, Any], body: dict[str, Any]) -> Any:
        session["turns"] = session.get("turns", 0) + 1
        return {"reply": str(session["turns"])}

    async def first(url: str) -> None:
        agent = build_http_agent(bundle({"url": url, "retries": QUICK, "attempt_timeout_s": 60}), {})
        how = ReplaySettings(turn_timeout_s=60)
        trials = plan([agent_case], {"a": digest_of(agent_case)}, BUNDLE, how, 1)
        async for _ in replay(
            agent, trials, agent_name="mine", bundle_digest=BUNDLE, settings=how, journal=Journal(tmp_path)
        ):
            raise AssertionError("the third turn hangs")

    async def killed(url: str, service: AgentService) -> None:
        running = asyncio.create_task(first(url))
        while len(service.seen) < 3:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with AgentService(count, faults=[None, None, "hang"]) as service:
        asyncio.run(killed(service.url, service))
        found = run(service.url, agent_case, journal=tmp_path, timeout=60)["a"]
        assert [turn.reply for turn in found.turns] == ["1", "2", "3"]
        assert len(service.seen) == 4
        assert service.worked == 3
        assert len(service.sessions) == 1


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "one of 'url' and 'url_env' has to say where the agent is"),
        ({"url": "http://a", "url_env": "A"}, "one of 'url' and 'url_env'"),
        ({"url": "ftp://a"}, "a URL with http:// or https://"),
        ({"url": "http://me:pw@a"}, "a URL here holds no user and no password"),
        ({"url": "http://a", "header": {}}, "adapter.settings.header: unknown key 'header'. Did you mean 'headers'?"),
        ({"url": "http://a", "headers": {"Authorization": "Bearer x"}}, "takes its value from the environment"),
        ({"url": "http://a", "headers": {"Idempotency-Key": "x"}}, "is not for you to set"),
        ({"url": "http://a", "attempt_timeout_s": 0}, "adapter.settings.attempt_timeout_s"),
    ],
)
def test_settings_are_refused_before_anything_is_registered(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(ContentError) as caught:
        read_http_settings(bundle(settings).adapter, Path("bundle.yaml"))
    assert problem in str(caught.value)
    assert "bundle.yaml" in str(caught.value)
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "environ", "problem"),
    [
        ({"url_env": "AGENT_URL"}, {}, "the environment variable AGENT_URL is not set"),
        ({"url_env": "AGENT_URL"}, {"AGENT_URL": "http://me:pw@a"}, "variable AGENT_URL: a URL here holds no user"),
        (
            {"url": "http://a", "headers": {"X-Key": "${NO}"}},
            {},
            "X-Key: the environment variable NO is not set",
        ),
    ],
)
def test_what_the_environment_lacks_is_told_before_anything_runs(
    settings: dict[str, object], environ: dict[str, str], problem: str
) -> None:
    with pytest.raises(ContentError) as caught:
        build_http_agent(bundle(settings), environ)
    assert problem in str(caught.value)
    assert "pw@" not in str(caught.value)


def test_the_address_can_come_from_the_environment(tmp_path: Path) -> None:
    with AgentService() as service:
        agent = build_http_agent(bundle({"url_env": "AGENT_URL"}), {"AGENT_URL": service.url})
        assert agent.service.url == service.url
