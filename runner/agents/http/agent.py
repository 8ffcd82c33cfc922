"""An agent behind an HTTP service: one POST a turn, and one more for each round of tool calls that it asks for.

What goes over the wire is `TurnRequest` and `AgentReply` (docs/http-agent.openapi.yaml). Every answer goes through the
conversation's call log, so that a run that was killed goes on from its last completed answer: a service that keeps
sessions finds the same conversation id again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from secrets import token_hex
from typing import Self

from assay.registry.types.base import JsonValue
from assay.registry.types.bundle import BundleManifest
from assay.runner.agents.applying import answer_turn
from assay.runner.agents.base import ConversationContext, TurnChannel
from assay.runner.agents.contract import AgentReply, ToolAnswer, read_reply, sole_role
from assay.runner.agents.http.client import AgentService
from assay.runner.agents.http.settings import read_http_settings
from assay.runner.agents.transcript import Transcript

__all__ = ["HttpAgent", "build_http_agent"]


def build_http_agent(
    manifest: BundleManifest, environ: Mapping[str, str] | None = None, *, share: float = 1.0
) -> HttpAgent:
    """The agent behind the service that the manifest names. It has to be entered (`async with`) before it is used.

    Args:
        manifest: `adapter.settings` are `HttpSettings`.
        environ: where keys and addresses come from; the process's own environment where it is not given.
        share: the part of the limits that this agent may use, where others share them.

    Raises:
        ContentError: the settings are ill-formed, or a variable that they name is not set.
    """
    settings = read_http_settings(manifest.adapter)
    service = AgentService(settings, os.environ if environ is None else environ, share)
    return HttpAgent(service, sole_role(manifest.roles))


class HttpAgent:
    """Runs conversations with a service."""

    def __init__(self, service: AgentService, role: str) -> None:
        self.service, self._role = service, role

    async def __aenter__(self) -> Self:
        await self.service.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.service.__aexit__(None, None, None)

    def start(self, context: ConversationContext) -> HttpSession:
        """Begin a conversation."""
        return HttpSession(self.service, context, self._role)


class HttpSession:
    """One conversation."""

    def __init__(self, service: AgentService, context: ConversationContext, role: str) -> None:
        self._service, self._context, self._role = service, context, role
        self._transcript = Transcript(context)
        self._name = ""

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        """Answer a turn.

        Raises:
            EndpointError: the service gave no usable answer.
            AgentReplyError: its answer is no reply; names the key.
        """
        calls = self._context.calls
        if not self._name:
            self._name = str(await calls.once({"begins": self._context.conversation}, self._fresh_name))

        async def ask(answers: tuple[ToolAnswer, ...]) -> AgentReply:
            request = self._transcript.request(customer, answers, conversation=self._name)
            said = await calls.once(request.model_dump(mode="json"), lambda: self._service.ask(request))
            return read_reply(said, role=self._role)

        self._transcript.add(customer, await answer_turn(ask, turn))

    async def _fresh_name(self) -> JsonValue:
        """A name that the service has never heard, also where the same trial was run before: nobody remembers it."""
        return f"{self._context.conversation[:32]}-{token_hex(8)}"
