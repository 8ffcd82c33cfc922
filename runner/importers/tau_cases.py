"""From the tasks of tau-bench's airline domain to cases.

The benchmark says what its own solution of a task does (the gold actions), and nothing about risk,
autonomy or reasons to escalate. Those are derived here, from the gold actions alone:

| derived | from the gold actions |
| --- | --- |
| `intent` | `transfer` where they hand the customer over; else what the first write does; `no_change` without one |
| `tags` | what each of the writes does |
| `risk_tier` | high: a handover, a cancellation or a certificate; medium: any other write; low: no write |
| `autonomy` | human: a handover; confirm: a write; autonomous: neither |
| `expect.escalation` | required exactly where they hand the customer over |
| `expect` of the one turn | the writes, with all their arguments, as tool calls; all other writes as forbidden tools |
"""

from __future__ import annotations

import datetime as dt

from assay.registry.errors import ContentError, nearest
from assay.registry.types.base import AutonomyLevel, EscalationReason, RiskTier
from assay.registry.types.case import (
    Case,
    ConversationExpectation,
    CustomerTurn,
    EscalationExpectation,
    ExpectedCall,
    TurnExpectation,
)
from assay.runner.importers.tau_records import Task
from assay.runner.importers.tau_turns import TRANSFER

__all__ = ["ACCEPTED_REASONS", "DATE", "INTENTS", "TOOLS", "WRITES", "case_id", "case_of"]

DATE = dt.date(2024, 5, 15)
"""The day on which all conversations take place, by the airline's policy."""

WRITES = {
    "book_reservation": "book",
    "cancel_reservation": "cancel",
    "send_certificate": "certificate",
    "update_reservation_baggages": "baggage",
    "update_reservation_flights": "change_flights",
    "update_reservation_passengers": "passengers",
}
"""Tools that change the airline's database, and what they do."""

READS = (
    "calculate",
    "get_reservation_details",
    "get_user_details",
    "list_all_airports",
    "search_direct_flight",
    "search_onestop_flight",
    "think",
)

TOOLS = tuple(sorted((*WRITES, *READS, TRANSFER)))
INTENTS = (*sorted(WRITES.values()), "no_change", "transfer")

ACCEPTED_REASONS = (
    EscalationReason.WORKFLOW_EXCEPTION,
    EscalationReason.BOUNDARY_TRANSACTION,
    EscalationReason.POLICY_AMBIGUITY,
    EscalationReason.INTERPRETATION_REQUIRED,
    EscalationReason.EMOTIONAL_DISTRESS,
    EscalationReason.CUSTOMER_REQUEST,
)
"""The benchmark gives no reason for a handover but that the request is beyond what the agent can do. All
reasons that fit the published tasks with a handover are accepted, for each of them."""

_HIGH_RISK = {"cancel", "certificate"}


def case_id(task_id: int) -> str:
    return f"airline-{task_id:03d}"


def case_of(task_id: int, task: Task) -> Case:
    """The case that a task is.

    Raises:
        ContentError: a gold action is no tool of the airline. `key` is `info.task.actions.N`.
    """
    names = [action.name for action in task.actions]
    for number, name in enumerate(names):
        if name not in TOOLS:
            raise ContentError(
                f"{name!r} is no tool of the airline domain, the only one that can be imported.{nearest(name, TOOLS)}",
                key=f"info.task.actions.{number}.name",
            )
    transfer = TRANSFER in names
    deeds = list(dict.fromkeys(WRITES[name] for name in names if name in WRITES))
    expected = TurnExpectation(
        tool_calls=tuple(ExpectedCall(name=a.name, arguments=a.kwargs) for a in task.actions if a.name in WRITES),
        forbidden_tools=tuple(name for name in WRITES if name not in names),
    )
    return Case(
        id=case_id(task_id),
        intent="transfer" if transfer else (deeds or ["no_change"])[0],
        risk_tier=_risk(transfer, deeds),
        autonomy=_autonomy(transfer, deeds),
        tags=tuple(deeds),
        date=DATE,
        turns=(CustomerTurn(customer=task.instruction, expect=expected),),
        expect=ConversationExpectation(escalation=_escalation(transfer)),
        labels={"user_id": task.user_id, "gold_actions": list(names), "outputs": task.outputs},
    )


def _risk(transfer: bool, deeds: list[str]) -> RiskTier:
    if transfer or _HIGH_RISK & set(deeds):
        return RiskTier.HIGH
    return RiskTier.MEDIUM if deeds else RiskTier.LOW


def _autonomy(transfer: bool, deeds: list[str]) -> AutonomyLevel:
    if transfer:
        return AutonomyLevel.HUMAN
    return AutonomyLevel.CONFIRM if deeds else AutonomyLevel.AUTONOMOUS


def _escalation(transfer: bool) -> EscalationExpectation:
    if not transfer:
        return EscalationExpectation(required=False)
    return EscalationExpectation(required=True, reasons=ACCEPTED_REASONS, by_turn=1)
