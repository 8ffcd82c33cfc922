"""Whether the conversation bears a handoff packet out, and whether the packet carries what the customer gave.

Both are told by strict facts (amounts, dates, times, percentages, identifiers): a colleague acts on those, and no
paraphrase makes one nearly right. Facts that only look alike are left out: a bare number, a weekday or a duration in
a summary can be counted or worked out by whoever wrote it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from assay.registry.phrases import normalise, sentences
from assay.registry.types.base import JsonValue
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    HandoffPacket,
    Retrieval,
    Say,
    ToolCall,
    Trajectory,
    TurnRecord,
)
from assay.runner.scorers.claims.actions import claimed_actions, performed, refused
from assay.runner.scorers.claims.acts import names_same, words_of_name
from assay.runner.scorers.claims.arithmetic import amount_follows, speaks_of_result
from assay.runner.scorers.claims.evidence import FactIndex, text_index, tool_source
from assay.runner.scorers.claims.facts import Fact, FactKind, facts_of

__all__ = [
    "action_named",
    "given_facts",
    "invented_actions",
    "invented_documents",
    "invented_facts",
    "lost_facts",
    "names_tool",
    "told",
]

_STRICT: frozenset[FactKind] = frozenset({"amount", "percent", "date", "time", "identifier"})
_GIVEN: frozenset[FactKind] = frozenset({"amount", "date", "identifier"})
"""What nobody wants to say twice. A time or a percentage is more often talked about than given."""
_TELLS_FAILURE = re.compile(
    r"\b(?:not|no|fail\w*|declin\w*|refus\w*|reject\w*|error|unable|unverified|false)\b|n't\b", re.IGNORECASE
)
_HARMLESS = re.compile(
    r"\b(?:no|not an?|without(?: an?)?|not a single) (?:\w+ )?(?:problem|issue|error|failure)s?\b", re.IGNORECASE
)
_DENIED = re.compile(r"(?:\b(?:not|never|cannot|failed to|unable to)|n't)\W+(?:\w+\W+){0,3}?\w+ed\b", re.IGNORECASE)
_CUSTOMERS = re.compile(r"\s*(?:customer|user|caller|client):\s*", re.IGNORECASE)
"""How a line of the history begins that repeats what the customer said."""
_QUOTED = re.compile(r"[\"“]([^\"“”]+)[\"”]")
_FEWEST_QUOTED = 3
_FEWEST_REPEATED = 5
"""So many words a quotation has at least, and a message that is repeated without quotation marks."""
_DAY = re.compile(r"\bthe (3[01]|[12]?\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_MONTHS_AHEAD = 2
_GAP = re.compile(r"\s+")
_TOOL = re.compile(r"\s*([A-Za-z0-9][\w.\-]*)")


def told(packet: HandoffPacket) -> str:
    """All of a packet that a colleague reads as text."""
    return "\n".join((*packet.history, packet.summary))


def action_named(claim: str) -> str:
    """The tool that a claimed action names: `verify_identity` in "verify_identity(48213907): verified"."""
    found = _TOOL.match(claim)
    return found.group(1).rstrip(".-") if found else claim


def names_tool(claim: str, tool: str) -> bool:
    """Whether a claimed action names the tool, by its name or by the words of it ("Verified identity")."""
    if action_named(claim) == tool:
        return True
    words, named = words_of_name(claim), words_of_name(tool)
    return bool(named) and all(any(names_same(word, part) for word in words) for part in named)


def invented_actions(packet: HandoffPacket, trajectory: Trajectory) -> list[str]:
    """What the packet says was done, and no call before the first handoff did.

    A call that failed, or whose result says no (`{"verified": false}`), did nothing; a claim that tells so is honest,
    a bare name is not: a colleague reads `verify_identity` as a customer who is verified. Read are the claims of
    `prior_actions` and the sentences of the text ("I have blocked the card", "Card blocked"), less what it quotes.
    """
    calls = list(_calls(trajectory))
    listed = [claim for claim in packet.prior_actions if not _is_honest(claim, calls)]
    said = (sentence for line in _own_lines(packet, trajectory) for sentence in sentences(line))
    return listed + [sentence for sentence in said if not _were_done(sentence, calls)]


def _is_honest(claim: str, calls: Sequence[ToolCall]) -> bool:
    """Whether a claim of `prior_actions` tells what a call did, or that it did not do it."""
    named = [call for call in calls if names_tool(claim, call.name)]
    if any(not refused(call) for call in named):
        return _were_done(claim, calls)
    if named:
        return _tells_failure(claim, named[0].name)
    acts = claimed_actions(f"Agent {claim}", note=True)
    return bool(acts) and all(performed(act, calls) for act in acts)


def _were_done(sentence: str, calls: Sequence[ToolCall]) -> bool:
    return all(performed(act, calls) for act in claimed_actions(sentence, note=True))


def _tells_failure(claim: str, tool: str) -> bool:
    """Whether a claim says that the tool did not do its work, and nowhere that it did: "verify_identity: verified after
    an error" does.
    """
    outcome = claim.removeprefix(action_named(claim)) if action_named(claim) == tool else claim
    plain = _HARMLESS.sub(" ", outcome.replace("’", "'"))
    if not _TELLS_FAILURE.search(plain):
        return False
    rest = _DENIED.sub(" ", plain)
    done = (word for word in words_of_name(rest) if word.endswith("ed") and word != "failed")
    return action_named(claim) != tool or not any(
        names_same(word, part) for word in done for part in words_of_name(tool)
    )


def _own_lines(packet: HandoffPacket, trajectory: Trajectory) -> Iterator[str]:
    """The lines of the packet's text without what they repeat of the customer, who may claim anything."""
    messages = [turn.customer for turn in _turns(trajectory)]
    heard = [f" {_words(message)} " for message in messages]
    for entry in (*packet.history, packet.summary):
        if _is_customers(entry, heard):
            continue
        for line in _without_quotes(entry, messages, heard).splitlines():
            if not _is_customers(line, heard):
                yield line


