"""What a reply of an agent asks of a customer: facts, a yes, whether to have a person, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from assay.registry.phrases import contains_phrase, normalise, sentences
from assay.registry.types.simulation import Fact, asked_by
from assay.runner.scorers.person import offers_a_person

__all__ = ["Request", "asks_for", "mentions_asking", "request_of"]

_REQUEST = re.compile(
    r"\b(?:(?:please|kindly|just)"
    r" (?:tell|give|send|enter|provide|state|share|say|let me (?:know|have)|repeat|type|spell)"
    r"|(?:can|could|may|would|will|might) (?:you|i) (?:\w+ ){0,2}(?:tell|give|have|get|provide|share|ask|know|repeat)"
    r"|i(?:'ll| will| would|'d)? (?:also |still |first |just )*(?:need|require|like to know)"
    r"|(?:tell|give) me\b|let me know|i(?:'m| am) (?:still )?missing|still need|is (?:still )?missing)\b"
)
_CONFIRM = re.compile(
    r"\b(?:shall i|should i|may i (?:go ahead|proceed|book|block|do)|do you want me to|would you like me to"
    r"|want me to|can i go ahead|is (?:that|this|it|everything) (?:all )?(?:correct|right|ok|okay|fine|in order)"
    r"|are you sure|do you (?:confirm|agree|accept)|can you confirm(?! your)|please confirm(?! your)"
    r"|(?:answer|say|reply|type)(?: with)? [\"']?yes)\b"
)
_MORE = re.compile(
    r"\b(?:(?:any|some)thing (?:else|more|further)|how (?:else )?(?:can|may) i help|what (?:else )?can i do)\b"
)
_REFUSES = re.compile(
    r"\bi(?:'m| am)? (?:can't|cannot|can not|unable|not able|not allowed|not permitted|won't|will not)\b"
    r"|\bi do(?:n't| not) have (?:that|this|any) information\b|\b(?:is|are) not possible\b"
    r"|\bi(?:'m| am) not in a position\b"
)
_WAITS = re.compile(r"\b(?:one moment|a moment|please wait|hold on|bear with me|let me (?:check|look|see|find))\b")


@dataclass(frozen=True)
class Request:
    """What a reply asks for. `facts` are names, in the order in which the customer knows them."""

    facts: tuple[str, ...] = ()
    confirm: bool = False
    person: bool = False
    more: bool = False
    """Whether there is anything else."""
    unknown: bool = False
    """It asks something that the customer has no fact for."""
    refuses: bool = False
    waits: bool = False


def request_of(reply: str, facts: Mapping[str, Fact]) -> Request:
    """What a reply asks for. Only a question, or a sentence that requests something, asks for facts."""
    asked: dict[str, None] = {}
    confirm = more = unknown = False
    for sentence in sentences(reply):
        text = normalise(sentence)
        if _MORE.search(text):
            more = True
        elif offers_a_person(sentence):
            continue
        elif _CONFIRM.search(text):
            confirm = True
        elif text.rstrip("\"')").endswith("?") or _REQUEST.search(text):
            found = [name for name, fact in facts.items() if asks_for(text, name, fact)]
            asked.update(dict.fromkeys(found))
            unknown = unknown or not found
    plain = normalise(reply)
    return Request(
        facts=tuple(asked),
        confirm=confirm,
        person=offers_a_person(reply),
        more=more,
        unknown=unknown and not asked,
        refuses=bool(_REFUSES.search(plain)),
        waits=bool(_WAITS.search(plain)),
    )


def asks_for(text: str, name: str, fact: Fact) -> bool:
    """Whether the words that ask for a fact stand in a text."""
    return any(_stands(text, phrase) for phrase in asked_by(name, fact))


def mentions_asking(replies: list[str], name: str, fact: Fact) -> bool:
    """Whether any reply so far could have been taken as asking for a fact: the benefit of the doubt."""
    return any(asks_for(reply, name, fact) for reply in replies)


def _stands(text: str, phrase: str) -> bool:
    if len(phrase) > 2 and phrase.startswith("/") and phrase.endswith("/"):
        return _compiled(phrase[1:-1]).search(normalise(text)) is not None
    return contains_phrase(text, phrase)


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)
