"""How a customer puts things: templates by what is done and in which manner, chosen by the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from assay.registry.types.simulation import Fact, Manner

__all__ = ["distinct", "phrase", "pick", "telling"]

_Lines = Mapping[str, tuple[str, ...]]
"""Manner to the ways of saying it. `plain` is said in every manner that has none of its own."""

_PHRASES: Mapping[str, _Lines] = {
    "yes": {
        "plain": ("Yes, please.", "Yes, go ahead.", "Yes, please do that."),
        "polite": ("Yes, please, thank you.", "Yes, please go ahead.", "Yes, that would be great, please do."),
        "terse": ("Yes.", "Yes, do it.", "Go ahead."),
        "chatty": ("Yes, please, that would be a weight off my mind.", "Oh yes, go ahead, please.", "Yes please, do!"),
        "anxious": ("Yes, please, as quickly as you can.", "Yes. Yes, please go ahead.", "Yes, please do it now."),
        "upset": ("Yes, do it.", "Yes, obviously. Go ahead.", "Yes, just go ahead."),
    },
    "no": {
        "plain": ("No, don't do that.", "No, please leave it.", "No, I don't want that."),
        "polite": ("No, please don't, thank you.", "No thank you, please leave it as it is."),
        "terse": ("No.", "No. Leave it.", "No, don't."),
        "upset": ("No, don't do that!", "No. Leave it alone.", "No, absolutely not."),
    },
    "unsure": {
        "plain": ("I'm not sure. What would that mean for me?", "Hm, I don't know yet. What happens then?"),
        "terse": ("Not sure. What happens then?", "Depends. What does it mean?"),
        "anxious": (
            "I don't know, I'm afraid to get it wrong. What happens then?",
            "I'm not sure, what would it change?",
        ),
    },
    "wait_wrong": {
        "plain": ("Wait, I made a mistake.", "Hold on, I got something wrong.", "No, sorry, one thing was wrong.")
    },
    "corrects": {
        "plain": (
            "Sorry, I gave you the wrong thing before.",
            "Sorry, I made a mistake just now.",
            "I have to correct myself.",
        ),
        "terse": ("Correction.", "Wrong one, sorry."),
        "chatty": ("Oh dear, silly me, I told you the wrong thing.", "Oh, I'm looking at the wrong line here, sorry."),
        "anxious": ("Oh no, I told you the wrong thing, sorry.", "Sorry, sorry, that was wrong."),
    },
    "later": {
        "plain": (
            "Let me look for that, I don't have it in front of me.",
            "I have to find it first.",
            "One second, I need to look that up.",
        ),
        "polite": (
            "I'm sorry, could you give me a moment? I have to look for it.",
            "I beg your pardon, I need to find it first.",
        ),
        "terse": ("Looking for it.", "Need to find it.", "Not at hand."),
        "chatty": (
            "Oh, it must be somewhere in this drawer, let me look.",
            "My glasses are gone again, I have to look for it.",
        ),
        "anxious": ("I can't find it right now, I'm looking.", "Sorry, I'm all over the place, I have to look for it."),
        "upset": ("I don't have that at hand, do I? I'm looking.", "I have to look for that now, of course."),
    },
    "refuses": {
        "plain": (
            "I'd rather not tell you that.",
            "I don't want to give that out.",
            "No, I'm not going to give you that.",
        ),
        "polite": ("I'm sorry, I'd rather not say.", "I hope you understand, I'd prefer not to give that out."),
        "terse": ("Not telling you that.", "No.", "I won't give you that."),
        "upset": ("I'm not giving you that, why would I?", "You don't need that. I'm not telling you."),
    },
    "refuses_part": {
        "plain": ("My {what} I'd rather not give out.", "But not my {what}.", "My {what} I'm keeping to myself."),
        "polite": ("I'd prefer not to give my {what}, I'm sorry.", "My {what} I'd rather not say, if you don't mind."),
        "terse": ("Not my {what}.", "No {what}."),
        "upset": ("My {what} is none of your business.", "You're not getting my {what}."),
    },
    "does_not_know": {
        "plain": (
            "I don't know that.",
            "I can't tell you that, I don't know.",
            "No idea, sorry.",
            "That I don't know.",
        ),
        "polite": ("I'm sorry, I don't know that.", "I'm afraid I can't say.", "I'm afraid I don't know."),
        "terse": ("Don't know.", "No idea.", "Can't say."),
        "chatty": ("Goodness, that I couldn't tell you.", "You're asking me something there, I don't know."),
        "anxious": ("I don't know, I'm sorry.", "I really don't know."),
        "upset": ("How should I know that?", "I don't know. You're the bank.", "No idea."),
    },
    "again": {
        "plain": (
            "{what}",
            "As I said: {what}",
            "Maybe I wasn't clear. {what}",
            "That's not it. {what}",
            "I still have the same question. {what}",
        ),
        "polite": (
            "I'm sorry if I wasn't clear. {what}",
            "Thank you, but that isn't quite it. {what}",
            "Perhaps I can put it this way. {what}",
        ),
        "terse": ("{what}", "Again: {what}", "Not it. {what}"),
        "chatty": (
            "Oh, I think we are talking past each other. {what}",
            "Let me start again, dear. {what}",
            "Well, no. {what}",
        ),
        "anxious": ("Please, {what_inner}", "That doesn't help me. {what}", "Please listen. {what}"),
        "upset": ("I told you already. {what}", "Are you even reading this? {what}", "For the last time. {what}"),
    },
    "insists": {
        "plain": ("That can't be it. {what}", "I need you to find a way. {what}", "I don't accept that. {what}"),
        "polite": ("I understand, but it really matters to me. {what}", "Could you please look once more? {what}"),
        "terse": ("Not good enough. {what}", "Try again. {what}"),
        "upset": ("That's ridiculous. {what}", "I won't take that for an answer. {what}"),
    },
    "accepts_refusal": {
        "plain": ("All right, then I'll leave it. Thanks anyway.", "Okay, never mind then. Bye."),
        "polite": ("I understand. Thank you all the same, goodbye.", "That's a pity, but thank you. Goodbye."),
        "terse": ("Fine. Bye.", "OK. Bye."),
        "upset": ("Great. Thanks for nothing. Bye.", "Fine, then I'll leave it. Bye."),
    },
    "wants_person": {
        "plain": (
            "I want to talk to a person, please.",
            "Can I speak to a real person?",
            "Please put me through to a person.",
        ),
        "polite": ("Could I please speak to a person?", "I'd like to talk to a person, please, if that is possible."),
        "terse": ("I want a human.", "Get me a person.", "I want to speak to a person."),
        "chatty": (
            "You know what, I'd like to talk to a real person, please.",
            "I'm sure you mean well, but can I speak to a person?",
        ),
        "anxious": (
            "Please, I need to talk to a real person.",
            "Can I talk to a person, please? I can't do this here.",
        ),
        "upset": (
            "Enough. I want to talk to a person. Now.",
            "I want to speak to a real person!",
            "Get me a person, I'm done with this.",
        ),
    },
    "takes_person": {
        "plain": ("Yes, please connect me.", "Yes, I'd like that."),
        "polite": ("Yes, please, that would be very kind.", "Yes, please connect me, thank you."),
        "terse": ("Yes.", "Yes, do."),
        "upset": ("Yes, please. Finally.", "Yes. Connect me."),
    },
    "declines_person": {
        "plain": ("No, I don't need a colleague. {what}", "No thanks, I'd rather do it here. {what}"),
        "terse": ("No. {what}", "No need. {what}"),
        "polite": ("No thank you, I'd rather settle it here. {what}", "That's kind, but no. {what}"),
    },
    "waits": {
        "plain": ("Okay, I'll wait.", "Sure.", "All right."),
        "polite": ("Of course, take your time.", "Certainly, thank you."),
        "terse": ("OK.", "Fine."),
        "anxious": ("Okay, but please hurry.", "Okay. I'm waiting."),
        "upset": ("Fine, I'm waiting.", "How long will that take?"),
    },
    "closes": {
        "plain": ("Thanks, that's all.", "Great, thank you. That was all.", "Thank you, bye."),
        "polite": ("Thank you very much, that was all I needed.", "That's very kind of you, thank you. Goodbye."),
        "terse": ("Thanks. Bye.", "OK thanks.", "Thx, bye."),
        "chatty": ("Wonderful, thank you so much, have a lovely day!", "Oh good, that was easy. Thank you, bye bye."),
        "anxious": ("Thank you. That's a relief. Bye.", "Okay, thank you, that was all."),
        "upset": ("Fine, that's all. Bye.", "Good. Took long enough. Bye."),
    },
}

_TELLINGS: Mapping[str, tuple[str, ...]] = {
    "date_of_birth": ("I was born on {value}", "my date of birth is {value}"),
    "customer_number": ("my customer number is {value}", "the customer number is {value}"),
    "account_number": ("my account number is {value}",),
    "card_last4": ("the card ends in {value}", "it's the card ending in {value}"),
    "amount": ("the amount is {value}", "it's {value}"),
    "date": ("{value} would be the day", "the date is {value}"),
    "time": ("at {value}",),
    "name": ("my name is {value}",),
    "address": ("the address is {value}", "it's {value}"),
    "phone": ("my phone number is {value}",),
    "email": ("my e-mail address is {value}",),
    "account": ("it's my {value} account", "the {value} account"),
    "merchant": ("it was {value}", "the merchant is {value}"),
    "reference": ("the reference is {value}",),
    "branch": ("the {value} branch",),
    "topic": ("it's about {value}",),
    "month": ("for {value}",),
}
_LEADS: Mapping[str, str] = {
    "polite": "Of course, ",
    "chatty": "Sure, let me see, ",
    "anxious": "Um, ",
    "upset": "Fine, ",
}
_LEADS_AGAIN: Mapping[str, str] = {"upset": "I said it already, ", "terse": ""}
_AGAIN: Mapping[str, tuple[str, ...]] = {
    "plain": ("As I said:", "Once more:", "I can only say it again:", "Again:", "I'm repeating myself:"),
    "terse": ("Again:", "Once more:", "As I said:", "Still:", "Same as before:"),
    "upset": ("How often do I have to say it?", "Again!", "Read it again:", "I said it already.", "For heaven's sake."),
}
_BARE = ("it's {value}", "{value}")


def pick(options: Sequence[str], seed: int, *what: object, unlike: Collection[str] = ()) -> str:
    """One of the options, the same for the same seed and occasion; one that was not said yet where there is one."""
    fresh = [option for option in options if not any(option in said for said in unlike)] or list(options)
    digest = hashlib.sha256("/".join(map(str, (seed, *what))).encode()).digest()
    return fresh[int.from_bytes(digest[:4]) % len(fresh)]


def phrase(act: str, manner: Manner, seed: int, turn: int, *, what: str = "", unlike: Collection[str] = ()) -> str:
    """The words for an act, in the customer's manner.

    Args:
        act: what is done, a key of the templates.
        manner: how the customer talks.
        seed: of the trial.
        turn: the customer's turn, from 1.
        what: what the customer wants, for acts that say it again, or keeps to themselves.
        unlike: what the customer said before.
    """
    lines = _PHRASES[act]
    inner = what if what.startswith(("I ", "I'")) else what[:1].lower() + what[1:]
    options = [line.format(what=what, what_inner=inner) for line in lines.get(manner, lines["plain"])]
    if all(any(option in said for said in unlike) for option in options):
        options = [line.format(what=what, what_inner=inner) for line in lines["plain"]]
    return pick(options, seed, act, turn, unlike=unlike)


def distinct(said: str, before: Collection[str], manner: Manner) -> str:
    """What is said, worded so that it was not said before: people who have to say a thing again let it be known."""
    if said not in before:
        return said
    leads = _AGAIN.get(manner, _AGAIN["plain"])
    options = [f"{lead} {said}" for lead in leads]
    options += [f"{first} {second} {said}" for first in leads for second in leads if first != second]
    return next((option for option in options if option not in before), said)


def telling(
    facts: Sequence[tuple[str, Fact, str]], manner: Manner, seed: int, turn: int, *, again: bool = False
) -> str:
    """One sentence that tells facts, each given as (name, fact, the form of its value to use)."""
    parts = [_told(name, fact, value, manner, seed, turn, alone=len(facts) == 1) for name, fact, value in facts]
    joined = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    lead = {"polite": "Of course, ", "chatty": "Sure, let me see, ", "anxious": "Um, ", "upset": "Fine, "}.get(
        manner, ""
    )
    if again:
        lead = {"upset": "I said it already, ", "terse": ""}.get(manner, "As I said, ")
    text = lead + joined
    return text if text.endswith((".", "!", "?")) else f"{text[:1].upper()}{text[1:]}."


def _told(name: str, fact: Fact, value: str, manner: Manner, seed: int, turn: int, *, alone: bool) -> str:
    if fact.say is not None:
        return fact.say.replace("{value}", value)
    if manner == "terse" and (alone or name in ("date_of_birth", "customer_number")):
        return value
    return pick(_TELLINGS.get(name, _BARE), seed, "tell", name, turn).replace("{value}", value)
