"""A model that a server of MLflow's answers for: `mlflow models serve`, one POST to `/invocations` an answer."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from assay.registry.digest import digest_of
from assay.registry.types.base import JsonValue
from assay.runner.agents.contract import MAX_REPLY_BYTES
from assay.runner.agents.http.client import AgentService
from assay.runner.agents.http.settings import HttpSettings, shown_url
from assay.runner.endpoint.answers import loads
from assay.runner.endpoint.client import _Asking
from assay.runner.endpoint.errors import AnswerError, AttemptError, EndpointError
from assay.runner.endpoint.exchange import Exchange, _read

if TYPE_CHECKING:
    import aiohttp

__all__ = ["ServedModel"]

_PATH = "/invocations"


class ServedModel(AgentService):
    """A server of MLflow's. Use it as an asynchronous context manager; limits and patience are the endpoint's.

    Args:
        settings: the server's address, with `/invocations` or without.
        environ: where keys and addresses come from.
        as_list: whether the model takes a list of requests, so that one goes as `{"inputs": [...]}`.

    Raises:
        ContentError: a variable of the environment that the settings name is not set or cannot be used.
    """

    def __init__(self, settings: HttpSettings, environ: Mapping[str, str] | None = None, *, as_list: bool) -> None:
        super().__init__(settings, os.environ if environ is None else environ)
        url = self._target.url.rstrip("/")
        url = url if url.endswith(_PATH) else url + _PATH
        self._target = dataclasses.replace(self._target, url=url, shown=shown_url(url))
        self._as_list = as_list

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        assert self._session is not None
        self._exchange = _Invocations(self._session, self._target)
        return self

    async def predict(self, request: dict[str, Any]) -> JsonValue:
        """The model's answer, as JSON.

        Raises:
            EndpointError: there is no usable answer, after all that was worth trying.
        """
        body = {"inputs": [request]} if self._as_list else request
        headers = {"Idempotency-Key": digest_of(request)[:32]}
        return await self._until_answered(json.dumps(body).encode(), headers, {})

    async def _refused(self, failed: AttemptError, asking: _Asking, request: dict[str, Any]) -> EndpointError:
        """MLflow answers 400 for a request that does not fit the model, and for whatever the model raised."""
        if failed.status != 400:
            return await super()._refused(failed, asking, request)
        seconds = asyncio.get_running_loop().time() - asking.began
        problem = f"refused: the model failed or does not take such a request (HTTP 400). It says: {failed.says}"
        return EndpointError(self.url, problem, attempts=asking.attempts, seconds=seconds, status=failed.status)


class _Invocations(Exchange):
    """Reads any JSON: a model may answer with text or with a list."""

    async def _refusal(self, response: aiohttp.ClientResponse) -> AttemptError:
        refusal = await super()._refusal(response)
        try:
            message = str(json.loads(refusal.says)["message"])
        except (ValueError, KeyError, TypeError):
            return refusal
        # MLflow repeats the whole request before it says what is wrong.
        refusal.says = message.rpartition("Error: ")[2]
        return refusal

    async def _post(self, body: bytes, headers: dict[str, str], stream: list[Any]) -> Any:
        del stream
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise await self._refusal(response)
            data = self._target.secrets.removed_from_bytes(await _read(response, MAX_REPLY_BYTES))
            try:
                return loads(data)
            except AnswerError as error:
                says = data[:1000].decode("utf-8", "replace")
                raise AttemptError(f"the answer cannot be used: {error}", status=200, says=says) from None
