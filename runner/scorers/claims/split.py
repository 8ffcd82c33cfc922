"""A reply taken apart into sentences, and which of them claim something.

Not claims: greetings, thanks, apologies, offers, requests, announcements of what the agent will do next, what it
says of itself, that a colleague takes over, that it lacks information, and what the customer wants as the
agent understood it. Such a sentence still claims the strict facts that it states ("Shall I open a dispute for
$84.20?") and the acts that it says are done ("Sorry, I've blocked your card"), and no more.

A polite opening ("I'm glad to tell you that", "Please be assured that") is taken off: what is left is the claim. So is
a tag that makes a question of a statement (", okay?").
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache

from assay.runner.scorers.claims.actions import Action, claimed_actions
from assay.runner.scorers.claims.facts import Fact, facts_of
from assay.runner.scorers.claims.wording import Wording, wording_of

__all__ = ["Claim", "claims_of", "sentences"]

_ABBREVIATION = re.compile(
    r"(?:\b(?:[ap]\.m|mr|mrs|ms|dr|st|no|nr|vs|approx|inc|ltd|co|corp|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|e\.g|i\.e|u\.s|etc)|\b[a-z])\.$",
    re.IGNORECASE,
)
_LONGEST_ABBREVIATION = len("approx.") + 1
"""With the character before it, which tells whether a word begins there."""
_HALF_DAY = re.compile(r"\d\s?[ap]\.m\.$", re.IGNORECASE)
_TIME_ZONE = re.compile(r"(?:Eastern|Central|Mountain|Pacific|[ECMP][SD]?T)\b")
_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+")
_BULLET = re.compile(r"^\s*(?:[-*•·–]|#+|\(?\d{1,2}[.)]|\(?[a-z]\))\s+")
_MARKUP = re.compile(r"\*\*|__|`|\[([^\[\]]*)\]\([^()]*\)")

_THANKS = r"(?:thanks|thank you)(?: (?:very much|so much|again|for [a-z' ]{1,40}))?"
_OPENERS = (
    r"yes|no|sure|certainly|of course|great|perfect|okay|ok|alright|absolutely|understood|got it",
    rf"(?:and )?{_THANKS}|hello|hi|good (?:morning|afternoon|evening)|no problem|no worries",
    r"unfortunately|fortunately|additionally|also|in addition|however|furthermore|done|good news",
    r"(?:so |very |truly )?sorry(?: about that)?(?=\s*[,;:!.–-])|apologies(?=\s*[,;:!.–-])",
)
_TELL = (
    r"(?:tell|inform|assure|reassure|advise|notify|remind|promise)(?: you)?"
    r"|(?:let you know|say|add|confirm|report|share|announce|mention|repeat|stress)(?: to you| with you)?"
)
_POLITE = (
    r"please (?:note|be aware|remember|be assured|rest assured|be advised|know|understand)(?: that)?"
    r"|(?:you can |you may )?rest assured(?: that)?|to be (?:clear|honest|precise)|as (?:i|we) (?:said|mentioned)"
    r"|(?:(?:i(?:'m| am)|we(?:'re| are)) )?(?:so |very |truly |really )?"
    rf"(?:glad|happy|pleased|delighted|sorry|afraid|proud|excited|thrilled|sad) to (?:{_TELL})(?: that|:)?"
    r"|(?:i(?:'m| am)|we(?:'re| are)) (?:afraid|sure|certain|confident|positive|glad|happy|pleased|delighted) that"
    rf"|(?:let me|allow me to|i (?:can|must|have to|want to|wish to|would like to)|i'd like to) (?:{_TELL})(?: that|:)"
    r"|(?:i|we) (?:can )?see that(?! you\b)|(?:i|we) (?:hereby )?(?:confirm|assure you|promise|guarantee) that"
    r"|you(?:'ll| will)(?: be)? (?:glad|happy|pleased) to (?:hear|know|learn) that"
    r"|you can (?:tell|assure|inform) (?:your|the|my) \w+ that"
)
"""Openings of a statement, to be taken off. "I see that you ..." is what the agent understood, and stays."""
_TAG = re.compile(
    r",? ?[,–—-] ?(?:ok(?:ay)?|all ?right|right|yes|yeah|no|correct|good|fine|deal|you know|got it|hm+|huh|eh"
    r"|(?:is|does|do|did|has|have|are|was|were|wo|ca|could|should|would)n't (?:it|they|you|we|he|she|that)"
    r"|is that (?:ok(?:ay)?|all ?right|fine|good|clear)) ?\?+\W*$",
    re.IGNORECASE,
)
_COLLEAGUE = r"(?:colleague|specialist|person|advis[eo]r|human|agent|member|team member|representative)s?"
_NOT_CLAIMS = (
    # courtesy
    r"welcome|dear|you(?:'re| are) (?:very )?welcome|(?:i(?:'m| am) )?(?:so |very |truly )?(?:sorry|glad|happy)",
    r"i (?:do )?(?:sincerely )?apologi[sz]e|(?:my )?apolog|my (?:sincere )?condolences|thank|have a |take care",
    r"we (?:thank|value|appreciate)|i (?:appreciate|understand|see|hear)\b|good ?bye|bye\b|see you",
    # offers and requests
    r"please\b|let me\b|let's\b|feel free|happy to|glad to|i(?:'d| would) be (?:happy|glad)|(?:just )?let me know",
    r"i would (?:order|block|set|raise|lower|change|update|book|move|reschedule|send|open|refund|cancel|close)\b",
    r"i can (?:help|assist|look|check|see that you|connect)|one moment|hold on|just a moment",
    r"if (?:you|there|any|this|that|so|not)\b[^.]*\b(?:let me know|feel free|please|ask|help|tell)",
    r"(?:just )?(?:reply|answer|say|type)\b|you can (?:tell|ask|reply|answer|say|let)\b",
    r"is there|would you|could you|can you|shall i|may i|do you|how can|what (?:else|can)",
    # the agent about itself: what it is, cannot do, lacks, or does next
    r"i(?:'m| am) (?:an?|the|here|afraid|not|unable|going to|now|harborline)\b|we(?:'ll| will) (?:be|get|look)",
    r"i(?:'ll| will| shall|(?: just|'ll)? need| must| have to| cannot| can't| could(?:n't| not))\b",
    r"i (?:do|did)(?:n't| not)\b",
    r"to (?:proceed|confirm|help|verify|assist|continue|go ahead|get started|make sure|protect|change|book|cancel)\b",
    r"to update\b|before (?:i|we)\b|once (?:you|i|we|that)\b|as soon as (?:you|i|we)\b|for (?:your )?security",
    r"here (?:is|are|'s)|these are|the following|nothing (?:was|has been|is) (?:changed|done)|nothing has changed",
    # that somebody takes over
    r"i(?:'m| am) (?:handing|connecting|transferring|passing|putting|forwarding|bringing)",
    r"you (?:won't|will not|do not|don't) (?:have|need) to repeat",
    rf"(?:a|an|the|my|our|one of our|one of my) (?:human )?{_COLLEAGUE}\b",
    r"(?:our|the) [a-z ]{0,24}(?:team|desk|office) (?:will|is going to|can)\b",
    r"you(?:'ll| will|'re| are|can)? (?:be |being |now )*(?:transferred|connected|passed|handed)",
    # what the customer said
    r"(?:so,? )?you(?:'d| would)? (?:like|want|wish|asked|said|mentioned|told|are asking|are calling|prefer)\b",
    r"you've (?:asked|said|mentioned|told)",
)
_OPENER = re.compile(rf"^(?:(?:(?:{'|'.join(_OPENERS)})(?: there)?|{_POLITE})[\s,.!:;–—-]+)+", re.IGNORECASE)
_NOT_A_CLAIM = re.compile(rf"^(?:{'|'.join(_NOT_CLAIMS)})", re.IGNORECASE)


_LONGEST_TAG = 40


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that claims something. `facts_only`: nothing but its strict facts and its acts is claimed."""

    text: str
    facts: tuple[Fact, ...]
    wording: Wording
    facts_only: bool = False
    actions: tuple[Action, ...] = ()


