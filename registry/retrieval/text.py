"""Words and sentences: how text is cut before it is compared.

The index and the questions have to be cut in the same way, so this is the only place where it happens.
Words that mean the same are made one word; words that only have to do with each other stay two, and
`related` tells how close they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["mistyped", "related", "same_words", "sentences", "tokens", "within_reach"]

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:[.,:]\d+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)\s+(?=[\"'(A-Z0-9$])")
_AFTER_CLOCK = re.compile(r"(?:Eastern|Central|Mountain|Pacific|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b|[0-9(]")
_DOUBLED = re.compile(r"([bdgmnprt])\1$")

_STOP_WORDS = frozenset(
    """
    a about after afternoon again all already also am an and any anyone anything anyway are aren't as at be because
    been before being but by came can can't cannot come comes coming could couldn't cuz day's dear did didn't do
    does doesn't doing don't dont each else etc evening ever every everything fine for from get gets give go goes
    going gonna good got guys guess had hand
    happen happened happens has have haven't he hello her here hers hey hi him his hmm how however hows i i'd i'll
    i'm i've if im in instead into is isn't it it's its ive just kind know last let let's like lol long look lot make
    many may maybe me mean might mine more morning much must my myself need needed never nice no nope not nothing
    now of off oh ok okay
    on one ones only or other our out own per please pls plz
    possible put quite rather really regards remember right said same say see shall she should since so some
    someone something
    somewhere sorry still such suppose sure take takes team tell telling than thank thanks that that's the their
    them then there
    these they thing things think this those though through thx time times to today tomorrow too try u up ur us usually
    very want wanted wants was wasn't wat way we we're
    well were what what's whats when whens where wheres which while who whose why will with without won't work works
    allowed even gone normal normally over simply
    would wouldn't ya yeah yep yes yesterday yet you you're you'd your
    """.split()  # noqa: SIM905 - a list of two hundred quoted words is no easier to read
)

# One word for each thing that bank customers and bank documents name differently.
_SAME_WORDS = {
    "abroad": "foreign overseas international internationally",
    "currency": "currencies yen euro euros peso pesos pound pounds franc francs yuan rupee rupees banknotes",
    "fee": "cost costs price prices priced charge charges charged charging pricey expensive",
    "payment": "pay pays paying paid payments",
    "withdrawal": "withdraw withdrawals withdrawing withdrew withdrawn",
    "atm": "atms cashpoint",
    "open": "opening opened opens",
    "phone": "mobile telephone smartphone cell cellphone phones",
    "text": "sms texts texted",
    "arrive": "delivery deliver delivered arrived arrives arrival",
    "mail": "mailed post posted ship shipped",
    "send": "sent sends sending",
    "limit": "maximum max cap most",
    "largest": "biggest highest greatest largest",
    "dispute": "challenge contest chargeback disputed disputing",
    "appointment": "meeting appointments",
    "replacement": "replace replaced replacing",
    "deadline": "cutoff til till",
    "monthly": "month months",
    "yearly": "annual year years annually",
    "overdraft": "overdrawn overdrafts overdraw",
    "death": "die died dead dies deceased passed",
    "rate": "interest apr apy yield",
    "percent": "percentage",
    "minimum": "min least lowest",
    "rush": "express expedited",
    "quick": "fast quickly quicker faster soon sooner speed",
    "free": "waive waived waiver zero gratis",
    "keep": "kept keeps keeping store stored retain retained",
    "child": "kid kids children teenager teenagers teen teens daughter daughters son sons minor minors boy girl "
    "grandson granddaughter",
    "document": "documents papers paperwork",
    "id": "identification license licence passport",
    "purchase": "purchases shopping shop buy buying bought purchased",
    "raise": "raised increase increased higher",
    "noon": "midday lunch lunchtime",
    "bring": "brings brought require requires required",
    "dollar": "bucks dollars usd buck",
    "notary": "notarize notarized notarise notarised",
    "insured": "insurance insure fdic",
    "complaint": "complaints complain complaining complained",
    "advisor": "adviser advisers advisors",
    "lost": "lose loses losing loss misplaced mislaid",
    "stolen": "steal theft stole",
    "decision": "decide decided decides",
    "password": "passwords passcode pw",
    "weekend": "weekends",
    "jointly": "joint",
    "owner": "holder holders owners",
    "start": "begin begins beginning starts starting began",
    "end": "finish ends ended",
    "remove": "removal removed delete deleted deletion",
    "installment": "instalment instalments installments",
    "repayment": "repay repaid repaying repayments payoff",
    "salary": "payroll wages wage paycheck",
    "write": "writing written wrote",
    "sign": "signed signature signatures signs signing",
    "hour": "hours",
    "car": "parking park",
    "step": "wheelchair ramp accessible accessibility stairs steps",
    "2": "two second twice both",
    "3": "three third",
    "4": "four fourth",
    "5": "five fifth",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
    "10": "ten",
    "12": "twelve",
    "13": "thirteen",
    "14": "fourteen",
    "15": "fifteen",
    "18": "eighteen",
    "20": "twenty",
    "30": "thirty",
    "60": "sixty",
    "90": "ninety",
}

# Words that have to do with each other: one of them in a question makes the other likely in its answer.
_RELATED_WORDS = (
    ("abroad", "travel traveling travelling trip flying fly holiday vacation country countries europe mexico canada "
     "japan china india france germany italy spain portugal england britain ireland brazil australia outside"),
    ("currency", "abroad euro exchange"),
    ("cash", "withdrawal atm money"),
    ("withdrawal", "atm money machine"),
    ("atm", "machine"),
    ("phone", "call number device line"),
    ("device", "tablet computer"),
    ("arrive", "mail send receive clear land credited available"),
    ("mail", "send letter"),
    ("limit", "largest up"),
    ("address", "move moved moving relocate relocated street"),
    ("replacement", "new further"),
    ("deadline", "until latest late"),
    ("minimum", "smallest lowest"),
    ("rush", "quick urgent hurry"),
    ("quick", "day"),
    ("child", "parent guardian young age under school"),
    ("id", "document identity"),
    ("document", "form proof certificate"),
    ("step", "entrance"),
    ("weekend", "saturday sunday"),
    ("weekday", "monday friday"),
    ("open", "hour close closed"),
    ("jointly", "share shared together"),
    ("owner", "co"),
    ("cancel", "stop end"),
    ("salary", "employer payday"),
    ("lost", "stolen missing disappeared"),
    ("damaged", "broken broke snapped cracked torn"),
    ("house", "home mortgage"),
    ("mortgage", "home"),
    ("keep", "archive"),
    ("send", "upload uploaded transfer"),
    ("transfer", "payment send"),
    ("raise", "change limit"),
    ("change", "switch alter"),
    ("locked", "lock blocked block"),
    ("student", "college university studies school enrolled"),
    ("executor", "administrator estate"),
    ("ahead", "advance beforehand early"),
    ("longest", "limit"),
    ("old", "age"),
    ("interpreter", "translator language"),
    ("proof", "prove evidence"),
    ("refund", "back return"),
    ("answer", "reply response hear"),
    ("bring", "show have"),
    ("money", "deposit"),
    ("first", "start"),
    ("further", "another additional extra"),
    ("return", "bounced"),
)  # fmt: skip
_CLOSE = 0.5


def tokens(text: str) -> list[str]:
    """The words of a text that carry meaning: lower case, without stop words, cut to their stems."""
    words = _WORD.findall(text.lower().replace("’", "'").replace("checking account", "current account"))
    return [_plain(word.removesuffix("'s")) for word in words if not _empty(word)]


def mistyped(word: str) -> bool:
    """Whether the word is an empty one with two letters swapped, such as "taht" or "teh"."""
    return word in _SWAPPED


def same_words() -> Mapping[str, str]:
    """Every word that has a synonym, and the one word that `tokens` makes of it."""
    return _SAME


def related(word: str) -> Mapping[str, float]:
    """Words that are likely near this one (as `tokens` cuts them), each with how close it is, in (0, 1)."""
    return _RELATED.get(word, {})


def within_reach(word: str, other: str, *, forms_only: bool = False) -> float:
    """How sure it is that two words that `tokens` cut are one: forms of it, or one of them mistyped. In [0, 1].

    Short words have too many neighbours to tell a slip of the pen from another word. A word that is known as it
    stands is not taken for a mistyped one (`forms_only`).
    """
    if word[0].isdigit() or other[0].isdigit() or word[0] != other[0]:
        return 0.0
    shorter = min(len(word), len(other))
    common = next((n for n, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), shorter)
    if common >= 5 and common >= 0.75 * shorter and max(len(word), len(other)) - common <= 5:
        return 0.8
    allowed = 0 if forms_only or shorter < 4 else 1 if shorter < 8 else 2
    return 0.7 if allowed and _distance(word, other, allowed) <= allowed else 0.0


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


def _empty(word: str) -> bool:
    """Whether a word carries no meaning, by itself or before its contraction ("you've")."""
    return word in _STOP_WORDS or word.partition("'")[0] in _STOP_WORDS or (len(word) == 1 and word.isalpha())


def _plain(word: str) -> str:
    """The one word that stands for this one and for all that mean the same."""
    stem = _stem(word)
    return _SAME.get(word) or _SAME.get(stem) or stem.removesuffix(":00")


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


def _distance(word: str, other: str, most: int) -> int:
    """Letters to change, add, drop or swap with their neighbour to get from one word to the other.

    Exact up to `most`, more than `most` above it (Damerau's distance, restricted to adjacent swaps).
    """
    if abs(len(word) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(word, start=1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and word[i - 2] == b:
                best = min(best, last[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
    return row[-1]


_SWAPPED = frozenset(
    word[:n] + word[n + 1] + word[n] + word[n + 2 :]
    for word in _STOP_WORDS
    if len(word) > 2
    for n in range(len(word) - 1)
    if word[n] != word[n + 1]
)
_SAME = {word: _stem(one) for one, words in _SAME_WORDS.items() for word in words.split()}


def _both_ways() -> dict[str, dict[str, float]]:
    near: dict[str, dict[str, float]] = {}
    for one, words in _RELATED_WORDS:
        for word in words.split():
            a, b = _plain(one), _plain(word)
            if a != b:
                near.setdefault(a, {})[b] = _CLOSE
                near.setdefault(b, {})[a] = _CLOSE
    return near


_RELATED = _both_ways()
