"""Words and sentences: how text is cut before it is compared.

The index and the questions have to be cut in the same way, so this is the only place where it happens.
"""

from __future__ import annotations

import re

__all__ = ["sentences", "tokens"]

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:[.,:]\d+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)\s+(?=[\"'(A-Z0-9$])")
_AFTER_CLOCK = re.compile(r"(?:Eastern|Central|Mountain|Pacific|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b|[0-9(]")
_DOUBLED = re.compile(r"([bdgmnprt])\1$")

_STOP_WORDS = frozenset(
    """whats hows wheres whens wat u ur im ive dont plz pls thx like long remember morning evening
    afternoon today tomorrow yesterday day's a an and any are as at be been but by can could did do does doing don't for from get give go had has have hello
    hey hi how i i'd i'll i'm i've if in into is it it's its just know let like may me might mine more much my of
    on or our out please shall should so some tell than thank thanks that that's the their them then there these they
    this to up us want was we were what what's when where which while who why will with would you you'd your about after again all already also am anyway because before between both bring each ever
    every fine first good guys happen happens here him hers his her if i've its kind make many maybe never nice now ok okay once one ones
    only other own please possible put quite really regards right say see she he since still such sure take tell
    telling them then thing those through too very want wants way well without work works yes yet dear team me i'm it's
    didn't doesn't won't isn't aren't can't couldn't wouldn't mean etc lot something someone anything somewhere""".split()
)

# One word for each thing that bank customers and bank documents name differently.
_SAME_WORDS = {
    "foreign": "abroad overseas international country countries travel traveling travelling trip flying fly holiday "
    "vacation europe mexico canada japan china india france germany italy spain portugal england britain ireland "
    "brazil australia yen euro euros pound pounds peso pesos currency outside",
    "fee": "cost costs price prices charge charges charged pricey expensive",
    "payment": "pay pays paying paid payments",
    "cash": "atm atms withdraw withdrawal withdrawals withdrawing cashpoint",
    "open": "hours opening opened opens",
    "phone": "mobile telephone call number",
    "delivery": "deliver delivered arrive arrives arrived arrival mail mailed post posted ship shipped envelope come",
    "limit": "maximum max cap most highest",
    "address": "move moved moving relocate",
    "dispute": "challenge contest chargeback disputed disputing",
    "appointment": "meeting appointments reschedule",
    "replacement": "replace replaced new",
    "deadline": "until latest cutoff cut-off",
    "monthly": "month months",
    "yearly": "annual year years annually apr apy",
    "overdraft": "overdrawn overdrafts",
    "death": "die died dead dies deceased passed late",
    "rate": "interest percent percentage yield",
    "minimum": "min least lowest",
    "rush": "express fast urgent quick quicker faster expedited speed",
    "step": "wheelchair ramp accessible accessibility stairs steps step-free",
    "free": "waive waived waiver avoid nothing zero",
    "variable": "fixed vary varies",
    "keep": "kept store stored retain retained",
    "minor": "teenager teen kid child daughter son minors under",
    "document": "documents papers paperwork id identification",
    "purchase": "purchases shopping shop buy buying purchased",
    "raise": "raised increase increased higher",
    "noon": "midday lunch lunchtime",
    "need": "bring required require requires requirement needed",
    "dollar": "bucks dollars usd",
    "notary": "notarize notarized notarise notarised",
    "insured": "insurance insure safe guaranteed fdic",
    "complaint": "complaints complain complaining",
}


def tokens(text: str) -> list[str]:
    """The words of a text that carry meaning: lower case, without stop words, cut to their stems."""
    words = _WORD.findall(text.lower().replace("’", "'").replace("checking account", "current account"))
    stems = (_stem(word.removesuffix("'s")) for word in words if word not in _STOP_WORDS)
    return [_SAME.get(stem, stem) for stem in stems]


def sentences(text: str) -> list[str]:
    """The sentences of running text, each on one line; Markdown headings are left out."""
    blocks = re.split(r"\n\s*\n|\n(?=#{1,6} |[-*] )|(?<=\n)(?=#{1,6} )", text)
    found: list[str] = []
    for block in blocks:
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        running = " ".join(" ".join(lines).removeprefix("- ").removeprefix("* ").split())
        for part in _SENTENCE_END.split(running):
            # "6:00 a.m. Eastern Time" is one sentence, "until 5:00 p.m. On Saturday" is two.
            if found and part and found[-1].endswith((" a.m.", " p.m.")) and _AFTER_CLOCK.match(part):
                found[-1] = f"{found[-1]} {part}"
            elif part:
                found.append(part)
    return found


def _stem(word: str) -> str:
    """Cut plural, -ing and -ed endings and a final e: enough for short factual texts."""
    if word[0].isdigit() or len(word) <= 3:
        return word
    if word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and re.search("[aeiouy]", rest):
            word = _DOUBLED.sub(r"\1", rest)
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


_SAME = {_stem(word): _stem(one) for one, words in _SAME_WORDS.items() for word in words.split()}
