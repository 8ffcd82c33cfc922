"""How the loopback model server writes an answer, whole or broken."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import formatdate
from typing import Any

from aiohttp import web
from openai_faults import Fault
from openai_script import completion, events


def built(given: dict[str, Any] | str, asked: dict[str, Any]) -> dict[str, Any]:
    if isinstance(given, str):
        given = {"role": "assistant", "content": given}
    return given if "choices" in given else completion(given, asked)


def altered(answer: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
    """A whole answer in which the model itself does something odd."""
    if fault is None:
        return answer
    (choice,) = answer["choices"]
    message = choice["message"]
    if fault.kind in {"length", "content_filter"}:
        return answer | {"choices": [choice | {"finish_reason": fault.kind, "message": message | {"content": ""}}]}
    if fault.kind == "null_content":
        return answer | {"choices": [choice | {"message": message | {"content": None}}]}
    calls = message.get("tool_calls") or [
        {"id": "call_0", "type": "function", "function": {"name": "none", "arguments": "{}"}}
    ]
    function = calls[0]["function"]
    if fault.kind == "bad_arguments":
        calls = [calls[0] | {"function": function | {"arguments": '{"account": '}}]
    elif fault.kind == "unknown_tool":
        calls = [calls[0] | {"function": {"name": "open_the_vault", "arguments": "{}"}}]
    else:
        calls = [calls[0], *(call | {"id": calls[0]["id"]} for call in calls)]
    return answer | {"choices": [choice | {"message": message | {"tool_calls": calls}, "finish_reason": "tool_calls"}]}


async def whole(answer: dict[str, Any], request: web.BaseRequest, asked: dict[str, Any]) -> web.StreamResponse:
    if not asked.get("stream"):
        return web.Response(body=json.dumps(answer).encode(), content_type="application/json")
    response = await _stream(request)
    for event in events(answer, usage=bool((asked.get("stream_options") or {}).get("include_usage"))):
        await response.write(event)
    await response.write_eof()
    return response


async def _stream(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


def refused(fault: Fault) -> web.Response:
    headers = {}
    if fault.retry_after is not None:
        date = formatdate(time.time() + fault.retry_after, usegmt=True)
        headers["Retry-After"] = date if fault.form == "date" else f"{fault.retry_after:g}"
    error = {"message": fault.message, "type": "error", "code": fault.code}
    return web.json_response({"error": error}, status=fault.status, headers=headers)


async def broken(fault: Fault, request: web.BaseRequest, answer: dict[str, Any], *, stream: bool) -> web.StreamResponse:
    """An answer that is none."""
    (choice,) = answer["choices"]
    text = b"".join(events(answer, usage=True)) if stream else json.dumps(answer).encode()
    kind = {"Content-Type": "text/event-stream" if stream else "application/json"}
    wrong = {
        "empty_choices": answer | {"choices": []},
        "null_message": answer | {"choices": [choice | {"message": None}]},
        "wrong_types": answer | {"choices": [choice | {"message": {"role": "assistant", "content": 7}}]},
    }
    if fault.kind in wrong:
        return web.json_response(wrong[fault.kind])
    if fault.kind == "status":
        return refused(fault)
    if fault.kind == "html":
        return web.Response(text="<html><h1>Down for maintenance</h1></html>", content_type="text/html")
    if fault.kind == "malformed_json":
        return web.Response(body=b"data: {{\n\n" if stream else text[: len(text) // 2] + b"}", headers=kind)
    if fault.kind == "hang":
        await asyncio.sleep(3600)
    if fault.kind == "truncated_stream":
        response = await _stream(request)
        await response.write(text[: text.find(b"\n\n", len(text) // 3) + 2])
        await response.write_eof()
        return response
    response = web.Response() if fault.kind == "reset" else await _partly(fault, request, text, kind)
    if request.transport is not None and fault.kind in {"reset", "reset_midway", "truncated_body"}:
        request.transport.close() if fault.kind == "truncated_body" else request.transport.abort()
    return response


async def _partly(fault: Fault, request: web.BaseRequest, text: bytes, kind: dict[str, str]) -> web.StreamResponse:
    """The beginning of a body, or all of it in a way that does not end well."""
    size = fault.bytes if fault.kind == "huge" else len(text)
    response = web.StreamResponse(headers=kind | {"Content-Length": str(size)})
    await response.prepare(request)
    if fault.kind == "huge":
        for _ in range(size >> 16):
            await response.write(b" " * (1 << 16))
    elif fault.kind == "drip":
        for n in range(0, len(text), 1 + len(text) // 20):
            await response.write(text[n : n + 1 + len(text) // 20])
            await asyncio.sleep(fault.seconds / 20)
    else:
        await response.write(text[: len(text) // 2])
        await asyncio.sleep(0.01)
    return response
