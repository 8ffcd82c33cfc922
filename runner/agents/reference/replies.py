"""Whether an answer is an explicit yes or no, and what else can be told from its words alone."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["is_greeting", "yes_or_no"]

_YES = re.compile(
    r"\b(?:yes|yep|yeah|yup|yea|ya|sure|absolutely|definitely|certainly|of course|go ahead|please do|do it|do so|"
    r"proceed|confirm(?:ed)?|"
    r"i confirm|i agree|agreed|that'?s (?:right|correct|fine|it)|correct|right|ok(?:ay)?|fine|sounds good|"
    r"works for me|perfect|y)\b"
)
_NO = re.compile(
    r"\b(?:no|nope|nah|not|don'?t|do not|never ?mind|cancel|stop|wait|hold on|leave it|forget it|forget about it|"
    r"changed my mind|"
    r"rather not|n)\b"
)
_NOT_A_NO = re.compile(
    r"\bno (?:problem|worries|doubt)\b|\bwhy not\b|\b(?:cannot|can'?t|can not|won'?t) wait\b|\bdon'?t (?:worry|"
    r"mind|wait)\b"
    r"|\bnot? (?:a )?(?:problem|issue)\b|\bwaiting\b|\bif not\b"
)
_NOT_A_YES = re.compile(
    r"\b(?:right (?:now|away)|not (?:sure|ok|okay|right|correct|fine)|are you sure|ok(?:ay)? but|before (?:i|"
    r"we) (?:say yes|confirm|agree))\b"
)
_UNSURE = re.compile(r"\b(?:i guess|maybe|perhaps|not sure|unsure|i suppose|possibly|might|let me think|depends)\b")
_GREETING = re.compile(
    r"^\W*(?:(?:hi|hello|hey|hiya|good (?:morning|afternoon|evening|day)|greetings|howdy|yo|there|harborline|team|"
    r"all|everyone)\W*)+$"
)


def yes_or_no(message: str) -> Literal["yes", "no"] | None:
    """`yes` for an explicit yes, `no` for any no in it, and None where it is neither or a question."""
    text = " ".join(message.lower().replace("’", "'").split())
    if _UNSURE.search(text):
        return None
    cleared = _NOT_A_NO.sub(" ", text)
    if _NO.search(_NOT_A_YES.sub(" ", cleared)) or re.search(r"\bnot (?:ok|okay|right|correct|fine)\b", cleared):
        return "no"
    # A yes that comes with a question is still a yes ("yes please, how long does it take?"); a bare question is not.
    first = re.split(r"[.!?]\s", text)[0]
    if _YES.search(_NOT_A_YES.sub(" ", first)) and not first.rstrip().endswith("?"):
        return "yes"
    if first.rstrip().endswith("?") and re.match(r"\W*(?:yes|yep|yeah|sure)\b", first):
        return "yes"
    return None


def is_greeting(message: str) -> bool:
    """Whether the message greets and says nothing else."""
    return bool(_GREETING.match(message.lower()))
