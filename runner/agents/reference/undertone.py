"""What a bag of words cannot hear: that something grave is said in jest, of long ago, of others, or turned down.

Each cue weakens a reading, it never decides by itself: who jokes in a message full of despair is still heard.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from assay.runner.agents.reference.triage import Reading

__all__ = ["toned"]

_HALF, _MOSTLY = 0.5, 0.25
_PERSON = (
    r"(?:person|people|human|humans|agent|colleague|operator|representative|advis[eo]r|manager|anyone|anybody|somebody)"
)
_DECLINED = re.compile(
    r"\b(?:don'?t|do not|no need to|needn'?t|without|rather not|not (?:necessary|needed) to|please no|enough)\b"
    rf"[^.?!;]{{0,50}}\b(?:{_PERSON}|put me through|connect me|transfer me|call me back)\b",
    re.IGNORECASE,
)
_JEST = re.compile(
    r"\b(?:lol|lmao|rofl|haha+|hehe+|just kidding|jk|happy tears|tears of joy|joking|so to speak)\b"
    r"|[😂🤣😅😆😉😊]|[:;]-?\)",
    re.IGNORECASE,
)
_LONG_AGO = re.compile(
    r"\b(?:years|decades|ages) ago\b|\bback in (?:19|20)\d\d\b|\b(?:when i was|as a) (?:a )?(?:kid|child|student)\b",
    re.IGNORECASE,
)
_WRITING = r"(?:leaflet|paper|article|class|course|newsletter|blog|talk|project|homework)"
_IN_GENERAL = re.compile(
    r"\b(?:just|only) (?:asking|curious|wondering|want(?:ed)? to know)\b|\bout of curiosity\b|\bhypothetically\b"
    rf"|\bin general\b|\bfor (?:a|an|my|our|the) (?:\w+ ){{0,2}}{_WRITING}\b"
    r"|\bi (?:teach|volunteer|write about|am comparing|'?m comparing)\b|\bnothing (?:has )?happened\b",
    re.IGNORECASE,
)
_TURNED_OUT = re.compile(
    r"\b(?:it (?:was|is) (?:just |only )?me\b|that'?s me\b|was me\b|false alarm|turned out|no worries"
    r"|nothing'?s? wrong)",
    re.IGNORECASE,
)


def toned(reading: Reading, message: str, matters: Collection[str]) -> Reading:
    """The reading with what the undertone of the message takes away.

    Args:
        reading: of the message or of a sentence of it.
        message: the whole message: "lol" at its end is about all of it.
        matters: intents that go to a person.
    """
    person = _MOSTLY if _DECLINED.search(message) else 1.0
    distress = _HALF if _JEST.search(message) or _TURNED_OUT.search(message) else 1.0
    weights = dict.fromkeys(matters, _HALF if _IN_GENERAL.search(message) or _TURNED_OUT.search(message) else 1.0)
    if _LONG_AGO.search(message):
        distress, weights["bereavement"] = _HALF, _HALF
    weights["human_request"] = person
    return replace(
        reading,
        intents=_scaled(reading.intents, weights),
        signals=_scaled(reading.signals, {"human_request": person, "distress": distress}),
    )


def _scaled(found: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    return {name: probability * weights.get(name, 1.0) for name, probability in found.items()}
