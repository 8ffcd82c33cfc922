"""The triage model: what a customer asks for, and whether something in it calls for a person.

The model is a plain scikit-learn pipeline (TF-IDF of words, of characters and of the form of the sentences, one
logistic regression for the intent and one for the signal), so that it can be stored, loaded and inspected by
anything that knows scikit-learn. Equal configuration and equal utterances give equal bytes.

The form is read apart from the words because it tells what no word does: "my account was levied" wants something
done, "when is an account levied?" wants to know something, and both are made of the same words.
"""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.registry.errors import ContentError
from assay.registry.types.bundle import TriageConfig

__all__ = [
    "NO_SIGNAL",
    "SIGNALS",
    "Reading",
    "TriageModel",
    "form_of",
    "normalised",
    "parse_utterances",
    "train_triage",
]

COLUMNS = ["text", "intent", "signal"]
NO_SIGNAL = "none"
SIGNALS = (NO_SIGNAL, "human_request", "distress", "policy_gap")

_NUMBER = re.compile(r"\d[\d,./:\-]*\d|\d")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_WORD = re.compile(r"[\w']+")
_LEADING = re.compile(r"\W*(?:(?:and|so|ok|okay|but|then|hi|hello|hey|please|well|oh|also)\W+)*")
"""What may stand before the first word that says whether a sentence asks."""
_ASKING = re.compile(
    r"(?:what|when|where|which|who|why|how|is|are|was|do|does|did|can|could|will|would|may|should|must|until|has|"
    r"have)\b"
)
_OWN = frozenset(["i", "my", "me", "i'm", "i've", "i'd", "i'll", "mine", "we", "our", "us", "we're", "we've"])
_WISH = re.compile(r"\b(?:i want|i'd like|i would like|i need|please|can you|could you|i wanna|i have to|let me)\b")
_COMPANY = frozenset({"details", "affirm", "deny", "closing"})
"""Intents that give way to any other in the same message."""
_LENGTH_STEP, _LONGEST = 4, 6
_FORM_WEIGHT = 0.5
_ENOUGH_ROWS = 500
"""From so many utterances on, what stands in a single one of them is left out: it is half of the model and noise."""


@dataclass(frozen=True)
class Reading:
    """What a message was taken to be. `signals` holds the probability of each signal but `none`."""

    intent: str
    confidence: float
    intents: dict[str, float]
    signals: dict[str, float]

    def without(self, intent: str) -> Reading:
        """The reading given that the message is not of this intent: the other probabilities, scaled to one."""
        left = 1 - self.intents.get(intent, 0.0)
        others = {name: p / left if left > 0 else 0.0 for name, p in self.intents.items() if name != intent}
        best = max(others, key=lambda name: others[name])
        return Reading(best, min(1.0, others[best]), others, self.signals)


