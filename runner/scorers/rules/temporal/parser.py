"""Text to temporal rule: a recursive descent parser whose errors point at the column.

rule    = pattern [ "unless" events ]
pattern = "always" events
        | "never" events
        | "at" "most" NUMBER events [ "per" "turn" ]
        | "after" events "always" events [ window ] [ same ]
        | "after" events "never" events [ "until" events ]
        | "if" events "then" events
        | "not" "both" events "and" events
        | events "needs" [ "its" "own" ] events "before" [ window ] [ same ]
window  = "in" "the" "same" "turn" | "within" NUMBER "turns"
same    = "with" "the" "same" NAME { "," NAME }
events  = event { "or" event }
event   = ( "customer" | "agent" ) "says" [ words { "|" words } ]
        | "calls" [ NAME { "|" NAME } ] [ where ] [ "succeeding" | "failing" ] [ "giving" where ]
        | "retrieves" [ NAME { "|" NAME } ] [ where ]
        | "hands" "off" [ where ]
        | "triages" [ where ]
where   = "(" comparison { "," comparison } ")"
comparison = NAME ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value | NAME "matches" REGEX
words   = STRING | REGEX
value   = NUMBER | STRING | NAME | "true" | "false" | "null"
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.registry.errors import nearest
from assay.registry.types.base import EscalationReason
from assay.runner.scorers.rules.patterns import PatternError, compiled
from assay.runner.scorers.rules.temporal.syntax import (
    KEYWORDS,
    OPERATORS,
    Absence,
    After,
    AtMost,
    Comparison,
    Event,
    EventKind,
    Exists,
    IfThen,
    Needs,
    Never,
    NotBoth,
    Pattern,
    Rule,
    Scalar,
    Window,
)

__all__ = ["FIELDS", "RuleSyntaxError", "parse_rule"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<regex>/(?:[^/\\]|\\.)+/)
      | (?P<number>-?\d+(?:\.\d+)?(?![\w.]))
      | (?P<operator><=|>=|!=|=|<|>)
      | (?P<mark>[(),|])
      | (?P<name>[A-Za-z_*][\w.*-]*)""",
    re.VERBOSE,
)
_STARTS = ("always", "never", "at", "after", "if", "not", "customer", "agent", "calls", "retrieves", "hands", "triages")
_EVENTS = ("customer", "agent", "calls", "retrieves", "hands", "triages")
_MOST_TURNS = 1000

FIELDS: dict[EventKind, tuple[str, ...]] = {
    "retrieves": ("document", "audience", "title", "version", "score"),
    "hands off": ("reason", "queue", "intent", "summary"),
    "triages": ("intent", "confidence", "signal"),
}
"""What a comparison can name, for the kinds of events whose fields are known."""


VALUES: dict[tuple[EventKind, str], tuple[str, ...]] = {
    ("retrieves", "audience"): ("public", "internal"),
    ("hands off", "reason"): tuple(reason.value for reason in EscalationReason),
}
"""Fields with a closed set of values."""


