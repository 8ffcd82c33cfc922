"""A policy that extends another may only ask for more: for the next stage of a rollout, never around the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from assay.gates.checks import Check, GroupCheck
from assay.gates.policy import GatePolicy

__all__ = ["Weakening", "tighten"]

Weakening = tuple[str, str]
"""A key of the extending policy, such as `checks.2.margin`, and why it may not be so."""

_HIGHER_IS_STRICTER = ("min_n", "at_least", "by", "k", "min_passes", "min_rules")
_LOWER_IS_STRICTER = ("at_most", "max_events", "rules_out", "margin", "max_cases", "max_skipped", "max_errored")
_SAME = ("kind", "metric", "slice", "quantile")


def tighten(base: GatePolicy, own: GatePolicy) -> tuple[GatePolicy, list[Weakening]]:
    """The checks of both, where an own check replaces the one of its name and takes from it what it leaves out.

    Returns:
        The policy that holds, and every way in which it would be weaker than `base`; it holds only if there is none.
    """
    problems = list(_policy_problems(base, own))
    places = {check.name: i for i, check in enumerate(own.checks)}
    theirs = {check.name: check for check in base.checks}
    merged: list[Check] = []
    for check in base.checks:
        if check.name not in places:
            merged.append(check)
            continue
        key = f"checks.{places[check.name]}"
        mine, found = _inherited(check, own.checks[places[check.name]], key)
        problems += found
        merged.append(mine)
    merged += [check for check in own.checks if check.name not in theirs]
    given = own.model_fields_set
    return own.model_copy(
        update={
            "checks": tuple(merged),
            **{name: getattr(base, name) for name in _POLICY_FIELDS if name not in given},
        }
    ), problems


_POLICY_FIELDS: dict[str, Callable[[Any, Any], bool]] = {
    "confidence": lambda mine, theirs: mine < theirs,
    "max_failure_share": lambda mine, theirs: mine > theirs,
    "require_data_checks": lambda mine, theirs: theirs and not mine,
}
"""What a policy sets for all its checks, and when it is weaker than another."""


def _policy_problems(base: GatePolicy, own: GatePolicy) -> Iterator[Weakening]:
    for name, weaker in _POLICY_FIELDS.items():
        mine, theirs = getattr(own, name), getattr(base, name)
        if name in own.model_fields_set and weaker(mine, theirs):
            yield name, _told(mine, theirs, base.name)


def _inherited(base: Check, own: Check, key: str) -> tuple[Check, list[Weakening]]:
    """The own check with what it leaves out, and in what it is weaker."""
    differing = [name for name in _SAME if getattr(own, name, None) != getattr(base, name, None)]
    if differing:
        name = differing[0]
        wanted = getattr(base, name, None)
        return own, [(f"{key}.{name}", f"{base.name!r} is extended, and its {name} has to stay {str(wanted)!r}")]
    given = {name: getattr(own, name) for name in own.model_fields_set}
    try:
        mine = type(own).model_validate({**{n: getattr(base, n) for n in type(base).model_fields}, **given})
    except ValidationError as error:
        return own, [(key, str(error.errors()[0]["msg"]).removeprefix("Value error, "))]
    problems = list(_weaker(base, mine))
    if isinstance(base, GroupCheck) and isinstance(mine, GroupCheck):
        mine, found = _inherited_group(base, mine)
        problems += found
    return mine, [(f"{key}.{name}" if name else key, text) for name, text in problems]


def _weaker(base: Check, mine: Check) -> Iterator[Weakening]:
    if base.blocking and not mine.blocking:
        yield "severity", f"{base.name!r} blocks in the policy that is extended, and has to go on blocking"
    if base.critical and not mine.critical:
        yield "critical", f"{base.name!r} is critical in the policy that is extended"
    for names, sign in ((_HIGHER_IS_STRICTER, 1), (_LOWER_IS_STRICTER, -1)):
        for name in names:
            theirs, given = getattr(base, name, None), getattr(mine, name, None)
            if theirs is not None and (given is None or sign * given < sign * theirs):
                yield name, _told(given, theirs, base.name)
    if getattr(base, "if_no_champion", "") == "inconclusive" != getattr(mine, "if_no_champion", ""):
        yield "if_no_champion", _told("not_applicable", "inconclusive", base.name)
    theirs, given = getattr(base, "interval", None), getattr(mine, "interval", None)
    if theirs != given and (theirs, given) != ("wilson", "clopper_pearson"):
        yield "interval", _told(given, theirs, base.name)
    for rule, least in getattr(base, "rules", {}).items():
        if getattr(mine, "rules", {}).get(rule, 0) < least:
            yield "rules", f"{base.name!r} asks for {least} conversations that exercise {rule}, here it would be fewer"


def _inherited_group(base: GroupCheck, mine: GroupCheck) -> tuple[GroupCheck, list[Weakening]]:
    """The group whose members have what they leave out from those of the same name."""
    ours, theirs = ({member.name: member for member in group.checks} for group in (mine, base))
    if mine.kind == "any" and ours.keys() != theirs.keys():
        ways = ", ".join(theirs)
        return mine, [("checks", f"{base.name!r} has to keep its ways {ways}: another one makes it easier or unlike")]
    problems = [("checks", f"{base.name!r} loses its check {name!r}") for name in theirs if name not in ours]
    members: list[Check] = []
    for i, member in enumerate(mine.checks):
        if member.name in theirs:
            merged, found = _inherited(theirs[member.name], member, f"checks.{i}")
            problems += found
            members.append(merged)
        else:
            members.append(member)
    return mine.model_copy(update={"checks": tuple(members)}), problems


def _told(mine: object, theirs: object, name: str) -> str:
    shown = "nothing" if mine is None else f"{mine:g}" if isinstance(mine, float) else str(mine)
    limit = f"{theirs:g}" if isinstance(theirs, float) else str(theirs)
    return f"{shown} is weaker than the {limit} of {name!r} in the policy that is extended; it may only be tightened"
