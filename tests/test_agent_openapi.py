"""docs/http-agent.openapi.yaml says what the types check."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from assay.cli.app import app
from assay.runner.agents.base import ConversationContext, PastTurn
from assay.runner.agents.contract import AgentReplyError, ToolAnswer, read_reply
from assay.runner.agents.http.openapi import openapi_yaml
from assay.runner.agents.transcript import Transcript

FILE = Path(__file__).parents[1] / "docs" / "http-agent.openapi.yaml"
DOCUMENT = yaml.safe_load(FILE.read_text(encoding="utf-8"))


def validator(name: str) -> Draft202012Validator:
    """OpenAPI 3.1 schemas are JSON Schema 2020-12; references are to the whole document."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def test_the_file_is_what_the_types_say() -> None:
    assert FILE.read_text(encoding="utf-8") == openapi_yaml(), "stale: run `assay schema`"


def test_the_document_is_whole() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    operation = DOCUMENT["paths"]["/turns"]["post"]
    assert all(p["in"] == "header" and p["required"] and "schema" in p for p in operation["parameters"])
    assert all("description" in response for response in operation["responses"].values())
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for place in _references(DOCUMENT):
        target: Any = DOCUMENT
        for part in place.removeprefix("#/").split("/"):
            target = target[part]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [place for item in value.values() for place in _references(item)]
    return [place for item in value for place in _references(item)] if isinstance(value, list) else []


def test_what_assay_sends_meets_the_document() -> None:
    context = ConversationContext("chat", "en", dt.date(2026, 3, 2), 7, "c", (PastTurn("hello", "good day"),))
    answer = ToolAnswer(id="1", name="t", arguments={"a": 1}, result=None, error="down")
    request = Transcript(context).request("one", (answer,))
    validator("TurnRequest").validate(json.loads(request.model_dump_json()))


REPLIES: list[tuple[Any, bool]] = [
    ({}, True),
    ({"reply": "x"}, True),
    ({"reply": ["x", "y"], "role": "desk", "usage": {"input_tokens": 1}}, True),
    ({"handoff": {"reason": "x", "history": ["a"]}, "tool_calls": [{"name": "t"}]}, True),
    ({"events": [{"type": "say", "text": "x"}, {"type": "tool_result", "name": "t", "result": [1]}]}, True),
    ({"retrieved": [{"query": "q", "passages": [{"document": "d", "text": "t", "score": 1}]}]}, True),
    ({"reply": 5}, False),
    ({"replies": "x"}, False),
    ({"events": [{"type": "say"}]}, False),
    ({"events": [{"type": "speak", "text": "x"}]}, False),
    ({"tool_calls": [{"name": "t", "arguments": "{}"}]}, False),
    ({"triage": {"intent": "x", "confidence": 2}}, False),
    ({"usage": {"input_tokens": -1}}, False),
]


@pytest.mark.parametrize(("reply", "good"), REPLIES)
def test_the_document_refuses_what_the_types_refuse(reply: Any, good: bool) -> None:
    assert validator("AgentReply").is_valid(reply) is good
    if good:
        read_reply(reply)
    else:
        with pytest.raises(AgentReplyError):
            read_reply(reply)


def test_a_workspace_gets_the_document(tmp_path: Path) -> None:
    (tmp_path / "assay.yaml").write_text("schema_version: 1\n")
    done = CliRunner().invoke(app, ["schema", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / FILE.name).read_text(encoding="utf-8") == FILE.read_text(encoding="utf-8")
    assert FILE.name in done.output
