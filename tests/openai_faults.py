"""What the loopback model server can do wrong, and when it does it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ANSWERED = frozenset({"length", "content_filter", "null_content", "bad_arguments", "unknown_tool", "duplicate_ids"})
"""Faults of what the model says: the answer itself is whole and well-formed, so nobody has to ask again."""

BROKEN = frozenset(
    {
        "status",  # an HTTP status of its own, with Retry-After or not
        "reset",  # the connection ends before anything is answered
        "reset_midway",  # the connection ends within the body
        "hang",  # nothing, for ever
        "drip",  # the whole answer, a few bytes at a time
        "malformed_json",
        "truncated_body",  # less than Content-Length says, then the end of the connection
        "truncated_stream",  # an event stream that ends properly, but before the message does
        "empty_choices",
        "null_message",
        "wrong_types",
        "html",  # a page for people, with status 200
        "huge",  # a body without end
    }
)

KINDS = ANSWERED | BROKEN


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. `seconds` is what it takes (`drip`); `bytes` is the size of a `huge` body.

    `retry_after` is sent in the form that `form` says: "seconds" or "date".
    """

    kind: str
    status: int = 500
    retry_after: float | None = None
    form: str = "seconds"
    message: str = "simulated fault"
    code: str | None = None
    seconds: float = 5.0
    bytes: int = 64 << 20

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there is {', '.join(sorted(KINDS))}")


def status(number: int, **more: Any) -> Fault:
    """The fault of an HTTP status."""
    return Fault("status", status=number, **more)


@dataclass(frozen=True)
class Rates:
    """Faults that happen by chance: shares of all requests that add up to at most 1.

    Chance is a function of the seed, the conversation, the request and how often it was asked, not of the order in
    which requests come: two runs meet the same faults.
    """

    shares: Mapping[Fault, float] = field(default_factory=dict)
    seed: int = 0

    def __call__(self, conversation: str, digest: str, asked: int) -> Fault | None:
        """The fault of the `asked`-th (from 0) time that this request is made, if there is one."""
        drawn = hashlib.blake2b(f"{self.seed} {conversation} {digest} {asked}".encode(), digest_size=8).digest()
        left = int.from_bytes(drawn, "big") / 2**64
        for fault, share in self.shares.items():
            left -= share
            if left < 0:
                return fault
        return None


def parse_rates(text: str, seed: int = 0) -> Rates:
    """Rates from `KIND:SHARE[:name=value...]` joined by commas, as in `429:0.1:retry_after=1,hang:0.01`.

    KIND may be a status.
    """
    shares: dict[Fault, float] = {}
    for part in filter(None, text.split(",")):
        kind, share, *options = part.split(":")
        more: dict[str, Any] = {}
        for option in options:
            name, value = option.split("=")
            more[name] = value if name in {"form", "message", "code"} else float(value)
        fault = status(int(kind), **more) if kind.isdigit() else Fault(kind, **more)
        shares[fault] = float(share)
    return Rates(shares, seed)
