"""The trajectory files of tau-bench (arXiv 2406.12045), read strictly.

A file is a JSON list, plain or gzipped, of records:

    {"task_id": 3, "trial": 0, "reward": 1.0,
     "info": {"task": {"user_id": ..., "instruction": ..., "actions": [{"name", "kwargs"}], "outputs": [...]}},
     "traj": [OpenAI chat messages]}

Keys beyond these are ignored: the benchmark adds some from version to version. What is read is checked
for presence and type, and no value is converted.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay.registry.errors import ContentError
from assay.registry.strict import plain_json, validation_problems
from assay.registry.types.base import JsonValue

__all__ = ["Action", "AssistantMessage", "Message", "Record", "Task", "ToolMessage", "UserMessage", "read_records"]

MAX_BYTES = 512 * 1024 * 1024
"""Largest file that is read, unpacked. The published ones have a few megabytes."""

MAX_PROBLEMS = 10
"""How many problems of a file are listed."""


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class FunctionCall(_Source):
    name: Annotated[str, Field(min_length=1)]
    arguments: str


class CallRequest(_Source):
    id: str
    function: FunctionCall


class SystemMessage(_Source):
    role: Literal["system"]
    content: str


class UserMessage(_Source):
    role: Literal["user"]
    content: str


class AssistantMessage(_Source):
    role: Literal["assistant"]
    content: str | None
    tool_calls: list[CallRequest] | None = None


class ToolMessage(_Source):
    role: Literal["tool"]
    content: str
    tool_call_id: str
    name: str


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class Action(_Source):
    name: Annotated[str, Field(min_length=1)]
    kwargs: dict[str, JsonValue]


class Task(_Source):
    """What the simulated customer is told, and what the benchmark's own solution does."""

    user_id: str
    instruction: Annotated[str, Field(min_length=1)]
    actions: list[Action]
    outputs: list[JsonValue]


class Info(_Source):
    task: Task


class Record(_Source):
    """One trial of one task. `reward` is 1 where the benchmark counts it as solved, else 0."""

    task_id: Annotated[int, Field(ge=0, lt=1_000_000)]
    trial: Annotated[int, Field(ge=0, lt=1_000)]
    reward: Annotated[int, Field(ge=0, le=1)]
    info: Info
    traj: Annotated[list[Message], Field(min_length=1)]


def read_records(file: Path) -> tuple[Record, ...]:
    """Every record of the file, in its order.

    Raises:
        ContentError: the file is missing, damaged, too large, not JSON, not a list of records, or a record
            lacks a key or has a wrong value. Names the record by its index in the list, from 0, and the key.
    """
    items = _parsed(_unpacked(file), file)
    if not isinstance(items, list) or not items:
        raise ContentError("a JSON list of at least one record is expected at the top", file=file)
    records: list[Record] = []
    problems: list[str] = []
    for index, item in enumerate(items):
        made = _record(item)
        if isinstance(made, Record):
            records.append(made)
        else:
            problems += [str(ContentError(why, file=file, key=_place(index, key))) for key, why in made]
    if problems:
        more = f"\n... and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
        raise ContentError("\n".join(problems[:MAX_PROBLEMS]) + more)
    return tuple(records)


def _place(index: int, key: str) -> str:
    return f"record {index}, {key}" if key else f"record {index}"


def _record(item: Any) -> Record | list[tuple[str, str]]:
    """The record, or its problems as pairs of key and what is wrong."""
    try:
        json.dumps(item, ensure_ascii=False).encode("utf-8")
        return Record.model_validate(_whole_reward(item))
    except UnicodeEncodeError as error:
        return [("", f"not Unicode text: {error.reason}")]
    except ValidationError as error:
        return validation_problems(error, Record)


def _whole_reward(item: Any) -> Any:
    """The record with its reward as an integer where it is a whole float: the benchmark writes 1.0."""
    reward = item.get("reward") if isinstance(item, dict) else None
    return {**item, "reward": int(reward)} if isinstance(reward, float) and reward.is_integer() else item


def _unpacked(file: Path) -> bytes:
    try:
        packed = file.read_bytes()
        if packed[:2] != b"\x1f\x8b":
            return packed
        with gzip.open(file) as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ContentError("there is no such file", file=file) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ContentError(f"the gzip data is damaged or cut short: {error}", file=file) from None
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror or error}", file=file) from None
    if len(data) > MAX_BYTES:
        raise ContentError(f"unpacks to more than {MAX_BYTES // 2**20} MB", file=file)
    return data


def _parsed(data: bytes, file: Path) -> Any:
    try:
        return plain_json(data, surrogates=True)
    except ContentError as error:
        raise ContentError(error.problem, file=file, line=error.line) from None
