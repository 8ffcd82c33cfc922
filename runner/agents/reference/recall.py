"""Answering again from what a tool has told in this conversation: "when does the new one come?"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from assay.runner.agents.reference.tasks import spoken_date

__all__ = ["recalled"]

_LONGEST = 22
_WHEN = re.compile(
    r"\b(?:when|what (?:day|date)|which day|how (?:long|soon|fast|quickly|many days)|by what|in time|before|until|"
    r"how much longer)\b",
    re.IGNORECASE,
)
_WHICH = re.compile(
    r"\b(?:what|which|tell|repeat|again|remind|say)\b.*\b(?:reference|number|code)\b"
    r"|\b(?:reference|number|code)\b.*\b(?:again|repeat|was it|once more)\b",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_NUMBER = re.compile(
    r"\b(?:customer|phone|telephone|routing|account|card|swift|wire|new) (?:number|code)\b|\bcall\b", re.IGNORECASE
)
_ARRIVES = r"arriv\w+|com(?:e|es|ing)|here|get|gets|reach\w*|receiv\w+|have (?:it|them)|show up|turn up"
_LANDS = r"arriv\w+|land\w*|there|get|gets|reach\w*|go(?:es)? through|clear\w*|come|complet\w+|receiv\w+"

_TOLD: tuple[tuple[str, str, Callable[[Any], str], re.Pattern[str]], ...] = tuple(
    (key, sentence, show, re.compile(rf"\b(?:{words})\b", re.IGNORECASE))
    for key, sentence, show, words in (
        ("decision_by", "The decision is expected by {}.", spoken_date, r"deci\w+|hear|know|answer|outcome|result"),
        ("replacement_by", "A new card reaches you by {}.", spoken_date, _ARRIVES),
        ("expected_by", "It is expected by {}.", spoken_date, _ARRIVES),
        ("arrives_by", "The checks arrive by {}.", spoken_date, _ARRIVES),
        ("expected_on", "The date for it is {}.", spoken_date, _LANDS),
        ("credited_on", "It is credited on {}.", spoken_date, rf"credit\w*|see|back|account|money|{_LANDS}"),
        ("effective_on", "It takes effect on {}.", spoken_date, r"effect\w*|active|work|works|start\w*|valid|count"),
    )
)
"""Each value of a result that customers ask about again: how it is told, and the words of the question for it."""


def recalled(question: str, result: Mapping[str, Any]) -> str | None:
    """The value of an earlier result that a short question is about, or None."""
    asking = " ".join(re.findall(r"[^.!?]*\?", question)) or question
    if len(asking.split()) > _LONGEST:
        return None
    if result.get("reference") and _WHICH.search(asking) and not _OTHER_NUMBER.search(asking):
        return f"Your reference is {result['reference']}."
    if not _WHEN.search(asking):
        return None
    told = (s.format(show(result[key])) for key, s, show, words in _TOLD if result.get(key) and words.search(asking))
    return next(told, None)
