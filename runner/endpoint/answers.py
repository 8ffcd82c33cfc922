"""From what an endpoint sent to an answer, if it is one.

Endpoints differ in what they leave out; what is accepted and what is refused stands here. Refused is what cannot be the
whole answer of a chat completion: no choices, no message, content that is no text. Accepted are usage that is missing,
ids of tool calls that are missing or doubled (they are made unique), content in parts, and arguments as an object.
"""

from __future__ import annotations

from typing import Any, TypedDict

import orjson

from assay.runner.endpoint.errors import AnswerError, AttemptError

__all__ = ["Answer", "Call", "Tokens", "loads", "raise_error_in", "read_completion"]


class Call(TypedDict):
    """A tool call as the model wrote it: `arguments` should be a JSON object, and need not be."""

    id: str
    name: str
    arguments: str


class Tokens(TypedDict):
    """What the endpoint counted."""

    input: int
    output: int


class Answer(TypedDict):
    """One message of the model. JSON through and through, so that it can be written down."""

    text: str
    refusal: str
    calls: list[Call]
    finish: str
    """Why the model stopped: `stop`, `tool_calls`, `length`, `content_filter`; empty where it is not said."""
    usage: Tokens | None


def loads(body: bytes) -> Any:
    """The JSON of a body. Raises AnswerError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise AnswerError(f"it is not JSON ({error.msg} at character {error.pos} of {len(body)})") from None


def read_completion(data: Any) -> Answer:
    """The answer in the JSON of a whole chat completion.

    Raises:
        AnswerError: it is none.
        AttemptError: it is an error under a status that says success.
    """
    if not isinstance(data, dict):
        raise AnswerError("it is not a JSON object")
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        raise_error_in(data)
        raise AnswerError("it has no choices")
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise AnswerError("its first choice has no message")
    return Answer(
        text=text_of(message.get("content"), "content"),
        refusal=text_of(message.get("refusal"), "refusal"),
        calls=_calls(message.get("tool_calls")),
        finish=finish_of(choice),
        usage=tokens_of(data.get("usage")),
    )


def raise_error_in(data: dict[str, Any]) -> None:
    """Raises AttemptError where the object is an error, as some gateways send it with status 200."""
    error = data.get("error")
    if not error:
        return
    says, code = str(error), None
    if isinstance(error, dict):
        says, code = str(error.get("message") or error), error.get("code")
    retry = not (isinstance(code, int) and 400 <= code < 500 and code not in {408, 409, 425, 429})
    raise AttemptError("an error in place of an answer", says=says, retry=retry, throttled=code == 429)


def text_of(value: Any, name: str) -> str:
    """Text, null or parts with text. Raises AnswerError."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in value]
        if all(isinstance(part, str) for part in parts):
            return "".join(map(str, parts))
    raise AnswerError(f"the message's {name} is no text")


def finish_of(choice: dict[str, Any]) -> str:
    """Why the model stopped."""
    finish = choice.get("finish_reason")
    return finish if isinstance(finish, str) else ""


def tokens_of(usage: Any) -> Tokens | None:
    """What was counted; None where it was not, or not in numbers that count something."""
    if not isinstance(usage, dict):
        return None
    given, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(given) is not int or type(made) is not int or given < 0 or made < 0:
        return None
    return Tokens(input=given, output=made)


def _calls(value: Any) -> list[Call]:
    if not value:
        return []
    if not isinstance(value, list):
        raise AnswerError("the message's tool_calls are no list")
    return unique([_call(item) for item in value])


def _call(item: Any) -> Call:
    function = item.get("function") if isinstance(item, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise AnswerError("a tool call has no function with a name")
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = orjson.dumps(arguments).decode()
    elif arguments is None:
        arguments = ""
    if not isinstance(arguments, str):
        raise AnswerError(f"the arguments of the tool call {name!r} are no text")
    given = item.get("id")
    return Call(id=given if isinstance(given, str) else "", name=name, arguments=arguments)


def unique(calls: list[Call]) -> list[Call]:
    """The calls of one message, each with an id of its own: their results are told apart by it."""
    seen: set[str] = set()
    for number, call in enumerate(calls):
        if not call["id"] or call["id"] in seen:
            call["id"] = f"{call['id'] or 'call'}-{number}"
        seen.add(call["id"])
    return calls
