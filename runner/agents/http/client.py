"""Posts a turn to an agent's service until it is answered: limits, waits, retries and errors are the endpoint's."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlsplit

from assay.registry.digest import digest_of
from assay.registry.types.base import JsonValue
from assay.runner.agents.contract import TurnRequest
from assay.runner.agents.http.settings import HttpSettings, endpoint_settings, shown_url
from assay.runner.endpoint.answers import loads
from assay.runner.endpoint.client import Endpoint, _Asking
from assay.runner.endpoint.errors import AnswerError, AttemptError, EndpointError
from assay.runner.endpoint.exchange import _MOST_BYTES, Exchange, _read

__all__ = ["AgentService"]


class AgentService(Endpoint):
    """An agent's service. Use it as an asynchronous context manager.

    Args:
        environ: where keys and addresses come from.
        share: the part of the limits that may be used here, where others use the service too.

    Raises:
        ContentError: a variable of the environment that the settings name is not set or cannot be used.
    """

    def __init__(self, settings: HttpSettings, environ: Mapping[str, str], share: float = 1.0) -> None:
        url, own = endpoint_settings(settings, environ, share)
        super().__init__(own, environ=environ)
        secrets = self._target.secrets.with_more(_secrets_of(url))
        self._target = dataclasses.replace(self._target, url=url, shown=shown_url(url), secrets=secrets)
        self._sends_headers = bool(settings.headers)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._session is not None
        self._exchange = _ReplyExchange(self._session, self._target)
        return self

    async def ask(self, request: TurnRequest) -> JsonValue:
        """What the service answers, as JSON.

        The `Idempotency-Key` is that of this very request, whichever attempt and whichever process makes it: a service
        that remembers its answers by it never answers one twice.

        Raises:
            EndpointError: there is no usable answer, after all that was worth trying.
        """
        data = request.model_dump_json().encode()
        headers = {
            "Assay-Conversation": request.conversation,
            "Idempotency-Key": digest_of(request)[:32],
        }
        return cast(JsonValue, await self._until_answered(data, headers, {}))

    async def _rest(self, seconds: float) -> None:
        """The service is the agent: while it wants to be left alone, the customer waits for the agent."""
        await asyncio.sleep(seconds)

    async def _refused(self, failed: AttemptError, asking: _Asking, request: dict[str, Any]) -> EndpointError:
        """As the endpoint says it, but of an agent: there is no model to name and no key but in the headers."""
        del request
        says = f" It says: {failed.says}" if failed.says else ""
        hint = ""
        if failed.status in {401, 403}:
            hint = " Its key goes into 'adapter.settings.headers'" + (
                ", and the one that is sent there is not accepted." if self._sends_headers else "; none is sent."
            )
        elif failed.status in {404, 405}:
            hint = " Is 'adapter.settings.url' the whole address that takes a POST?"
        elif failed.status in {400, 413, 422}:
            hint = " What is sent to it stands in docs/http-agent.openapi.yaml."
        seconds = asyncio.get_running_loop().time() - asking.began
        problem = f"refused: {failed.what}.{hint}{says}"
        return EndpointError(self.url, problem, attempts=asking.attempts, seconds=seconds, status=failed.status)


def _secrets_of(url: str) -> list[str]:
    """What an address may hold that nobody is to read: the values of its query, and the query as a whole."""
    query = urlsplit(url).query
    return [value for _, value in parse_qsl(query)] + ([query] if query else [])


class _ReplyExchange(Exchange):
    """Reads any JSON object, where the endpoint's own reads chat completions."""

    async def _post(self, body: bytes, headers: dict[str, str], stream: list[Any]) -> Any:
        del stream
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise await self._refusal(response)
            data = self._target.secrets.removed_from_bytes(await _read(response, _MOST_BYTES))
            try:
                answer = loads(data)
            except AnswerError as error:
                says = data[:1000].decode("utf-8", "replace")
                what = f"the answer ({response.content_type}) cannot be used: {error}"
                raise AttemptError(what, status=200, says=says) from None
            if not isinstance(answer, dict):
                raise AttemptError("the answer cannot be used: it is no JSON object", status=200)
            return answer
