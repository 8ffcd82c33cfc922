"""Names in a pack's rules that neither the dataset nor the bundle knows.

Tools are told by `tools_named`. Here are the rest: arguments and results of tools, intents and queues. A rule about one
that is misspelt can never be broken, or always is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from assay.registry.errors import nearest
from assay.runner.scorers.rules.model import ConfirmBefore, RequiresBefore, Rule, RulePack, ToolArgument
from assay.runner.scorers.rules.temporal.parser import FIELDS, RuleSyntaxError
from assay.runner.scorers.rules.temporal.syntax import After, Comparison, Event, Needs
from assay.runner.scorers.vocabulary import Vocabulary, key_problem

__all__ = ["unknown_names"]

_Known = Mapping[str, tuple[str, ...]]
Classes = Mapping[str, frozenset[str]]


def unknown_names(pack: RulePack, words: Vocabulary, classes: Classes) -> Iterator[tuple[str, str]]:
    """Each unknown name as (`rule.key`, what is wrong with it and the nearest right name).

    `classes` says which tools `writes` and `verified` stand for.
    """
    for rule in pack.rules:
        for name in rule.scope.intents:
            if words.intents and name not in words.intents:
                yield f"{rule.id}.scope.intents", f"no intent is named {name!r}.{nearest(name, words.intents)}"
        yield from ((f"{rule.id}.{key}", problem) for key, problem in _of_condition(rule, words, classes))
        yield from ((f"{rule.id}.holds", problem) for problem in _of_sentence(rule, words, classes))


def _of_condition(rule: Rule, words: Vocabulary, classes: Classes) -> Iterator[tuple[str, str]]:
    for key, name, tools, known in _keys_in(rule.condition, words):
        meant, exact = _meant(tools, classes, known)
        problem = key_problem(name, meant, known, exact=exact)
        if problem:
            yield f"{rule.kind}.{key}", problem


def _keys_in(condition: object, words: Vocabulary) -> Iterator[tuple[str, str, Sequence[str] | str, _Known]]:
    """(key of the condition, name, tools it is about, what these have) of each name that a condition compares."""
    if isinstance(condition, ToolArgument):
        yield "argument", condition.argument, condition.tools, words.arguments
    elif isinstance(condition, ConfirmBefore):
        for tool, names in condition.lists.items():
            yield from ((f"lists.{tool}", name, (tool,), words.arguments) for name in names)
    elif isinstance(condition, RequiresBefore):
        needed = (condition.needs.tool,)
        yield from (("needs.result", name, needed, words.results) for name in condition.needs.result)
        if condition.same_argument:
            for tools in (needed, condition.tools):
                if tools:
                    yield "same_argument", condition.same_argument, tools, words.arguments


def _of_sentence(rule: Rule, words: Vocabulary, classes: Classes) -> Iterator[str]:
    """Problems of a rule's sentence, each with the column where it stands."""
    if rule.temporal is None or rule.holds is None:
        return
    for event in rule.temporal.events():
        for comparison, problem in _of_event(event, words, classes):
            yield str(RuleSyntaxError(rule.holds, comparison, problem))
    pattern = rule.temporal.pattern
    if isinstance(pattern, Needs | After):
        events = (*pattern.events, *(pattern.needed if isinstance(pattern, Needs) else pattern.due))
        for name in pattern.same:
            problem = _same_problem(name, events, words, classes)
            if problem:
                # The names stand last in such a rule, before what excuses it.
                sentence = rule.holds.partition(" unless ")[0]
                yield str(RuleSyntaxError(rule.holds, sentence.rfind(name) + 1, problem))


def _of_event(event: Event, words: Vocabulary, classes: Classes) -> Iterator[tuple[int, str]]:
    """(column, problem) of each comparison about a name or a value that is not known."""
    if event.kind == "calls":
        for comparisons, known in ((event.where, words.arguments), (event.giving, words.results)):
            meant, exact = _meant(event.names, classes, known)
            for comparison in comparisons:
                problem = key_problem(comparison.key, meant, known, exact=exact)
                if problem:
                    yield comparison.column, problem
    elif event.kind in ("hands off", "triages"):
        for comparison in event.where:
            problem = _value_problem(comparison, {"intent": words.intents, "queue": words.queues})
            if problem:
                yield comparison.value_column, problem


def _value_problem(comparison: Comparison, known: _Known) -> str:
    names, value = known.get(comparison.key, ()), comparison.value
    if not names or comparison.operator == "matches" or value is None or value in names:
        return ""
    return f"no {comparison.key} is named {str(value)!r}.{nearest(str(value), names)}"


def _same_problem(name: str, events: Sequence[Event], words: Vocabulary, classes: Classes) -> str:
    """A name that has to be the same has to be known on each side, or the events go together whatever it is."""
    for event in events:
        if event.kind == "calls":
            meant, exact = _meant(event.names, classes, words.arguments)
            problem = key_problem(name, meant, words.arguments, exact=exact)
        else:
            fields = FIELDS.get(event.kind, ())
            problem = "" if name in fields or not fields else f"{event.kind!r} has no {name!r}.{nearest(name, fields)}"
        if problem:
            return problem
    return ""


def _meant(names: Sequence[str] | str, classes: Classes, known: _Known) -> tuple[list[str], bool]:
    """The tools that some names mean, and whether each is named exactly. No names mean every tool."""
    given = (names,) if isinstance(names, str) else tuple(names) or ("*",)
    meant: dict[str, None] = {}
    exact = True
    for name in given:
        if name in classes:
            meant.update(dict.fromkeys(sorted(classes[name])))
        elif "*" in name:
            meant.update(dict.fromkeys(tool for tool in known if fnmatchcase(tool, name)))
        else:
            meant[name] = None
            continue
        exact = False
    return list(meant), exact
