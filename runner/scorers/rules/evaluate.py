"""One rule against one trajectory."""

from __future__ import annotations

from collections.abc import Iterable

from assay.registry.types.case import Case
from assay.registry.types.trajectory import Trajectory
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.rules import calls, speech
from assay.runner.scorers.rules.airline_state import STATE_CHECKS
from assay.runner.scorers.rules.model import Rule, RulePack, RuleScope
from assay.runner.scorers.rules.temporal.holds import check_rule
from assay.runner.scorers.rules.temporal.trace import Trace, trace_of
from assay.runner.scorers.rules.view import Checked, View

__all__ = ["check_all", "in_scope", "view_of"]

_CHECKS = {
    "first_reply_says": speech.first_reply_says,
    "must_say_when": speech.must_say_when,
    "never_says": speech.never_says,
    "never_quotes": speech.never_quotes,
    "requires_before": calls.requires_before,
    "confirm_before": calls.confirm_before,
    "autonomy": calls.autonomy,
    "never_calls": calls.never_calls,
    "max_calls": calls.max_calls,
    "max_handoffs": calls.max_handoffs,
    "tool_argument": calls.tool_argument,
    "one_tool_per_step": calls.one_tool_per_step,
    "no_text_with_tool": calls.no_text_with_tool,
    "state_check": lambda name, view: STATE_CHECKS[name](view),
}
"""The check of each kind of condition."""


def view_of(case: Case, trajectory: Trajectory, pack: RulePack, context: ScorerContext) -> View:
    """The trajectory as the rules of `pack` see it: tools are classed by the bundle's manifest and by the pack."""
    manifest = context.manifest
    tools = manifest.tools if manifest is not None else ()
    intents = manifest.autonomy.intents if manifest is not None else {}
    internal = set(context.internal_documents)
    return View(
        case=case,
        trajectory=trajectory,
        writes=frozenset({*pack.writes, *(tool.name for tool in tools if tool.writes)}),
        verified=frozenset({*pack.verified, *(tool.name for tool in tools if tool.needs_verification)}),
        intents={name: policy.autonomy for name, policy in intents.items()},
        internal=tuple(text for name, text in context.documents.items() if name in internal),
        public=tuple(text for name, text in context.documents.items() if name not in internal),
    )


def in_scope(scope: RuleScope, case: Case) -> bool:
    """Whether a rule with this scope is about the case."""
    return (
        (not scope.intents or case.intent in scope.intents)
        and (not scope.channels or case.channel in scope.channels)
        and (not scope.risk_tiers or case.risk_tier in scope.risk_tiers)
        and (not scope.autonomy or case.autonomy in scope.autonomy)
    )


def check_all(rules: Iterable[Rule], view: View) -> list[tuple[Rule, Checked]]:
    """Each rule with what it finds in the trajectory. A rule that is not about the case is not exercised."""
    trace: Trace | None = None
    outcomes: list[tuple[Rule, Checked]] = []
    for rule in rules:
        if not in_scope(rule.scope, view.case):
            outcome = Checked(exercised=False)
        elif rule.temporal is not None:
            trace = trace or trace_of(view)
            outcome = check_rule(rule.temporal, trace)
        else:
            outcome = _CHECKS[rule.kind](rule.condition, view)
        outcomes.append((rule, outcome))
    return outcomes
