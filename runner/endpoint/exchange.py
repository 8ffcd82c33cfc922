"""One HTTP exchange: a request, and an answer or the reason why there is none."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import aiohttp
import orjson
from aiohttp.http import HttpProcessingError
from yarl import URL

from assay.runner.endpoint.answers import Answer, loads, read_completion
from assay.runner.endpoint.errors import AnswerError, AttemptError
from assay.runner.endpoint.events import StreamedAnswer
from assay.runner.endpoint.settings import Target
from assay.runner.endpoint.waiting import retry_after

__all__ = ["Exchange"]

_MOST_BYTES = 16 << 20
"""An answer that is larger is none: a million tokens are four million bytes."""
_MOST_OF_AN_ERROR = 64 << 10
_SHOWN = 200
_RETRIED = frozenset({408, 409, 425, 429})
_MODELS_TIMEOUT = 5.0


class Exchange:
    """Posts to a target through a session."""

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self._session, self._target = session, target
        self._url = URL(target.url)

    async def post(self, body: bytes, headers: dict[str, str], timeout_s: float) -> Answer:
        """The answer. Raises AttemptError where there is none within `timeout_s` seconds."""
        try:
            return await self._within(body, headers, timeout_s)
        except AttemptError as error:
            error.what, error.says = self._target.secrets.removed(error.what), self._clean(error.says)
            raise

    async def _within(self, body: bytes, headers: dict[str, str], timeout_s: float) -> Answer:
        stream: list[StreamedAnswer] = []
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                return await self._post(body, headers, stream)
        except AnswerError as error:
            raise AttemptError(f"the answer is no chat completion: {error}", status=200) from None
        except TimeoutError:
            if not limit.expired():
                raise AttemptError("the connection timed out", unreachable=True) from None
            if stream and stream[0].done:
                return self._cleaned(stream[0].answer())
            raise AttemptError(f"no whole answer within {timeout_s:.3g} s") from None
        except aiohttp.ClientSSLError as error:
            raise AttemptError(f"TLS fails: {error}", retry=False) from None
        except aiohttp.ClientConnectorError as error:
            code = error.os_error.errno
            why = os.strerror(code) if code and code > 0 else error.strerror or type(error.os_error).__name__
            raise AttemptError(f"cannot connect: {why}", unreachable=True) from None
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            raise AttemptError(f"the connection broke off ({type(error).__name__})") from None

    async def models(self) -> list[str]:
        """Ids of the models that the endpoint lists; empty where it lists none."""
        try:
            async with (
                asyncio.timeout(_MODELS_TIMEOUT),
                self._session.get(URL(self._target.models_url), allow_redirects=False) as response,
            ):
                data = loads(await _read(response, _MOST_BYTES))
            return [str(item["id"]) for item in data["data"]]
        except (aiohttp.ClientError, OSError, TimeoutError, AnswerError, AttemptError, KeyError, TypeError):
            return []

    async def _post(self, body: bytes, headers: dict[str, str], stream: list[StreamedAnswer]) -> Answer:
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise await self._refusal(response)
            if response.content_type == "text/event-stream":
                stream.append(StreamedAnswer())
                return await self._streamed(response, stream[0])
            data = self._target.secrets.removed_from_bytes(await _read(response, _MOST_BYTES))
            try:
                return read_completion(loads(data))
            except AnswerError as error:
                says = data[:_MOST_OF_AN_ERROR].decode("utf-8", "replace")
                what = f"the answer ({response.content_type}) is no chat completion: {error}"
                raise AttemptError(what, status=200, says=says) from None

    async def _streamed(self, response: aiohttp.ClientResponse, answer: StreamedAnswer) -> Answer:
        size = 0
        try:
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > _MOST_BYTES:
                    raise _too_large()
                if answer.feed(chunk):
                    break
        except (aiohttp.ClientError, HttpProcessingError):
            if not answer.done:
                raise
        return self._cleaned(answer.answer())

    def _cleaned(self, answer: Answer) -> Answer:
        """The answer without any secret, which may have come in pieces."""
        data = orjson.dumps(answer)
        cleaned = self._target.secrets.removed_from_bytes(data)
        return answer if cleaned == data else orjson.loads(cleaned)

    async def _refusal(self, response: aiohttp.ClientResponse) -> AttemptError:
        """What a status other than 200 means."""
        status = response.status
        if 300 <= status < 400:
            what = f"HTTP {status}, a redirect{_host_of(response)}, which is not followed"
            return AttemptError(what, status=status, retry=False)
        try:
            body = await _read(response, _MOST_OF_AN_ERROR)
        except (AttemptError, aiohttp.ClientError, HttpProcessingError):
            body = b""
        error = _error_in(body)
        says = error.get("message")
        says = says if isinstance(says, str) else body.decode("utf-8", "replace")
        used_up = "insufficient_quota" in (error.get("code"), error.get("type"))
        return AttemptError(
            f"HTTP {status}{' (the quota is used up)' if used_up else ''}",
            status=status,
            says=says,
            retry=(status in _RETRIED or status >= 500) and not used_up,
            throttled=status == 429 and not used_up,
            after=retry_after(response.headers),
        )

    def _clean(self, text: str) -> str:
        """One line of at most 200 characters, without any secret."""
        text = " ".join(self._target.secrets.removed(text).split())
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body, decompressed. Raises AttemptError where it is larger than `most`."""
    content = response.content
    first = await content.readany()
    if content.at_eof():
        return first
    parts, size = [first], len(first)
    while part := await content.readany():
        parts.append(part)
        size += len(part)
        if size > most:
            raise _too_large()
    return b"".join(parts)


def _host_of(response: aiohttp.ClientResponse) -> str:
    try:
        host = URL(response.headers.get("Location", "")).host
    except ValueError:
        host = None
    return f" to {host}" if host else ""


def _too_large() -> AttemptError:
    return AttemptError(f"the answer is larger than {_MOST_BYTES >> 20} MiB", retry=False)


def _error_in(body: bytes) -> dict[str, Any]:
    try:
        data = loads(body)
    except AnswerError:
        return {}
    error = data.get("error", data) if isinstance(data, dict) else None
    return error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