def _is_customers(line: str, heard: Sequence[str]) -> bool:
    """Whether a line gives, after "Customer:", what a message of the customer says."""
    opening = _CUSTOMERS.match(line)
    return opening is not None and _was_said(line[opening.end() :], heard, whole=1)


def _was_said(text: str, heard: Sequence[str], *, whole: int) -> bool:
    """Whether a text is a piece of one message of at least three words, or a message of at least `whole` words."""
    words = _words(text)
    if len(words.split()) >= _FEWEST_QUOTED:
        return any(f" {words} " in message for message in heard)
    return len(words.split()) >= whole and f" {words} " in heard


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", normalise(text)))


def _without_quotes(text: str, messages: Sequence[str], heard: Sequence[str]) -> str:
    """The text without what it repeats of the customer's messages: long ones in full, pieces in quotation marks."""
    for message in messages:
        words = message.split()
        if len(words) >= _FEWEST_REPEATED:
            text = _without_words(text, words)
    return _QUOTED.sub(lambda quote: "" if _was_said(quote[1], heard, whole=_FEWEST_QUOTED) else quote[1], text)


def _without_words(text: str, words: Sequence[str]) -> str:
    """The text without these words where they stand on end, whatever white space parts them."""
    kept, done, start = list[str](), 0, text.find(words[0])
    while start >= 0:
        end = _end_of(words, text, start)
        if end is not None and not _is_of_word(text[start - 1 : start]) and not _is_of_word(text[end : end + 1]):
            kept.append(text[done:start])
            done = end
        start = text.find(words[0], max(start + 1, done))
    return "".join((*kept, text[done:]))


def _end_of(words: Sequence[str], text: str, start: int) -> int | None:
    """Where the words end in the text that stand there on end from `start` on; None where they do not."""
    end = start + len(words[0])
    for word in words[1:]:
        gap = _GAP.match(text, end)
        if gap is None or not text.startswith(word, gap.end()):
            return None
        end = gap.end() + len(word)
    return end


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def invented_documents(packet: HandoffPacket, trajectory: Trajectory) -> list[str]:
    """Documents that the packet names and that no search before the first handoff returned."""
    searches = (event for event in _events(trajectory) if isinstance(event, Retrieval))
    found = {passage.document for search in searches for passage in search.passages}
    return [document for document in packet.knowledge if document not in found]


