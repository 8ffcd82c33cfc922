"""What a customer's answer to "Shall I go ahead?" means, by its words.

Only an explicit yes is a yes. "Yes, and could you also ..." is one; "yes, but change ..." is not, because the
details that were agreed to are not the ones that will be carried out. Nor is a yes that hangs on a condition ("yes, if
there is no fee") or is put off ("yes, let me ask my husband first"). A yes and a no in one message are a no.
Choosing an option ("I'll take the second one") or giving a detail ("with my credit card") is no yes.
"""

from __future__ import annotations

import re
from typing import Literal

from assay.registry.phrases import normalise

__all__ = ["Answer", "answer_to_confirmation"]

Answer = Literal["yes", "no", "changed", "unclear"]

_LEAD = (
    r"(?:(?:oh|ah|um+|uh|erm|mhm|mm+"
    r"|hi|hello|great|perfect|excellent|wonderful|awesome|alright|well|fine|ok|okay|got it|i see|hmm+|so|and"
    r"|good|super|please|then|in that case|understood|thanks?(?: you)?(?: so much| very much)?|no problem|no worries"
    r"|no changes(?: needed)?|nothing else|all good)[, ]+)*"
)
_VERBS = (
    r"(?:proceed|go|do|book|cancel|change|block|send|open|refund|update|reschedule|move|submit|make|file|touch|charge"
    r"|confirm|agree|accept|approve|consent|continue)"
)
_RIGHT = r"(?:good|great|fine|perfect|right|correct|ok|okay)"
_YES = re.compile(
    rf"^{_LEAD}(?:"
    r"y|yes|yeah|yea|yep|yup|yess+|yes ?sir|yes,? ma'?am|mm?-?hm+|mhm|uh-?huh|aye"
    r"|sure|certainly|absolutely|definitely|of course|affirmative|correct|confirmed"
    r"|agreed|by all means|please do|fine by me|(?:(?:that|this|it) )?works for me"
    r"|(?:i|we) (?:hereby )?(?:confirm|agree|accept|approve|consent)"
    r"|(?:i|we)(?:'d| would) like (?:you )?to (?:proceed|go ahead)"
    r"|(?:please |you can |you may |just )?(?:go ahead|go for it|proceed|do so|do it|do that)"
    r"|let'?s (?:do (?:it|that|this)|go ahead|proceed)"
    rf"|(?:ok|okay),? (?:please |just )?{_VERBS} (?:it|that|this|them|the|my|me)"
    r"|(?:that|it|this|all|everything)(?: all| of (?:that|it))? (?:sounds?|looks?|is|seems)(?: all| very| just)?"
    rf" {_RIGHT}"
    rf"|(?:that|it|everything|all)'s (?:all )?{_RIGHT}"
    rf"|(?:sounds?|looks?) {_RIGHT}"
    r")(?![\w'])"
)
_BARE_OK = re.compile(
    rf"^{_LEAD}(?:ok|okay|alright|all right|fine|right|great|perfect|good)(?:,? (?:then|thanks|thank you|please))*$"
)
_QUESTION = re.compile(r"\b(?:what|how|why|which|when|where|who|is|are|does|do|did|will|would that|am)\b")
_NO = (
    re.compile(r"\b(?:absolutely|definitely|certainly|of course|surely) not\b"),
    re.compile(
        r"^(?:actually |oh |sorry |wait |well |hmm+ )*(?:n|no|nope|nah|never|negative)"
        r"(?: thanks| thank you| please| way| not yet)*$"
    ),
    re.compile(r"^(?:no|nope),? (?:i|we|please|don'?t|do not|stop|not|it|that|to|leave|keep|wait|hold)\b"),
    re.compile(
        r"^(?:please |actually |oh |sorry )*(?:stop|wait|hold on|hold off|never ?mind|not yet|not now|leave it)\b"
    ),
    re.compile(
        rf"\b(?:don'?t|do not|never|won'?t|will not|can'?t|cannot|can not|not|rather not|(?:don'?t|do not) want you to"
        rf"|(?:don'?t|do not) (?:want|wish) to) (?:yet |ever |just )?{_VERBS}\b(?! (?:have|need|mind|worry))"
    ),
    re.compile(r"\b(?:don'?t|do not) (?:want|wish|like) (?:it|that|this|any of (?:it|that|this))\b"),
    re.compile(
        r"\bi(?:'ve| have)? changed my mind\b|\bi(?:'m| am) not sure\b|\blet me think\b|\bi(?:'d| would) rather not\b"
    ),
    re.compile(r"\b(?:hold off|not (?:yes|ok|okay|correct|right|good|sure))\b"),
    re.compile(r"\bon second thoughts?\b|\bnever ?mind(?! (?:the|my|about|that|what))\b|\bscrap (?:it|that|this)\b"),
    re.compile(r"\bforget (?:(?:about )?(?:it|this)|about that|the whole thing)\b|\bforget that(?=[.!,]|$)"),
    re.compile(
        r"\bleave (?:it|this|that|things|everything|them)(?: (?:just|exactly))? (?:as|be|alone|the way|how|for now)\b"
    ),
)
_PUT_OFF = (
    re.compile(
        r"\b(?:let me|i(?:'d like to| need to| have to| want to| must| should)) (?:just |first )?"
        r"(?:ask|talk|speak|consult|discuss|think|sleep on|consider|check with|decide|run (?:it|this|that) by)\b"
        r"(?! (?:you|for|that it|so|it is|it's)\b)"
    ),
    re.compile(r"\bi(?:'ll| will) (?:think|sleep on|consider|decide|discuss|talk it over)\b"),
    re.compile(r"\b(?:need|want|give me|take|have)\b[^.!?]{0,40}\bto (?:decide|think|consider|sleep on|discuss)\b"),
    re.compile(
        r"\b(?:let|get back to) you (?:know )?(?:later|tomorrow|soon|when|once|if|next|by)\b|\bget back to you\b"
    ),
    re.compile(r"\bdecide (?:later|tomorrow|another time)\b"),
)
"""A yes to the question as such, with the answer still to come."""
_CHANGE = (
    re.compile(
        r"\b(?:but|except|however|although)\b(?!,? (?:also|please also|thanks|thank you|hurry|quickly|could you also"
        r"|still$|still[.!]|anyway))"
    ),
    re.compile(r"\b(?:only if|as long as|provided that|unless|on condition|before you (?:do|proceed|go))\b"),
)
_SUBJECT = r"(?:i|we|he|she|they|it|you|there|my|our|the|this|that|these|someone|everything|nothing|no|your)(?:'\w+)?"
_CONDITION = re.compile(
    r"(?:(?<!let me know )(?<!tell me )(?<!see )(?<!check )(?<!ask )(?<!wondering )(?<!wonder )(?<!know )(?<!as )"
    r"(?<!even )\bif (?!possible\b|so\b|you (?:can|could|would|will|please|like|say so|want|wish|don't mind)\b"
    r"|you(?:'d| would) be so\b|that(?:'s| is| works| would)|it(?:'s| is)(?: all)? (?:ok|okay|possible|fine|not too)"
    r"|necessary\b|needed\b|anything\b|i (?:may|can)\b|i(?:'m| am) not mistaken)"
    r"|\b(?:assuming|provided|on the condition|contingent on|subject to|depending on|pending)\b)"
)
_FIRST = re.compile(
    rf"^(?:(?:please|only|but|just|do (?:it|that|this|so)|go ahead|proceed)[ ,]+)*(?:once|after|as soon as|until|when)"
    rf" (?!you(?:'re| are)? (?:ready|done|can|have a)\b|you(?:'re| are)\b"
    rf"|(?:it|that|this)(?:'s| is) (?:done|finished|completed|ready)\b){_SUBJECT} "
)
"""What has to come true first. "If you can", "let me know if it works" and "once it is done, ..." ask for nothing."""
_OTHER = re.compile(
    r"\b(?:with|to|on|from|at|for|using|in)(?: (?:a|an|my|the|some))? (?P<other>different|another|other)(?: \w+)?"
    r" (?:card|account|address|date|day|time|amount|flight|seat|branch|month|method|number|phone|e-?mail|name|currency"
    r"|one|person|city|airport|destination)\b"
)
_MAKE = re.compile(
    r"\bmake (?:it|that|them) (?:(?:for|on|at|to|just|only|about) )?(?!so\b|happen\b|quick|fast|snappy\b|work\b|right\b"
    r"|official\b|clear\b|easy\b|easier\b|count\b|up\b)(?P<what>\S+)"
)
_INSTEAD = re.compile(r"\binstead\b|\brather than\b|\b(?:change|make|switch) (?:it|that|this|the \w+) to\b")


