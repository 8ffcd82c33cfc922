"""What can be wrong with the labels of one case, each kind of mistake under a name of its own.

Every function yields one phrase for each mistake, short enough to stand in a list beside the case's id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from assay.registry.content.fixture_labels import idle_fixtures, unanswered_calls
from assay.registry.content.simulation_labels import simulation_mistakes
from assay.registry.phrases import contains_any, contains_phrase, normalise
from assay.registry.pii import find_by_form, undisguised
from assay.registry.retrieval.documents import KnowledgeDocument
from assay.registry.types.case import Case, TextExpectation

__all__ = ["MISTAKES", "Documents", "real_looking"]

Documents = Mapping[str, KnowledgeDocument]

_SHOWN = 40
_LONGEST_TURN = 10_000
"""Letters. A longer turn was hardly typed or said by a customer."""
_REAL_LOOKING = frozenset({"card_number", "iban", "national_id", "email", "phone"})
_NEVER_A_BANKS = frozenset({"card_number", "national_id"})
"""What no bank publishes of its own, as it does a telephone number."""
_WORD = re.compile(r"\w")
_UNSEEN = "\u115f\u1160\u2800 "
"""Letters and signs that show as nothing: Hangul fillers, the blank of Braille."""
_SUSPECT = re.compile(r"@|(?:\d\D*){9}")
"""What any of them has: most text has none of it, and need not be read closely."""
_APART = re.compile(r"(?<=\d)(?:[^\w@+]{4,}|[^\w@+]*_[\W_]*)(?=\d)|(?<=\b\d{4})[^\w@+]+(?=\d{4}\b)")
"""What nobody writes between the digits of a number but to hide it."""
_RESERVED_DOMAINS = ("example.com", "example.net", "example.org")
_RESERVED_ENDINGS = (".example", ".test", ".invalid", ".localhost")
_RESERVED_PHONES = ("7700900", "1632960", "207946")
"""Beginnings, without the nought, of numbers that the United Kingdom's Ofcom keeps free for stories."""


def _unknown_documents(case: Case, documents: Documents) -> Iterator[str]:
    yield from (f"no document {name!r}" for name in _named_documents(case) if name not in documents)


def _unquotable_documents(case: Case, documents: Documents) -> Iterator[str]:
    """A customer may be told only what is public and in force on the day of the conversation."""
    for name in _named_documents(case):
        document = documents.get(name)
        if document is None:
            continue
        if document.audience != "public":
            yield f"{name} is internal"
        elif document.superseded(case.date):
            yield f"{name} held until {document.effective_to}"
        elif document.pending(case.date):
            yield f"{name} holds from {document.effective_from} on"


def _contradictory_calls(case: Case, documents: Documents) -> Iterator[str]:
    del documents
    for number, turn in enumerate(case.turns, start=1):
        for call in turn.expect.tool_calls:
            if call.name in turn.expect.forbidden_tools:
                yield f"turn {number}: {call.name} is expected and forbidden"


def _impossible_phrases(case: Case, documents: Documents) -> Iterator[str]:
    """Something has to be said that may not be said, or that is no words at all."""
    del documents
    for number, turn in enumerate(case.turns, start=1):
        banned = (*turn.expect.must_not_say, *case.expect.must_not_say)
        for wanted in turn.expect.must_say:
            if all(any(contains_phrase(phrase, no) for no in banned) for phrase in wanted.any_of):
                yield f"turn {number}: {_shown(wanted)} has to be said and may not be said"
        phrases = (*banned, *(phrase for wanted in turn.expect.must_say for phrase in wanted.any_of))
        yield from (f"turn {number}: {phrase!r} is no phrase" for phrase in phrases if not _WORD.search(phrase))


def _blank_turns(case: Case, documents: Documents) -> Iterator[str]:
    del documents
    for number, turn in enumerate(case.turns, start=1):
        if not normalise(turn.customer).strip(_UNSEEN):
            yield f"turn {number} is blank"


