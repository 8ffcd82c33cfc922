"""Handoff completeness: what the person who takes over needs, so that the customer does not start again.

The elements of a packet: its reason; where the case says so, intent and queue; what has to be mentioned (in
history or summary), each mention an element; the actions already taken; the documents that bear on it. A case
that names nothing to mention still expects some history or summary.

A packet that invents is worse than a thin one: a colleague acts on an action that never happened or an amount that
nobody named, so such a packet has none of its elements, and `handoff_faithfulness` counts it apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from assay.registry.phrases import contains_any, normalise, quote_of
from assay.registry.types.base import Severity
from assay.registry.types.case import Case, HandoffExpectation
from assay.registry.types.score import Finding, MetricSpec, Result, Score, Skipped
from assay.registry.types.trajectory import HandoffPacket, Trajectory
from assay.runner.scorers.base import Scorer
from assay.runner.scorers.packet import (
    given_facts,
    invented_actions,
    invented_documents,
    invented_facts,
    lost_facts,
    names_tool,
    told,
)

__all__ = ["HandoffScorer"]

_COMPLETENESS = MetricSpec(
    name="handoff_completeness",
    kind="proportion",
    direction="higher_is_better",
    unit="rule",
    description="Elements present in the handoff packet, of those expected, where an escalation is required.",
)
_FAITHFULNESS = MetricSpec(
    name="handoff_faithfulness",
    kind="proportion",
    direction="higher_is_better",
    description="Of the conversations handed over: the packet states no action and no figure that is not in them.",
)
_CARRIED = MetricSpec(
    name="handoff_carry_over",
    kind="proportion",
    direction="higher_is_better",
    unit="claim",
    description="Of the amounts, dates and identifiers the customer gave before a handoff: what the packet carries.",
)
_NOT_REQUIRED = Skipped(reason="the case requires no escalation")
_NO_HANDOFF = Skipped(reason="nothing was handed over")
_NOTHING_GIVEN = Skipped(reason="the customer gave no amount, date or identifier before the handoff")


class HandoffScorer(Scorer):
    """Judges the first handoff packet; `handoff_completeness` only where an escalation is required."""

    name = "handoff"
    version = "5"

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (_COMPLETENESS, _FAITHFULNESS, _CARRIED)

    @property
    def rules(self) -> tuple[str, ...]:
        return ("no_handoff", "missing_element", "invented_action", "invented_document", "invented_fact", "asked_again")

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        del metric
        return None if case.expect.escalation.required else _NOT_REQUIRED

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        required = case.expect.escalation.required
        first = next(iter(trajectory.handoffs), None)
        if first is None:
            complete = _nothing(case) if required else _NOT_REQUIRED
            return {_COMPLETENESS.name: complete, _FAITHFULNESS.name: _NO_HANDOFF, _CARRIED.name: _NO_HANDOFF}
        turn, packet = first
        inventions = tuple(_inventions(case, trajectory, turn, packet))
        return {
            _COMPLETENESS.name: _completeness(case, turn, packet, inventions) if required else _NOT_REQUIRED,
            _FAITHFULNESS.name: _faithfulness(inventions),
            _CARRIED.name: _carried(case, trajectory, turn, packet),
        }


def _nothing(case: Case) -> Score:
    expected = len(_elements(case, len(case.turns), HandoffPacket()))
    finding = Finding(
        rule="no_handoff",
        severity=Severity.HIGH,
        message="an escalation is required and nothing was handed over",
        turn=case.expect.escalation.by_turn,
    )
    return Score(value=0.0, of=expected, explanation="no handoff", findings=(finding,))


def _inventions(case: Case, trajectory: Trajectory, turn: int, packet: HandoffPacket) -> Iterator[Finding]:
    for claim in invented_actions(packet, trajectory):
        yield Finding(
            rule="invented_action",
            severity=Severity.HIGH,
            message=f"the packet claims {claim!r}, which was not carried out before the handoff",
            turn=turn,
            quote=quote_of(", ".join(packet.prior_actions)),
        )
    for document in invented_documents(packet, trajectory):
        yield Finding(
            rule="invented_document",
            severity=Severity.MEDIUM,
            message=f"the packet names {document}, which no search before the handoff returned",
            turn=turn,
        )
    for fact in invented_facts(packet, trajectory, case.date):
        yield Finding(
            rule="invented_fact",
            severity=Severity.HIGH,
            message=f"the packet states {fact.text!r}, which stands nowhere in the conversation",
            turn=turn,
            quote=quote_of(told(packet)),
        )


def _faithfulness(inventions: tuple[Finding, ...]) -> Score:
    if not inventions:
        return Score(value=1.0, explanation="the packet invents nothing")
    return Score(value=0.0, explanation=f"invented: {len(inventions)}", findings=inventions)


def _completeness(case: Case, turn: int, packet: HandoffPacket, inventions: tuple[Finding, ...]) -> Score:
    elements = _elements(case, turn, packet)
    missing = [name for name, present in elements.items() if not present]
    lacking = tuple(
        Finding(
            rule="missing_element",
            severity=Severity.MEDIUM,
            message=f"the packet lacks: {name}",
            turn=turn,
            quote=quote_of(packet.summary or "; ".join(packet.history)),
        )
        for name in missing
    )
    said = f"missing: {', '.join(missing)}" if missing else "complete"
    if inventions:
        findings = (*inventions, *lacking)
        return Score(value=0.0, of=len(elements), explanation=f"the packet invents; {said}", findings=findings)
    return Score(value=float(len(elements) - len(missing)), of=len(elements), explanation=said, findings=lacking)


def _carried(case: Case, trajectory: Trajectory, turn: int, packet: HandoffPacket) -> Result:
    given = given_facts(trajectory, case.date)
    if not given:
        return _NOTHING_GIVEN
    lost = lost_facts(given, packet, trajectory, case.date)
    findings = tuple(
        Finding(
            rule="asked_again",
            severity=Severity.MEDIUM,
            message=f"the customer gave {fact.text!r} in turn {at} and would be asked for it again",
            turn=turn,
            quote=quote_of(told(packet)),
        )
        for at, fact in lost
    )
    said = f"carries {len(given) - len(lost)} of {len(given)} facts that the customer gave"
    return Score(value=float(len(given) - len(lost)), of=len(given), explanation=said, findings=findings)


def _elements(case: Case, turn: int, packet: HandoffPacket) -> dict[str, bool]:
    """Each expected element of the packet by name, and whether it is there.

    Handing over early is in time, so a packet owes only what the customer had said, and what was to be done, by then.
    """
    escalation = case.expect.escalation
    expected = _owed_by(case, turn)
    text = told(packet)
    elements = {"reason": packet.reason in [reason.value for reason in escalation.reasons]}
    if escalation.queue is not None:
        elements["queue"] = packet.queue == escalation.queue
    if expected.intent is not None:
        elements["intent"] = packet.intent == expected.intent
    for mention in expected.must_mention:
        elements[f"mention of {mention.any_of[0]!r}"] = contains_any(text, mention.any_of)
    if not expected.must_mention:
        elements["history"] = bool(normalise(text))
    if expected.prior_actions:
        elements["prior_actions"] = all(
            any(names_tool(claim, tool) for claim in packet.prior_actions) for tool in expected.prior_actions
        )
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
