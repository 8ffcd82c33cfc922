"""The acts that an agent can say it has done, and the words by which sentences and tools call them."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "INFINITIVES",
    "NOUNS",
    "PARTICIPLES",
    "flag_words",
    "is_act",
    "is_flag_of",
    "is_reading",
    "names_same",
    "words_of_name",
]

# Act to the stems by which tools call it.
_ACTS = {
    "block": ("block", "freez", "froz", "lock", "suspend", "deactivat"),
    "refund": ("refund", "credit", "reimburs", "revers", "cancel", "compensat", "certificat", "waiv"),
    "update": ("updat", "chang", "modif", "edit", "amend", "correct", "reschedul", "set", "upgrad"),
    "set": ("set", "limit", "increas", "rais", "lower", "reduc", "chang", "updat", "adjust"),
    "book": ("book", "schedul", "reserv", "creat", "purchas"),
    "move": ("mov", "reschedul", "postpon", "chang", "updat"),
    "cancel": ("cancel", "delet", "remov", "clos", "stop"),
    "send": ("send", "sent", "mail", "email", "deliver", "dispatch", "issu"),
    "open": ("open", "creat", "fil", "submit", "rais", "regist", "log", "disput", "report"),
    "raise": ("rais", "open", "creat", "fil", "submit", "regist", "log", "set", "limit", "increas", "chang", "updat"),
    "process": ("process", "pay", "paid", "charg", "refund", "book", "updat", "transfer", "cancel", "complet", "send",
                "sent", "order", "submit"),
    "order": ("order", "purchas", "request", "send", "creat", "replac"),
    "verify": ("verif", "authenticat", "identi"),
    "transfer": ("transfer", "pay", "paid", "send", "sent", "mov"),
    "add": ("add", "updat", "book", "creat", "regist"),
    "approve": ("approv", "accept", "grant"),
    "waive": ("waiv", "refund", "revers", "credit", "cancel"),
}  # fmt: skip
PARTICIPLES = {
    "blocked": "block", "frozen": "block", "locked": "block", "suspended": "block", "deactivated": "block",
    "refunded": "refund", "credited": "refund", "reimbursed": "refund", "reversed": "refund",
    "updated": "update", "changed": "update", "modified": "update", "amended": "update", "corrected": "update",
    "upgraded": "update", "increased": "set", "lowered": "set",
    "booked": "book", "scheduled": "book", "reserved": "book",
    "rescheduled": "move", "moved": "move", "postponed": "move",
    "cancelled": "cancel", "canceled": "cancel", "deleted": "cancel", "removed": "cancel", "closed": "cancel",
    "sent": "send", "mailed": "send", "emailed": "send", "dispatched": "send", "issued": "send",
    "opened": "open", "filed": "open", "submitted": "open", "registered": "open", "raised": "raise",
    "processed": "process", "charged": "process", "paid": "process",
    "ordered": "order", "verified": "verify", "authenticated": "verify", "transferred": "transfer", "added": "add",
    "approved": "approve", "waived": "waive",
}  # fmt: skip
"""What a sentence says was done, by its verb."""
INFINITIVES = {form: act for verb, act in PARTICIPLES.items() for form in (verb[:-1], verb[:-2], verb[:-3])} | {
    "freeze": "block", "send": "send", "pay": "process", "verify": "verify"
}  # fmt: skip
"""The same in "I was able to block": of "blocked" some form cut short is the verb, the others are no words."""
NOUNS = {
    "refund": "refund", "credit": "refund", "block": "block", "hold": "block", "freeze": "block",
    "transfer": "transfer", "payment": "process", "cancellation": "cancel", "booking": "book", "reservation": "book",
    "appointment": "book", "order": "order", "change": "update", "update": "update", "dispute": "open",
    "complaint": "open", "claim": "open", "waiver": "waive", "approval": "approve",
}  # fmt: skip
"""What "I have made the transfer" says was done."""

_READS = frozenset("get list search find look lookup fetch read show view query retrieve describe count".split())  # noqa: SIM905
_FILLERS = frozenset("is was has been successfully now the a an of to for my your".split())  # noqa: SIM905
_NO_ACT = re.compile(r"\bcredit (?:card|limit|line|score|account|report)s?\b|\bto human\b.*", re.IGNORECASE)
"""Words in the name of a tool that look like an act and are none: block_credit_card credits nothing."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ENDING = re.compile(
    r"(?:e|ed|d|es|s|ing|y|ies|ied|t|ted|led|red|ion|ions|ation|ations|ment|ments|er|al|als|c?ellation|ty|fy)?"
)
_FINISHED = re.compile(r"(?:\w{2,}ed|frozen|froze|sent|paid|set)")
_SHORT = 4


@lru_cache(maxsize=4096)
def words_of_name(name: str) -> tuple[str, ...]:
    """The words of a tool's or a key's name in lower case: `blockCard` and `block_card` are block, card."""
    return tuple(re.findall(r"[a-z]+", _CAMEL.sub(" ", name).lower()))


def is_reading(name: str) -> bool:
    """Whether a tool by its name only looks something up, so that having called it proves no act."""
    words = words_of_name(name)
    return bool(words) and words[0] in _READS


def is_act(act: str, name: str) -> bool:
    """Whether a tool's name is that of the act: `block_card` blocks."""
    spoken = _NO_ACT.sub(" ", " ".join(words_of_name(name)))
    return any(_has_stem(word, act) for word in spoken.split())


def flag_words(act: str, text: str) -> bool:
    """Whether a text has the act as something done: "cancelled", "card blocked"; not "checking" or "credit"."""
    return any(_FINISHED.fullmatch(word) and _has_stem(word, act) for word in words_of_name(text))


def names_same(one: str, other: str) -> bool:
    """Whether two words are forms of one word: verify and verified, send and sent."""
    least = max(3, min(len(one), len(other)) - 1)
    return one[:least] == other[:least] and abs(len(one) - len(other)) <= _SHORT


def is_flag_of(key: str, tool: str) -> bool:
    """Whether a key of a result tells whether the tool did its work: `blocked` or `card_blocked` of block_card, not
    `replacement_ordered`.
    """
    named = words_of_name(tool)
    words = [word for word in words_of_name(key) if word not in _FILLERS]
    done = [word for word in words if _FINISHED.fullmatch(word) and any(names_same(word, n) for n in named)]
    return bool(done) and all(word in done or any(names_same(word, n) for n in named) for word in words)


def _has_stem(word: str, act: str) -> bool:
    return any(
        word.startswith(stem) and (len(stem) > _SHORT or _ENDING.fullmatch(word, len(stem))) for stem in _ACTS[act]
    )
