"""Identity by content: SHA-256 over canonical bytes of the thing itself.

Canonical JSON here is: keys sorted, no white space, UTF-8, no NaN or infinity, and whole floats written
as integers, so that `1.0` and `1` (which YAML and JSON writers swap freely) have one digest.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

__all__ = ["canonical_json", "digest_bytes", "digest_of", "digest_tree"]


def canonical_json(value: object) -> bytes:
    """Canonical bytes of a pydantic model or a JSON-like value.

    Raises:
        ValueError: the value holds NaN, an infinity, or something that JSON cannot hold.
    """
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(_normalised(plain), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors="surrogatepass")


def digest_of(value: object) -> str:
    """SHA-256 (hexadecimal) over `canonical_json(value)`."""
    return digest_bytes(canonical_json(value))


def digest_bytes(data: bytes) -> str:
    """SHA-256 (hexadecimal) of bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_tree(root: Path, pattern: str = "**/*") -> dict[str, str]:
    """Path relative to `root` (with forward slashes) to SHA-256, for every matching file, sorted."""
    files = sorted(p for p in root.glob(pattern) if p.is_file())
    return {p.relative_to(root).as_posix(): digest_bytes(p.read_bytes()) for p in files}


_PLAIN = frozenset({str, bool, int, type(None)})
"""Types whose values are canonical as they are; most values are of one of them."""


def _normalised(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict or isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"a key of a mapping has to be text, not {key!r}")
        return {key: item if type(item) in _PLAIN else _normalised(item) for key, item in value.items()}
    if kind is list or isinstance(value, list | tuple):
        return [_normalised(item) for item in value]
    if isinstance(value, BaseModel):
        return _normalised(value.model_dump(mode="json"))
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, str | int | float | bool):
        return value
    raise ValueError(f"{type(value).__name__} is not JSON")
