"""An answer that comes as server-sent events.

Source: the WHATWG HTML standard, section 9.2.6: lines end with LF, CR LF or CR, a blank line ends an event, a line that
begins with a colon is a comment. Bytes are cut at line ends only, so that no character is.
"""

from __future__ import annotations

from typing import Any

from assay.runner.endpoint.answers import (
    Answer,
    Call,
    Tokens,
    finish_of,
    loads,
    raise_error_in,
    text_of,
    tokens_of,
    unique,
)
from assay.runner.endpoint.errors import AnswerError

__all__ = ["EventReader", "StreamedAnswer"]


class EventReader:
    """Cuts bytes into the data of events."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that this piece of the stream completes."""
        text = self._rest + chunk
        held = b""
        if text.endswith(b"\r"):  # the LF of a CR LF may be yet to come
            text, held = text[:-1], b"\r"
        lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + held
        return [data for line in lines if (data := self._line(line)) is not None]

    def _line(self, line: bytes) -> bytes | None:
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            return data
        return None


class StreamedAnswer:
    """Puts an answer together from the chunks of a stream."""

    def __init__(self) -> None:
        self.done = False
        """The stream said that it is over, or why the model stopped: the message is whole."""
        self._reader = EventReader()
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, Call] = {}
        self._finish = ""
        self._usage: Tokens | None = None
        self._chose = False

    def feed(self, chunk: bytes) -> bool:
        """Take a piece of the stream; whether it was the last. Raises AnswerError or AttemptError."""
        for data in self._reader.feed(chunk):
            if data.strip() == b"[DONE]":
                self.done = True
                return True
            self._chunk(loads(data))
        return False

    def answer(self) -> Answer:
        """The whole answer. Raises AnswerError where the stream ended before the message did."""
        if not self.done:
            raise AnswerError("the stream ended in the middle of the message")
        if not self._chose:
            raise AnswerError("it has no choices")
        calls = unique([self._calls[index] for index in sorted(self._calls)])
        if any(not call["name"] for call in calls):
            raise AnswerError("a tool call has no function with a name")
        text, refusal = "".join(self._text), "".join(self._refusal)
        return Answer(text=text, refusal=refusal, calls=calls, finish=self._finish, usage=self._usage)

    def _chunk(self, chunk: Any) -> None:
        if not isinstance(chunk, dict):
            raise AnswerError("an event of the stream is not a JSON object")
        raise_error_in(chunk)
        self._usage = tokens_of(chunk.get("usage")) or self._usage
        choices = chunk.get("choices")
        if not choices:
            return
        choice = choices[0] if isinstance(choices, list) else None
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(delta, dict | None):
            raise AnswerError("an event of the stream has no delta")
        self._chose = True
        self._delta(delta or {})
        if finish := finish_of(choice):
            self._finish, self.done = finish, True

    def _delta(self, delta: dict[str, Any]) -> None:
        self._text.append(text_of(delta.get("content"), "content"))
        self._refusal.append(text_of(delta.get("refusal"), "refusal"))
        calls = delta.get("tool_calls") or ()
        for piece in calls if isinstance(calls, list) else [calls]:
            self._call(piece)

    def _call(self, piece: Any) -> None:
        function = piece.get("function") or {} if isinstance(piece, dict) else None
        if not isinstance(function, dict):
            if not piece:
                return
            raise AnswerError("a tool call in the stream is no object")
        index = piece.get("index")
        call = self._calls.setdefault(
            index if isinstance(index, int) else len(self._calls), Call(id="", name="", arguments="")
        )
        for part, value in (("id", piece.get("id")), ("name", function.get("name"))):
            if isinstance(value, str) and not call[part]:
                call[part] = value
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            call["arguments"] += arguments
        elif arguments is not None:
            raise AnswerError("the arguments of a tool call in the stream are no text")
