"""Checks of what the agent does: tool calls, their order, their arguments, and handoffs."""

from __future__ import annotations

import re
from itertools import groupby

from assay.registry.fixtures import rendered
from assay.registry.phrases import amounts, contains_digits, mentions, normalise, quote_of
from assay.registry.types.base import AutonomyLevel, JsonValue
from assay.registry.types.trajectory import Say, ToolCall, Triage
from assay.runner.scorers.rules.consent import answer_to_confirmation
from assay.runner.scorers.rules.model import (
    Autonomy,
    ConfirmBefore,
    MaxCalls,
    MaxHandoffs,
    NeverCalls,
    RequiresBefore,
    ToolArgument,
)
from assay.runner.scorers.rules.patterns import compiled, first_match
from assay.runner.scorers.rules.view import Act, Checked, View, Violation, call_text
from assay.runner.scorers.values import numbers_in, outside, same_value

__all__ = [
    "autonomy",
    "confirm_before",
    "max_calls",
    "max_handoffs",
    "never_calls",
    "no_text_with_tool",
    "one_tool_per_step",
    "requires_before",
    "tool_argument",
]


def requires_before(condition: RequiresBefore, view: View) -> Checked:
    """Each call, and each amount out of those tools that is told, comes after the needed result."""
    meeting = [act for act in view.acts((condition.needs.tool,)) if _gives(act.call, condition)]
    broken: list[Violation] = []
    acts = list(view.acts(condition.tools)) if condition.tools else []
    for act in acts:
        if not any(m.order < act.order and _fits(m.call, act.call, condition.same_argument) for m in meeting):
            broken.append(
                Violation(f"{act.call.name} was called before {_needed(condition)}", act.turn, call_text(act.call))
            )
    first = min((m.order for m in meeting), default=None)
    told = _told_early(condition, view, first) if condition.data_of else []
    return Checked(bool(acts or told or (condition.data_of and list(view.acts(condition.data_of)))), (*broken, *told))


def _gives(call: ToolCall, condition: RequiresBefore) -> bool:
    result = call.result
    if call.error is not None or not isinstance(result, dict):
        return False
    return all(key in result and same_value(result[key], value) for key, value in condition.needs.result.items())


def _fits(needed: ToolCall, call: ToolCall, argument: str | None) -> bool:
    if argument is None or argument not in call.arguments:
        return True
    return same_value(needed.arguments.get(argument), call.arguments[argument])


def _needed(condition: RequiresBefore) -> str:
    stated = ", ".join(f"{key} = {value!r}" for key, value in condition.needs.result.items())
    return f"{condition.needs.tool} gave {stated}"


def _told_early(condition: RequiresBefore, view: View, met: int | None) -> list[Violation]:
    """Amounts out of the tools' results that the agent tells before the needed result, and nobody else told."""
    names = view.named(condition.data_of)
    case = view.case
    results = [rendered(fixture.result, case.state, {}) for fixture in case.tools if fixture.name in names]
    results += [act.call.result for act in view.acts(condition.data_of)]
    secret = {a for result in results for number in numbers_in(result) for a in amounts(f"${number:.2f}")}
    broken: list[Violation] = []
    order = 0
    for turn in view.turns:
        secret -= {*amounts(turn.customer), *(a for passage in turn.passages for a in amounts(passage.text))}
        for event in turn.events:
            early = met is None or order < met
            told = secret.intersection(amounts(event.text)) if isinstance(event, Say) and early else set()
            if told and isinstance(event, Say):
                what = f"{min(told)} was told before {_needed(condition)}"
                broken.append(Violation(what, turn.index, quote_of(event.text)))
            order += 1
    return broken


def confirm_before(condition: ConfirmBefore, view: View) -> Checked:
    """Before each call the agent listed the details and asked, and the customer's answer was an explicit yes."""
    acts = list(view.acts(condition.tools))
    broken = [violation for act in acts if (violation := _unconfirmed(act, condition, view)) is not None]
    return Checked(bool(acts), tuple(broken))


def _unconfirmed(act: Act, condition: ConfirmBefore, view: View) -> Violation | None:
    at = next(number for number, turn in enumerate(view.turns) if turn.index == act.turn)
    customer = view.turns[at].customer
    asked = view.turns[at - 1].reply if at else ""
    what = call_text(act.call)
    if not asked or first_match(condition.asked, asked) is None:
        why = f"{act.call.name} was called and the agent had not asked for a confirmation"
        return Violation(why, act.turn, quote_of(customer), evidence=what)
    answer = answer_to_confirmation(customer, asked)
    if answer != "yes":
        how = {"no": "says no", "changed": "changes the details", "unclear": "does not say yes"}[answer]
        return Violation(
            f"{act.call.name} was called and the customer {how}", act.turn, quote_of(customer), evidence=what
        )
    if any(_retried(act, earlier) for earlier in view.acts((act.call.name,))):
        why = f"{act.call.name} failed and was called again with other details than the customer agreed to"
        return Violation(why, act.turn, quote_of(customer), evidence=what)
    before = view.turns[at - 2].reply if at > 1 else ""
    read_back = f"{before}\n{asked}" if first_match(condition.asked, before) else asked
    for argument in condition.lists.get(act.call.name, ()):
        value = act.call.arguments.get(argument)
        if value is not None and not mentions(read_back, value):
            why = f"the details that the customer agreed to do not state {argument} {value!r}"
            return Violation(why, act.turn, quote_of(asked), evidence=what)
    return None


def _retried(act: Act, earlier: Act) -> bool:
    """Whether `act` is another attempt at a call that failed in the same turn, with other arguments."""
    failed = earlier.turn == act.turn and earlier.order < act.order and earlier.call.error is not None
    return failed and not same_value(dict(earlier.call.arguments), dict(act.call.arguments))


