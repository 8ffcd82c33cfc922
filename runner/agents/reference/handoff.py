"""Why a conversation goes to a person, where it goes, and what is passed on."""

from __future__ import annotations

from enum import StrEnum

from assay.registry.types.base import EscalationReason, Frozen, Name
from assay.registry.types.bundle import AutonomyPolicy
from assay.registry.types.trajectory import HandoffPacket
from assay.runner.agents.reference.memory import Memory
from assay.runner.agents.reference.prompt import Prompt

__all__ = ["HandoffNeededError", "ReferenceSettings", "Situation", "packet_for"]


class Situation(StrEnum):
    """What makes the agent step aside, apart from an intent that always goes to a person."""

    HUMAN_REQUEST = "human_request"
    DISTRESS = "distress"
    POLICY_GAP = "policy_gap"
    NOT_UNDERSTOOD = "not_understood"
    IDENTITY_MISSING = "identity_missing"
    IDENTITY_FAILED = "identity_failed"
    FACT_MISSING = "fact_missing"
    TOOL_UNUSABLE = "tool_unusable"
    OVER_LIMIT = "over_limit"


REASONS = {
    Situation.HUMAN_REQUEST: EscalationReason.CUSTOMER_REQUEST,
    Situation.DISTRESS: EscalationReason.EMOTIONAL_DISTRESS,
    Situation.POLICY_GAP: EscalationReason.POLICY_AMBIGUITY,
    Situation.NOT_UNDERSTOOD: EscalationReason.LOW_CONFIDENCE,
    Situation.IDENTITY_MISSING: EscalationReason.INCOMPLETE_INFORMATION,
    Situation.IDENTITY_FAILED: EscalationReason.PROTECTED_DATA,
    Situation.FACT_MISSING: EscalationReason.INCOMPLETE_INFORMATION,
    Situation.TOOL_UNUSABLE: EscalationReason.WORKFLOW_EXCEPTION,
    Situation.OVER_LIMIT: EscalationReason.BOUNDARY_TRANSACTION,
}


class HandoffNeededError(Exception):
    """A person has to take over now. `why` is a situation, or an intent that always goes to a person."""

    def __init__(self, why: Situation | str, detail: str = "") -> None:
        super().__init__(f"{why}: {detail}" if detail else str(why))
        self.why = why


class ReferenceSettings(Frozen):
    """The reference agent's part of a bundle: `adapter.settings`.

    `queues`: where each situation goes; a situation that is not named goes to the policy's default queue.
    """

    min_overlap: float = 0.3
    """Least share of a question's weight that a quoted sentence has to cover."""
    queues: dict[Situation, Name] = {}


def packet_for(
    why: Situation | str, memory: Memory, prompt: Prompt, policy: AutonomyPolicy, settings: ReferenceSettings
) -> HandoffPacket:
    """What is passed on. `why` is a situation, or the intent that always goes to a person."""
    if isinstance(why, Situation):
        reason: str | None = REASONS[why].value
        queue = settings.queues.get(why, policy.default_queue)
        intent = memory.subject
    else:
        reason, intent = policy.intents[why].reason, why
        queue = policy.intents[why].queue or policy.default_queue
    facts = [f"{name.replace('_', ' ')} {value}" for name, value in memory.given.items()]
    identity = "identity verified" if memory.identity.verified else "identity not verified"
    summary = prompt.render(
        "handoff_summary",
        intent=(intent or "unknown").replace("_", " "),
        reason=(reason or "").replace("_", " "),
        request=memory.request or memory.messages[-1],
        facts="; ".join([identity, *facts]),
        actions=", ".join(memory.actions) or "none",
    )
    history = [f"Customer: {message}" for message in memory.messages]
    return HandoffPacket(
        reason=reason,
        queue=queue,
        intent=intent,
        summary=summary,
        history=(*history, *(f"Given: {fact}" for fact in facts), *(f"Tried: {what}" for what in memory.attempts)),
        prior_actions=tuple(memory.actions),
        knowledge=tuple(memory.documents),
    )
