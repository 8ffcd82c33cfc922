"""JSON lines of others, read strictly: one object a line, no duplicate keys, no NaN, Unicode text alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.registry.errors import ContentError
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
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise ContentError(f"not UTF-8 text: {error.reason} at byte {error.start} of the line") from None
    except UnicodeEncodeError as error:
        raise ContentError(f"not Unicode text: {error.reason}") from None
    except json.JSONDecodeError as error:
        raise ContentError(f"not valid JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ContentError("not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise ContentError(f"not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ContentError("one JSON object a line is expected, {...}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number
