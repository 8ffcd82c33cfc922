"""The examples of docs/serving.md, run as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tiny_bundle import train, workspace

from assay.cli.serving import LOADER
from assay.registry.store import Store
from assay.runner.agents.factory import check_bundle_file

PAGE = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")
LOAD, LOOP, DESK, LOG = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(BUNDLE,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The workspace after the page's commands: the model is in MLflow, the bundle on it is the champion."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "put back afterwards")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "put back afterwards")
    monkeypatch.chdir(tmp_path)
    store = Store(workspace(tmp_path))
    assert store.agents() == ()
    Path("desk.py").write_text(DESK)
    Path("desk.yaml").write_text(BUNDLE)
    exec(compile(LOG, "docs/serving.md", "exec"), {})
    store = Store(workspace(tmp_path))
    check_bundle_file(Path("desk.yaml"))
    assert store.register(Path("desk.yaml"), train, loader=LOADER).version.label == "desk v1"
    store.set_alias("desk", "champion", 1)
    return store


def test_the_examples_run(store, capsys):
    names: dict = {"json": json}
    load = LOAD.replace("sqlite:////path/to/my-bank/mlruns/mlflow.db", store.workspace.tracking_uri)
    load = load.replace("harborline", "desk").replace("What does a wire transfer cost?", "Hello")
    exec(compile(load, "docs/serving.md", "exec"), names)
    assert capsys.readouterr().out.endswith("A colleague takes over.\n")
    assert names["reply"]["custom_outputs"]["handoff"]["reason"] == "customer_request"

    exec(compile(LOOP, "docs/serving.md", "exec"), names)
    tools = {"get_balance": lambda account: {"balance": 12 if account == "current" else 0}}
    said = names["converse"](names["agent"].predict, ["What is my balance?", "Hello"], tools)
    texts = [part["text"] for item in said if item.get("type") == "message" for part in item["content"]]
    assert texts == ["Your balance is $12.00.", "A colleague takes over."]


def test_the_table_of_settings_is_whole():
    from assay.runner.agents.mlflow_models.settings import MlflowSettings

    assert [name for name in MlflowSettings.model_fields if f"`{name}`" not in PAGE] == []