def _golden_replies(case: Case, documents: Documents) -> Iterator[str]:
    """A reply that is given as exemplary meets its own turn's expectations."""
    del documents
    for number, turn in enumerate(case.turns, start=1):
        if turn.golden_reply is None:
            continue
        for wanted in turn.expect.must_say:
            if not contains_any(turn.golden_reply, wanted.any_of):
                yield f"turn {number} does not say {_shown(wanted)}"
        for banned in (*turn.expect.must_not_say, *case.expect.must_not_say):
            if contains_phrase(turn.golden_reply, banned):
                yield f"turn {number} says {banned!r}"


def _unsupported_answers(case: Case, documents: Documents) -> Iterator[str]:
    """What an answer has to say stands in the documents that are to support it, and what it may not say does not."""
    for number, turn in enumerate(case.turns, start=1):
        known = [documents[name].text for name in turn.expect.supporting_documents if name in documents]
        if not known:
            continue
        text = "\n".join(known)
        for wanted in turn.expect.must_say:
            if not contains_any(text, wanted.any_of):
                yield f"turn {number}: {_shown(wanted)} is not in its documents"
        for banned in turn.expect.must_not_say:
            if contains_phrase(text, banned):
                yield f"turn {number}: {banned!r} may not be said but stands in its documents"


def _unaskable_handoffs(case: Case, documents: Documents) -> Iterator[str]:
    """A handoff can carry only what the customer had said, and what had been done, when it was due."""
    del documents
    handoff, by_turn = case.expect.handoff, case.expect.escalation.by_turn
    if handoff is None or by_turn is None:
        return
    said = "\n".join(turn.customer for turn in case.turns[:by_turn])
    for wanted in handoff.must_mention:
        if not contains_any(said, wanted.any_of):
            yield f"{_shown(wanted)} is not said by turn {by_turn}"
    done = {call.name for turn in case.turns[:by_turn] for call in turn.expect.tool_calls}
    yield from (f"{name} is not expected by turn {by_turn}" for name in handoff.prior_actions if name not in done)
    failing = {f.name for f in case.tools} - {f.name for f in case.tools if f.error is None}
    yield from (f"{name} only ever fails, so it was not done" for name in handoff.prior_actions if name in failing)


def _unrouted_escalations(case: Case, documents: Documents) -> Iterator[str]:
    del documents
    if case.expect.escalation.required and case.expect.escalation.queue is None:
        yield "no queue"
    if case.expect.escalation.required and case.expect.handoff is None:
        yield "no handoff"


def _inconsistent_handoffs(case: Case, documents: Documents) -> Iterator[str]:
    """What the agent may say after it has handed over is left to it; but no call is due any more."""
    del documents
    handoff, by_turn = case.expect.handoff, case.expect.escalation.by_turn
    if handoff is not None and handoff.intent not in (None, case.intent):
        yield f"the handoff is of the intent {handoff.intent}, the case of {case.intent}"
    for number, turn in enumerate(case.turns, start=1):
        if by_turn is not None and number > by_turn:
            late = (call.name for call in turn.expect.tool_calls)
            yield from (f"turn {number}: {name} is expected after the handover of turn {by_turn}" for name in late)


def _personal_data(case: Case, documents: Documents) -> Iterator[str]:
    """Personal data that could be somebody's: it is not of the ranges that are reserved for examples."""
    del documents
    seen: set[str] = set()
    for where, text in _texts(case):
        for found in real_looking(text):
            if found not in seen:
                seen.add(found)
                yield f"{where}: {found}"


def real_looking(text: str, *, published: bool = False) -> Iterator[str]:
    """Personal data in a text that could be somebody's, each named without telling it.

    Args:
        text: any text.
        published: it is the bank's own, which may tell how to reach the bank and where to pay.
    """
    kinds = _NEVER_A_BANKS if published else _REAL_LOOKING
    plain, _ = undisguised(text)
    if not _SUSPECT.search(plain):
        return
    for span in find_by_form(_APART.sub(" ", " ".join(plain.split()))):
        if span.kind in kinds and not _reserved(span.kind, span.value):
            yield _masked(span.kind, span.value)


