"""The JSON Schemas that ship beside the content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from assay.registry.content import schemas, write_schemas
from assay.registry.types.suite import Suite

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = {
    "datasets/case.schema.json",
    "datasets/dataset.schema.json",
    "datasets/expectations.schema.json",
    "evalsuites/suite.schema.json",
}


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((ROOT / name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_shipped_schemas_are_what_the_types_say(tmp_path: Path):
    written = write_schemas(tmp_path / "datasets", tmp_path / "evalsuites")
    assert {path.relative_to(tmp_path).as_posix() for path in written} == SHIPPED
    for path in written:
        shipped = ROOT / path.relative_to(tmp_path)
        assert shipped.read_bytes() == path.read_bytes(), f"{shipped.name} is stale: run `assay schema`"


def test_every_shipped_case_meets_the_schema():
    check = validator("datasets/case.schema.json")
    for path in sorted((ROOT / "datasets").glob("*/cases.jsonl")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                assert list(check.iter_errors(json.loads(line))) == []


@pytest.mark.parametrize(
    ("content", "schema"),
    [
        ("datasets/harborline/dataset.yaml", "datasets/dataset.schema.json"),
        ("datasets/harborline/expectations.yaml", "datasets/expectations.schema.json"),
        ("datasets/harborline-simulated/dataset.yaml", "datasets/dataset.schema.json"),
        ("datasets/harborline-simulated/expectations.yaml", "datasets/expectations.schema.json"),
        ("evalsuites/simulated.yaml", "evalsuites/suite.schema.json"),
        ("evalsuites/contact-center.yaml", "evalsuites/suite.schema.json"),
    ],
)
def test_yaml_points_to_a_schema_that_it_meets(content: str, schema: str):
    first = (ROOT / content).read_text(encoding="utf-8").split("\n")[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert ((ROOT / content).parent / first.rpartition("=")[2]).resolve() == ROOT / schema
    assert list(validator(schema).iter_errors(load(content))) == []


def test_a_schema_refuses_what_the_types_refuse():
    suite = load("evalsuites/contact-center.yaml")
    check = validator("evalsuites/suite.schema.json")
    assert check.is_valid(suite)
    assert not check.is_valid({**suite, "scorer": []})
    assert not check.is_valid({**suite, "scorers": []})
    assert not check.is_valid({**suite, "name": "has a space"})


def test_equal_models_give_equal_bytes():
    assert schemas({"suite": Suite}) == schemas({"suite": Suite})
    assert list(schemas({"suite": Suite})) == ["suite.schema.json"]
