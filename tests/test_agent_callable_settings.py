"""What is wrong with a callable agent is told before anything is registered, or before anything runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from callable_agents import case, made, run

from assay.registry.errors import ContentError
from assay.registry.types.bundle import Adapter
from assay.runner.agents.callable.settings import check_callable


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "adapter.settings.target: the key 'target' is required"),
        ({"target": "agent.py"}, "it has to be 'module:name', as in 'agent:reply'. Did you mean 'agent:reply'?"),
        ({"target": "my/agent.py:run"}, "Did you mean 'my.agent:run'?"),
        ({"target": "agent:reply", "worker": 2}, "unknown key 'worker'. Did you mean 'workers'?"),
        ({"target": "agent:reply", "workers": 0}, "adapter.settings.workers: "),
        ({"target": "agnt:reply"}, "adapter.settings.target: there is no module 'agnt' in "),
        ({"target": "agnt:reply"}, "Did you mean 'agent'?"),
        (
            {"target": "agent:reply", "python": "python9.9"},
            "settings.python: there is no interpreter 'python9.9' on",
        ),
        ({"target": "agent:reply", "python": ".venv/bin/python"}, "there is no interpreter '.venv/bin/python' at /"),
        (
            {"target": "agent:reply", "working_directory": "data"},
            "working_directory: there is no folder",
        ),
    ],
)
@pytest.mark.parametrize("path", ["agent.py", "."])
def test_settings_are_refused_before_anything_is_registered(
    tmp_path: Path, settings: dict[str, object], problem: str, path: str
) -> None:
    (tmp_path / "agent.py").write_text("raise SystemExit('never run')")
    adapter = Adapter(kind="callable", settings=settings)  # type: ignore[arg-type]
    with pytest.raises(ContentError) as caught:
        check_callable(adapter, tmp_path / "bundle.yaml", tmp_path / path, tmp_path)
    assert problem in str(caught.value)
    assert "bundle.yaml" in str(caught.value)


def test_good_settings_are_not_refused(tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "__init__.py").write_text("def reply(turn): ...\nraise SystemExit('never run')")
    settings = {"target": "bank:reply", "python": Path(sys.executable).name, "working_directory": "bank"}
    check_callable(Adapter(kind="callable", settings=settings), tmp_path / "b.yaml", tmp_path, tmp_path)  # type: ignore[arg-type]


def refused(folder: Path, code: str, name: str = "reply", **settings: object) -> str:
    """Why an agent with this code is not registered, or nothing."""
    (folder / "agent.py").write_text(f"{code}\nraise SystemExit('never run')\n")
    adapter = Adapter.model_validate({"kind": "callable", "settings": {"target": f"agent:{name}", **settings}})
    try:
        check_callable(adapter, folder / "bundle.yaml", folder / "agent.py", folder)
    except ContentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "code",
    [
        "def reply(turn): ...",
        "async def reply(turn): ...",
        "class reply: ...",
        "reply = print",
        "reply: object = print",
        "a, (reply, *b) = 1, (2, 3)",
        "import reply",
        "import reply.parts",
        "import json as reply",
        "from json import reply",
        "from json import loads as reply",
        "from json import *",
        "if 1:\n    pass\nelse:\n    def reply(turn): ...",
        "try:\n    from a import reply\nexcept ImportError:\n    pass",
        "with open('x') as reply: ...",
        "for reply in (1, 2): ...",
        "match 1:\n    case reply: ...",
        "print(reply := 5)",
        "def setup():\n    global reply\n    reply = print\nsetup()",
        "def __getattr__(name): return print",
        "globals()['reply'] = print",
        "import sys\nsetattr(sys.modules[__name__], 'reply', print)",
    ],
)
def test_a_name_that_may_be_there_is_not_refused(tmp_path: Path, code: str) -> None:
    assert refused(tmp_path, code) == ""


@pytest.mark.parametrize(
    ("code", "name", "problem"),
    [
        ("class Stateful: ...", "Statefull", "agent.py does not define 'Statefull'. Did you mean 'Stateful'?"),
        ("class Bank:\n    def reply(self, turn): ...", "reply", "does not define 'reply'. There is: Bank."),
        ("def setup():\n    def reply(turn): ...", "reply", "does not define 'reply'. There is: setup."),
        ("", "reply.more", "agent.py does not define 'reply'."),
        ("\ndef reply(:", "reply", "agent.py, line 2: not valid Python: invalid syntax"),
        ("def reply(turn): ...\nreturn 5", "reply", "line 2: not valid Python: 'return' outside function"),
    ],
)
def test_a_name_that_is_nowhere_is_refused_before_anything_is_registered(
    tmp_path: Path, code: str, name: str, problem: str
) -> None:
    told = refused(tmp_path, code, name)
    assert problem in told
    assert told.startswith(f"{tmp_path / 'bundle.yaml'}: adapter.settings.target: ")


def test_syntax_is_judged_by_the_agents_own_interpreter_only(tmp_path: Path) -> None:
    newer = tmp_path / "python"
    newer.write_text("#!/bin/sh\n")
    newer.chmod(0o755)
    assert "not valid Python" in refused(tmp_path, "def reply(:")
    assert refused(tmp_path, "def reply(:", python="./python") == ""
    assert "Did you mean 'reply'?" in refused(tmp_path, "def reply(t): ...", "replay", python="./python")


def test_a_package_has_its_modules(tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "__init__.py").write_text("from .desk import Desk")
    (tmp_path / "bank" / "desk.py").write_text("class Desk: ...")

    def check(name: str) -> None:
        adapter = Adapter.model_validate({"kind": "callable", "settings": {"target": f"bank:{name}"}})
        check_callable(adapter, tmp_path / "b.yaml", tmp_path, tmp_path)

    check("desk.Desk")
    check("Desk")
    with pytest.raises(ContentError, match=r"__init__\.py does not define 'Dusk'\. Did you mean 'Desk'\?"):
        check("Dusk")


@pytest.mark.parametrize(
    ("code", "target", "problem"),
    [
        ("", "agnt:reply", "there is no module 'agnt' in the agent's source. Did you mean 'agent'?"),
        ("def reply(m, h): pass", "agent:replay", "'agent' has no 'replay'. Did you mean 'reply'?"),
        ("x = 1\nreply = 5", "agent:reply", "'reply' is of the type int: neither a function nor a class"),
        (
            "def reply(a, b, c): pass",
            "agent:reply",
            "reply(a, b, c) cannot be called: an agent takes (message, history)",
        ),
        ("def reply(): return 'x'", "agent:reply", "reply() takes no arguments, so it was called for an agent"),
        ("class reply:\n    def answer(self): pass", "agent:reply", "no method `respond(self, turn)` (it has ans"),
        (
            "class reply:\n    def __init__(self, a, b): pass\n    def respond(self, t): pass",
            "agent:reply",
            "cannot be",
        ),
        (
            "import os\n\n1 / 0",
            "agent:reply",
            "importing 'agent' failed: ZeroDivisionError: division by zero (agent.py:3)",
        ),
        ("def reply(:", "agent:reply", "agent.py:1: not valid Python: "),
        (
            "import nowhere_to_be_found",
            "agent:reply",
            "ModuleNotFoundError: No module named 'nowhere_to_be_found' (agent.py:1)",
        ),
        ("import sys\nsys.exit(3)", "agent:reply", "the agent wanted to end the program (exit code 3) (agent.py:2)"),
        ("import os\nos._exit(3)", "agent:reply", "the agent's process ended with exit code 3; it was importing"),
        ("import time\ntime.sleep(60)", "agent:reply", "importing the agent took longer than 0.5 s"),
        ("", "json:loads", "the module 'json' would come from "),
    ],
)
def test_an_agent_that_cannot_be_loaded_is_refused_before_anything_runs(
    tmp_path: Path, code: str, target: str, problem: str
) -> None:
    agent = made(tmp_path, code, target=target, start_timeout_s=0.5 if "sleep" in code else 20)
    with pytest.raises(ContentError) as caught:
        run(agent, case("a"))
    assert problem in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert not (tmp_path / ".journal").exists()
