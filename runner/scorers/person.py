"""Whether the customer agreed to be handed to a person: asked for one, or said yes when one was offered.

Read from the conversation's words, which a handoff event does not hold. English only; where neither is found there was
no consent, which is the safe side.
"""

from __future__ import annotations

import re

from assay.registry.phrases import normalise, sentences
from assay.registry.types.trajectory import Trajectory
from assay.runner.scorers.rules.consent import answer_to_confirmation

__all__ = ["agreed_to_a_person", "asks_for_a_person", "offers_a_person"]

_PERSON = (
    r"(?:(?:real|live|actual|human|living|other|different|senior|your|the|a|an|some|any|one of your) )*"
    r"(?:person|people|human(?: being)?s?|agent|representative|rep|colleague|operator|manager|supervisor|advis[eo]r"
    r"|specialist|employee|teller|somebody|someone|anyone|anybody|staff|team)"
)
_REACH = r"(?:talk|speak|chat|get|connect|transfer|put|pass|hand|switch|escalate|forward)"
_WISH = (
    r"(?:i(?:'d| would)? (?:want|need|like|prefer|demand|insist)|can i|could i|may i|let me|please|give me|get me"
    r"|connect me|transfer me|put me|pass me|hand me|switch me|i(?:'m| am) asking)"
)
_ASKS = (
    re.compile(
        rf"\b{_WISH}\b[^.?!]{{0,20}}\b(?:{_REACH}\b[^.?!]{{0,12}}\b(?:to|with)|through to|on to|over to)\s+{_PERSON}\b"
    ),
    re.compile(rf"\b(?:give|get|find|fetch|send) me {_PERSON}\b"),
    re.compile(rf"\b(?:i(?:'d| would)? (?:want|need|like|prefer|demand)) {_PERSON}\b(?!'s)"),
    re.compile(rf"\b(?:can|could|may) (?:{_PERSON}) (?:please )?(?:call|help|take over|look|contact)\b"),
    re.compile(
        r"^(?:a |an )?(?:real |live |human )?(?:human|agent|representative|operator|person)(?:,? (?:please|now))?$"
    ),
)
_DECLINES = re.compile(
    r"\b(?:don'?t|do not|no need|needn'?t|without|rather not|not (?:want|need)|never|stop\w*|refus\w*)\b[^.?!]{0,40}"
    rf"\b(?:{_PERSON})\b"
)
_OFFER = re.compile(
    r"\b(?:shall i|should i|may i|can i|could i|would you like|do you want|would you prefer|if you like|if you want"
    r"|if you wish|is it (?:ok|okay|alright)|are you (?:ok|okay) with)\b"
    rf"[^.!]{{0,60}}\b{_REACH}\b[^.!]{{0,40}}\b{_PERSON}\b"
)


def asks_for_a_person(customer: str) -> bool:
    """Whether a customer's message asks for a person. "My agent sold the house" and "no need for an agent" do not."""
    said = [part.strip(" .!?,") for part in sentences(normalise(customer))]
    return any(pattern.search(part) for part in said if not _DECLINES.search(part) for pattern in _ASKS)


def offers_a_person(reply: str) -> bool:
    """Whether a message of the agent offers to hand over, as a question or a condition."""
    return bool(_OFFER.search(normalise(reply)))


def agreed_to_a_person(trajectory: Trajectory, turn: int) -> bool:
    """Whether the customer asked for a person up to `turn` (1-based), or said yes in it to the offer before it."""
    offered = ""
    for record in trajectory.turns:
        if record.index > turn:
            return False
        if asks_for_a_person(record.customer):
            return True
        if record.index == turn and offered and answer_to_confirmation(record.customer, offered) == "yes":
            return True
        offered = record.reply if offers_a_person(record.reply) else ""
    return False