def sentences(text: str) -> list[str]:
    """The sentences and list items of a text, without bullets and emphasis."""
    found: list[str] = []
    for line in text.splitlines():
        line = _BULLET.sub("", _MARKUP.sub(r"\1", line)).strip()
        start = 0
        for end in _END.finditer(line):
            if _ends_sentence(line[start : end.start()], line[end.end() :]):
                found.append(line[start : end.start()])
                start = end.end()
        found.append(line[start:])
    return [sentence for sentence in found if re.search(r"\w", sentence)]


def _ends_sentence(before: str, after: str) -> bool:
    """Whether a full stop ends a sentence: "5 p.m. on Saturday" goes on, "5 p.m. On Saturday" does not."""
    if not _ABBREVIATION.search(before[-_LONGEST_ABBREVIATION:]):
        return True
    return bool(_HALF_DAY.search(before)) and after[:1].isupper() and not _TIME_ZONE.match(after)


def claims_of(text: str, today: dt.date) -> tuple[Claim, ...]:
    """The claims of a reply, in order."""
    return _claims_of(text, today)


@lru_cache(maxsize=8192)
def _claims_of(text: str, today: dt.date) -> tuple[Claim, ...]:
    claims = (_claim(sentence, today) for sentence in sentences(text))
    return tuple(claim for claim in claims if claim is not None)


def _claim(sentence: str, today: dt.date) -> Claim | None:
    plain = " ".join(sentence.replace("’", "'").split())
    if "?" in plain[-4:]:
        plain = plain[:-_LONGEST_TAG] + _TAG.sub(".", plain[-_LONGEST_TAG:])
    body = _OPENER.sub("", plain)
    wording = wording_of(body)
    no_statement = (
        plain.rstrip("\"'”)] ").endswith(("?", ":")) or len(wording.words) < 2 or bool(_NOT_A_CLAIM.match(body))
    )
    facts = tuple(fact for fact in facts_of(plain, today) if _is_claimed(fact, no_statement))
    actions = claimed_actions(plain)
    if no_statement and not facts and not actions:
        return None
    return Claim(sentence, facts, wording, no_statement, actions)


def _is_claimed(fact: Fact, no_statement: bool) -> bool:
    """Whether a sentence claims a fact that stands in it: not "today", not "June" (a name, it may be) without a
    word like "in" before it, and not the number in "What are the last 4 digits?".
    """
    if fact.kind == "month":
        return fact.value[0] is not None or " " in fact.text  # type: ignore[index]
    return fact.text.lower() != "today" and not (no_statement and fact.kind == "number")
