"""JSON lines of others, read strictly: one object a line, no duplicate keys, no NaN, Unicode text alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.registry.errors import ContentError
from assay.registry.strict import plain_json
from assay.runner.importers.problems import Problems

__all__ = ["json_lines"]


def json_lines(file: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line that is not blank, with its number. Lines that are no JSON object are noted as problems.

    Raises:
        ContentError: the file cannot be read.
    """
    for line, data in enumerate(_bytes(file).removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not data.strip():
            continue
        try:
            yield line, _object(data)
        except ContentError as error:
            problems.take(error, line=line)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise ContentError("there is no such file", file=file) from None
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror or error}", file=file) from None


def _object(data: bytes) -> dict[str, Any]:
    value = plain_json(data)
    if not isinstance(value, dict):
        raise ContentError("one JSON object a line is expected, {...}")
    return value