def _long_turns(case: Case, documents: Documents) -> Iterator[str]:
    del documents
    for number, turn in enumerate(case.turns, start=1):
        if len(turn.customer) > _LONGEST_TURN:
            yield f"turn {number} has {len(turn.customer):,} characters"


MISTAKES: Mapping[str, Callable[[Case, Documents], Iterator[str]]] = {
    "unknown_documents": _unknown_documents,
    "unquotable_documents": _unquotable_documents,
    "unanswered_calls": lambda case, _: unanswered_calls(case),
    "idle_fixtures": lambda case, _: idle_fixtures(case),
    "contradictory_calls": _contradictory_calls,
    "impossible_phrases": _impossible_phrases,
    "blank_turns": _blank_turns,
    "golden_reply_mistakes": _golden_replies,
    "unsupported_answers": _unsupported_answers,
    "unaskable_handoffs": _unaskable_handoffs,
    "unrouted_escalations": _unrouted_escalations,
    "inconsistent_handoffs": _inconsistent_handoffs,
    "personal_data": _personal_data,
    "long_turns": _long_turns,
    "simulation_mistakes": lambda case, _: simulation_mistakes(case),
}
"""Column of the table of cases to what finds its mistakes; the column counts them."""


def _named_documents(case: Case) -> Iterator[str]:
    for turn in case.turns:
        yield from turn.expect.supporting_documents
    if case.expect.handoff:
        yield from case.expect.handoff.documents


def _shown(wanted: TextExpectation) -> str:
    text = " or ".join(repr(phrase) for phrase in wanted.any_of[:2])
    return f"{text} or ..." if len(wanted.any_of) > 2 else text


def _texts(case: Case) -> Iterator[tuple[str, str]]:
    """All text of a case, keys and long numbers included, with where it stands. The customer number is invented."""
    plain = case.model_dump(mode="json", exclude_defaults=True)
    if case.customer:
        plain["customer"].pop("customer_number", None)
        plain["customer"]["personal_data"] = [d.value for d in case.customer.personal_data]
    for number, turn in enumerate(plain.pop("turns"), start=1):
        yield from ((f"turn {number}{f', {key}' if key != 'customer' else ''}", t) for key, t in _leaves(turn))
    yield from ((key.replace("_", " "), text) for key, text in _leaves(plain))


def _leaves(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """(name of the nearest outer key, text) of every string, key and number of a JSON value."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, f"{value:.0f}"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield key or str(name), str(name)
            yield from _leaves(item, key or str(name))
    elif isinstance(value, list | tuple):
        yield from (found for item in value for found in _leaves(item, key))


def _reserved(kind: str, value: str) -> bool:
    """Whether a value is of a range kept free for examples (RFC 2606; the numbers 555-0100 to 555-0199)."""
    if kind == "email":
        domain = value.rpartition("@")[2].casefold()
        known = domain in _RESERVED_DOMAINS or domain.endswith(tuple(f".{d}" for d in _RESERVED_DOMAINS))
        return known or f".{domain}".endswith(_RESERVED_ENDINGS)
    if kind == "phone":
        digits = "".join(c for c in value if c.isdigit())
        american = len(digits) == 10 or (len(digits) == 11 and digits[0] == "1")
        british = digits.removeprefix("44").removeprefix("0")
        return (american and digits[-7:-2] == "55501") or (len(british) == 10 and british.startswith(_RESERVED_PHONES))
    return False


def _masked(kind: str, value: str) -> str:
    """The kind of personal data with just enough of it to find it again."""
    name = {"national_id": "national id", "card_number": "card number", "iban": "IBAN", "email": "e-mail address"}
    shown = f"...@{value.rpartition('@')[2]}" if kind == "email" else f"...{value[-2:]}"
    return f"a real-looking {name.get(kind, kind)} ({shown[:_SHOWN]})"
