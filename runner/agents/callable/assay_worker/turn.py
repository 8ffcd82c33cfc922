"""What the agent's code is given: the conversation and the turn."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any

__all__ = ["Conversation", "Exchange", "ToolError", "Turn", "TurnOverError"]


class ToolError(RuntimeError):
    """A back-office tool answered with an error; its text is what went wrong."""


class TurnOverError(RuntimeError):
    """The turn's deadline has passed, or its answer was refused: nothing more can be done in it."""


class Conversation:
    """One conversation: `id`, `channel`, `language`, `date`, `seed`, the bundle's `prompt` and `retrieval` config
    (None where the bundle has none), and `history`, the messages before its first turn.
    """

    def __init__(self, told: dict[str, Any], prompt: str | None, retrieval: dict[str, Any] | None) -> None:
        self.id: str = told["conversation"]
        self.channel: str = told["channel"]
        self.language: str = told["language"]
        self.date = dt.date.fromisoformat(told["date"])
        self.seed: int = told["seed"]
        self.history: list[dict[str, str]] = told["history"]
        self.prompt = prompt
        self.retrieval = retrieval


class Exchange:
    """The worker's side of one turn. `send` writes a message to Assay."""

    def __init__(self, number: int, send: Callable[[dict[str, Any]], None]) -> None:
        self.number = number
        self._send = send
        self._over = False
        self.acted = False
        """Whether the customer got something already, by `turn.say` or `turn.hand_off`."""
        self._asked: dict[int, concurrent.futures.Future[list[dict[str, Any]]]] = {}

    def part(self, part: Any, done: bool = False) -> None:
        """Pass on a part of the reply; with `done` the last one."""
        self._check()
        self._send({"id": self.number, "part": part, "done": True} if done else {"id": self.number, "part": part})

    def ask(self, part: dict[str, Any]) -> concurrent.futures.Future[list[dict[str, Any]]]:
        """Pass on a part that asks for tool calls; the future holds their answers."""
        self._check()
        key = len(self._asked) + 1
        future: concurrent.futures.Future[list[dict[str, Any]]] = concurrent.futures.Future()
        self._asked[key] = future
        self._send({"id": self.number, "part": part, "ask": key})
        return future

    def answered(self, key: int, answers: list[dict[str, Any]]) -> None:
        """The answers to an earlier `ask` have come."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):  # nobody waits for it any more
            self._asked[key].set_result(answers)

    def end(self) -> None:
        """The turn is over: whoever waits for an answer, or acts on, gets a `TurnOverError`."""
        self._over = True
        for future in list(self._asked.values()):
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                future.set_exception(TurnOverError("the turn is over"))

    def _check(self) -> None:
        if self._over:
            raise TurnOverError("the turn is over")


class Turn:
    """One customer turn, and everything that can be done about it.

    `message` is what the customer says, `history` what was said before (`{"role": "user" | "assistant", "content"}`),
    `number` the turn's 1-based number, `conversation` the conversation that it belongs to.
    """

    ToolError = ToolError

    def __init__(self, told: dict[str, Any], conversation: Conversation, exchange: Exchange, role: str = "") -> None:
        self._told = told
        self._exchange = exchange
        self._role = role
        self.conversation = conversation
        self.number: int = told["turn"]
        self.message: str = told["message"]
        self.history: list[dict[str, str]] = told["history"]
        self.tool_results: list[dict[str, Any]] = told["tool_results"]
        self.channel, self.language = conversation.channel, conversation.language
        self.date, self.seed = conversation.date, conversation.seed

    def as_role(self, role: str) -> Turn:
        """The same turn, acted on as one of the agent's roles."""
        return Turn(self._told, self.conversation, self._exchange, role)

    def tool(self, tool_name: str, /, **arguments: Any) -> Any:
        """Call a back-office tool; in async code `await` it.

        Raises:
            ToolError: the tool answered with an error.
        """
        future = self._exchange.ask({"events": [self._event("tool_call", name=tool_name, arguments=arguments)]})
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return _result(future.result())
        return _later(future)

    def say(self, text: str) -> None:
        """Show text to the customer."""
        self._act("say", text=text)
        self._exchange.acted = True

    def triage(self, intent: str, confidence: float, signals: Any = ()) -> None:
        """Record what the request is taken to be."""
        self._act("triage", intent=intent, confidence=confidence, signals=list(signals))

    def retrieved(self, query: str, passages: Any) -> None:
        """Record a search and its passages, each with `document`, `text` and `score`."""
        self._act("retrieval", query=query, passages=list(passages))

    def executed(self, tool_name: str, arguments: dict[str, Any], result: Any = None, error: str | None = None) -> None:
        """Record a tool call that the agent has made itself."""
        self._act("tool_result", name=tool_name, arguments=arguments, result=result, error=error)

    def hand_off(self, reason: str | None = None, **packet: Any) -> None:
        """Step aside for a person: `reason`, `queue`, `intent`, `summary`, `history`, `prior_actions`, `knowledge`."""
        self._act("handoff", packet=dict(packet, reason=reason))
        self._exchange.acted = True

    def used(self, **usage: Any) -> None:
        """Add `input_tokens`, `output_tokens` and `cost_usd` to the conversation's usage."""
        self._exchange.part({"usage": usage})

    def _act(self, kind: str, **what: Any) -> None:
        self._exchange.part({"events": [self._event(kind, **what)]})

    def _event(self, kind: str, **what: Any) -> dict[str, Any]:
        return dict(what, type=kind, role=self._role)


async def _later(future: concurrent.futures.Future[list[dict[str, Any]]]) -> Any:
    return _result(await asyncio.wrap_future(future))


def _result(answers: list[dict[str, Any]]) -> Any:
    answer = answers[0]
    if answer["error"] is not None:
        raise ToolError(answer["error"])
    return answer["result"]
