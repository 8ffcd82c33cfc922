"""The worker's end of the pipe: one JSON object a line, whatever the agent prints."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["TooLongError", "Wire"]


class TooLongError(ValueError):
    """A message is longer than Assay reads."""


class Wire:
    """Takes over standard input and output: what the agent prints goes to standard error, and `input()` finds an end.

    The pipes keep numbers of their own that no child process inherits by `exec`; a forked child that goes on in the
    agent's code ends where it would speak for its parent.
    """

    def __init__(self) -> None:
        self._in = os.fdopen(os.dup(0), "rb")
        self._out = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self.longest = 1 << 22

    def send(self, message: dict[str, Any]) -> None:
        """Send one message.

        Raises:
            TypeError, ValueError, RecursionError: it cannot be written as JSON.
            TooLongError: it is longer than Assay reads.
        """
        data = json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(data) > self.longest:
            raise TooLongError(f"it has {len(data):,} bytes; at most {self.longest:,} are read")
        if os.getpid() != self._pid:
            os._exit(0)
        with self._lock:
            view = memoryview(data)
            while view:
                view = view[os.write(self._out, view) :]

    def messages(self) -> Iterator[dict[str, Any]]:
        """Everything that Assay sends, until it closes the pipe or is gone."""
        for line in self._in:
            yield json.loads(line)


def end_with_children() -> None:
    """End this process and all that it started in its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
