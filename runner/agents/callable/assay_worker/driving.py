"""From whatever an agent's code returns to the parts of a reply.

Text, a dict in the form of a reply or of one event, a dataclass or pydantic model of that form, or an iterator of
these, each sync or async. Text that an iterator gives piece by piece is one text, as in streaming, until something
else comes between. Where a part asks for `tool_calls`, an iterator gets the answers sent (`answers = yield {...}`), and
a function is called again with `turn.tool_results`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from .turn import Exchange

__all__ = ["AnswerError", "Pieces", "drive", "drive_async", "is_stream", "whole"]


class AnswerError(Exception):
    """What the agent's code returned is no reply."""


class Pieces:
    """Text of a stream, held until it is whole."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._text: list[str] = []

    def take(self, item: Any) -> dict[str, Any] | None:
        """Pass the item on; returns it where it asks for tool calls, for the caller to wait for the answers."""
        if isinstance(item, str):
            self._text.append(item)
            return None
        part = _part(item)
        self.flush()
        if asks(part):
            return part
        self._exchange.part(part)
        return None

    def flush(self) -> None:
        text = "".join(self._text)
        self._text.clear()
        if text:
            self._exchange.part(text)


def drive(value: Any, exchange: Exchange) -> list[dict[str, Any]] | None:
    """Pass on what a function returned.

    Returns:
        Answers to the tool calls that it asked for, to call the function again with; None where it is done.
    """
    if not _is_iterator(value):
        part = whole(value, exchange)
        return None if part is None else exchange.ask(part).result()
    pieces = Pieces(exchange)
    item = next(value, _END)
    while item is not _END:
        asked = pieces.take(item)
        item = next(value, _END) if asked is None else _sent(value, exchange.ask(asked).result())
    pieces.flush()
    return None


async def drive_async(value: Any, exchange: Exchange) -> list[dict[str, Any]] | None:
    """As `drive`, for code of the event loop."""
    import asyncio

    if inspect.isawaitable(value):
        value = await value
    if not hasattr(value, "__anext__"):
        if _is_iterator(value):
            return drive(value, exchange) if not inspect.isgenerator(value) else await _drive_generator(value, exchange)
        part = whole(value, exchange)
        return None if part is None else await asyncio.wrap_future(exchange.ask(part))
    pieces = Pieces(exchange)
    try:
        item = await value.__anext__()
        while True:
            asked = pieces.take(item)
            answers = None if asked is None else await asyncio.wrap_future(exchange.ask(asked))
            item = await (value.asend(answers) if hasattr(value, "asend") else value.__anext__())
    except StopAsyncIteration:
        pass
    pieces.flush()
    return None


async def _drive_generator(value: Any, exchange: Exchange) -> None:
    """A plain generator that async code returned: its items must not block the event loop for their answers."""

    async def stepwise() -> Any:
        answers = None
        while True:
            try:
                item = value.send(answers)
            except StopIteration:
                return
            answers = yield item

    await drive_async(stepwise(), exchange)


def whole(value: Any, exchange: Exchange) -> dict[str, Any] | None:
    """Pass on an answer in one piece; returns it where it asks for tool calls.

    None is no answer, unless `turn.say` or `turn.hand_off` gave one before.
    """
    if value is None and exchange.acted:
        return None
    if isinstance(value, str):
        exchange.part(value)
        return None
    part = _part(value)
    if asks(part):
        return part
    exchange.part(part)
    return None


def is_stream(value: Any) -> bool:
    """Whether only the event loop can go on with it."""
    return inspect.isawaitable(value) or hasattr(value, "__anext__")


def asks(part: dict[str, Any]) -> bool:
    events = part.get("events")
    return bool(part.get("tool_calls")) or (
        isinstance(events, list) and any(isinstance(e, dict) and e.get("type") == "tool_call" for e in events)
    )


_END = object()


def _sent(value: Any, answers: list[dict[str, Any]]) -> Any:
    if not hasattr(value, "send"):
        return next(value, _END)
    try:
        return value.send(answers)
    except StopIteration:
        return _END


def _is_iterator(value: Any) -> bool:
    return hasattr(value, "__next__")


def _part(value: Any) -> dict[str, Any]:
    """Raises AnswerError: it is no part of a reply."""
    if hasattr(value, "model_dump") and not isinstance(value, type):
        value = value.model_dump(mode="json", exclude_unset=True)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if not isinstance(value, Mapping):
        given = "nothing (None)" if value is None else f"a value of the type {type(value).__name__}"
        hint = "; yield several one by one" if isinstance(value, (list, tuple)) else ""
        if value is None:
            hint = ". None is enough after turn.say(...) or turn.hand_off(...)"
        raise AnswerError(f"the agent answered with {given}; an answer is text or a dict with 'reply' and others{hint}")
    part = dict(value)
    return {"events": [part]} if "type" in part else part
