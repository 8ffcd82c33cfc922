"""What can be told from an answer's words alone: yes or no, not now, not known, or mere noise."""

from __future__ import annotations

import re
from typing import Literal

__all__ = [
    "asks",
    "asks_about",
    "finds_fault",
    "is_evasive",
    "is_fragment",
    "is_greeting",
    "is_noise",
    "is_pause",
    "yes_or_no",
]

_LEAD_IN = (
    r"(?:(?:oh|ah|ok|okay|alright|well|fine|great|good|perfect|hm+|mhm|uh|um|so|and|then|thanks|thank you|please|"
    r"no problem|no worries)\W+)*"
)
_STRONG_YES = re.compile(
    rf"^\W*{_LEAD_IN}(?:y|ye+s+|yes ?(?:sir|ma'?am)|yessir|ye+p+|ye+ah*|yup|yea|aye|sure|absolutely|definitely|"
    r"certainly|of course|go ahead|go for it|please do|do it|do so|proceed|confirmed|i confirm|i agree|agreed|"
    r"by all means)\b"
)
_YES = re.compile(
    r"\b(?:ye+s+|yessir|ye+p+|ye+ah*|yup|yea|ya|sure|absolutely|definitely|certainly|of course|go ahead|go for it|"
    r"please do|do it|do so|proceed|confirm(?:ed)?|i confirm|i agree|agreed|that'?s (?:right|correct|fine|it)|correct|"
    r"right|ok(?:ay)?|fine|sounds good|works for me|perfect|y)\b"
)
_NO = re.compile(
    r"\b(?:no|nope|nah|not|don'?t|do not|never ?mind|cancel|stop|wait|hold on|leave it|forget it|forget about it|"
    r"changed my mind|rather not|n)\b"
)
_NO_AFTER_YES = re.compile(
    r"\b(?:don'?t|do not|never ?mind|cancel|stop|wait|hold on|leave it|forget it|changed my mind|rather not|not yet)\b"
    r"|(?:^|[.!?;,:-])\s*(?:no|nope|nah|not)\b"
)
"""After a clear yes, "I have no car until then" is no longer a no; taking the yes back still is."""
_NOT_A_NO = re.compile(
    r"\bno (?:problem|worries|doubt)\b|\bwhy not\b|\b(?:cannot|can'?t|can not|won'?t) wait\b|\bdon'?t (?:worry|"
    r"mind|wait)\b"
    r"|\bnot? (?:a )?(?:problem|issue)\b|\bwaiting\b|\bif not\b"
)
_NOT_A_YES = re.compile(
    r"\b(?:right (?:now|away)|not (?:sure|ok|okay|right|correct|fine)|are you sure|ok(?:ay)? but|before (?:i|"
    r"we) (?:say yes|confirm|agree|answer))\b"
)
_UNSURE = re.compile(r"\b(?:i guess|maybe|perhaps|not sure|unsure|i suppose|possibly|might|let me think|depends)\b")
_ON_CONDITION = re.compile(
    r"\b(?:only if|as long as|provided(?: that)?|unless|on (?:the )?condition|"
    r"(?<!see )(?<!know )(?<!wonder )(?<!ask )if (?:it|that|this|you|there)\b)"
    r"|\b(?:but|except|however|although)\b(?!\W+(?:also|please also|thanks|thank you|hurry|quickly|could you also|"
    r"be quick|fast))(?=\W+\w+\W+\w)"
)
"""A yes with a condition or an exception is not a yes to what was read back."""
_GREETING = re.compile(
    r"^\W*(?:(?:hi|hello|hey|hiya|good (?:morning|afternoon|evening|day)|greetings|howdy|yo|there|harborline|team|"
    r"all|everyone)\W*)+$"
)
_PAUSE = re.compile(
    r"\b(?:(?:hold|hang) on|hold the line|be right back|brb|bear with me|"
    r"(?:one|just (?:a|one)|wait (?:a|one)|gimme (?:a|one)|give me (?:a|one)) (?:sec|second|moment|minute|min)\b|"
    r"(?:wait,? )?let me (?:just )?(?:grab|get|find|look|check|pull|sit|see|fetch|search))\b|^\W*moment\b"
)
_ENDS_PAUSE = re.compile(
    r"\b(?:i'?m back|back now|ok(?:ay)? back|here (?:it is|i am)|got it|found it)\b|^\W*(?:ok(?:ay)? )?back\b"
)
_SHORT_PAUSE = 14
_EVASIVE = re.compile(
    r"\b(?:(?:don'?t|do not|didn'?t|can'?t|cannot|couldn'?t|won'?t|wouldn'?t|not going to) (?:\w+ )?"
    r"(?:know|remember|recall|say|tell|find|see|give|read|have (?:it|that|one|any))|dunno|no (?:idea|clue)|not sure|"
    r"(?:haven'?t|have not|hasn'?t) got|"
    r"(?:rather|sooner) not|depends|forgot(?:ten)?|(?:terrible|bad|hopeless|useless|no good) (?:with|at)|"
    r"i(?:'m| am) not (?:going|typing|telling|giving)|none of your business|"
    r"how (?:would|should|could|am) i (?:supposed to )?know)\b"
)
_QUESTION_START = re.compile(
    r"(?:^|[.!;,:\n-]\s*)(?:(?:and|so|ok|okay|but|then|hi|hello|hey|please|also)\W+)*"
    r"(?:what|when|where|which|who|why|how|is|are|was|does|did|do (?:i|you|we|they)|"
    r"(?:can|could|will|would|may|should) (?:i|you|we|he|she|it|they|the|my|a|an|u)|wat|whats|what's|hows|how's)\b(?!')"
)
_ABOUT = re.compile(
    r"(?:^|[.!;,:-]\s*|\bquestion,? )(?:(?:and|so|ok|okay|but|then|hi|hello|hey|please|also|yeah)\W+)*"
    r"(?:how (?:much|high|low|long|many|often|late|soon|old|far)|do you (?:charge|offer|have|take|allow)|"
    r"does (?:it|that|this|the|a|an)|is (?:there|it)|are there|what (?:does|happens|would|is the|are the)|what's the|"
    r"why (?:do|does|is|are))\b"
)
_FRAGMENT = re.compile(
    r"^\W*(?:(?:um+|uh+|well|hm+|so|oh|ok|okay)\W+)*(?:the (?:one|ones|same|other)|it(?:'s| is| was)|"
    r"that one|this one|some(?:thing|where|time)?)\b"
)
_FAULT = re.compile(
    r"\b(?:wrong|incorrect|mistyped|misspel\w+|typo|mistake|not (?:quite )?(?:right|correct)|should (?:be|read)|"
    r"i meant|that'?s not (?:it|the|my|what))\b"
)
_WORD = re.compile(r"[^\W\d_]+")
_SOUND = re.compile(r"^(?:h*m+|z+|s+h+|b+r+|g+r+|p+f+t*|p+s+t+)$")
_NO_SYLLABLE = re.compile(r"^[bcdfghjklmnpqrstvwxz]{5,}$|^([bcdfghjklmnpqrstvwxz])\1+$")


