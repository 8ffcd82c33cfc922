"""The examples of docs/agents.md, run as they stand there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from callable_agents import manifest, run

from assay.registry.content import load_dataset
from assay.registry.store.source import pack_source, unpack_source
from assay.registry.strict import load_yaml
from assay.registry.types.bundle import BundleSource, CodeConfig
from assay.registry.types.case import Case
from assay.registry.types.trajectory import Outcome, ToolCall, Trajectory
from assay.registry.workspace import find_workspace
from assay.runner.agents.callable.agent import build_callable_agent
from assay.runner.agents.callable.settings import check_callable
from assay.runner.agents.contract import AgentReply
from assay.runner.agents.http.agent import build_http_agent

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w/.-]+)`\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
BUNDLES = "bundles/mybot"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def cases() -> list[Case]:
    """Some conversations about a balance, and some about something else."""
    found = load_dataset(ROOT / "datasets" / "harborline").cases
    about = [case for case in found if any("balance" in turn.customer.lower() for turn in case.turns)]
    return [*about[:4], *[case for case in found if case not in about][:4]]


def check(found: dict[str, Trajectory]) -> None:
    assert {trajectory.outcome for trajectory in found.values()} == {Outcome.COMPLETED}
    events = [event for trajectory in found.values() for _, event in trajectory.events]
    assert {event.role for event in events if isinstance(event, ToolCall)} == {"execution"}
    assert {event.role for event in events if event.type == "handoff"} == {"triage"}


def test_the_examples_are_whole() -> None:
    assert set(FILES) == {f"{BUNDLES}/{name}" for name in ("agent.py", "agent.yaml", "service.py", "service.yaml")}


def test_the_entry_of_assay_yaml_names_what_a_new_workspace_has(tmp_path: Path) -> None:
    (entry,) = re.findall(r"^```yaml\n(agents:\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "assay.yaml").write_text(entry)
    workspace = find_workspace(tmp_path, {})
    release = workspace.release(agent_of_the_page())
    assert (ROOT / "evalsuites" / f"{release.suite}.yaml").is_file()
    assert (ROOT / "gates" / "policies" / f"{release.policy}.yaml").is_file()


def agent_of_the_page() -> str:
    """The agent that the page's bundle is of."""
    return re.findall(r"^agent: (\w+)$", FILES[f"{BUNDLES}/agent.yaml"], re.MULTILINE)[0]


def test_the_python_agent_runs(workspace: Path) -> None:
    file = workspace / BUNDLES / "agent.yaml"
    source = load_yaml(file, BundleSource)
    assert isinstance(source.model, CodeConfig)
    check_callable(source.adapter, file, file.parent / source.model.path, workspace)
    copy = unpack_source(pack_source(file, source.model.path), workspace / "copy")
    agent = build_callable_agent(manifest({}, adapter=source.adapter, roles=source.roles), "", copy, workspace)
    check(run(agent, *cases(), journal=workspace / "journal"))


def test_the_service_runs(workspace: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for name in ("service.py", "service.yaml"):
        path = workspace / BUNDLES / name
        path.write_text(path.read_text().replace("8123", port))
    source = load_yaml(workspace / BUNDLES / "service.yaml", BundleSource)
    service = subprocess.Popen([sys.executable, workspace / BUNDLES / "service.py"], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while not _listens(int(port)) and time.monotonic() < until:
            time.sleep(0.02)
        agent = build_http_agent(manifest({}, adapter=source.adapter, roles=source.roles))
        check(run(agent, *cases(), journal=workspace / "journal"))
    finally:
        service.kill()
        service.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_every_key_of_a_reply_is_in_the_docs() -> None:
    keys = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## What an agent says")[2], re.MULTILINE)
    assert set(keys) == set(AgentReply.model_fields)
