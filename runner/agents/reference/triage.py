"""The triage model: what a customer asks for, and whether something in it calls for a person.

The model is a plain scikit-learn pipeline (TF-IDF of words and characters, one logistic regression for
the intent and one for the signal), so that it can be stored, loaded and inspected by anything that knows
scikit-learn. Equal configuration and equal utterances give equal bytes.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.registry.errors import ContentError
from assay.registry.types.bundle import ModelConfig

__all__ = ["NO_SIGNAL", "SIGNALS", "Reading", "TriageModel", "normalised", "parse_utterances", "train_triage"]

COLUMNS = ["text", "intent", "signal"]
NO_SIGNAL = "none"
SIGNALS = (NO_SIGNAL, "human_request", "distress", "policy_gap")

_NUMBER = re.compile(r"\d[\d,./:\-]*\d|\d")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")


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


def train_triage(config: ModelConfig, utterances_csv: str) -> Any:
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
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.pipeline import FeatureUnion, Pipeline

    rows = parse_utterances(utterances_csv)
    words = TfidfVectorizer(ngram_range=config.word_ngrams, token_pattern=r"(?u)[\w']+", sublinear_tf=True)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=config.char_ngrams, sublinear_tf=True)
    classifier = LogisticRegression(
        C=config.regularisation, max_iter=2000, random_state=config.seed, class_weight="balanced"
    )
    pipeline = Pipeline(
        [
            ("features", FeatureUnion([("words", words), ("chars", chars)])),
            ("labels", MultiOutputClassifier(classifier)),
        ]
    )
    labels = np.array([row[1:] for row in rows])
    pipeline.fit([normalised(row[0]) for row in rows], labels)
    for vectoriser in (words, chars):
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
        intents, signals = self._estimator.predict_proba([normalised(text) for text in texts])
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


def _row(cells: list[str], line: int) -> tuple[str, str, str]:
    if len(cells) != len(COLUMNS):
        raise ContentError(f"a row has {len(COLUMNS)} cells, this one {len(cells)}", line=line)
    text, intent, signal = (cell.strip() for cell in cells)
    if not text or not intent:
        raise ContentError("a row needs a text and an intent", line=line)
    if signal not in SIGNALS:
        raise ContentError(f"unknown signal {signal!r}; known are {', '.join(SIGNALS)}", line=line)
    return text, intent, signal