class RuleSyntaxError(ValueError):
    """A rule's text that does not parse. `column` is 1-based; the message shows it with a caret."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        line = " ".join(text.split("\n"))
        super().__init__(f"{problem} at column {column}\n  {line}\n  {' ' * (column - 1)}^")
        self.column = column
        self.problem = problem


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


def parse_rule(text: str) -> Rule:
    """The rule that a text states.

    Raises:
        RuleSyntaxError: it does not parse; names the column, what was expected and the nearest right word.
    """
    return _Parser(text).rule()


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            opened = {'"': "a string that is not closed", "/": "a regular expression that is not closed"}
            problem = opened.get(text[at], f"{text[at]!r} means nothing here")
            raise RuleSyntaxError(text, at + 1, problem)
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found.group(), at + 1)
        at = found.end()
    yield _Token("end", "", len(text) + 1)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    # --- tokens -------------------------------------------------------------------------------------

    @property
    def _now(self) -> _Token:
        return self._tokens[self._at]

    def _is(self, *words: str) -> bool:
        """Whether these words come next."""
        ahead = self._tokens[self._at : self._at + len(words)]
        return [token.text for token in ahead if token.kind in ("name", "mark")] == list(words)

    def _take(self, *words: str) -> bool:
        if not self._is(*words):
            return False
        self._at += len(words)
        return True

    def _need(self, *words: str) -> None:
        for word in words:
            if not self._take(word):
                self._fail(f"{word!r} is expected", [word])

    def _next(self, kind: str, what: str) -> str:
        token = self._now
        if token.kind != kind:
            self._fail(f"{what} is expected", [])
        self._at += 1
        return token.text

    def _fail(self, problem: str, near: Sequence[str]) -> None:
        token = self._now
        found = f", not {token.text!r}" if token.kind != "end" else ", and the rule ends"
        hint = nearest(token.text, near) if token.kind == "name" else ""
        raise RuleSyntaxError(self._text, token.column, f"{problem}{found}.{hint}" if hint else f"{problem}{found}")

    # --- grammar ------------------------------------------------------------------------------------

    def rule(self) -> Rule:
        pattern = self._pattern()
        unless = self._events() if self._take("unless") else ()
        if self._now.kind == "name" and self._tokens[self._at - 1].text == "says":
            self._fail("words stand in quotes", ())
        if self._now.kind != "end":
            self._fail("the rule should end here", ("unless", "or", "before", "within", "until", "per", "with"))
        return Rule(pattern, unless)

    def _pattern(self) -> Pattern:
        if self._take("always"):
            return Exists(self._events())
        if self._take("never"):
            return Absence(self._events())
        if self._take("at"):
            return self._at_most()
        if self._take("after"):
            return self._after()
        if self._take("if"):
            events = self._events()
            self._need("then")
            return IfThen(events, self._events())
        if self._take("not"):
            self._need("both")
            left = self._events()
            self._need("and")
            return NotBoth(left, self._events())
        if self._now.text not in _EVENTS:
            self._fail("a rule begins with always, never, at most, after, if, not both, or an event", _STARTS)
        return self._needs()

    def _at_most(self) -> AtMost:
        self._need("most")
        count = self._count("a number of times", least=0)
        events = self._events()
        return AtMost(count, events, "turn" if self._take("per", "turn") else "conversation")

    def _after(self) -> After | Never:
        events = self._events()
        if self._take("never"):
            forbidden = self._events()
            return Never(events, forbidden, self._events() if self._take("until") else ())
        if not self._take("always"):
            self._fail("'always' or 'never' is expected", ("always", "never", "or"))
        due = self._events()
        return After(events, due, self._window(), self._same())

    def _needs(self) -> Needs:
        events = self._events()
        if not self._take("needs"):
            self._fail("'needs' is expected", ("needs", "or"))
        each = self._take("its", "own")
        needed = self._events()
        self._need("before")
        return Needs(events, needed, self._window(), each, self._same())

    def _window(self) -> Window:
        if self._take("in"):
            self._need("the", "same", "turn")
            return "turn"
        if self._take("within"):
            if self._is("the", "same", "turn"):
                self._fail("'in the same turn' is expected, or a number of turns", ())
            count = self._count("a number of turns", least=1)
            if not self._take("turn"):
                self._need("turns")
            return count
        return "any"

    def _same(self) -> tuple[str, ...]:
        if not self._take("with"):
            return ()
        self._need("the", "same")
        names = [self._next("name", "the name of an argument")]
        while self._take(","):
            names.append(self._next("name", "the name of an argument"))
        return tuple(names)

    def _count(self, what: str, least: int) -> int:
        token = self._now
        text = self._next("number", what)
        if "." in text or not least <= int(text) <= _MOST_TURNS:
            raise RuleSyntaxError(self._text, token.column, f"{what} is {least} to {_MOST_TURNS}, not {text}")
        return int(text)

    def _events(self) -> tuple[Event, ...]:
        events = [self._event()]
        while self._take("or"):
            events.append(self._event())
        return tuple(events)

    def _event(self) -> Event:
        for who in ("customer", "agent"):
            if self._take(who):
                self._need("says")
                return Event("customer says" if who == "customer" else "agent says", self._words())
        if self._take("hands"):
            self._need("off")
            return Event("hands off", (), self._where("hands off"))
        if self._take("triages"):
            return Event("triages", (), self._where("triages"))
        if self._take("retrieves"):
            return Event("retrieves", self._names(), self._where("retrieves"))
        if self._take("calls"):
            return self._call()
        self._fail("an event is expected (customer says, agent says, calls, retrieves, hands off, triages)", _EVENTS)
        raise AssertionError

    def _call(self) -> Event:
        names, where = self._names(), self._where("calls")
        outcome = "succeeding" if self._take("succeeding") else "failing" if self._take("failing") else "any"
        at = self._now
        giving = self._where("calls", needed=True) if self._take("giving") else ()
        if giving and outcome == "failing":
            raise RuleSyntaxError(self._text, at.column, "a failing call gives no result to compare")
        return Event("calls", names, where, outcome, giving)

    def _words(self) -> tuple[str, ...]:
        found: list[str] = []
        while self._now.kind in ("string", "regex") or (found and self._is("|")):
            if found:
                self._need("|")
            token = self._now
            if token.kind not in ("string", "regex"):
                self._fail('words are expected: "a phrase" or /a regular expression/', [])
            words = token.text if token.kind == "regex" else self._string(token)
            try:
                compiled(words)
            except PatternError as error:
                raise RuleSyntaxError(self._text, token.column, _without_column(error)) from None
            self._at += 1
            found.append(words)
        return tuple(found)

    def _names(self) -> tuple[str, ...]:
        found: list[str] = []
        while (self._now.kind in ("name", "string") and self._now.text not in KEYWORDS) or found:
            found.append(self._name())
            if not self._take("|"):
                break
        return tuple(found)

    def _name(self) -> str:
        token = self._now
        if token.kind not in ("name", "string"):
            self._fail("a name is expected", [])
        self._at += 1
        return self._string(token) if token.kind == "string" else token.text

    def _string(self, token: _Token) -> str:
        try:
            return json.loads(token.text)
        except ValueError:
            raise RuleSyntaxError(self._text, token.column, "a string with an escape that is none") from None

    def _where(self, kind: EventKind, *, needed: bool = False) -> tuple[Comparison, ...]:
        if not self._take("("):
            if needed:
                self._fail("'(' is expected", [])
            return ()
        found = [self._comparison(kind)]
        while self._take(","):
            found.append(self._comparison(kind))
        self._need(")")
        return tuple(found)

    def _comparison(self, kind: EventKind) -> Comparison:
        token = self._now
        key = self._next("name", "a name to compare")
        known = FIELDS.get(kind)
        if known and key not in known:
            hint = nearest(key, known) or f" It has {', '.join(known)}."
            raise RuleSyntaxError(self._text, token.column, f"{kind!r} has no {key!r}.{hint}")
        if self._take("matches"):
            regex = self._now
            text = self._next("regex", "a regular expression between slashes")
            try:
                compiled(text)
            except PatternError as error:
                raise RuleSyntaxError(self._text, regex.column, _without_column(error)) from None
            return Comparison(key, "matches", text[1:-1], token.column, regex.column)
        operator = self._now
        if operator.kind != "operator":
            self._fail(f"one of {' '.join(OPERATORS)} is expected", ("matches",))
        self._at += 1
        at = self._now
        value = self._value()
        self._known(kind, key, value, at.column)
        if operator.text in ("<", "<=", ">", ">=") and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise RuleSyntaxError(self._text, at.column, f"{operator.text!r} compares with a number, not {at.text}")
        return Comparison(key, operator.text, value, token.column, at.column)

    def _known(self, kind: EventKind, key: str, value: Scalar, column: int) -> None:
        """Refuse a value that the field never has: the rule could never be broken by it."""
        known = VALUES.get((kind, key))
        if known and value is not None and value not in known:
            raise RuleSyntaxError(self._text, column, f"{key} is never {value!r}.{nearest(str(value), known)}")

    def _value(self) -> Scalar:
        token = self._now
        if token.kind == "number":
            self._at += 1
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "string":
            self._at += 1
            return self._string(token)
        if token.kind == "name":
            self._at += 1
            return {"true": True, "false": False, "null": None}.get(token.text, token.text)  # type: ignore[return-value]
        self._fail("a number, a string or a name is expected", [])
        raise AssertionError


def _without_column(error: PatternError) -> str:
    """The problem alone: its own column counts within the pattern, not within the rule."""
    return re.sub(r" at column \d+$", "", str(error))