def answer_to_confirmation(customer: str, asked: str = "") -> Answer:
    """Classify the customer's message that follows the agent's message `asked`."""
    said = normalise(customer).replace("👍", " yes. ")
    parts = [
        part.strip(" ,-\"'()")
        for part in re.split(r"(?<=[.!?;:])\s+|[,;]\s+(?=(?:no|don't|do not|wait|stop|yes|yeah|yep|go ahead)\b)", said)
    ]
    clauses = [part for part in parts if part]
    if any(pattern.search(clause.rstrip(".!?;:")) for clause in clauses for pattern in _NO):
        return "no"
    if not any(_accepts(clause) for clause in clauses):
        return "unclear"
    if any(pattern.search(said) for pattern in _PUT_OFF):
        return "unclear"
    return "changed" if _changes(said, clauses, normalise(asked)) else "yes"


def _changes(said: str, clauses: list[str], asked: str) -> bool:
    """Whether a yes is one to other details, or hangs on a condition. What `asked` names itself is no other."""
    if any(pattern.search(said) for pattern in _CHANGE):
        return True
    if any(_waits(clause) for clause in clauses if _accepts(clause) and not clause.endswith("?")):
        return True
    if any(match["other"] not in asked.split() for match in _OTHER.finditer(said)):
        return True
    if any(match["what"].strip(".,!?") not in asked for match in _MAKE.finditer(said)):
        return True
    return _INSTEAD.search(said) is not None and _INSTEAD.search(asked) is None


def _waits(clause: str) -> bool:
    """Whether a clause with a yes says what has to come true first."""
    said_yes = _YES.match(clause)
    rest = clause[said_yes.end() :].lstrip(" ,-") if said_yes else ""
    return _CONDITION.search(clause) is not None or _FIRST.match(rest) is not None


def _accepts(clause: str) -> bool:
    """Whether a clause is a yes. "Yes, what does it cost?" is a question; "Yes, could you do that?" is not."""
    plain = clause.rstrip(".!?;: ")
    if _BARE_OK.match(plain):
        return not clause.endswith("?")
    found = _YES.match(plain)
    if not found:
        return False
    rest = plain[found.end() :].lstrip(" ,-")
    return not rest.startswith("or ") and not (clause.endswith("?") and (not rest or _QUESTION.match(rest)))
