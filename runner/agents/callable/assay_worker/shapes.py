"""The shapes that an agent's code may have, and how each is called.

| what `target` leads to | how it is used |
| --- | --- |
| a function with parameters called message, history, turn, conversation | called with those, by name |
| a function of one other parameter / of two | called with (turn) / (message, history) |
| a class with `respond` | made once a conversation, with (conversation) or () |
| a function of `conversation` alone | called once a conversation, for an object with `respond` |
| an object with `respond`, or that can be called | used like a function |
| a function that needs nothing | called once, for one of the above |
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .loading import LoadError
from .turn import Conversation, Turn

__all__ = ["Target", "understand"]

_KNOWN = ("message", "history", "turn", "conversation")
_FORMS = "(message, history), (turn), or names among message, history, turn and conversation"

Responder = Callable[[Turn], Any]


class Target:
    """An agent's code, ready to be called. `stateful`: it has an object for every conversation."""

    def __init__(self, call: _Call | None, make: Callable[[Conversation], Responder] | None = None) -> None:
        self._call, self._make = call, make
        self.stateful = make is not None
        self.sees_results = call is None or call.sees_results
        self.is_async = call is not None and call.is_async

    def open(self, conversation: Conversation) -> Responder:
        """What answers the turns of a conversation."""
        if self._make is not None:
            return self._make(conversation)
        assert self._call is not None
        return self._call


class _Call:
    """A function with the way in which it takes its arguments. Raises LoadError: it takes others."""

    def __init__(self, function: Callable[..., Any], name: str, *, skip_self: bool = False) -> None:
        self.function = function
        parameters = _parameters(function, name)[1 if skip_self else 0 :]
        self._names = [p.name for p in parameters if p.name in _KNOWN and p.kind in _NAMED]
        required = [p for p in parameters if p.default is p.empty and p.kind in (*_NAMED, p.POSITIONAL_ONLY)]
        self._positional = 0
        if not all(p.name in self._names for p in required) or not self._names:
            self._names = []
            self._positional = len(required)
            if not required and any(p.kind is p.VAR_POSITIONAL for p in parameters):
                self._positional = 2
            if self._positional not in (1, 2) or any(p.kind is p.KEYWORD_ONLY for p in required):
                shown = ", ".join(str(p) for p in parameters)
                raise LoadError(f"{name}({shown}) cannot be called: an agent takes {_FORMS}")
        self.sees_results = "turn" in self._names or self._positional == 1
        self.is_async = _is_async(function)

    def bound(self, function: Callable[..., Any]) -> _Call:
        """The same way of calling, for a method of an object."""
        made = object.__new__(_Call)
        made.__dict__.update(self.__dict__, function=function)
        return made

    def __call__(self, turn: Turn) -> Any:
        if self._names:
            return self.function(**{name: turn if name == "turn" else getattr(turn, name) for name in self._names})
        return self.function(turn) if self._positional == 1 else self.function(turn.message, turn.history)


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def understand(found: Any, name: str, *, factory: bool = True) -> Target:
    """How to call what a target leads to.

    Raises:
        LoadError: it is no agent, or takes other arguments than one is given.
    """
    if isinstance(found, type):
        return _class(found, name)
    if callable(getattr(found, "respond", None)):
        return Target(_Call(found.respond, f"{name}.respond"))
    if not callable(found):
        raise LoadError(
            f"{name!r} is of the type {type(found).__name__}: neither a function nor a class with `respond`"
        )
    parameters = _parameters(found, name)
    if not parameters and factory:
        made = found()
        if inspect.iscoroutine(made):
            made.close()
        if inspect.isgenerator(made) or not (callable(made) or callable(getattr(made, "respond", None))):
            raise LoadError(
                f"{name}() takes no arguments, so it was called for an agent, and it returned "
                f"{type(made).__name__}. An agent takes {_FORMS}"
            )
        return understand(made, f"{name}()", factory=False)
    if [p.name for p in parameters] == ["conversation"] and not _is_async(found):
        return Target(None, lambda conversation: _object(found(conversation), name))
    return Target(_Call(found, name))


def _class(found: type, name: str) -> Target:
    respond = getattr(found, "respond", None)
    if not callable(respond):
        own = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
        there = f" (it has {', '.join(own)})" if own else ""
        raise LoadError(f"the class {name!r} has no method `respond(self, turn)`{there}")
    call = _Call(respond, f"{name}.respond", skip_self=not isinstance(vars(found).get("respond"), staticmethod))
    takes = [] if found.__init__ is object.__init__ else _parameters(found, name)
    required = [p for p in takes if p.default is p.empty and p.kind in (*_NAMED, p.POSITIONAL_ONLY)]
    if len(required) > 1 or any(p.kind is p.KEYWORD_ONLY for p in required):
        raise LoadError(f"{name}({', '.join(map(str, takes))}) cannot be made: it takes (conversation) or nothing")
    given = bool(required) or any(p.name == "conversation" for p in takes)

    def make(conversation: Conversation) -> Responder:
        return call.bound((found(conversation) if given else found()).respond)

    return Target(call, make)


def _object(made: Any, name: str) -> Responder:
    if not callable(getattr(made, "respond", None)):
        raise LoadError(f"{name}(conversation) returned {type(made).__name__}, which has no method `respond(turn)`")
    return _Call(made.respond, f"{name}(conversation).respond")


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        found: dict[str, inspect.Parameter] = dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        raise LoadError(f"it cannot be read off {name!r} which arguments it takes; wrap it in a function") from None
    return list(found.values())


def _is_async(function: Any) -> bool:
    return any(
        inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f)
        for f in (function, getattr(function, "__call__", None))  # noqa: B004 - not whether it can be called
    )