def autonomy(condition: Autonomy, view: View) -> Checked:
    """Where a person decides, the agent does not act.

    That is from the turn on that the case names, and while the agent's own triage says so.
    """
    escalation = view.case.expect.escalation
    human_case = view.case.autonomy is AutonomyLevel.HUMAN
    start = (escalation.by_turn or 1) if human_case else None
    forbidden = view.named(condition.forbids)
    human_triage = False
    exercised = human_case
    broken: list[Violation] = []
    for turn, event in view.trajectory.events:
        if isinstance(event, Triage):
            human_triage = view.intents.get(event.intent) is AutonomyLevel.HUMAN
            exercised = exercised or human_triage
            continue
        person_decides = human_triage or (start is not None and turn >= start)
        if isinstance(event, ToolCall) and event.name in forbidden and person_decides:
            why = f"{event.name} was called where a person has to decide"
            broken.append(Violation(why, turn, call_text(event)))
    if condition.must_hand_off and human_case and escalation.required and view.first_handoff() is None:
        last = view.turns[-1] if view.turns else None
        why = f"the intent {view.case.intent!r} belongs to a person and the agent did not hand off"
        broken.append(Violation(why, last.index if last else None, quote_of(last.reply) if last else ""))
    return Checked(exercised, tuple(broken))


def never_calls(condition: NeverCalls, view: View) -> Checked:
    """The tools are not called, at all or after the first handoff."""
    after = condition.when == "after_handoff"
    handoff = view.first_handoff()
    if after and handoff is None:
        return Checked(exercised=False)
    acts = [act for act in view.acts(condition.tools) if not after or (handoff is not None and act.order > handoff)]
    suffix = " after the handoff" if after else ""
    return Checked(True, tuple(Violation(f"{a.call.name} was called{suffix}", a.turn, call_text(a.call)) for a in acts))


def max_calls(condition: MaxCalls, view: View) -> Checked:
    """The tools together are not called more often than the limit."""
    acts = [act for act in view.acts(condition.tools) if _counts(act.call, condition.outcome)]
    groups = [list(g) for _, g in groupby(acts, key=lambda act: act.turn)] if condition.per == "turn" else [acts]
    broken = [
        Violation(
            f"{len(group)} calls in one {condition.per}, at most {condition.limit} allowed",
            group[condition.limit].turn,
            call_text(group[condition.limit].call),
        )
        for group in groups
        if len(group) > condition.limit
    ]
    return Checked(bool(acts), tuple(broken))


def _counts(call: ToolCall, outcome: str) -> bool:
    return outcome == "any" or (call.error is None) == (outcome == "succeeded")


def max_handoffs(condition: MaxHandoffs, view: View) -> Checked:
    """The agent does not hand off more often than the limit."""
    handoffs = view.trajectory.handoffs
    if len(handoffs) <= condition.limit:
        return Checked(bool(handoffs))
    turn, packet = handoffs[condition.limit]
    why = f"{len(handoffs)} handoffs, at most {condition.limit} allowed"
    return Checked(True, (Violation(why, turn, quote_of(packet.summary)),))


def tool_argument(condition: ToolArgument, view: View) -> Checked:
    """The argument, where it is given, is what the rule allows."""
    acts = [act for act in view.acts(condition.tools) if condition.argument in act.call.arguments]
    broken = [
        Violation(f"{condition.argument} {why}", act.turn, call_text(act.call))
        for act in acts
        if (why := _not_allowed(act, condition, view)) is not None
    ]
    return Checked(bool(acts), tuple(broken))


def _not_allowed(act: Act, condition: ToolArgument, view: View) -> str | None:
    value = act.call.arguments[condition.argument]
    why = outside(value, condition.at_least, condition.at_most, condition.one_of)
    if why is not None:
        return why
    if condition.matches is not None and compiled(condition.matches).search(normalise(str(value))) is None:
        return f"is {value!r}, which does not match {condition.matches}"
    if condition.given_by_customer and not _said_by_customer(value, act.turn, view):
        return f"is {value!r}, which the customer never gave"
    return None


def _said_by_customer(value: JsonValue, until: int, view: View) -> bool:
    """Whether the customer gave the value: as a phrase, or with its digits grouped in another way."""
    said = " \n ".join(turn.customer for turn in view.turns if turn.index <= until)
    if mentions(said, value):
        return True
    return len(re.sub(r"\D", "", str(value))) >= 6 and contains_digits(said, str(value))


def one_tool_per_step(condition: bool, view: View) -> Checked:
    """One message of the agent holds at most one tool call."""
    del condition
    acts = list(view.acts())
    groups = [list(group) for _, group in groupby(acts, key=lambda act: (act.turn, act.call.step))]
    broken = [
        Violation(f"{len(group)} tool calls in one message", group[0].turn, "; ".join(call_text(a.call) for a in group))
        for group in groups
        if len(group) > 1
    ]
    return Checked(bool(acts), tuple(broken))


def no_text_with_tool(condition: bool, view: View) -> Checked:
    """One message of the agent holds text for the customer or a tool call, never both."""
    del condition
    acts = list(view.acts())
    broken: list[Violation] = []
    for turn in view.turns:
        steps = {event.step for event in turn.events if isinstance(event, ToolCall)}
        for event in turn.events:
            if isinstance(event, Say) and event.step in steps and event.text.strip():
                broken.append(
                    Violation("the agent talks and calls a tool in one message", turn.index, quote_of(event.text))
                )
    return Checked(bool(acts), tuple(broken))
