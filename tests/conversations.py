"""A golden conversation and a trajectory with nothing special about them, for tests that change what they are about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from assay.registry.types.base import AutonomyLevel, RiskTier
from assay.registry.types.case import Case, ConversationExpectation, CustomerTurn, EscalationExpectation
from assay.registry.types.trajectory import AgentEvent, Outcome, Trajectory, TurnRecord

__all__ = ["DIGEST", "plain_case", "plain_run", "turns_of"]

DIGEST = "a" * 64


def plain_case(**changes: Any) -> Case:
    """A case without expectations, but for what is given."""
    plain: dict[str, Any] = {
        "id": "c",
        "intent": "fee_refund",
        "risk_tier": RiskTier.LOW,
        "autonomy": AutonomyLevel.AUTONOMOUS,
        "date": dt.date(2026, 3, 2),
        "turns": (CustomerTurn(customer="hi"),),
        "expect": ConversationExpectation(escalation=EscalationExpectation(required=False)),
    }
    return Case(**plain | changes)


def plain_run(turns: Iterable[TurnRecord], **changes: Any) -> Trajectory:
    """A completed trajectory of these turns."""
    plain: dict[str, Any] = {
        "key": DIGEST,
        "agent": "a",
        "bundle_digest": DIGEST,
        "case_id": "c",
        "case_digest": DIGEST,
        "mode": "scripted",
        "outcome": Outcome.COMPLETED,
    }
    return Trajectory(**plain | changes, turns=tuple(turns))


def turns_of(*told: tuple[str, Iterable[AgentEvent]]) -> tuple[TurnRecord, ...]:
    """Turns of what the customer said and what the agent did."""
    return tuple(TurnRecord(index=n, customer=said, events=tuple(did)) for n, (said, did) in enumerate(told, start=1))
