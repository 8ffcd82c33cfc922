"""Import of conversations traced into MLflow. `traced_text` says which shapes of inputs and outputs are read.

- One trace is a customer turn, its TOOL spans are the agent's calls, its date is that of the first trace (UTC).
- Labels come from tags, metadata and expectations of the traces, with or without `assay.` in front of the name (with
  it wins); two traces of a conversation cannot say different things.
- The expectation `expected_response` is the golden reply.
- Where the first trace carries the conversation before it, that conversation comes first, as text.
- A trace that failed has no golden reply.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.registry.digest import digest_of
from assay.registry.errors import ContentError
from assay.registry.store.sessions import RecordedCall, RecordedSession, RecordedTurn
from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case
from assay.runner.importers.dataset_files import DatasetReport, Imported, Target, publish_dataset
from assay.runner.importers.golden import Call, Turn, case_of, happened_in, json_or_text
from assay.runner.importers.labels import LABELS, labels_of
from assay.runner.importers.openai_chat import HANDOFF_TOOL
from assay.runner.importers.problems import Problems
from assay.runner.importers.traced_text import agent_text, customer_text

__all__ = ["import_sessions"]


@dataclass(frozen=True)
class _Read:
    """One conversation as it was read."""

    turns: tuple[Turn, ...]
    notes: dict[str, str]
    failed: int


def import_sessions(
    sessions: Sequence[RecordedSession],
    experiment: str,
    target: Target,
    *,
    defaults: Mapping[str, str],
    handoff_tool: str = HANDOFF_TOOL,
) -> DatasetReport:
    """Make a dataset of traced conversations. All are read and checked before anything is written.

    Raises:
        ContentError: a conversation cannot be read or lacks a label; names session, trace and key. Or the
            folder exists and is something else.
        OSError: the folder cannot be written to.
    """
    problems = Problems(f"MLflow experiment {experiment!r}")
    imported: list[Imported] = []
    read: list[_Read] = []
    for session in sessions:
        found = _conversation(session, defaults, handoff_tool, problems)
        if found is not None:
            imported.append(found[0])
            read.append(found[1])
    return publish_dataset(
        target,
        imported,
        problems,
        source=f"traces of the MLflow experiment {experiment!r}",
        command="assay import mlflow",
        remarks=_remarks(sessions, read),
    )


def _conversation(
    session: RecordedSession, defaults: Mapping[str, str], handoff_tool: str, problems: Problems
) -> tuple[Imported, _Read] | None:
    record = f"session {session.session!r}" if session.session else f"trace {session.turns[0].trace_id}"
    try:
        read = _read(session, handoff_tool)
    except ContentError as error:
        problems.take(error, record=record)
        return None
    day = dt.datetime.fromtimestamp(session.turns[0].started_ms / 1000, dt.UTC).date()
    labels = labels_of(read.notes, defaults, {"date": day.isoformat(), **happened_in(read.turns)})
    for key, why in labels.wrong:
        problems.add(why, key=f"{record}, {key}")
    for key in labels.missing:
        problems.missing(key, f"set the tag {key!r} on a trace of the conversation", record=record)
    if labels.wrong or labels.missing:
        return None
    facts: dict[str, JsonValue] = {"mlflow_traces": [turn.trace_id for turn in session.turns]}
    if session.session:
        facts["mlflow_session"] = session.session
    made = case_of(_case_id(session), read.turns, labels, facts=facts)
    if isinstance(made, Case):
        return Imported(made, None, labels.defaulted, labels.unsaid), read
    for key, why in made:
        problems.take(ContentError(why, key=key), record=record)
    return None


def _read(session: RecordedSession, handoff_tool: str) -> _Read:
    turns: list[Turn] = []
    for number, traced in enumerate(session.turns):
        try:
            said = customer_text(traced.inputs)
            if number == 0:
                turns += [Turn(customer, reply) for customer, reply in said.before]
            turns.append(_turn(traced, said.now, handoff_tool))
        except ContentError as error:
            place = f"trace {traced.trace_id}, {error.key}" if session.session else error.key
            raise ContentError(error.problem, key=place) from None
    return _Read(tuple(turns), _notes(session), sum(traced.failed for traced in session.turns))


def _turn(traced: RecordedTurn, customer: str, handoff_tool: str) -> Turn:
    expected = traced.expectations.get("expected_response")
    reply = expected if isinstance(expected, str) else (None if traced.failed else agent_text(traced.outputs))
    handoff = next((_packet(call) for call in traced.calls if call.name == handoff_tool), None)
    calls = tuple(_call(call) for call in traced.calls if call.name != handoff_tool)
    return Turn(customer, reply, calls, handoff)


def _call(call: RecordedCall) -> Call:
    arguments = _arguments(call.inputs)
    if call.error is not None:
        return Call(call.name, arguments, error=call.error)
    outputs = call.outputs
    if isinstance(outputs, dict) and outputs.get("type") == "tool" and "content" in outputs:  # LangChain's ToolMessage
        outputs = outputs["content"]
    if outputs is None:
        return Call(call.name, arguments, result="null")
    return Call(call.name, arguments, result=json_or_text(outputs) if isinstance(outputs, str) else outputs)


def _arguments(inputs: Any) -> dict[str, JsonValue]:
    """A tool's inputs as arguments; what is no object is the argument `input`."""
    if isinstance(inputs, dict):
        return inputs
    return {} if inputs is None else {"input": inputs}


def _packet(call: RecordedCall) -> dict[str, JsonValue]:
    """What a transfer says: its arguments, and what it returned where that is an object (as in Assay's own traces)."""
    return {**(call.outputs if isinstance(call.outputs, dict) else {}), **_arguments(call.inputs)}


def _notes(session: RecordedSession) -> dict[str, str]:
    """What the traces say about their conversation. A name with `assay.` in front wins over the same without."""
    found: dict[str, str] = {}
    for traced in session.turns:
        for source in (traced.notes, traced.expectations):
            for name, value in source.items():
                if name.removeprefix("assay.") not in LABELS:
                    continue
                text = " | ".join(map(str, value)) if isinstance(value, list) else _text(value)
                if found.setdefault(name, text) != text:
                    place = f"trace {traced.trace_id}, {name}"
                    raise ContentError(f"another trace or note of the conversation says {found[name]!r}", key=place)
    plain = {name: text for name, text in found.items() if name in LABELS}
    return plain | {key: found[f"assay.{key}"] for key in LABELS if f"assay.{key}" in found}


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _case_id(session: RecordedSession) -> str:
    """The session's name as a case id; one that has to be changed gets the beginning of its digest too."""
    name = session.session or session.turns[0].trace_id
    plain = re.sub(r"[^A-Za-z0-9_.\-]+", "-", name).strip("-._")[:100]
    return plain if plain == name else f"{plain or 'session'}-{digest_of(name)[:8]}"


def _remarks(sessions: Sequence[RecordedSession], read: Sequence[_Read]) -> list[str]:
    alone = sum(session.session is None for session in sessions)
    failed = sum(item.failed for item in read)
    silent = sum(turn.reply is None for item in read for turn in item.turns) - failed
    counts = (
        (alone, "traces name no session: each is a conversation of its own"),
        (failed, "traces did not end well: their turns have no golden reply"),
        (max(silent, 0), "other turns without a golden reply"),
    )
    return [f"{count} {what}" for count, what in counts if count]
