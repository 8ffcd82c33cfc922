"""The client of OpenAI-compatible endpoints, against a real server on loopback that misbehaves."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from openai_faults import ANSWERED, Fault, status
from openai_script import reply_to
from openai_server import OpenAIServer

from assay.registry.errors import ContentError
from assay.runner.deadline import running
from assay.runner.endpoint.answers import Answer
from assay.runner.endpoint.client import Endpoint
from assay.runner.endpoint.errors import EndpointError
from assay.runner.endpoint.pacing import Gate, PerMinute
from assay.runner.endpoint.settings import EndpointSettings, target_of
from assay.runner.endpoint.waiting import backoff, retry_after

CANARY = "sk-canary-5f7Qz0123456789"
MESSAGES = [{"role": "user", "content": "Grüße, 你好 €?"}]
REQUEST: dict[str, Any] = {"model": "test-model", "messages": MESSAGES}
QUICK = {"first_wait_s": 0.01, "longest_wait_s": 0.05, "max_attempts": 4, "dead_after_s": 0.3}


def endpoint(url: str, *, key: str | None = CANARY, **more: Any) -> Endpoint:
    settings = {"base_url": url, "attempt_timeout_s": 0.4, **more, "retries": QUICK | more.get("retries", {})}
    environ = {} if key is None else {"OPENAI_API_KEY": key}
    return Endpoint(EndpointSettings.model_validate(settings), environ=environ)


def ask(url: str, *, stream: bool = False, request: dict[str, Any] = REQUEST, **more: Any) -> tuple[Answer, Endpoint]:
    async def one() -> tuple[Answer, Endpoint]:
        async with endpoint(url, **more) as client:
            options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            return await client.complete(request | options, conversation="c-1"), client

    return asyncio.run(one())


def error_of(url: str, **more: Any) -> str:
    with pytest.raises(EndpointError) as raised:
        ask(url, **more)
    assert CANARY not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_arrives_whole(stream: bool) -> None:
    with OpenAIServer(key=CANARY) as server:
        answer, client = ask(server.base_url, stream=stream)
    assert answer == {
        "text": reply_to(MESSAGES),
        "refusal": "",
        "calls": [],
        "finish": "stop",
        "usage": {"input": len(MESSAGES[0]["content"]) // 4, "output": (len(reply_to(MESSAGES)) + 2) // 4},
    }
    assert client.statistics.input_tokens == answer["usage"]["input"]
    assert (client.statistics.calls, client.statistics.retries, client.statistics.without_usage) == (1, 0, 0)


RETRIED = [
    status(500),
    status(502),
    status(503),
    status(408),
    status(409),
    status(429),
    status(429, retry_after=0.02),
    status(503, retry_after=0.02),
    *(
        Fault(kind)
        for kind in ("reset", "reset_midway", "hang", "malformed_json", "truncated_body", "truncated_stream")
    ),
    *(Fault(kind) for kind in ("drip", "empty_choices", "null_message", "wrong_types", "html")),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", RETRIED, ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.retry_after}")
def test_an_attempt_that_failed_is_made_again_and_an_answer_is_not_asked_for_twice(fault: Fault, stream: bool) -> None:
    with OpenAIServer(faults=[fault, fault]) as server:
        answer, client = ask(server.base_url, stream=stream)
        assert answer["text"] == reply_to(MESSAGES)
        assert [call.completed for call in server.log] == [False, False, True]
        assert len({call.id for call in server.log}) == 1
        assert {call.conversation for call in server.log} == {"c-1"}
    assert client.statistics.retries == 2
    assert client.statistics.throttled == (2 if fault.status == 429 else 0)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", sorted(ANSWERED))
def test_what_the_model_does_wrong_is_an_answer(kind: str, stream: bool) -> None:
    with OpenAIServer(faults=[Fault(kind)]) as server:
        answer, _ = ask(server.base_url, stream=stream)
        assert len(server.log) == 1
    ids = [call["id"] for call in answer["calls"]]
    assert len(set(ids)) == len(ids)
    if kind in {"length", "content_filter"}:
        assert answer["finish"] == kind


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (status(400, message="bad temperature"), "refused: HTTP 400. It says: bad temperature"),
        (status(401), "refused (HTTP 401): the environment variable OPENAI_API_KEY should hold a key that it accepts"),
        (status(403), "refused (HTTP 403): the environment variable OPENAI_API_KEY should hold a key"),
        (status(422, message="extra key"), "refused: HTTP 422. It says: extra key"),
        (status(302), "refused: HTTP 302, a redirect, which is not followed"),
        (status(429, code="insufficient_quota", message="You exceeded"), "HTTP 429 (the quota is used up)"),
        (Fault("huge", bytes=17 << 20), "the answer is larger than 16 MiB"),
    ],
)
def test_what_no_further_attempt_would_help_is_told_at_once(fault: Fault, says: str) -> None:
    with OpenAIServer(faults=[fault]) as server:
        text = error_of(server.base_url, attempt_timeout_s=5)
        assert says in text
        assert text.startswith(f"http://127.0.0.1:{server.port}/v1/chat/completions ")
        assert len(server.log) == 1


def test_an_unknown_model_is_told_with_the_nearest_that_there_is() -> None:
    with OpenAIServer(models=["qwen3-8b", "llama-4"]) as server:
        text = error_of(server.base_url, request=REQUEST | {"model": "qwen-8b"})
    assert "does not know the model 'qwen-8b' (HTTP 404). Did you mean 'qwen3-8b'?" in text


def test_a_401_that_echoes_the_key_does_not_show_it() -> None:
    with OpenAIServer(key="another") as server:
        assert "It says: Incorrect API key provided: Bearer [removed]." in error_of(server.base_url)


@pytest.mark.parametrize("echo", [f"{CANARY[:14]}*****{CANARY[-9:]}", f"x{CANARY}y", CANARY])
def test_parts_of_a_key_in_a_message_are_removed_before_it_is_cut(echo: str) -> None:
    with OpenAIServer(faults=[status(400, message="x" * 190 + echo)]) as server:
        text = error_of(server.base_url)
    assert not any(CANARY[n : n + 8] in text for n in range(len(CANARY) - 8))


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_echoes_the_key_comes_without_it(stream: bool) -> None:
    with OpenAIServer(handler=lambda _: f"your key is {CANARY}!") as server:
        answer, _ = ask(server.base_url, stream=stream)
    assert answer["text"] == "your key is [removed]!"


def test_the_last_failure_is_told_with_how_often_and_how_long() -> None:
    with OpenAIServer(faults=[status(500), status(503), status(500), status(502, message="over\nloaded")]) as server:
        text = error_of(server.base_url)
        assert len(server.log) == 4
    assert "gave no usable answer in 4 attempts over " in text
    assert text.endswith("The last: HTTP 502. It says: over loaded")


# --- waiting ---


def test_retry_after_is_waited_for() -> None:
    with OpenAIServer(faults=[status(429, retry_after=0.3)]) as server:
        ask(server.base_url)
        first, second = (call.begun for call in server.log)
    assert 0.3 <= second - first < 2


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "2"}, 2, 2.2),
        ({"Retry-After": "0.5"}, 0.5, 0.55),
        ({"Retry-After": "Mon, 02 Mar 2026 10:00:30 GMT"}, 30, 33),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25, 0.275),
        ({"Retry-After": "1e9"}, 86400, 95040),
    ],
)
def test_both_forms_of_retry_after(headers: dict[str, str], low: float, high: float) -> None:
    found = retry_after(headers, now=1772445600.0)  # 2026-03-02 10:00:00 UTC
    assert found is not None
    assert low <= found <= high


@pytest.mark.parametrize(
    "text", ["", "soon", "-1", "0", "nan", "inf", "Sun, 01 Mar 2026 10:00:00 GMT", "Mon, 99 Foo 2026"]
)
def test_a_retry_after_that_says_nothing_is_none(text: str) -> None:
    assert retry_after({"Retry-After": text}, now=1772445600.0) is None


def test_backoff_is_spread_and_bounded() -> None:
    for failed, most in ((1, 1), (2, 2), (3, 4), (4, 5), (400, 5)):
        drawn = [backoff(failed, 1, 5) for _ in range(200)]
        assert 0 <= min(drawn) < most / 3
        assert most * 2 / 3 < max(drawn) <= most


def test_a_wait_longer_than_the_patience_is_an_error_at_once() -> None:
    began = time.monotonic()
    with OpenAIServer(faults=[status(429, retry_after=3600)]) as server:
        text = error_of(server.base_url, retries={"patience_s": 10})
    assert time.monotonic() - began < 5
    assert "it wants to be left alone for 3" in text
    assert "a call waits no more than 10 s" in text


async def _under_deadline(client: Endpoint, seconds: float) -> Answer:
    async with client, asyncio.timeout(seconds) as deadline:
        with running(deadline):
            return await client.complete(REQUEST)


def test_waiting_because_we_are_throttled_costs_no_time_of_the_turn() -> None:
    with OpenAIServer(faults=[status(429, retry_after=0.4), status(503, retry_after=0.4)]) as server:
        answer = asyncio.run(_under_deadline(endpoint(server.base_url), 0.5))
    assert answer["text"] == reply_to(MESSAGES)


def test_waiting_for_an_answer_does() -> None:
    with OpenAIServer(latency=0.6) as server, pytest.raises(TimeoutError):
        asyncio.run(_under_deadline(endpoint(server.base_url, attempt_timeout_s=5), 0.3))


def test_by_default_a_hang_costs_half_of_the_turn_and_a_second_attempt_makes_it() -> None:
    with OpenAIServer(faults=[Fault("hang")]) as server:
        answer = asyncio.run(_under_deadline(endpoint(server.base_url, attempt_timeout_s=None), 0.6))
        first, second = (call.begun for call in server.log)
    assert answer["text"] == reply_to(MESSAGES)
    assert 0.25 < second - first < 0.6


def test_no_endpoint_there_is_told_as_such_and_further_calls_do_not_wait_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def both() -> list[EndpointError]:
        found = []
        async with endpoint(f"http://127.0.0.1:{port}") as client:
            for _ in range(2):
                with pytest.raises(EndpointError) as raised:
                    await client.complete(REQUEST)
                found.append(raised.value)
        return found

    first, second = asyncio.run(both())
    assert "nothing usable has come from it for 0." in str(first)
    assert "The last: cannot connect: Connection refused" in str(first)
    assert first.attempts > second.attempts == 3


def test_a_server_that_comes_back_is_found_again() -> None:
    server = OpenAIServer()

    async def over_a_restart() -> list[str]:
        async with endpoint("http://127.0.0.1:0", retries={"dead_after_s": 20}) as _:
            pass  # opening connects to nothing
        async with server.running():
            client = endpoint(server.base_url, retries={"dead_after_s": 20})
            await client.__aenter__()
            texts = [(await client.complete(REQUEST))["text"]]
        asking = asyncio.create_task(client.complete(REQUEST))
        await asyncio.sleep(0.1)
        assert not asking.done()
        async with server.running():
            texts.append((await asking)["text"])
            await client.__aexit__(None, None, None)
        return texts

    assert asyncio.run(over_a_restart()) == [reply_to(MESSAGES)] * 2


# --- limits ---


async def _many(client: Endpoint, count: int) -> None:
    await asyncio.gather(*(client.complete(REQUEST, conversation=f"c{n}") for n in range(count)))


def test_no_more_requests_are_in_flight_than_allowed() -> None:
    async def run() -> None:
        async with endpoint(server.base_url, max_in_flight=3) as client:
            await _many(client, 20)

    with OpenAIServer(latency=0.01) as server:
        asyncio.run(run())
        assert server.most_in_flight == 3


def test_an_endpoint_that_turns_many_away_gets_fewer_at_once_and_more_again_later() -> None:
    windows: list[int] = []

    async def run() -> None:
        async with endpoint(server.base_url, max_in_flight=32, attempt_timeout_s=5) as client:
            await _many(client, 150)
            windows.append(client.window)
            server.limit = None
            await _many(client, 1000)
            windows.append(client.window)

    with OpenAIServer(latency=0.002, limit=4) as server:
        asyncio.run(run())
        assert sum(call.completed for call in server.log) == 1150
    assert windows[0] <= 12
    assert windows[1] == 32


def test_a_few_refusals_by_chance_do_not_shrink_the_window() -> None:
    async def rounds() -> float:
        gate = Gate(64)
        for n in range(2000):
            gate.leave((await gate.enter())[0], refused=n % 10 == 0)
        return gate.window

    assert asyncio.run(rounds()) == 64


def test_a_call_that_is_given_up_while_it_waits_for_a_place_leaves_none_taken() -> None:
    async def run() -> int:
        gate = Gate(1)
        entered, _ = await gate.enter()
        waiting = [asyncio.create_task(gate.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        gate.leave(entered, refused=False)
        waiting[1].cancel()  # its place is granted already
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        return (await asyncio.wait_for(waiting[2], 1))[0]

    assert asyncio.run(run()) == 0


def test_a_minute_never_sees_more_than_the_limit_and_one_second() -> None:
    now = 0.0
    bucket = PerMinute(120, lambda: now)
    sent: list[float] = []
    for _ in range(400):
        sent.append(now + bucket.take(1))
        now += 0.01
    for start in sent:
        assert sum(start <= at < start + 60 for at in sent) <= 122
    assert sent[-1] <= 200
    bucket.correct(60)
    assert bucket.take(1) > 30


def test_requests_and_tokens_per_minute_are_kept() -> None:
    async def run(**limits: float) -> float:
        async with endpoint(server.base_url, attempt_timeout_s=5, **limits) as client:
            began = time.monotonic()
            await _many(client, 14)
            assert client.statistics.waited_s > 0
            return time.monotonic() - began

    with OpenAIServer() as server:
        assert 0.4 <= asyncio.run(run(requests_per_minute=600)) < 3
        assert 0.2 <= asyncio.run(run(tokens_per_minute=12000)) < 3


# --- where it is, and with which key ---


def target(environ: dict[str, str] | None = None, **settings: Any) -> Any:
    return target_of(EndpointSettings.model_validate(settings), environ or {})


def test_keys_and_headers_come_from_the_environment() -> None:
    found = target(
        {"TEAM_KEY": f" {CANARY}\n", "TENANT": "blue"},
        base_url="https://gateway.example/v1/?api-version=3",
        api_key_env="TEAM_KEY",
        headers={"X-Tenant": "t-${TENANT}", "X-Plain": "yes"},
    )
    assert found.headers == {"Authorization": f"Bearer {CANARY}", "X-Tenant": "t-blue", "X-Plain": "yes"}
    assert found.url == "https://gateway.example/v1/chat/completions?api-version=3"
    assert found.shown == "https://gateway.example/v1/chat/completions"


def test_a_header_of_ones_own_takes_the_place_of_the_key() -> None:
    environ = {"OPENAI_API_KEY": "another", "TEAM_KEY": CANARY}
    found = target(environ, base_url="https://x.example", headers={"authorization": "Basic ${TEAM_KEY}"})
    assert found.headers == {"authorization": f"Basic {CANARY}"}
    assert found.key_variable == "TEAM_KEY"
    assert CANARY not in repr(found)


def test_an_endpoint_with_a_key_of_its_own_kind_is_not_shown_the_default_one() -> None:
    environ = {"OPENAI_API_KEY": "another", "AZURE_KEY": CANARY}
    found = target(environ, base_url="https://x.example", headers={"api-key": "${AZURE_KEY}"})
    assert found.headers == {"api-key": CANARY}


@pytest.mark.parametrize("url", ["http://localhost:8000/v1", "http://127.0.0.1:11434/v1", "http://[::1]:1/v1"])
def test_a_server_on_this_machine_needs_no_key(url: str) -> None:
    assert "Authorization" not in target(base_url=url).headers
    assert "Authorization" not in target(base_url="http://gpu.example", api_key_env=None).headers


@pytest.mark.parametrize(
    ("environ", "settings", "says"),
    [
        ({}, {}, "adapter.settings.base_url: neither 'base_url' nor the environment variable OPENAI_BASE_URL"),
        ({}, {"base_url": "https://x.example/v1"}, "the environment variable OPENAI_API_KEY is not set"),
        ({"K": " "}, {"base_url": "http://localhost/v1", "api_key_env": "K"}, "the environment variable K is not set"),
        (
            {},
            {"base_url": "http://localhost/v1", "headers": {"X-A": "${A_B}"}},
            "the environment variable A_B is not set",
        ),
        (
            {"OPENAI_BASE_URL": f"https://me:{CANARY}@x.example"},
            {},
            "the environment variable OPENAI_BASE_URL: a URL here",
        ),
        (
            {"OPENAI_API_KEY": f"{CANARY}\r\nX: y"},
            {"base_url": "http://localhost"},
            "characters that no header can have",
        ),
    ],
)
def test_what_is_missing_is_told_before_anything_runs(environ: dict[str, str], settings: Any, says: str) -> None:
    with pytest.raises(ContentError) as raised:
        target(environ, **settings)
    assert says in str(raised.value)
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "ftp://x.example"},
        {"base_url": "x.example/v1"},
        {"base_url": "https://me:secret@x.example"},
        {"base_url": "https://x.example:port"},
        {"headers": {"Authorization": f"Bearer {CANARY}"}},
        {"headers": {"X-A": "a\r\nX-B: b"}},
        {"headers": {"Host": "y"}},
        {"headers": {"X A": "b"}},
        {"api_key_env": "MY KEY"},
        {"max_in_flight": 0},
        {"requests_per_minute": 0},
        {"retry": {}},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        EndpointSettings.model_validate(settings)
