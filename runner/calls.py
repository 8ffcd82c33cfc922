"""What unfinished conversations asked of the world outside, on disk, so that no completed call is made twice.

A conversation that calls an endpoint has a file of its own: a line for each answer, written in one piece before the
agent sees it. When its trajectory is stored the file goes. A process that is killed leaves the files of the
conversations it was in, and the next one goes on from there. A claim on a conversation is a lock on its file, which
the system drops with the process that holds it: two processes on one store share the work and never do the same.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import orjson

from assay.registry.digest import digest_bytes, digest_of
from assay.registry.types.base import JsonValue
from assay.runner.deadline import moved, took_before

__all__ = ["Call", "CallFile", "CallFolder"]


Call = tuple[str, JsonValue, float]
"""Digest of a request, its answer, and the seconds that the answer took."""


class CallFile:
    """The calls of one conversation that this process has claimed; a `CallLog`."""

    def __init__(self, path: Path, handle: int, known: list[Call], ends: list[int]) -> None:
        self._path = path
        self._handle = handle
        self._known = known
        self._ends = ends
        """Where in the file the line of each call ends."""
        self._next = 0
        self.problem: OSError | None = None
        """Why a call could not be written down: no fault of the agent, which sees it as an exception of its call."""
        self.repeated = 0
        """How many answers came from a former process."""

    async def once(self, request: JsonValue, perform: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """The answer to the next call: what a former process got for the same, or what `perform` gives now.

        From the first call that differs from what the former process asked, its answers are of no use any more.
        """
        asked = _digest(request)
        place, self._next = self._next, self._next + 1
        if place < len(self._known) and self._known[place][0] == asked:
            self.repeated += 1
            _, answer, seconds = self._known[place]
            took_before(seconds)  # an answer is no faster for having been waited for by another process
            return answer
        if place < len(self._known):
            del self._known[place:], self._ends[place:]
            os.ftruncate(self._handle, self._end)  # at no moment without the calls before
        began, stood = time.monotonic(), moved()
        answer = await perform()
        seconds = max(0.0, time.monotonic() - began - (moved() - stood))
        try:
            self._append(asked, answer, round(seconds, 6))
        except OSError as problem:
            self.problem = problem
            raise
        return answer

    @property
    def known(self) -> list[Call]:
        """The calls so far."""
        return list(self._known)

    def take_over(self, known: Sequence[Call]) -> None:
        """Replace the calls by those that were made elsewhere in this conversation."""
        self._known, self._ends = [], []
        os.ftruncate(self._handle, 0)
        for call in known:
            self._append(*call)

    def finish(self) -> None:
        """Give up the claim and the calls: the conversation's trajectory is stored."""
        self._close(remove=True)

    def release(self) -> None:
        """Give up the claim and keep the calls, for whoever goes on."""
        self._close(remove=not self._known)

    def _close(self, *, remove: bool) -> None:
        if self._handle >= 0:
            if remove:  # once: when the name is free, a file of that name is another's
                self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1

    def _append(self, asked: str, answer: JsonValue, seconds: float) -> None:
        if self._handle < 0:  # the conversation is over for this process; another may have claimed it
            raise RuntimeError("the conversation has ended: nothing more can be asked in it")
        line = _line([asked, answer, seconds])
        written = 0
        try:
            while written < len(line):
                written += os.write(self._handle, line[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._handle, self._end)
            raise
        self._known.append((asked, answer, seconds))
        self._ends.append(self._end + len(line))

    @property
    def _end(self) -> int:
        return self._ends[-1] if self._ends else 0


class CallFolder:
    """The folder of all call files, found by trajectory key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: set[Path] = set()

    def path(self, key: str) -> Path:
        """Where the calls of a conversation are or would be."""
        return self.root / key[:2] / f"{key}.jsonl"

    def held(self, key: str) -> bool:
        """Whether a process is in the conversation now. Changes nothing."""
        try:
            handle = os.open(self.path(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def claim(self, key: str, *, anew: bool = False) -> CallFile | None:
        """The conversation's calls, held by this process until `finish` or `release`; None where another holds it.

        Args:
            anew: forget what a former process got.

        Raises:
            OSError: the folder cannot be written to.
        """
        path = self.path(key)
        while True:
            if path.parent not in self._folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._folders.add(path.parent)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return None
            if _is(path, handle):
                if anew:
                    os.ftruncate(handle, 0)
                return CallFile(path, handle, *_read(handle))
            os.close(handle)  # whoever had it finished between our opening and locking: the name is free again


def _digest(request: JsonValue) -> str:
    """Tells a request from others. Only call files of the same store hold it."""
    try:
        return digest_bytes(orjson.dumps(request, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError:  # half a character, or a number beyond 64 bits
        return digest_of(request)


def _line(entry: JsonValue) -> bytes:
    try:
        return orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return json.dumps(entry, ensure_ascii=True).encode() + b"\n"


def _is(path: Path, handle: int) -> bool:
    """Whether the file at `path` is still the one that was opened."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _read(handle: int) -> tuple[list[Call], list[int]]:
    """The whole lines of a call file, and where each ends.

    What follows the last of them was being written when a process was killed.
    """
    size = os.fstat(handle).st_size
    data = os.pread(handle, size, 0) if size else b""
    known: list[Call] = []
    ends: list[int] = []
    end = 0
    for line in data.splitlines(keepends=True):
        entry = _entry(line)
        if entry is None:
            break
        known.append(entry)
        end += len(line)
        ends.append(end)
    if end < size:
        os.ftruncate(handle, end)
    return known, ends


def _entry(line: bytes) -> Call | None:
    try:
        asked, answer, seconds = json.loads(line) if line.endswith(b"\n") else (None, None, None)
    except (ValueError, TypeError):
        return None
    if not isinstance(asked, str) or not isinstance(seconds, int | float):
        return None
    return asked, answer, float(seconds)
