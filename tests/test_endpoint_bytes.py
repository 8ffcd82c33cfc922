"""The client of OpenAI-compatible endpoints, against servers that write what no server should."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from test_endpoint import REQUEST, ask, endpoint, error_of

from assay.runner.endpoint.errors import AttemptError, EndpointError
from assay.runner.endpoint.events import EventReader, StreamedAnswer


@contextlib.contextmanager
def raw(*answers: bytes) -> Iterator[str]:
    """A server that writes these bytes, one for each connection, and closes."""
    import threading

    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 16)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def http(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ("HTTP/1.1 200 OK", "Content-Type: application/json", *headers)
    size = len(body) if length is None else length
    return "\r\n".join((*lines, f"Content-Length: {size}", "", "")).encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        http(b"{}", length=4000),
        http(b"not gzip at all", "Content-Encoding: gzip"),
        http(gzip.compress(b"{}")[:-6], "Content-Encoding: gzip"),
        http(b'{"choices": [{"message": {"content": "\\ud800"}}]}'),
        http(b'{"choices": [{"message": {"content": NaN}}]}'),
        http(b"\xff\xfe{}"),
        http(b"[" * 100_000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_bytes_that_are_no_answer_are_asked_for_again(answer: bytes) -> None:
    good = http(b'{"choices": [{"message": {"content": [{"type": "text", "text": "ok"}]}}]}', "Connection: close")
    with raw(answer, good) as url:
        found, client = ask(url)
    assert found["text"] == "ok"
    assert (client.statistics.attempts, client.statistics.without_usage) == (2, 1)


def test_a_small_body_that_unpacks_without_end_is_refused() -> None:
    bomb = http(gzip.compress(b" " * (64 << 20)), "Content-Encoding: gzip")
    with raw(bomb) as url:
        assert "larger than 16 MiB" in error_of(url, attempt_timeout_s=10)


def test_an_error_under_status_200_is_no_answer() -> None:
    error = http(b'{"error": {"message": "provider down", "code": 502}}', "Connection: close")
    final = http(b'{"error": {"message": "no such thing", "code": 400}}', "Connection: close")
    with raw(error, final) as url:
        assert "refused: an error in place of an answer. It says: no such thing" in error_of(url)


STREAM = (
    ": keep-alive\r\n\r\n"
    'data: {"choices":[{"delta":{"role":"assistant","content":"Grüße 你"}}]}\n\n'
    "event: message\nid: 7\n"
    'data: {"choices":[{"delta":{"content":"好","tool_calls":[{"index":0,"id":"a",'
    '"function":{"name":"f","arguments":"{\\"x\\""}}]}}]}\r\n\r\n'
    'data:{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":": 1}"}}]},\n'
    'data: "finish_reason":"tool_calls"}]}\r\r'
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
    "data: [DONE]\n\n"
).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_stream_is_read_alike_however_its_bytes_are_cut(size: int) -> None:
    answer = StreamedAnswer()
    ended = [answer.feed(STREAM[n : n + size]) for n in range(0, len(STREAM), size)]
    assert ended[-1]
    assert not any(ended[:-2])
    assert answer.answer() == {
        "text": "Grüße 你好",
        "refusal": "",
        "calls": [{"id": "a", "name": "f", "arguments": '{"x": 1}'}],
        "finish": "tool_calls",
        "usage": {"input": 3, "output": 4},
    }


def test_an_event_of_several_lines_is_one() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\ndata:b\n") == []
    assert reader.feed(b"\r") == []
    assert reader.feed(b"\ndata: c\n\n") == [b"a\nb", b"c"]


def _event(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


HELLO = _event('{"choices":[{"delta":{"content":"hello"}}]}')
STOP = _event('{"choices":[{"delta":{},"finish_reason":"stop"}]}')


def stream_of(*parts: bytes, ends: bool = True) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + body + (b"0\r\n\r\n" if ends else b"")


@pytest.mark.parametrize(
    "answer",
    [
        stream_of(HELLO, STOP),
        stream_of(HELLO, STOP, ends=False),
        stream_of(HELLO, _event("[DONE]")),
        stream_of(HELLO[:11], HELLO[11:], STOP, _event("[DONE]"), ends=False),
    ],
)
def test_a_message_that_came_whole_is_taken_however_the_stream_ends(answer: bytes) -> None:
    with raw(answer) as url:
        found, client = ask(url, stream=True)
    assert (found["text"], client.statistics.attempts) == ("hello", 1)


@pytest.mark.parametrize(
    "answer",
    [
        stream_of(HELLO),
        stream_of(HELLO, ends=False),
        stream_of(_event("[DONE]")),
        stream_of(),
        stream_of(HELLO, _event('{"error": {"message": "overloaded"}}')),
        stream_of(HELLO, _event("[1]"), STOP),
        stream_of(HELLO, _event('{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a"}]}}]}'), STOP),
    ],
)
def test_a_message_that_did_not_is_asked_for_again(answer: bytes) -> None:
    with raw(answer, stream_of(HELLO, STOP, _event("[DONE]"))) as url:
        found, client = ask(url, stream=True)
    assert (found["text"], client.statistics.attempts) == ("hello", 2)


def test_the_error_of_one_attempt_reads_as_a_sentence() -> None:
    assert str(AttemptError("HTTP 500", says="oops")) == "HTTP 500. It says: oops"


@contextlib.asynccontextmanager
async def _self_signed() -> AsyncIterator[str]:
    import datetime as dt
    import ssl
    import tempfile
    from pathlib import Path

    from aiohttp import web
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)

        async def never(_: web.BaseRequest) -> web.Response:
            raise AssertionError("a request came through")

        runner = web.ServerRunner(web.Server(never))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/v1"
        await runner.cleanup()


def test_a_certificate_that_does_not_hold_ends_the_call() -> None:
    async def run() -> None:
        async with _self_signed() as url, endpoint(url, attempt_timeout_s=5) as client:
            await client.complete(REQUEST)

    with pytest.raises(EndpointError, match=r"refused: TLS fails: .*certificate verify failed"):
        asyncio.run(run())
