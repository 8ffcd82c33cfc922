"""Import of OpenAI chat files: JSON lines, one conversation a line.

    {"messages": [{"role": "user", "content": "..."}, ...],
     "metadata": {"id": "late-card", "intent": "card_delivery", "risk_tier": "low", ...}}

`metadata` holds flat text. Its keys are the labels of `labels.LABELS`, `id`, `customer_name` and
`customer_number`; any other becomes one of the case's `labels`, unless it looks like a slip of the pen.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.registry.errors import ContentError
from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case
from assay.runner.importers.chat import Chat, read_chat
from assay.runner.importers.dataset_files import DatasetReport, Imported, Target, publish_dataset
from assay.runner.importers.golden import case_of, happened_in
from assay.runner.importers.json_lines import json_lines
from assay.runner.importers.labels import LABELS, is_like_a_label, labels_of
from assay.runner.importers.problems import Problems

__all__ = ["HANDOFF_TOOL", "METADATA", "import_openai"]

HANDOFF_TOOL = "transfer_to_human"
METADATA = (*LABELS, "id", "customer_name", "customer_number")
"""The keys of `metadata` that mean something; all others become `labels`."""

_KEYS = ("messages", "metadata")


@dataclass(frozen=True)
class _Metadata:
    labels: dict[str, str]
    case_id: str | None
    customer: JsonValue
    facts: dict[str, JsonValue]


def import_openai(
    file: Path, target: Target, *, defaults: Mapping[str, str], handoff_tool: str = HANDOFF_TOOL
) -> DatasetReport:
    """Make a dataset of an OpenAI chat file. The whole file is read and checked before anything is written.

    Args:
        file: JSON lines.
        target: where to write what.
        defaults: of `labels.parse_defaults`.
        handoff_tool: the tool whose call is the transfer to a person.

    Raises:
        ContentError: the file says something it may not, or a conversation lacks a label; names line and key.
            Or the folder exists and is something else.
        OSError: the folder cannot be written to.
    """
    problems = Problems(file)
    imported: list[Imported] = []
    chats: list[Chat] = []
    for line, record in json_lines(file, problems):
        found = _conversation(line, record, target.name, defaults, handoff_tool, problems)
        if found is not None:
            imported.append(found[0])
            chats.append(found[1])
    return publish_dataset(
        target,
        imported,
        problems,
        source=f"`{file.name}`, OpenAI chat messages",
        command="assay import openai",
        remarks=_remarks(chats),
    )


def _conversation(
    line: int,
    record: Mapping[str, Any],
    dataset: str,
    defaults: Mapping[str, str],
    handoff_tool: str,
    problems: Problems,
) -> tuple[Imported, Chat] | None:
    """The case of one line; None, with the problems noted, where it makes none."""
    try:
        _check_keys(record)
        metadata = _metadata(record.get("metadata"))
        chat = read_chat(record.get("messages"), handoff_tool)
    except ContentError as error:
        problems.take(error, line=line)
        return None
    labels = labels_of(metadata.labels, defaults, happened_in(chat.turns))
    for key, why in labels.wrong:
        problems.add(why, line=line, key=f"metadata.{key}")
    for key in labels.missing:
        problems.missing(key, "write it into 'metadata'", line=line)
    if labels.wrong or labels.missing:
        return None
    case_id = metadata.case_id or f"{dataset}-{line:04d}"
    made = case_of(case_id, chat.turns, labels, customer=metadata.customer, facts=metadata.facts)
    if isinstance(made, Case):
        return Imported(made, line, labels.defaulted, labels.unsaid), chat
    for key, why in made:
        problems.add(why, line=line, key=key)
    return None


def _check_keys(record: Mapping[str, Any]) -> None:
    """Other keys of a line (`tools`, `model`, ...) say nothing about the conversation, unless one is a slip."""
    for key in record:
        close = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.75)
        if key not in _KEYS and close:
            raise ContentError(f"unknown key {key!r}. Did you mean {close[0]!r}?", key=key)


def _metadata(given: object) -> _Metadata:
    if given is not None and not isinstance(given, dict):
        raise ContentError("a JSON object of flat text is expected", key="metadata")
    values = {key: _flat(key, value) for key, value in (given or {}).items() if value is not None}
    for key in values:
        close = None if key in METADATA else is_like_a_label(key, METADATA)
        if close:
            raise ContentError(f"unknown key {key!r}. Did you mean {close!r}?", key=f"metadata.{key}")
    customer: dict[str, JsonValue] = {
        field: values[key]
        for field, key in (("name", "customer_name"), ("customer_number", "customer_number"))
        if key in values
    }
    return _Metadata(
        labels={key: value for key, value in values.items() if key in LABELS},
        case_id=values.get("id"),
        customer=customer or None,
        facts={key: value for key, value in values.items() if key not in METADATA},
    )


def _flat(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ContentError("flat text is expected here, no list or object", key=f"metadata.{key}")


def _remarks(chats: Sequence[Chat]) -> list[str]:
    counts = (
        (sum(chat.instructions for chat in chats), "system messages left out: they belong to a prompt, not to a case"),
        (sum(chat.greetings for chat in chats), "messages of the agent before the customer's first left out"),
        (
            sum(not call.answered for chat in chats for turn in chat.turns for call in turn.calls),
            "calls without a result in the source: no fixture answers them in a replay",
        ),
        (
            sum(turn.reply is None and turn.handoff is None for chat in chats for turn in chat.turns),
            "turns without a golden reply",
        ),
    )
    return [f"{count} {what}" for count, what in counts if count]