def yes_or_no(message: str) -> Literal["yes", "no"] | None:
    """`yes` for an explicit yes, `no` for any no in it, and None where it is neither, conditional or a question."""
    text = _plain(message)
    if _UNSURE.search(text):
        return None
    cleared = _NOT_A_NO.sub(" ", text)
    sentences = re.split(r"(?<=[.!?;])\s+", text)
    agreed = next((s for s in sentences if _STRONG_YES.match(s)), None)
    refusal = _NO if agreed is None else _NO_AFTER_YES
    if refusal.search(_NOT_A_YES.sub(" ", cleared)) or re.search(r"\bnot (?:ok|okay|right|correct|fine)\b", cleared):
        return "no"
    if _ON_CONDITION.search(text):
        return None
    # A yes that comes with a question is still a yes ("yes please, how long does it take?"); a bare question is not.
    if agreed is not None and (not agreed.endswith("?") or re.match(r"\W*(?:yes|yep|yeah|sure)\b", agreed)):
        return "yes"
    first = sentences[0].rstrip()
    return "yes" if _YES.search(_NOT_A_YES.sub(" ", first)) and not first.endswith("?") else None


def is_greeting(message: str) -> bool:
    """Whether the message greets and says nothing else."""
    return bool(_GREETING.match(message.lower()))


def is_pause(message: str) -> bool:
    """Whether the customer only asks to wait: "hang on a second, the doorbell"."""
    text = _plain(message)
    if len(text.split()) > _SHORT_PAUSE or "?" in text or _ENDS_PAUSE.search(text):
        return False
    return bool(_PAUSE.search(text)) and not re.search(r"\bnot\b|n't\b|\bno\b|\bcancel\b|\bye+s\b", text)


def is_evasive(message: str) -> bool:
    """Whether the customer says that they cannot or will not tell something."""
    return bool(_EVASIVE.search(_plain(message)))


def asks(message: str) -> bool:
    """Whether some clause of the message is a question, with or without its mark."""
    return "?" in message or bool(_QUESTION_START.search(_plain(message)))


def asks_about(message: str) -> bool:
    """Whether the message asks how something is or works, rather than for it to be done."""
    return bool(_ABOUT.search(_plain(message)))


def is_fragment(message: str) -> bool:
    """Whether the message is the rest of a sentence, such as "the one from last week", and no request of its own."""
    return bool(_FRAGMENT.match(_plain(message))) and "?" not in message


def finds_fault(message: str) -> bool:
    """Whether the customer says that what was read back is wrong, which is not a wish to leave it."""
    return bool(_FAULT.search(_plain(message)))


def is_noise(message: str) -> bool:
    """Whether most of the message cannot be words: keys hit by a child or a pocket."""
    words = [w for w in _WORD.findall(message.lower()) if len(w) > 1 and w.isascii() and not _SOUND.match(w)]
    odd = sum(1 for word in words if _NO_SYLLABLE.match(word))
    return odd >= 2 and 2 * odd >= len(words)


def _plain(message: str) -> str:
    return " ".join(message.lower().replace("’", "'").split())
