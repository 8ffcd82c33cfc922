"""What an agent says it has done, and whether a tool call bears it out.

"I've blocked your card" is not proved by a document that tells how cards are blocked: only a tool call that
succeeded, or a tool's result that says so, proves it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import ToolCall
from assay.runner.scorers.claims.wording import content_words

__all__ = ["claimed_action", "performed", "refused"]

# Verb stem to what tools call the same act.
_ACTS = {
    "block": ("block", "freez", "lock", "suspend", "deactivat"),
    "refund": ("refund", "credit", "reimburs", "revers", "cancel", "compensat", "certificat"),
    "updat": ("updat", "chang", "modif", "edit", "amend", "correct", "reschedul", "set"),
    "book": ("book", "schedul", "reserv", "creat"),
    "mov": ("mov", "reschedul", "postpon", "chang", "updat"),
    "cancel": ("cancel", "delet", "remov", "clos", "stop"),
    "send": ("send", "sent", "mail", "email", "deliver", "dispatch", "issu"),
    "open": ("open", "creat", "fil", "submit", "rais", "regist", "log", "dispute"),
    "process": ("process", "pay", "paid", "charg", "refund", "book", "updat", "transfer", "cancel"),
    "verify": ("verif", "confirm", "check", "authenticat"),
    "transfer": ("transfer", "pay", "send", "sent", "mov"),
    "add": ("add", "updat", "book", "creat", "regist"),
}
_VERBS = {
    "blocked": "block", "frozen": "block", "locked": "block", "suspended": "block", "deactivated": "block",
    "refunded": "refund", "credited": "refund", "reimbursed": "refund", "reversed": "refund",
    "updated": "updat", "changed": "updat", "modified": "updat", "amended": "updat", "corrected": "updat",
    "booked": "book", "scheduled": "book", "reserved": "book",
    "rescheduled": "mov", "moved": "mov", "postponed": "mov",
    "cancelled": "cancel", "canceled": "cancel", "deleted": "cancel", "removed": "cancel", "closed": "cancel",
    "sent": "send", "mailed": "send", "emailed": "send", "dispatched": "send", "issued": "send",
    "opened": "open", "filed": "open", "submitted": "open", "raised": "open", "registered": "open",
    "processed": "process", "charged": "process", "paid": "process",
    "verified": "verify", "added": "add",
}  # fmt: skip
_DONE = re.compile(
    r"\b(?:i(?:'ve| have)(?: (?:now|just|already|successfully|also))*"
    r"|(?:you|your)\b[^.;?]{0,60}?\b(?:has|have)(?: (?:now|just|already|successfully|also))* been(?: successfully)?"
    r"|your\b[^.;?]{0,60}?\b(?:is|are)(?: (?:now|successfully|already))+)"
    rf" (?P<verb>{'|'.join(_VERBS)})\b",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(r"\b(?:if|once|when|after|until|unless|before|whether|as soon as)\b", re.IGNORECASE)


def claimed_action(sentence: str) -> str | None:
    """The act that the sentence says is done, by its verb; None where it says nothing of the kind."""
    plain = sentence.replace("’", "'")
    match = _DONE.search(plain)
    if match is None or _CONDITIONAL.search(plain, 0, match.start("verb")):
        return None
    return _VERBS[match["verb"].lower()]


def refused(call: ToolCall) -> bool:
    """Whether a call did not do what it was made for: it failed, or a flag of its result is false."""
    result = call.result
    return call.error is not None or (isinstance(result, dict) and any(value is False for value in result.values()))


def performed(act: str, calls: Iterable[ToolCall]) -> bool:
    """Whether a call that succeeded does the act by its name, or its result tells of it."""
    words = {word for call in calls if call.error is None for text in _told(call) for word in content_words(text)}
    return any(word.startswith(stem) for word in words for stem in _ACTS[act])


def _told(call: ToolCall) -> Iterator[str]:
    """What a call says was done. An error in words is a refusal too."""
    if isinstance(call.result, str) and call.result.lower().startswith("error"):
        return
    if not refused(call):
        yield call.name.replace("_", " ")
    yield from _words_of(call.result)


def _words_of(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value.replace("_", " ")
    elif isinstance(value, list):
        for item in value:
            yield from _words_of(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if item is not False and item is not None:
                yield key.replace("_", " ")
                yield from _words_of(item)
