"""The contract of an HTTP agent as an OpenAPI 3.1 document, made from the types that check it."""

from __future__ import annotations

import json
from typing import Any

import yaml
from pydantic.json_schema import models_json_schema

from assay.runner.agents.contract import AgentReply, TurnRequest

__all__ = ["OPENAPI_FILE", "openapi", "openapi_yaml"]

OPENAPI_FILE = "http-agent.openapi.yaml"

_HEAD = """\
# Made from the types of runner/agents/contract.py by `assay schema`; a change here is overwritten.
"""

_ABOUT = (
    "What an agent behind an HTTP service has to answer to be evaluated. One POST is one customer turn. Where the "
    "answer has `tool_calls`, Assay answers them from the golden conversation and posts the turn again, with "
    "`tool_results`. Whatever is not in these schemas is refused: an unknown key is an error that names it."
)

_HEADERS = {
    "Assay-Conversation": "The conversation's id, as in the body: for a service that keeps sessions, or a router.",
    "Idempotency-Key": "The same for every attempt at one request. A service that keeps its answers by it works once.",
}

_STATUS = {
    "200": "The agent's answer.",
    "429": "Too much at once. Assay waits, as `Retry-After` says where it is there, and asks again with the same key; "
    "the wait does not count as the agent's.",
    "4XX": "Refused for good: the conversation ends as `endpoint_error`.",
    "5XX": "Asked again with the same key, some times.",
}


_STRING = {"type": "string", "minLength": 1}


def openapi() -> dict[str, Any]:
    """The document."""
    _, schemas = models_json_schema(
        [(TurnRequest, "serialization"), (AgentReply, "validation")], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "An agent under evaluation by Assay", "version": "1", "description": _ABOUT},
        "paths": {
            "/turns": {
                "post": {
                    "operationId": "answerTurn",
                    "summary": "Answer one customer turn, or go on with it. The path is whatever `url` says.",
                    "parameters": [
                        {
                            "name": name,
                            "in": "header",
                            "required": True,
                            "schema": {"type": "string"},
                            "description": text,
                        }
                        for name, text in _HEADERS.items()
                    ],
                    "requestBody": {"required": True, "content": _content("TurnRequest")},
                    "responses": {
                        code: {"description": text, **({"content": _content("AgentReply")} if code == "200" else {})}
                        for code, text in _STATUS.items()
                    },
                }
            }
        },
        "components": {"schemas": schemas["$defs"]},
    }


def openapi_yaml() -> str:
    """The document as text; equal types give equal text."""
    plain = json.loads(json.dumps(openapi()))  # no object twice, which would be written as an alias
    return _HEAD + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)


def _content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
