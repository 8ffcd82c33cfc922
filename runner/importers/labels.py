"""The labels of a conversation: what a source says about it, and what the person importing it says for all.

No label is made up. It comes from the record itself, from what happens in the conversation (a transfer to a
person, the time of a trace), or from a default that was given on purpose; a conversation that used a default
is marked for a person to look at. `channel` and `language` are the two with a default of their own, the one
that `cases.jsonl` has; the report of an import counts where it was used.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from assay.registry.errors import AssayError, nearest
from assay.registry.types.base import AutonomyLevel, EscalationReason, JsonValue, Name, RiskTier
from assay.registry.types.case import Case

__all__ = [
    "DEFAULTABLE",
    "LABELS",
    "NEEDS_LABELS",
    "Labels",
    "is_like_a_label",
    "label_texts",
    "labels_of",
    "parse_defaults",
    "read_label",
    "split_items",
]

NEEDS_LABELS = "needs_labels"
"""The tag of a conversation whose labels rest on a default."""

_REQUIRED = ("intent", "risk_tier", "autonomy", "date", "escalation")
_WHEN_REQUIRED = ("reasons", "by_turn")
DEFAULTABLE = (*_REQUIRED, *_WHEN_REQUIRED, "queue", "channel", "language")
"""What `--default` can supply."""

LABELS = (*DEFAULTABLE, "near_miss_of", "tags")
"""What a record can say about its conversation."""

_UNSAID = ("channel", "language")
_ESCALATION = ("reasons", "by_turn", "queue", "near_miss_of")
_NAME = TypeAdapter(Name)
_TRUE, _FALSE = ("required", "true", "yes"), ("not_required", "false", "no")


@dataclass(frozen=True)
class Labels:
    """The labels of one conversation as a case has them, and where they are lacking.

    `defaulted` names the labels that a default supplied, `unsaid` those that nobody gave and that have a
    value all the same. `wrong` pairs a label with what is wrong about it.
    """

    values: dict[str, JsonValue]
    defaulted: tuple[str, ...]
    unsaid: tuple[str, ...]
    missing: tuple[str, ...]
    wrong: tuple[tuple[str, str], ...]

    def plain(self) -> dict[str, JsonValue]:
        """The labels as a part of a case, except for what lies below `expect`."""
        kept = {key: value for key, value in self.values.items() if key not in (*_ESCALATION, "escalation")}
        tags = kept.get("tags")
        if self.defaulted and isinstance(tags, list | None) and NEEDS_LABELS not in (tags or []):
            kept["tags"] = [*(tags or []), NEEDS_LABELS]
        return kept

    def escalation(self) -> dict[str, JsonValue]:
        """`expect.escalation` of the case."""
        found = {key: self.values[key] for key in _ESCALATION if key in self.values}
        return {"required": self.values.get("escalation"), **found}


def label_texts(case: Case, join: Callable[[Sequence[str]], str] = " | ".join) -> dict[str, str]:
    """Every label of a case as `labels_of` reads it again, empty where there is none; `join` writes lists."""
    escalation = case.expect.escalation
    return {
        "intent": case.intent,
        "risk_tier": case.risk_tier.value,
        "autonomy": case.autonomy.value,
        "channel": case.channel,
        "language": case.language,
        "date": case.date.isoformat(),
        "tags": join(case.tags),
        "escalation": "required" if escalation.required else "not_required",
        "reasons": join([reason.value for reason in escalation.reasons]),
        "by_turn": "" if escalation.by_turn is None else str(escalation.by_turn),
        "queue": escalation.queue or "",
        "near_miss_of": join([reason.value for reason in escalation.near_miss_of]),
    }


def labels_of(
    given: Mapping[str, str], defaults: Mapping[str, str], happened: Mapping[str, JsonValue] | None = None
) -> Labels:
    """Put together the labels of a conversation.

    Args:
        given: what the record says, as text.
        defaults: of `parse_defaults`.
        happened: labels that follow from the conversation itself. What the record says wins, except that it
            cannot deny an escalation that happened.
    """
    values: dict[str, JsonValue] = dict(happened or {})
    wrong: list[tuple[str, str]] = []
    for key, text in given.items():
        try:
            values[key] = read_label(key, text)
        except ValueError as error:
            wrong.append((key, str(error)))
    if happened and happened.get("escalation") and values["escalation"] is False:
        wrong.append(("escalation", "the record says 'not_required', but the agent transfers the customer to a person"))
    if happened and _is_later(happened.get("by_turn"), values.get("by_turn")):
        wrong.append(("by_turn", f"the agent transfers the customer only in turn {happened['by_turn']}"))
    named = {key for key, _ in wrong}
    defaulted = tuple(key for key in _wanted(values, defaults) if key in defaults and key not in {*values, *named})
    values |= {key: read_label(key, defaults[key]) for key in defaulted}
    lacking = [key for key in _wanted(values, defaults) if key not in {*values, *named}]
    return Labels(
        values=values,
        defaulted=defaulted,
        unsaid=tuple(key for key in lacking if key in _UNSAID),
        missing=tuple(key for key in lacking if key in (*_REQUIRED, *_WHEN_REQUIRED)),
        wrong=tuple(wrong),
    )


def parse_defaults(items: Sequence[str]) -> dict[str, str]:
    """Read `KEY=VALUE` pairs of the command line.

    Raises:
        AssayError: an item is no pair, its key is none of `DEFAULTABLE` or stands twice, or the value is not
            one that the label can have.
    """
    found: dict[str, str] = {}
    for item in items:
        key, sign, value = item.partition("=")
        key = key.strip()
        if not sign:
            raise AssayError(f"--default {item}: write KEY=VALUE, as in --default risk_tier=medium")
        if key not in DEFAULTABLE:
            raise AssayError(f"--default {item}: no label named {key!r} can have a default.{nearest(key, DEFAULTABLE)}")
        if key in found:
            raise AssayError(f"--default {item}: {key!r} is given twice")
        try:
            read_label(key, value)
        except ValueError as error:
            raise AssayError(f"--default {item}: {error}") from None
        found[key] = value
    return found


def read_label(key: str, text: str) -> JsonValue:
    """The value of a label that is written as text. Raises ValueError, with the nearest right value."""
    return _READERS[key](text.strip())


def split_items(text: str, separators: str = r"\||\r\n|\r|\n") -> list[str]:
    """Items between `|` or line breaks. Raises ValueError where one of several is empty."""
    items = [item.strip() for item in re.split(separators, text.strip())]
    if "" in items:
        raise ValueError("an item is empty; items are separated by ' | '")
    return items


def is_like_a_label(key: str, known: Iterable[str] = LABELS) -> str | None:
    """The label that a key is, or that it seems to be a slip of the pen for."""
    plain = re.sub(r"[\s-]+", "_", key.strip().lower())
    return next(iter(difflib.get_close_matches(plain, list(known), n=1, cutoff=0.8)), None)


def _is_later(happened: JsonValue, said: JsonValue) -> bool:
    return isinstance(happened, int) and isinstance(said, int) and happened > said


def _wanted(values: Mapping[str, JsonValue], defaults: Mapping[str, str]) -> list[str]:
    """What this conversation should have. Reasons, turn and queue belong to an escalation that is required."""
    default = defaults.get("escalation")
    required = values.get("escalation", read_label("escalation", default) if default is not None else None)
    return [*_REQUIRED, *((*_WHEN_REQUIRED, "queue") if required is True else ()), *_UNSAID]


def _name(text: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        raise ValueError(
            f"{_short(text)} is no name: it begins with a letter or digit and has only letters, digits, '_', '.' "
            "and '-', at most 120"
        ) from None


def _one_of(choices: Iterable[str]) -> Callable[[str], str]:
    known = tuple(choices)

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"{_short(text)} is not allowed here.{nearest(text, known)}")
        return text

    return read


def _many(read: Callable[[str], str]) -> Callable[[str], JsonValue]:
    return lambda text: [read(item) for item in split_items(text, r"\||,|\r\n|\r|\n")]


def _escalation(text: str) -> bool:
    folded = text.lower()
    if folded not in (*_TRUE, *_FALSE):
        raise ValueError(f"{_short(text)} is not allowed here: write 'required' or 'not_required'")
    return folded in _TRUE


def _date(text: str) -> str:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ValueError(f"{_short(text)} is no date as in 2026-03-02 (a spreadsheet may have rewritten it)")


def _turn(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise ValueError(f"{_short(text)} is no turn: write a whole number from 1")
    return int(text)


def _language(text: str) -> str:
    if not re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", text):
        raise ValueError(f"{_short(text)} is no language as in 'en' or 'en-US'")
    return text


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


_READERS: dict[str, Callable[[str], JsonValue]] = {
    "intent": _name,
    "queue": _name,
    "risk_tier": _one_of(tier.value for tier in RiskTier),
    "autonomy": _one_of(level.value for level in AutonomyLevel),
    "channel": _one_of(("chat", "email", "voice")),
    "language": _language,
    "date": _date,
    "escalation": _escalation,
    "by_turn": _turn,
    "reasons": _many(_one_of(reason.value for reason in EscalationReason)),
    "near_miss_of": _many(_one_of(reason.value for reason in EscalationReason)),
    "tags": _many(_name),
}
