"""Checks of what the agent says."""

from __future__ import annotations

import re
from functools import lru_cache

from assay.registry.phrases import amounts, normalise, quote_of, sentences
from assay.registry.types.trajectory import TurnRecord
from assay.runner.scorers.rules.model import FirstReplySays, MustSayWhen, NeverQuotes, NeverSays, Trigger
from assay.runner.scorers.rules.patterns import first_match, matching_sentences
from assay.runner.scorers.rules.view import Checked, View, Violation, call_text
from assay.runner.scorers.values import numbers_in

__all__ = ["first_reply_says", "must_say_when", "never_quotes", "never_says"]


def first_reply_says(condition: FirstReplySays, view: View) -> Checked:
    """The first reply that the customer reads says one of the words."""
    turn = next((turn for turn in view.turns if turn.reply.strip()), None)
    if turn is None:
        return Checked(exercised=False)
    if first_match(condition.any_of, turn.reply):
        return Checked(exercised=True)
    wanted = " or ".join(condition.any_of)
    return Checked(True, (Violation(f"the first reply does not say: {wanted}", turn.index, quote_of(turn.reply)),))


def never_says(condition: NeverSays, view: View) -> Checked:
    """No sentence has the words, unless it has the words that excuse them."""
    broken: list[Violation] = []
    for turn in view.turns:
        for words, sentence in matching_sentences(condition.any_of, turn.reply):
            if first_match(condition.unless, sentence) is None:
                broken.append(Violation(f"the agent says {words!r}", turn.index, quote_of(sentence)))
                break
    return Checked(any(turn.reply.strip() for turn in view.turns), tuple(broken))


def must_say_when(condition: MustSayWhen, view: View) -> Checked:
    """Where the trigger fired, the words stand in the same reply (or, if the rule says so, in an earlier one)."""
    fired = False
    broken: list[Violation] = []
    for turn in view.turns:
        why = _fired(condition.when, turn, view)
        if why is None:
            continue
        fired = True
        earlier = [t.reply for t in view.turns if t.index < turn.index]
        heard = [*earlier, turn.reply] if condition.where == "same_or_earlier_reply" else [turn.reply]
        if not any(first_match(condition.any_of, reply) for reply in heard):
            wanted = " or ".join(condition.any_of)
            broken.append(Violation(f"nothing says: {wanted}", turn.index, quote_of(turn.reply), evidence=why))
    return Checked(fired, tuple(broken))


def never_quotes(condition: NeverQuotes, view: View) -> Checked:
    """No reply repeats `words` words in a row of an internal document, unless a public one has them too."""
    size = condition.words
    retrieved = {(passage.audience, passage.text) for turn in view.turns for passage in turn.passages}
    told = {run for audience, text in retrieved if audience == "public" for run in _runs(text, size)}
    known = _public(view.public, size)
    more = {run for audience, text in retrieved if audience == "internal" for run in _runs(text, size)}
    secret = (_secret(view.internal, view.public, size) | (more - known)) - told
    broken: list[Violation] = []
    for turn in view.turns:
        quoted = secret.intersection(_runs(turn.reply, size))
        if quoted:
            broken.append(Violation("the reply quotes an internal document", turn.index, min(quoted)))
    return Checked(bool(secret), tuple(broken))


def _fired(trigger: Trigger, turn: TurnRecord, view: View) -> str | None:
    """What fired the trigger in this turn, as evidence; None where it did not fire."""
    evidence: list[str] = []
    if trigger.customer:
        evidence.append(first_match(trigger.customer, turn.customer) or "")
    if trigger.reply or trigger.amount_from:
        evidence.append(_sentence_for(trigger, turn, view))
    if trigger.called is not None:
        wanted = view.named(trigger.called)
        evidence.append(next((call_text(c) for c in turn.tool_calls if c.name in wanted and c.error is None), ""))
    if trigger.handed_off:
        evidence.append("handoff" if turn.handoff is not None else "")
    return "; ".join(evidence) if all(evidence) else None


def _sentence_for(trigger: Trigger, turn: TurnRecord, view: View) -> str:
    """The first sentence of the reply that has the trigger's words and an amount from its source."""
    known = _known_amounts(trigger, turn, view) if trigger.amount_from else None
    for sentence in sentences(turn.reply):
        if trigger.reply and first_match(trigger.reply, sentence) is None:
            continue
        if known is None or known.intersection(amounts(sentence)):
            return quote_of(sentence)
    return ""


def _known_amounts(trigger: Trigger, turn: TurnRecord, view: View) -> set[str]:
    """Amounts of dollars that retrieved passages, or tool results, have stated up to this turn."""
    seen = [t for t in view.turns if t.index <= turn.index]
    if trigger.amount_from == "knowledge":
        told = {amount for t in seen for passage in t.passages for amount in amounts(passage.text)}
        return {amount for amount in told if amount.startswith("$")}
    return {a for t in seen for call in t.tool_calls for n in numbers_in(call.result) for a in amounts(f"${n:.2f}")}


@lru_cache(maxsize=16)
def _secret(internal: tuple[str, ...], public: tuple[str, ...], size: int) -> frozenset[str]:
    """Runs of words that only internal texts have; the same for every conversation on a dataset."""
    return frozenset(run for text in internal for run in _runs(text, size)) - _public(public, size)


@lru_cache(maxsize=16)
def _public(public: tuple[str, ...], size: int) -> frozenset[str]:
    return frozenset(run for text in public for run in _runs(text, size))


@lru_cache(maxsize=2048)
def _runs(text: str, size: int) -> frozenset[str]:
    """Every run of `size` words of a text."""
    words = re.findall(r"[\w$%']+", normalise(text))
    return frozenset(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
