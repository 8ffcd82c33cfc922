"""What a temporal rule is made of. Each node prints as the text that parses into it.

The patterns are templates of Declare (Pesic, Schonenberg and van der Aalst, DECLARE: full support for loosely
structured processes, 2007), whose meaning on finite traces is LTLf (De Giacomo and Vardi, Linear temporal logic and
linear dynamic logic on finite traces, 2013).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "KEYWORDS",
    "OPERATORS",
    "Absence",
    "After",
    "AtMost",
    "Comparison",
    "Event",
    "EventKind",
    "Exists",
    "IfThen",
    "Needs",
    "Never",
    "NotBoth",
    "Pattern",
    "Rule",
    "Scalar",
    "Window",
]

Scalar = str | int | float | bool | None
EventKind = Literal["customer says", "agent says", "calls", "retrieves", "hands off", "triages"]
Outcome = Literal["any", "succeeding", "failing"]
Window = Literal["any", "turn"] | int
"""How far apart two events may be: anywhere, in one turn, or so many turns."""

OPERATORS = ("=", "!=", "<=", ">=", "<", ">", "matches")
_BARE = re.compile(r"[A-Za-z_*][\w.*-]*")
KEYWORDS = frozenset(
    {"or", "needs", "before", "unless", "until", "always", "never", "then", "and", "per", "in", "within", "with"}
    | {"succeeding", "failing", "giving"}
)
"""What may come after names; a tool or document that is called so has to stand in quotes."""


@dataclass(frozen=True)
class Comparison:
    """`amount > 40`: a value of an event against a constant. `key` may reach into an object: `result.verified`.

    The columns, 1-based, say where key and value stand in the rule's text; two comparisons are equal without them.
    """

    key: str
    operator: str
    value: Scalar
    column: int = field(default=1, compare=False, repr=False)
    value_column: int = field(default=1, compare=False, repr=False)

    def __str__(self) -> str:
        shown = f"/{self.value}/" if self.operator == "matches" else _literal(self.value)
        return f"{self.key} {self.operator} {shown}"


@dataclass(frozen=True)
class Event:
    """A class of events. `names`: words of a message, tools, or documents; none means any.

    `giving` compares what a tool returned, `where` its arguments, or the fields of a passage, packet or reading.
    """

    kind: EventKind
    names: tuple[str, ...] = ()
    where: tuple[Comparison, ...] = ()
    outcome: Outcome = "any"
    giving: tuple[Comparison, ...] = ()

    @property
    def bare(self) -> Event:
        """The same kind of event about the same tools or documents, whatever else is true of it."""
        names = () if self.kind.endswith("says") else self.names
        return Event(self.kind, names)

    def __str__(self) -> str:
        words = self.kind.endswith("says")
        shown = [self.kind]
        if self.names:
            shown.append(" | ".join(_words(n) if words else _name(n) for n in self.names))
        if self.where:
            shown.append(f"({', '.join(map(str, self.where))})")
        if self.outcome != "any":
            shown.append(self.outcome)
        if self.giving:
            shown.append(f"giving ({', '.join(map(str, self.giving))})")
        return " ".join(shown)


Events = tuple[Event, ...]
"""One of several: `hands off or agent says "a colleague"`."""


@dataclass(frozen=True)
class Exists:
    """Declare: existence. LTLf: F e."""

    events: Events

    def __str__(self) -> str:
        return f"always {_any(self.events)}"


@dataclass(frozen=True)
class Absence:
    """Declare: absence. LTLf: G not e."""

    events: Events

    def __str__(self) -> str:
        return f"never {_any(self.events)}"


@dataclass(frozen=True)
class AtMost:
    """Declare: absence(n + 1), over the conversation or over each turn."""

    count: int
    events: Events
    per: Literal["conversation", "turn"] = "conversation"

    def __str__(self) -> str:
        return f"at most {self.count} {_any(self.events)}{' per turn' if self.per == 'turn' else ''}"


@dataclass(frozen=True)
class Needs:
    """Declare: precedence. LTLf: not a W b. `each`: alternate precedence, where every `a` uses a `b` up."""

    events: Events
    needed: Events
    window: Window = "any"
    each: bool = False
    same: tuple[str, ...] = ()

    def __str__(self) -> str:
        own = "its own " if self.each else ""
        return f"{_any(self.events)} needs {own}{_any(self.needed)} before{_window(self.window)}{_same(self.same)}"


@dataclass(frozen=True)
class After:
    """Declare: response. LTLf: G(a -> F b)."""

    events: Events
    due: Events
    window: Window = "any"
    same: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"after {_any(self.events)} always {_any(self.due)}{_window(self.window)}{_same(self.same)}"


@dataclass(frozen=True)
class Never:
    """Declare: negation succession, up to `until` where given. LTLf: G(a -> X(not b W c))."""

    events: Events
    forbidden: Events
    until: Events = ()

    def __str__(self) -> str:
        until = f" until {_any(self.until)}" if self.until else ""
        return f"after {_any(self.events)} never {_any(self.forbidden)}{until}"


@dataclass(frozen=True)
class IfThen:
    """Declare: responded existence. LTLf: F a -> F b."""

    events: Events
    due: Events

    def __str__(self) -> str:
        return f"if {_any(self.events)} then {_any(self.due)}"


@dataclass(frozen=True)
class NotBoth:
    """Declare: not co-existence. LTLf: not (F a and F b)."""

    left: Events
    right: Events

    def __str__(self) -> str:
        return f"not both {_any(self.left)} and {_any(self.right)}"


Pattern = Exists | Absence | AtMost | Needs | After | Never | IfThen | NotBoth


@dataclass(frozen=True)
class Rule:
    """A pattern, and what excuses it: an event that breaks the pattern after an `unless` event breaks nothing."""

    pattern: Pattern
    unless: Events = ()

    def __str__(self) -> str:
        return f"{self.pattern}{f' unless {_any(self.unless)}' if self.unless else ''}"

    def events(self) -> Events:
        """Every class of events that the rule speaks of."""
        found: list[Event] = []
        for value in vars(self.pattern).values():
            if isinstance(value, tuple):
                found += (item for item in value if isinstance(item, Event))
        return (*found, *self.unless)


def _any(events: Events) -> str:
    return " or ".join(map(str, events))


def _window(window: Window) -> str:
    if window == "any":
        return ""
    return " in the same turn" if window == "turn" else f" within {window} turns"


def _same(keys: tuple[str, ...]) -> str:
    return f" with the same {', '.join(keys)}" if keys else ""


def _literal(value: Scalar) -> str:
    return json.dumps(value, ensure_ascii=False)


def _words(pattern: str) -> str:
    regular = len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/")
    return pattern if regular else json.dumps(pattern, ensure_ascii=False)


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) and name not in KEYWORDS else json.dumps(name, ensure_ascii=False)