def invented_facts(packet: HandoffPacket, trajectory: Trajectory, today: dt.date) -> list[Fact]:
    """Strict facts in the packet's text that stand nowhere in the conversation up to the first handoff.

    An amount may be rounded to whole dollars, and, where the line speaks of a result, be worked out from others. "The
    20th" is a date of the coming two months.
    """
    text = "\n".join((told(packet), *packet.prior_actions))
    lines = [(speaks_of_result(line), facts_of(line, today)) for line in text.splitlines()]
    stated = {(s, f.kind, f.value, f.unit): (s, f) for s, facts in lines for f in facts if f.kind in _STRICT}.values()
    if not stated:
        return []
    known = list(_known(trajectory, today))
    amounts = [amount for index in known for amount in index.amounts()]
    days = {int(day) for turn in _turns(trajectory) for day in _DAY.findall(turn.customer)}
    invented = [
        fact
        for is_result, fact in stated
        if not _borne_out(fact, is_result, known, amounts) and not _is_day(fact, days, today)
    ]
    return list({(fact.kind, fact.value): fact for fact in invented}.values())


def _borne_out(fact: Fact, is_result: bool, known: Sequence[FactIndex], amounts: Sequence[float]) -> bool:
    if any(index.has(fact) for index in known):
        return True
    if fact.kind != "amount" or not isinstance(fact.value, int):
        return False
    amount = fact.value / 100
    rounded = amount.is_integer() and any(abs(amount - other) < 1 for other in amounts)
    return rounded or (is_result and amount_follows(amount, (), amounts))


def _is_day(fact: Fact, days: Collection[int], today: dt.date) -> bool:
    if fact.kind != "date" or not isinstance(fact.value, tuple):
        return False
    year, month, day = fact.value
    if day not in days or not isinstance(month, int):
        return False
    ahead = (month - today.month) % 12
    return ahead <= _MONTHS_AHEAD and year in (None, today.year + (today.month + ahead > 12))


def given_facts(trajectory: Trajectory, today: dt.date) -> list[tuple[int, Fact]]:
    """What the customer gave up to the first handoff, once each, with the 1-based turn: amounts, dates, identifiers."""
    seen: set[tuple[FactKind, object]] = set()
    found: list[tuple[int, Fact]] = []
    for turn in _turns(trajectory):
        for fact in facts_of(turn.customer, today):
            if fact.kind in _GIVEN and (fact.kind, fact.value) not in seen:
                seen.add((fact.kind, fact.value))
                found.append((turn.index, fact))
    return found


def lost_facts(
    given: Iterable[tuple[int, Fact]], packet: HandoffPacket, trajectory: Trajectory, today: dt.date
) -> list[tuple[int, Fact]]:
    """Those of the given facts that the packet carries neither in its text nor in an action that it lists.

    An action carries the arguments of its calls: who was verified does not have to be asked for the date of birth
    again, though no packet repeats it.
    """
    calls = (
        call
        for call in _calls(trajectory)
        if not refused(call) and any(names_tool(claim, call.name) for claim in packet.prior_actions)
    )
    texts = [told(packet), *(text for call in calls for text in _leaves(call.arguments))]
    carried = [FactIndex(facts_of(text, today), today, bare=True) for text in texts]
    return [(turn, fact) for turn, fact in given if not any(index.has(fact) for index in carried)]


def _leaves(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield str(value)


def _turns(trajectory: Trajectory) -> Iterator[TurnRecord]:
    """The turns up to the one of the first handoff."""
    for turn in trajectory.turns:
        yield turn
        if turn.handoff is not None:
            return


def _events(trajectory: Trajectory) -> Iterator[AgentEvent]:
    """What the agent did before the first handoff."""
    for _, event in trajectory.events:
        if isinstance(event, Handoff):
            return
        yield event


def _calls(trajectory: Trajectory) -> Iterator[ToolCall]:
    return (event for event in _events(trajectory) if isinstance(event, ToolCall))


def _known(trajectory: Trajectory, today: dt.date) -> Iterator[FactIndex]:
    """The facts that a packet can rest on. What the agent said is among it: it was said, whether it is true or not."""
    for turn in _turns(trajectory):
        yield text_index(turn.customer, today, bare=True)
    for event in _events(trajectory):
        if isinstance(event, ToolCall):
            yield tool_source(event, today).facts
        elif isinstance(event, Say):
            yield text_index(event.text, today)
        elif isinstance(event, Retrieval):
            yield from (text_index(passage.text, today) for passage in event.passages)
