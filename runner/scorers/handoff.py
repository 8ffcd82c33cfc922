"""Handoff completeness: what the person who takes over needs, so that the customer does not start again.

The elements of a packet: its reason; where the case says so, intent and queue; what has to be mentioned (in
history or summary), each mention an element; the actions already taken; the documents that bear on it. A case
that names nothing to mention still expects some history or summary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from assay.registry.phrases import contains_any, normalise, quote_of
from assay.registry.types.base import Severity
from assay.registry.types.case import Case, HandoffExpectation
from assay.registry.types.score import Finding, MetricSpec, Result, Score, Skipped
from assay.registry.types.trajectory import Handoff, HandoffPacket, ToolCall, Trajectory
from assay.runner.scorers.base import Scorer

__all__ = ["HandoffScorer"]

_COMPLETENESS = MetricSpec(
    name="handoff_completeness",
    kind="proportion",
    direction="higher_is_better",
    unit="rule",
    description="Elements present in the handoff packet, of those expected, where an escalation is required.",
)
_NOT_REQUIRED = Skipped(reason="the case requires no escalation")


class HandoffScorer(Scorer):
    """Judges the first handoff packet. An action claimed in it that did not happen voids its prior actions."""

    name = "handoff"
    version = "2"

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (_COMPLETENESS,)

    @property
    def rules(self) -> tuple[str, ...]:
        return ("no_handoff", "missing_element", "invented_action")

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        del metric
        return None if case.expect.escalation.required else _NOT_REQUIRED

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        if not case.expect.escalation.required:
            return {_COMPLETENESS.name: _NOT_REQUIRED}
        first = next(iter(trajectory.handoffs), None)
        return {_COMPLETENESS.name: _nothing(case) if first is None else _judged(case, trajectory, *first)}


def _nothing(case: Case) -> Score:
    expected = len(_elements(case, len(case.turns), HandoffPacket()))
    finding = Finding(
        rule="no_handoff",
        severity=Severity.HIGH,
        message="an escalation is required and nothing was handed over",
        turn=case.expect.escalation.by_turn,
    )
    return Score(value=0.0, of=expected, explanation="no handoff", findings=(finding,))


def _judged(case: Case, trajectory: Trajectory, turn: int, packet: HandoffPacket) -> Score:
    elements = _elements(case, turn, packet)
    findings = [
        Finding(
            rule="invented_action",
            severity=Severity.HIGH,
            message=f"the packet claims {claim!r}, which was not carried out before the handoff",
            turn=turn,
            quote=quote_of(", ".join(packet.prior_actions)),
        )
        for claim in _invented(packet, trajectory)
    ]
    if findings:
        elements["prior_actions"] = False
    missing = [name for name, present in elements.items() if not present]
    findings += [
        Finding(
            rule="missing_element",
            severity=Severity.MEDIUM,
            message=f"the packet lacks: {name}",
            turn=turn,
            quote=quote_of(packet.summary or "; ".join(packet.history)),
        )
        for name in missing
        if not (name == "prior_actions" and findings)
    ]
    present = len(elements) - len(missing)
    said = f"missing: {', '.join(missing)}" if missing else "complete"
    return Score(value=float(present), of=len(elements), explanation=said, findings=tuple(findings))


def _elements(case: Case, turn: int, packet: HandoffPacket) -> dict[str, bool]:
    """Each expected element of the packet by name, and whether it is there.

    Handing over early is in time, so a packet owes only what the customer had said, and what was to be done, by then.
    """
    escalation = case.expect.escalation
    expected = _owed_by(case, turn)
    told = "\n".join((*packet.history, packet.summary))
    elements = {"reason": packet.reason in [reason.value for reason in escalation.reasons]}
    if escalation.queue is not None:
        elements["queue"] = packet.queue == escalation.queue
    if expected.intent is not None:
        elements["intent"] = packet.intent == expected.intent
    for mention in expected.must_mention:
        elements[f"mention of {mention.any_of[0]!r}"] = contains_any(told, mention.any_of)
    if not expected.must_mention:
        elements["history"] = bool(normalise(told))
    if expected.prior_actions:
        claimed = {_action(claim) for claim in packet.prior_actions}
        elements["prior_actions"] = claimed.issuperset(expected.prior_actions)
    if expected.documents:
        elements["documents"] = set(packet.knowledge).issuperset(expected.documents)
    return elements


def _owed_by(case: Case, turn: int) -> HandoffExpectation:
    expected, by_turn = case.expect.handoff or HandoffExpectation(), case.expect.escalation.by_turn
    if by_turn is None or turn >= by_turn:
        return expected
    said = "\n".join(t.customer for t in case.turns[:turn])
    due = {call.name for t in case.turns[:turn] for call in t.expect.tool_calls}
    return expected.model_copy(
        update={
            "must_mention": tuple(m for m in expected.must_mention if contains_any(said, m.any_of)),
            "prior_actions": tuple(name for name in expected.prior_actions if name in due),
        }
    )


def _invented(packet: HandoffPacket, trajectory: Trajectory) -> list[str]:
    """Claimed actions that no successful tool call before the handoff stands behind."""
    done: set[str] = set()
    for _, event in trajectory.events:
        if isinstance(event, Handoff):
            break
        if isinstance(event, ToolCall) and event.error is None:
            done.add(event.name)
    return [claim for claim in packet.prior_actions if _action(claim) not in done]


def _action(claim: str) -> str:
    """The tool that a claimed action names: `verify_identity` in "verify_identity(48213907): verified"."""
    found = re.match(r"\s*([A-Za-z0-9][\w.\-]*)", claim)
    return found.group(1).rstrip(".-") if found else claim