def parse_utterances(text: str) -> list[tuple[str, str, str]]:
    """Rows (text, intent, signal) of a training CSV.

    Raises:
        ContentError: the header, a row or a signal is wrong, an utterance stands twice with different labels, or
            there are fewer than two intents or two signals to tell apart.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    header = next(reader, [])
    if header != COLUMNS:
        raise ContentError(f"the header has to be {','.join(COLUMNS)!r}, not {','.join(header)!r}", line=1)
    rows: dict[str, tuple[str, str, str]] = {}
    for cells in reader:
        row = _row(cells, reader.line_num)
        known = rows.setdefault(normalised(row[0]), row)
        if known[1:] != row[1:]:
            raise ContentError(f"{row[0]!r} stands twice with different labels", line=reader.line_num)
    for column, what in ((1, "intents"), (2, "signals")):
        if len({row[column] for row in rows.values()}) < 2:
            raise ContentError(f"the utterances need at least two different {what} to tell apart")
    return list(rows.values())


def train_triage(config: TriageConfig, utterances_csv: str) -> Any:
    """Train the triage model: a scikit-learn estimator over normalised texts.

    Its `predict_proba` gives one array of intent probabilities and one of signal probabilities, its
    `classes_` the names of both.

    Args:
        config: regularisation, n-gram ranges and seed.
        utterances_csv: text of a CSV file with the columns text, intent, signal.

    Raises:
        ContentError: the utterances are ill-formed.
    """
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.pipeline import Pipeline
    from threadpoolctl import threadpool_limits

    rows = parse_utterances(utterances_csv)
    taught = [*rows, *_in_company(rows, config.seed)]
    rare = 1 if len(rows) < _ENOUGH_ROWS else 2
    words = TfidfVectorizer(
        ngram_range=config.word_ngrams, token_pattern=r"(?u)[\w']+|[?!]", sublinear_tf=True, min_df=rare
    )
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=config.char_ngrams, sublinear_tf=True, min_df=rare)
    form = TfidfVectorizer(token_pattern=r"\S+", binary=True)
    classifier = LogisticRegression(
        C=config.regularisation, max_iter=2000, random_state=config.seed, class_weight="balanced"
    )
    features = ColumnTransformer(
        [("words", words, 0), ("chars", chars, 0), ("form", form, 1)], transformer_weights={"form": _FORM_WEIGHT}
    )
    pipeline = Pipeline([("features", features), ("labels", MultiOutputClassifier(classifier))])
    # More threads than one gain nothing with so little to do, and they would add up in an order of their own.
    with threadpool_limits(limits=1):
        pipeline.fit(_columns([row[0] for row in taught]), np.array([row[1:] for row in taught]))
    for vectoriser in features.named_transformers_.values():
        # scikit-learn keeps the memory address of the stop words to tell whether they were checked; it is the
        # one thing in the model that differs from process to process.
        vars(vectoriser).pop("_stop_words_id", None)
    return pipeline


class TriageModel:
    """Reads messages with a trained estimator.

    Raises:
        ContentError: the estimator is not one that `train_triage` makes.
    """

    def __init__(self, estimator: Any) -> None:
        classes = getattr(estimator, "classes_", None)
        if not isinstance(classes, list) or len(classes) != 2 or not hasattr(estimator, "predict_proba"):
            raise ContentError("the model is not a triage model: it has to classify intents and signals")
        self.intents: list[str] = [str(name) for name in classes[0]]
        self.signals: list[str] = [str(name) for name in classes[1]]
        unknown = sorted(set(self.signals) - set(SIGNALS))
        if unknown:
            raise ContentError(f"the model gives the signal {unknown[0]!r}; known are {', '.join(SIGNALS)}")
        self._estimator = estimator

    def read(self, message: str) -> tuple[Reading, tuple[Reading, ...]]:
        """The reading of a whole message, and one for each of its sentences where it has several."""
        parts = [part for part in _SENTENCE.split(message.strip()) if len(normalised(part).split()) >= 3]
        texts = [message, *parts] if len(parts) > 1 else [message]
        intents, signals = self._estimator.predict_proba(_columns(texts))
        readings = [self._reading(i, s) for i, s in zip(intents.tolist(), signals.tolist(), strict=True)]
        return readings[0], tuple(readings[1:])

    def _reading(self, intents: Sequence[float], signals: Sequence[float]) -> Reading:
        by_intent = dict(zip(self.intents, intents, strict=True))
        by_signal = {name: p for name, p in zip(self.signals, signals, strict=True) if name != NO_SIGNAL}
        intent = max(by_intent, key=lambda name: by_intent[name])
        return Reading(intent, min(1.0, by_intent[intent]), by_intent, by_signal)


def normalised(text: str) -> str:
    """Lower case, single spaces, typographic quotes made plain, and numbers masked by their length."""
    plain = text.lower().replace("’", "'").replace("‘", "'")
    masked = _NUMBER.sub(lambda match: f" num{min(9, sum(c.isdigit() for c in match[0]))} ", plain)
    return " ".join(masked.split())


def form_of(text: str) -> str:
    """The form of a text as marks: what its sentences ask with, whether it is about "me", wishes, and its length."""
    plain = normalised(text)
    words = _WORD.findall(plain)
    marks = [mark for sentence in _SENTENCE.split(plain) for mark in _sentence_form(sentence)]
    marks += [
        f"first:{words[0] if words else ''}",
        f"end:{'asks' if plain.endswith('?') else 'says'}",
        "own" if _OWN & set(words) else "general",
        "wish" if _WISH.search(plain) else "plain",
        f"length:{min(_LONGEST, len(words) // _LENGTH_STEP)}",
    ]
    return " ".join(marks)


def _sentence_form(sentence: str) -> list[str]:
    rest = _LEADING.sub("", sentence, count=1)
    asking = _ASKING.match(rest)
    whose = "own" if _OWN & set(_WORD.findall(sentence)) else "general"
    if asking or "?" in sentence:
        return ["asks", f"asks:{asking[0] if asking else ''}", f"asks:{whose}"]
    return ["says", f"says:{whose}"]


def _in_company(rows: Sequence[tuple[str, str, str]], seed: int) -> list[tuple[str, str, str]]:
    """A quarter as many messages again, each a row with small talk before or after it, under the row's own labels.

    Utterances are mostly one sentence, messages often several: without these, a grave sentence among harmless ones
    weighs too little. On held-out rows in such company a quarter of the matters for a person were missed, and with
    them a sixth; on rows by themselves nothing changes.
    """
    chance = random.Random(seed)  # noqa: S311 - picks training rows, keeps no secret
    company = [text for text, intent, signal in rows if intent in _COMPANY and signal == NO_SIGNAL]
    matters = [row for row in rows if row[1] not in _COMPANY and row[1] != "other"]
    if not company:
        return []
    composed: list[tuple[str, str, str]] = []
    for text, intent, signal in chance.sample(matters, min(len(matters), len(rows) // 4)):
        pair = [_ended(text), _ended(chance.choice(company))]
        chance.shuffle(pair)
        composed.append((" ".join(pair), intent, signal))
    return composed


def _ended(text: str) -> str:
    return text if text[-1] in ".!?" else f"{text}."


def _columns(texts: Sequence[str]) -> Any:
    """What the estimator reads: the text in one column, its form in the other."""
    import numpy as np

    return np.array([[normalised(text), form_of(text)] for text in texts], dtype=object)


def _row(cells: list[str], line: int) -> tuple[str, str, str]:
    if len(cells) != len(COLUMNS):
        raise ContentError(f"a row has {len(COLUMNS)} cells, this one {len(cells)}", line=line)
    text, intent, signal = (cell.strip() for cell in cells)
    if not text or not intent:
        raise ContentError("a row needs a text and an intent", line=line)
    if signal not in SIGNALS:
        raise ContentError(f"unknown signal {signal!r}; known are {', '.join(SIGNALS)}", line=line)
    return text, intent, signal
