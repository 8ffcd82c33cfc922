"""Simulated customers and agents of few words, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from assay.registry.digest import digest_of
from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    HandoffPacket,
    Outcome,
    Say,
    ToolCall,
    Trajectory,
    TurnRecord,
)
from assay.runner.conversation import Trial
from assay.runner.customers.base import Customer
from assay.runner.customers.factory import customers_for

SHEET: dict[str, Any] = {
    "persona": {"manner": "plain", "patience": 3},
    "goal": {"wants": "I want my card blocked.", "reached_when": {"called": {"name": "block_card"}}},
    "facts": {
        "customer_number": {"value": "48213907"},
        "date_of_birth": {"value": "March 12, 1984"},
        "card_last4": {"value": "4821", "reveal": "at_once"},
        "password": {"value": "blue heron 77", "reveal": "never", "asked_by": ["password"]},
    },
    "opening": ["Please block my card ending {card_last4}."],
}
WHO = "Please give me your customer number and date of birth."

Reply = str | Sequence[AgentEvent]


def simulated(*, simulation: dict[str, Any] | None = None, case: dict[str, Any] | None = None, **changed: Any) -> Case:
    """A case with `SHEET` as its simulation, `changed` in it, and `case` laid over the rest."""
    plain: dict[str, Any] = {
        "id": "one",
        "intent": "card_block",
        "risk_tier": "high",
        "autonomy": "confirm",
        "date": "2026-03-02",
        "turns": [{"customer": "Please block my card ending 4821."}],
        "expect": {"escalation": {"required": False}},
        "simulation": {**SHEET, **(simulation or {}), **changed},
        **(case or {}),
    }
    return Case.model_validate(plain)


def required(*reasons: str, **more: Any) -> dict[str, Any]:
    return {"expect": {"escalation": {"required": True, "reasons": list(reasons) or ["material_impact"], **more}}}


def customer(case: Case, seed: int = 0, max_turns: int = 20) -> Customer:
    """The embedded customer as a replay gets it."""
    settings = ReplaySettings(mode="simulated", seed=seed, max_turns=max_turns)
    return customers_for(settings)(Trial(case, digest_of(case), 0, "0" * 64))


def talk(case: Case, replies: Sequence[Reply] | Callable[[str, int], Reply], seed: int = 0, **more: Any) -> list[str]:
    """What the customer says to these replies (the last of them over and over), until they stop."""
    return [turn.customer for turn in turns_of(customer(case, seed, **more), replies)]


def turns_of(speaks: Customer, replies: Sequence[Reply] | Callable[[str, int], Reply]) -> list[TurnRecord]:
    async def converse() -> list[TurnRecord]:
        turns: list[TurnRecord] = []
        while (said := await speaks.next(tuple(turns))) is not None:
            number = len(turns) + 1
            turns.append(
                turn(
                    number, said, replies(said, number) if callable(replies) else replies[min(number, len(replies)) - 1]
                )
            )
        return turns

    return asyncio.run(converse())


def turn(number: int, said: str, reply: Reply) -> TurnRecord:
    events = (Say(step=0, text=reply),) if isinstance(reply, str) else tuple(reply)
    return TurnRecord(index=number, customer=said, events=events)


def say(text: str) -> Say:
    return Say(step=0, text=text)


def did(name: str, error: str | None = None, **arguments: Any) -> ToolCall:
    return ToolCall(step=0, name=name, arguments=arguments, result=None if error else {"done": True}, error=error)


def handed(reason: str = "customer_request", **more: Any) -> Handoff:
    return Handoff(step=0, packet=HandoffPacket(reason=reason, **more))


def trajectory(case: Case, turns: Sequence[TurnRecord], outcome: Outcome = Outcome.COMPLETED) -> Trajectory:
    digest = digest_of(case)
    return Trajectory(
        key=digest, agent="a", bundle_digest=digest, case_id=case.id, case_digest=digest, mode="simulated",
        turns=tuple(turns), outcome=outcome,
    )  # fmt: skip
