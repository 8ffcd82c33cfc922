"""Whether a conversation keeps a temporal rule. Each pattern takes one pass over the trace.

What a rule's `unless` excuses: a pattern that forbids something (`never`, `at most`, `needs`, `not both`) is not
broken by an event that comes after an `unless` event; one that asks for something (`always`, `after ... always`,
`if ... then`) is not broken where an `unless` event happened at all, for an excuse often comes after the occasion.

A rule is exercised where the conversation could have broken it: where what it begins with happened, and for `never` and
`at most` where an event of that kind happened at all, whatever its words or arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assay.registry.phrases import quote_of
from assay.runner.scorers.rules.temporal.syntax import (
    Absence,
    After,
    AtMost,
    Events,
    Exists,
    IfThen,
    Needs,
    Never,
    NotBoth,
    Pattern,
    Rule,
)
from assay.runner.scorers.rules.temporal.trace import ABSENT, Occurrence, Trace, value_of
from assay.runner.scorers.rules.view import Checked, Violation

__all__ = ["check_rule"]

_ASKING = (Exists, After, IfThen)
_Key = tuple[str | None, ...]
_Broken = tuple[str, Occurrence | None]
"""What is wrong, and the occurrence that broke the rule, where one did."""


def check_rule(rule: Rule, trace: Trace) -> Checked:
    """What a rule finds in a trace."""
    pattern = rule.pattern
    if not _exercised(pattern, trace):
        return Checked(exercised=False)
    excuses = trace.matching(rule.unless) if rule.unless else []
    if excuses and isinstance(pattern, _ASKING):
        return Checked(exercised=True)
    since = excuses[0].order if excuses else len(trace.occurrences)
    broken = (found for found in _broken(pattern, trace) if found[1] is None or found[1].order <= since)
    return Checked(True, tuple(_violation(message, at) for message, at in broken))


def _violation(message: str, at: Occurrence | None) -> Violation:
    return Violation(message, at.turn if at else None, quote_of(at.shown) if at else "")


def _exercised(pattern: Pattern, trace: Trace) -> bool:
    if isinstance(pattern, Exists):
        return True
    if isinstance(pattern, Absence | AtMost):
        return bool(trace.matching(tuple(event.bare for event in pattern.events)))
    if isinstance(pattern, NotBoth):
        return bool(trace.matching((*pattern.left, *pattern.right)))
    return bool(trace.matching(pattern.events))


def _broken(pattern: Pattern, trace: Trace) -> Iterator[_Broken]:
    return _CHECKS[type(pattern)](pattern, trace)


def _exists(pattern: Exists, trace: Trace) -> Iterator[_Broken]:
    if not trace.matching(pattern.events):
        yield f"did not happen: {_named(pattern.events)}", None


def _absent(pattern: Absence, trace: Trace) -> Iterator[_Broken]:
    for found in trace.matching(pattern.events):
        yield "must not happen", found


def _at_most(pattern: AtMost, trace: Trace) -> Iterator[_Broken]:
    counts: dict[int, int] = {}
    for found in trace.matching(pattern.events):
        part = found.turn if pattern.per == "turn" else 0
        counts[part] = counts.get(part, 0) + 1
        if counts[part] == pattern.count + 1:
            yield f"happens more than {pattern.count} times{' in one turn' if part else ''}", found


def _needs(pattern: Needs, trace: Trace) -> Iterator[_Broken]:
    """The newest of the needed events serves best in every window; with `same`, the newest for each value."""
    newest: dict[_Key, Occurrence] = {}
    for found in trace.occurrences:
        if trace.is_any(found, pattern.events):
            key = _key(found, pattern.same)
            before = max((o for k, o in newest.items() if _agree(k, key)), key=lambda o: o.order, default=None)
            if before is None or not _near(before, found, pattern.window):
                yield f"comes without {_named(pattern.needed)} before it{_when(pattern.window)}", found
            if pattern.each and before is not None:
                newest = {other: kept for other, kept in newest.items() if kept is not before}
        if trace.is_any(found, pattern.needed):
            newest[_key(found, pattern.same)] = found


def _after(pattern: After, trace: Trace) -> Iterator[_Broken]:
    """From the end: the next of the due events is the nearest there is."""
    following: dict[_Key, Occurrence] = {}
    broken: list[_Broken] = []
    for found in reversed(trace.occurrences):
        if trace.is_any(found, pattern.events):
            key = _key(found, pattern.same)
            due = min((o for k, o in following.items() if _agree(k, key)), key=lambda o: o.order, default=None)
            if due is None or not _near(found, due, pattern.window):
                broken.append((f"is not followed by {_named(pattern.due)}{_when(pattern.window)}", found))
        if trace.is_any(found, pattern.due):
            following[_key(found, pattern.same)] = found
    yield from reversed(broken)


def _never(pattern: Never, trace: Trace) -> Iterator[_Broken]:
    since: Occurrence | None = None
    for found in trace.occurrences:
        if pattern.until and trace.is_any(found, pattern.until):
            since = None
        if since is not None and trace.is_any(found, pattern.forbidden):
            yield f"must not happen after {quote_of(since.shown, 80)!r} in turn {since.turn}", found
        if since is None and trace.is_any(found, pattern.events):
            since = found


def _if_then(pattern: IfThen, trace: Trace) -> Iterator[_Broken]:
    if not trace.matching(pattern.due):
        yield f"happens, and nowhere {_named(pattern.due)}", trace.matching(pattern.events)[0]


def _not_both(pattern: NotBoth, trace: Trace) -> Iterator[_Broken]:
    left, right = trace.matching(pattern.left), trace.matching(pattern.right)
    if left and right:
        earlier, later = sorted((left[0], right[0]), key=lambda found: found.order)
        yield f"must not happen in one conversation with {quote_of(earlier.shown, 80)!r} (turn {earlier.turn})", later


_CHECKS: dict[type, Callable[..., Iterator[_Broken]]] = {
    Exists: _exists,
    Absence: _absent,
    AtMost: _at_most,
    Needs: _needs,
    After: _after,
    Never: _never,
    IfThen: _if_then,
    NotBoth: _not_both,
}


def _near(earlier: Occurrence, later: Occurrence, window: object) -> bool:
    if window == "any":
        return True
    return later.turn - earlier.turn <= (window if isinstance(window, int) else 0)


def _key(found: Occurrence, same: Sequence[str]) -> _Key:
    """The values that have to be the same, as text; None for one that the event does not have."""
    values = (value_of(found.fields, name) for name in same)
    return tuple(None if value is None or value is ABSENT else _as_text(value) for value in values)


def _as_text(value: object) -> str:
    plain = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return str(plain).strip().casefold()


def _agree(one: _Key, other: _Key) -> bool:
    """Whether two events go together; a value that one of them does not have goes with any."""
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))


def _named(events: Events) -> str:
    return " or ".join(str(event) for event in events)


def _when(window: object) -> str:
    if window == "any":
        return ""
    return " in the same turn" if window == "turn" else f" within {window} turns"
