"""The language of policy rules: what a pack is, and the closed set of conditions a rule can state.

A rule has exactly one condition. Its key is the condition's kind:

| kind | broken when |
| --- | --- |
| `first_reply_says` | the first thing the customer reads has none of the words |
| `must_say_when` | something happened in a turn and the words were not said |
| `never_says` | a sentence has the words, and none of the words that excuse them |
| `never_quotes` | a reply repeats a run of words of an internal document |
| `requires_before` | a tool was called, or its data told, before another tool gave the needed result |
| `confirm_before` | a tool was called without the customer's explicit yes to the listed details |
| `autonomy` | the agent acted, or did not step aside, where a person has to decide |
| `never_calls` | a tool was called at all, or after the handoff |
| `max_calls` | tools were called more often than the limit |
| `max_handoffs` | the agent handed off more often than the limit |
| `tool_argument` | an argument lies outside of what is allowed |
| `one_tool_per_step` | one message of the agent holds several tool calls |
| `no_text_with_tool` | one message of the agent holds text and a tool call |
| `state_check` | a named check over the state that tool results showed finds something |
| `holds` | a sentence of the language of temporal rules does not hold (docs/policy-language.md) |
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from assay.registry.digest import digest_of
from assay.registry.errors import nearest
from assay.registry.strict import parse_yaml
from assay.registry.types.base import AutonomyLevel, Frozen, JsonValue, Name, RiskTier, Severity
from assay.runner.scorers.rules.airline_state import STATE_CHECKS
from assay.runner.scorers.rules.patterns import PatternError, compiled
from assay.runner.scorers.rules.temporal.parser import RuleSyntaxError, parse_rule
from assay.runner.scorers.rules.temporal.syntax import Rule as TemporalRule

__all__ = ["CONDITIONS", "Rule", "RulePack", "RuleScope", "Trigger", "parse_pack", "tools_named"]

Text = Annotated[str, Field(min_length=1)]
Patterns = Annotated[tuple[Text, ...], Field(min_length=1)]
Tools = Literal["writes", "verified"] | Annotated[tuple[Name, ...], Field(min_length=1)]
"""Tools by name, or all that write, or all that need a verified identity."""


class RuleScope(Frozen):
    """Cases a rule is about. An empty list means all."""

    intents: tuple[Name, ...] = ()
    channels: tuple[Literal["chat", "email", "voice"], ...] = ()
    risk_tiers: tuple[RiskTier, ...] = ()
    autonomy: tuple[AutonomyLevel, ...] = ()


class FirstReplySays(Frozen):
    any_of: Patterns


class Trigger(Frozen):
    """What has to happen in a turn; everything that is given has to hold.

    `reply` and `amount_from` are about one sentence of the reply: words in it, and an amount of
    dollars in it that a retrieved passage or a tool's result states. `called`: one of the tools answered
    without an error.
    """

    customer: tuple[Text, ...] = ()
    reply: tuple[Text, ...] = ()
    amount_from: Literal["knowledge", "tools"] | None = None
    called: Tools | None = None
    handed_off: Literal[True] | None = None

    @model_validator(mode="after")
    def _something(self) -> Trigger:
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("'when' is empty: say what has to happen")
        return self


class MustSayWhen(Frozen):
    when: Trigger
    any_of: Patterns
    where: Literal["same_reply", "same_or_earlier_reply"] = "same_reply"


class NeverSays(Frozen):
    any_of: Patterns
    unless: tuple[Text, ...] = ()
    """Words that, in the same sentence, excuse it: "cannot guarantee"."""


class NeverQuotes(Frozen):
    audience: Literal["internal"]
    words: Annotated[int, Field(ge=4)]
    """How many words in a row are a quotation."""


class Needed(Frozen):
    """A tool's result that has to be there: `result` is the part of it that must be equal."""

    tool: Name
    result: Annotated[dict[str, JsonValue], Field(min_length=1)]


class RequiresBefore(Frozen):
    needs: Needed
    tools: Tools | None = None
    data_of: Tools | None = None
    """Tools whose amounts must not be told before."""
    same_argument: str | None = None
    """An argument that has to be the same in both calls, such as the customer's number."""

    @model_validator(mode="after")
    def _something(self) -> RequiresBefore:
        if self.tools is None and self.data_of is None:
            raise ValueError("give 'tools', 'data_of' or both")
        return self


class ConfirmBefore(Frozen):
    tools: Tools
    asked: Patterns
    """How the agent's message before the customer's yes asks for it."""
    lists: dict[Name, tuple[Text, ...]] = {}
    """Per tool, arguments whose values that message has to state."""


class Autonomy(Frozen):
    """For intents that a person has to decide."""

    forbids: Tools
    must_hand_off: bool


class NeverCalls(Frozen):
    tools: Tools
    when: Literal["always", "after_handoff"] = "always"


class MaxCalls(Frozen):
    tools: Tools
    limit: Annotated[int, Field(ge=0)]
    per: Literal["conversation", "turn"] = "conversation"
    outcome: Literal["any", "succeeded", "failed"] = "any"


class MaxHandoffs(Frozen):
    limit: Annotated[int, Field(ge=0)]


class ToolArgument(Frozen):
    tools: Tools
    argument: Text
    at_least: float | None = None
    at_most: float | None = None
    one_of: tuple[JsonValue, ...] = ()
    matches: Text | None = None
    given_by_customer: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_test(self) -> ToolArgument:
        if not self.model_dump(exclude={"tools", "argument"}, exclude_defaults=True):
            raise ValueError("give at least one of 'at_least', 'at_most', 'one_of', 'matches', 'given_by_customer'")
        return self


