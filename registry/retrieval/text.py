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
    """
    a about after afternoon again all already also am an and any anything anyway are aren't as at be because
    been before between both but by came can can't come comes coming could couldn't day's dear did didn't do
    does doesn't doing don't dont each etc evening ever every fine first for from get give go good guys had
    happen happens has have he hello her here hers hey hi him his how hows i i'd i'll i'm i've if im in into
    is isn't it it's its ive just kind know let like long lot make many may maybe me mean might mine more
    morning much my never nice now of ok okay on once one ones only or other our out own please pls plz
    possible put quite really regards remember right say see shall she should since so some someone something
    somewhere still such sure take team tell telling than thank thanks that that's the their them then there
    these they thing this those through thx to today tomorrow too u up ur us very want wants was wat way we
    well were what what's whats when whens where wheres which while who why will with without won't work works
    would wouldn't yes yesterday yet you you'd your
    """.split()  # noqa: SIM905 - a list of two hundred quoted words is no easier to read
)

# One word for each thing that bank customers and bank documents name differently.
_SAME_WORDS = {
    "foreign": "abroad overseas international country countries travel traveling travelling trip flying fly holiday "
    "vacation europe mexico canada japan china india france germany italy spain portugal england britain ireland "
    "brazil australia yen euro euros pound pounds peso pesos currency outside",
    "fee": "cost costs price prices charge charges charged pricey expensive",
    "payment": "pay pays paying paid payments",
    "cash": "atm atms withdraw withdrawal withdrawals withdrawing cashpoint",
    "open": "opening opened opens",
    "phone": "mobile telephone call number",
    "delivery": "deliver delivered arrive arrives arrived arrival mail mailed post posted ship shipped",
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
    "insured": "insurance insure fdic",
    "complaint": "complaints complain complaining",
}


def tokens(text: str) -> list[str]:
    """The words of a text that carry meaning: lower case, without stop words, cut to their stems."""
    words = _WORD.findall(text.lower().replace("’", "'").replace("checking account", "current account"))
    stems = (_stem(word.removesuffix("'s")) for word in words if word not in _STOP_WORDS)
    return [_SAME.get(stem, stem.removesuffix(":00")) for stem in stems]


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
