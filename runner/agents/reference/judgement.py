"""From readings to one understanding: what is asked for now, and whether a person has to take over.

Each message is read as a whole and sentence by sentence, because people put the grave thing in a subordinate
sentence of a harmless request. Distress also adds up over a conversation.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay.registry.types.base import AutonomyLevel
from assay.registry.types.bundle import AutonomyPolicy
from assay.runner.agents.reference.handoff import Situation
from assay.runner.agents.reference.memory import Memory
from assay.runner.agents.reference.tasks import TASKS
from assay.runner.agents.reference.triage import Reading, TriageModel

__all__ = ["CLOSING", "HUMAN_REQUEST", "SMALL_TALK", "Understanding", "is_inquiry", "understand"]

HUMAN_REQUEST, CLOSING = "human_request", "closing"
SMALL_TALK = frozenset({CLOSING, "affirm", "deny", "details", "other"})
"""What the model tells apart that is no request."""

_SURE_SIGNAL = {Situation.HUMAN_REQUEST: 0.5, Situation.DISTRESS: 0.5, Situation.POLICY_GAP: 0.5}
_SENTENCE_SURE = 0.6
"""One sentence of several has to be clearer than a whole message before it decides."""
_TRACE = 0.3
"""Distress below this probability is noise and does not add up."""
_BUILT_UP = 0.65


@dataclass(frozen=True)
class Understanding:
    """`escalate` is a situation, or an intent that always goes to a person, or None."""

    intent: str
    confidence: float
    signals: tuple[str, ...]
    escalate: Situation | str | None
    also: str | None = None
    """Another request that a sentence of the message clearly makes."""


def understand(message: str, memory: Memory, model: TriageModel, policy: AutonomyPolicy) -> Understanding:
    """Read a message in the light of the conversation; remembers its distress in `memory`."""
    whole, parts = model.read(message)
    if memory.task is None and "details" in whole.intents:
        # Nothing was asked for, so what looks like bare details is a request that brings them along.
        whole, parts = whole.without("details"), tuple(part.without("details") for part in parts)
    situation = _situation(whole, parts, memory)
    signals = (situation.value,) if situation else ()
    grave = _human_intent(whole, parts, policy)
    best = _clearest(whole, parts, policy)
    escalate: Situation | str | None = situation or grave
    if situation is Situation.POLICY_GAP and grave:
        escalate = grave
    intent, confidence = (grave, max(r.intents[grave] for r in (whole, *parts))) if grave else best
    if escalate is None and intent == HUMAN_REQUEST and confidence >= policy.min_confidence:
        escalate = Situation.HUMAN_REQUEST
    also = next((r.intent for r in parts if _servable(r, policy) and r.intent != intent), None)
    return Understanding(intent, min(1.0, confidence), signals, escalate, also)


def _situation(whole: Reading, parts: tuple[Reading, ...], memory: Memory) -> Situation | None:
    """The gravest signal, over the whole message, its sentences and, for distress, the conversation."""
    distress = max(r.signals.get("distress", 0.0) for r in (whole, *parts))
    if distress >= _TRACE:
        memory.calm *= 1 - distress
    for situation in (Situation.DISTRESS, Situation.HUMAN_REQUEST, Situation.POLICY_GAP):
        level = _SURE_SIGNAL[situation]
        strongest = max((r.signals.get(situation.value, 0.0) for r in parts), default=0.0)
        if whole.signals.get(situation.value, 0.0) >= level or strongest >= max(level, _SENTENCE_SURE):
            return situation
    return Situation.DISTRESS if 1 - memory.calm >= _BUILT_UP and distress >= _TRACE else None


def _human_intent(whole: Reading, parts: tuple[Reading, ...], policy: AutonomyPolicy) -> str | None:
    """The intent that always goes to a person, where one is clear enough.

    Several such intents that are close to each other still mean that a person has to take over.
    """
    human = [n for n, p in policy.intents.items() if p.autonomy is AutonomyLevel.HUMAN and n != HUMAN_REQUEST]
    leading = max(human, key=lambda name: whole.intents.get(name, 0.0), default=None)
    if leading is None:
        return None
    together = sum(whole.intents.get(name, 0.0) for name in human)
    if whole.intent == leading and (whole.confidence >= policy.min_confidence or together >= 0.5):
        return leading
    clear = [(r.confidence, r.intent) for r in parts if r.intent in human and r.confidence >= _SENTENCE_SURE]
    return max(clear)[1] if clear else None


def _clearest(whole: Reading, parts: tuple[Reading, ...], policy: AutonomyPolicy) -> tuple[str, float]:
    """The whole message's intent, unless a sentence is a much clearer request than an unclear whole."""
    if whole.confidence >= policy.min_confidence and whole.intent not in SMALL_TALK:
        return whole.intent, whole.confidence
    clear = [(r.confidence, r.intent) for r in parts if _servable(r, policy)]
    if clear:
        return max(clear)[1], max(clear)[0]
    # Which kind of question it is matters less than that it is one for the knowledge base.
    asking = {name: p for name, p in whole.intents.items() if is_inquiry(name, policy)}
    leading = max(asking, key=lambda name: asking[name], default=whole.intent)
    together = sum(asking.values())
    if whole.intent not in SMALL_TALK and together > whole.confidence:
        return leading, together
    return whole.intent, whole.confidence


def is_inquiry(intent: str, policy: AutonomyPolicy) -> bool:
    """Whether the intent is served from the knowledge base."""
    known = policy.intents.get(intent)
    return known is not None and known.autonomy is not AutonomyLevel.HUMAN and intent not in TASKS


def _servable(reading: Reading, policy: AutonomyPolicy) -> bool:
    known = policy.intents.get(reading.intent)
    return known is not None and known.autonomy is not AutonomyLevel.HUMAN and reading.confidence >= _SENTENCE_SURE