Condition = (
    FirstReplySays
    | MustSayWhen
    | NeverSays
    | NeverQuotes
    | RequiresBefore
    | ConfirmBefore
    | Autonomy
    | NeverCalls
    | MaxCalls
    | MaxHandoffs
    | ToolArgument
    | Literal[True]
    | str
)


def _exactly_one(schema: dict[str, Any]) -> None:
    """Tells editors what the validator below enforces."""
    schema["oneOf"] = [{"required": [kind]} for kind in CONDITIONS]


class Rule(Frozen):
    """One rule. `clause` is the sentence of the policy it stands for."""

    model_config = ConfigDict(json_schema_extra=_exactly_one)

    id: Name
    title: Text
    clause: Text
    severity: Severity
    scope: RuleScope = RuleScope()
    first_reply_says: FirstReplySays | None = None
    must_say_when: MustSayWhen | None = None
    never_says: NeverSays | None = None
    never_quotes: NeverQuotes | None = None
    requires_before: RequiresBefore | None = None
    confirm_before: ConfirmBefore | None = None
    autonomy: Autonomy | None = None
    never_calls: NeverCalls | None = None
    max_calls: MaxCalls | None = None
    max_handoffs: MaxHandoffs | None = None
    tool_argument: ToolArgument | None = None
    one_tool_per_step: Literal[True] | None = None
    no_text_with_tool: Literal[True] | None = None
    state_check: Name | None = None
    holds: Text | None = None

    @cached_property
    def kind(self) -> str:
        """The key of the rule's condition."""
        return next(kind for kind in CONDITIONS if getattr(self, kind) is not None)

    @cached_property
    def temporal(self) -> TemporalRule | None:
        """What `holds` states, read."""
        return parse_rule(self.holds) if self.holds is not None else None

    @property
    def condition(self) -> Condition:
        """What the rule states, as its kind describes it."""
        return getattr(self, self.kind)

    @model_validator(mode="after")
    def _one_condition(self) -> Rule:
        given = [kind for kind in CONDITIONS if getattr(self, kind) is not None]
        if len(given) != 1:
            stated = f"states {' and '.join(given)}" if given else "states no condition"
            raise ValueError(f"rule {self.id!r} {stated}; it needs exactly one of: {', '.join(CONDITIONS)}")
        if self.state_check is not None and self.state_check not in STATE_CHECKS:
            hint = nearest(self.state_check, STATE_CHECKS)
            raise ValueError(f"rule {self.id!r}: no state check named {self.state_check!r}.{hint}")
        try:
            _ = self.temporal
        except RuleSyntaxError as error:
            raise ValueError(f"rule {self.id!r}: {error}") from None
        for pattern in _patterns(self.condition):
            try:
                compiled(pattern)
            except PatternError as error:
                raise ValueError(f"rule {self.id!r}: {error}") from None
        return self


CONDITIONS = tuple(name for name in Rule.model_fields if name not in {"id", "title", "clause", "severity", "scope"})
"""The kinds of conditions, by their keys."""


def tools_named(pack: RulePack) -> Iterator[tuple[str, str]]:
    """Every tool that a pack names, with the place where it does."""
    yield from (("writes", tool) for tool in pack.writes)
    yield from (("verified", tool) for tool in pack.verified)
    for rule in pack.rules:
        for key, tool in _tools_in(rule.model_dump(mode="json")):
            yield f"{rule.id}.{key}", tool
        for event in rule.temporal.events() if rule.temporal else ():
            if event.kind == "calls":
                names = (name for name in event.names if "*" not in name and name not in ("writes", "verified"))
                yield from ((f"{rule.id}.holds", name) for name in names)


def _tools_in(value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key == "lists" and isinstance(item, dict):
            yield from (("lists", tool) for tool in item)
        elif key in {"tools", "data_of", "called"} and isinstance(item, list):
            yield from ((key, tool) for tool in item)
        elif key == "needs" and isinstance(item, dict) and isinstance(item.get("tool"), str):
            yield "needs.tool", item["tool"]
        else:
            yield from _tools_in(item)


_PATTERN_FIELDS = ("any_of", "unless", "asked", "customer", "reply")


def _patterns(condition: object) -> Iterator[str]:
    """Every pattern of a condition."""
    if not isinstance(condition, BaseModel):
        return
    for name in type(condition).model_fields:
        value = getattr(condition, name)
        if name in _PATTERN_FIELDS:
            yield from value
        elif name == "matches" and value is not None:
            yield value
        else:
            yield from _patterns(value)


class RulePack(Frozen):
    """A file of policy rules. `writes` and `verified` name tools where no bundle manifest declares them."""

    schema_version: Literal[1] = 1
    name: Name
    version: Text
    description: Text
    writes: tuple[Name, ...] = ()
    verified: tuple[Name, ...] = ()
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @property
    def digest(self) -> str:
        """SHA-256 over what the pack says; comments and layout of the file do not matter."""
        return digest_of(self)

    @model_validator(mode="after")
    def _unique(self) -> RulePack:
        seen: set[str] = set()
        for rule in self.rules:
            if rule.id in seen:
                raise ValueError(f"rule {rule.id!r} stands twice")
            seen.add(rule.id)
        return self


def parse_pack(text: str, *, file: Path | str) -> RulePack:
    """Read a rule pack from YAML.

    Raises:
        ContentError: names file, line and key of every problem, and the nearest right name. A pack without
            rules is one of them: nothing could ever break it.
    """
    return parse_yaml(text, RulePack, file=file)
