"""Hostile agents: each costs its own conversation, says why, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from callable_agents import case, made, run

from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.agents.callable.masking import without_secrets


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be counted does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, within_s: float = 10) -> bool:
    until = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(pid)


def pids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "source" / "pids").read_text().split()]


NOTE_PID = "import os\nfrom pathlib import Path\nPath('pids').open('a').write(f'{os.getpid()} ')\n"

FAULTS = {
    "raises": (
        "raise ValueError('the backend\\nis gone')",
        "AgentCodeError: ValueError: the backend is gone (agent.py:",
    ),
    "raises deep inside": ("import json; json.loads('{')", "(agent.py:"),
    "exits": ("sys.exit(3)", "SystemExit: the agent wanted to end the program (exit code 3) (agent.py:"),
    "is interrupted": ("raise KeyboardInterrupt", "KeyboardInterrupt (agent.py:"),
    "exits at once": ("os._exit(3)", "AgentProcessError: the agent's process ended with exit code 3"),
    "crashes": ("ctypes.string_at(0)", "the agent's process ended by SIGSEGV (agent.py:"),
    "is killed": ("os.kill(os.getpid(), 9)", "the agent's process ended by SIGKILL"),
    "closes its pipes": ("os.closerange(3, 64)\n        return 'x'", "the agent's process "),
    "writes into the pipe": (
        "[os.write(n, b'garbage\\n') for n in range(3, 9) if os.path.exists(f'/proc/self/fd/{n}') "
        "and 'pipe' in os.readlink(f'/proc/self/fd/{n}') and n not in (0, 2) and writable(n)]; time.sleep(60)",
        "the agent's process wrote something into Assay's pipe",
    ),
    "returns nothing": ("return None", "the agent answered with nothing (None); an answer is text or a dict"),
    "returns a number": ("return 5.0", "the agent answered with a value of the type float"),
    "returns bytes": ("return b'x'", "the agent answered with a value of the type bytes"),
    "returns a list": ("return ['x']", "of the type list; an answer is text or a dict with 'reply' and others; yield"),
    "returns NaN": ("return {'usage': {'cost_usd': float('nan')}}", "cannot be written as JSON: Out of range float"),
    "returns an object": ("return {'reply': object()}", "cannot be written as JSON: Object of type object is not"),
    "returns itself": ("x = {}; x['reply'] = x; return x", "cannot be written as JSON: Circular reference"),
    "returns too much": ("return 'x' * 50_000_000", "the agent's answer is too long: it has 50,000,0"),
    "returns an unknown key": ("return {'replies': 'x'}", "AgentReplyError: replies: unknown key 'replies'. Did you"),
    "asks without seeing": ("return {'tool_calls': [{'name': 't'}]}", "the function would not see the answers"),
    "misnames its own": ("return nam", "NameError: name 'nam' is not defined"),
}


def _code(kind: str) -> str:
    lines = ["import ctypes, fcntl, os, sys, time", "def writable(n):"]
    lines += ["    return fcntl.fcntl(n, fcntl.F_GETFL) & 3 == os.O_WRONLY"]
    lines += [f"{'async ' if kind == 'async' else ''}def reply(message, history):"]
    for name, (body, _) in FAULTS.items():
        lines += [f"    if message == {name!r}:", f"        {body}"]
    return "\n".join([*lines, "    return 'fine'"])


@pytest.fixture(scope="module", params=["sync", "async"])
def faulty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trajectory]:
    """One run of an agent that fails in every way, each in the second turn of a conversation, among good ones."""
    cases = [case(name.replace(" ", "_"), "good", name) for name in FAULTS]
    good = [case(f"good{n}", "good", "good") for n in range(4)]
    return run(made(tmp_path_factory.mktemp(request.param), _code(request.param), workers=2), *cases, *good)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_turn_ends_as_an_agent_error_that_says_why(faulty: dict[str, Trajectory], fault: str) -> None:
    found = faulty[fault.replace(" ", "_")]
    assert found.outcome is Outcome.AGENT_ERROR
    assert found.turns[0].reply == "fine"
    assert found.error is not None
    assert found.error.startswith("turn 2: ")
    assert FAULTS[fault][1] in found.error


def test_the_other_conversations_of_a_faulty_agent_go_on(faulty: dict[str, Trajectory]) -> None:
    assert {faulty[f"good{n}"].outcome for n in range(4)} == {Outcome.COMPLETED}


def test_what_an_agent_prints_or_reads_does_not_matter(tmp_path: Path) -> None:
    code = """
        import os, subprocess, sys
        print('{"ready": {"stateful": true}}')
        def reply(message, history):
            print('{"id": 1, "part": "wrong", "done": true}', flush=True)
            os.write(1, b"\\xff\\x00garbage\\n")
            subprocess.run(["echo", "more"], check=True)
            sys.stderr.write("x" * 200_000)
            return "fine" + sys.stdin.read()
    """
    found = run(made(tmp_path, code), case("a", "one", "two"))["a"]
    assert [turn.reply for turn in found.turns] == ["fine", "fine"]


ASLEEP = "import time\ndef reply(message, history):\n    if message == 'bad': time.sleep(60)\n    return 'fine'"
HANGS = {
    "busy": "def reply(message, history):\n    while message == 'bad': pass\n    return 'fine'",
    "async": "import asyncio\nasync def reply(turn):\n"
    "    if turn.message == 'bad': await asyncio.sleep(60)\n    return 'fine'",
    "async that does not listen": "import asyncio\nasync def reply(turn):\n    while turn.message == 'bad':\n"
    "        try: await asyncio.sleep(60)\n        except asyncio.CancelledError: pass\n    return 'fine'",
}


@pytest.mark.parametrize("way", HANGS)
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_turn_that_hangs_costs_one_conversation(tmp_path: Path, way: str, concurrency: int) -> None:
    cases = [case("bad", "bad"), *(case(f"good{n}", "good", "good") for n in range(5))]
    agent = made(tmp_path, NOTE_PID + HANGS[way], workers=1, concurrency=concurrency)
    found = run(agent, *cases, timeout=1)
    assert found["bad"].outcome is Outcome.TIMEOUT
    assert {found[f"good{n}"].outcome for n in range(5)} == {Outcome.COMPLETED}
    replaced = concurrency == 1 and way != "async"
    assert len(pids(tmp_path)) == (2 if replaced else 1)
    assert all(gone(pid) for pid in pids(tmp_path))


def test_an_object_that_stops_when_told_keeps_its_process(tmp_path: Path) -> None:
    code = NOTE_PID + textwrap.dedent("""
        import asyncio
        class Agent:
            async def respond(self, turn):
                if turn.message == "bad":
                    await asyncio.sleep(60)
                return "fine"
    """)
    agent = made(tmp_path, code, target="agent:Agent", workers=1)
    found = run(agent, case("bad", "bad"), case("good", "good", "good"), timeout=0.5)
    assert found["bad"].outcome is Outcome.TIMEOUT
    assert found["good"].outcome is Outcome.COMPLETED
    assert len(pids(tmp_path)) == 1


def test_a_shared_process_with_too_many_stuck_threads_is_replaced(tmp_path: Path) -> None:
    cases = [case(f"bad{n}", "bad") for n in range(4)]
    found = run(made(tmp_path, NOTE_PID + ASLEEP, workers=1, concurrency=4), *cases, timeout=0.3)
    assert {t.outcome for t in found.values()} == {Outcome.TIMEOUT}
    found = run(
        made(tmp_path, NOTE_PID + ASLEEP, workers=1, concurrency=4),
        *[case(f"bad{n}", "bad") for n in range(2)],
        *[case(f"good{n}", *["good"] * 3) for n in range(6)],
        timeout=0.3,
        concurrency=2,
        journal=tmp_path / "journal",
    )
    assert {found[f"good{n}"].outcome for n in range(6)} == {Outcome.COMPLETED}
    assert len(pids(tmp_path)) == 3
    assert all(gone(pid) for pid in pids(tmp_path))


def test_a_killed_process_ends_its_own_conversation_only(tmp_path: Path) -> None:
    code = NOTE_PID + textwrap.dedent("""
        import time
        class Agent:
            def __init__(self, conversation): self.n = 0
            def respond(self, turn):
                self.n += 1
                if turn.message == "bad":
                    os.kill(os.getpid(), 9)
                return str(self.n)
    """)
    cases = [case("bad", "good", "bad", "good"), *(case(f"good{n}", "good", "good", "good") for n in range(6))]
    found = run(made(tmp_path, code, target="agent:Agent", workers=3), *cases)
    assert found["bad"].outcome is Outcome.AGENT_ERROR
    assert len(found["bad"].turns) == 2
    for n in range(6):
        assert [turn.reply for turn in found[f"good{n}"].turns] == ["1", "2", "3"]


def test_conversations_that_share_a_dead_process_say_so(tmp_path: Path) -> None:
    code = """
        import os, threading
        both = threading.Barrier(2)
        def reply(message, history):
            both.wait(10)
            if message == "bad":
                os._exit(1)
            threading.Event().wait(20)
    """
    agent = made(tmp_path, code, workers=1, concurrency=2)
    found: dict[str, Trajectory] = run(agent, case("bad", "bad"), case("good", "good"))
    for trajectory in found.values():
        assert trajectory.outcome is Outcome.AGENT_ERROR
        assert trajectory.error is not None
        assert trajectory.error.endswith("ended with exit code 1, and 1 other conversation was in it")


def test_children_do_not_outlive_the_agent_nor_speak_for_it(tmp_path: Path) -> None:
    code = NOTE_PID + textwrap.dedent("""
        import subprocess, time
        def reply(message, history):
            child = subprocess.Popen(["sleep", "600"])
            Path("pids").open("a").write(f"{child.pid} ")
            forked = os.fork()
            if forked:
                Path("pids").open("a").write(f"{forked} ")
            else:
                if message == "bad":
                    return "from the child"
                time.sleep(600)
            if message == "die":
                os._exit(1)
            return "from the parent"
    """)
    found = run(made(tmp_path, code, workers=1), case("a", "good", "bad"), case("b", "die"), case("c", "good"))
    assert [turn.reply for turn in found["a"].turns] == ["from the parent", "from the parent"]
    assert found["b"].outcome is Outcome.AGENT_ERROR
    assert [turn.reply for turn in found["c"].turns] == ["from the parent"]
    assert len(pids(tmp_path)) == 2 + 4 * 2
    assert all(gone(pid) for pid in pids(tmp_path))


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "HOME", "VIRTUAL_ENV", "PYTHONPATH", "TMPDIR", "SSH_AUTH_SOCK"])
def test_a_path_in_an_error_stays_readable(name: str) -> None:
    environ = {name: "/home/me/my-bank", "BANK_TOKEN": "t-0123456789"}
    text = "/home/me/my-bank/.venv/bin/python: 401 for t-0123456789"
    assert without_secrets(text, environ) == "/home/me/my-bank/.venv/bin/python: 401 for $BANK_TOKEN"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PWD", "hunter2!"),
        ("GITHUB_PAT", "ghp_0123456789"),
        ("google_credentials", "abcd-efgh"),
        ("DATABASE_URL", "postgresql://me:hunter2@host/db"),
        ("https_proxy", "http://me:hunter2@proxy:3128"),
    ],
)
def test_what_looks_like_a_secret_is_masked(name: str, value: str) -> None:
    assert without_secrets(f"no answer of {value}.", {name: value}) == f"no answer of ${name}."


def test_a_word_is_no_secret() -> None:
    assert without_secrets("false, since it is true", {"AUTH_ON": "true", "SIGN_ALL": "false"}) == (
        "false, since it is true"
    )


def test_nothing_of_the_environment_is_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_API_KEY", "sk-0123456789")
    monkeypatch.setenv("ASSAY_LEDGER_URL", "postgresql://someone:pw@host/db")
    code = """
        import os, sys
        def reply(message, history):
            assert "ASSAY_LEDGER_URL" not in os.environ
            if message == "raise":
                raise ValueError("401 for key " + os.environ["BANK_API_KEY"])
            sys.stderr.write("calling with " + os.environ["BANK_API_KEY"] + "\\n")
            os._exit(1)
    """
    found = run(made(tmp_path, code), case("a", "raise"), case("b", "die"))
    for trajectory in found.values():
        assert trajectory.error is not None
        assert "$BANK_API_KEY" in trajectory.error
        assert "0123456789" not in trajectory.error


def test_an_agent_has_a_moment_to_end_by_itself(tmp_path: Path) -> None:
    code = """
        import atexit
        from pathlib import Path
        atexit.register(lambda: Path("ended").write_text("yes"))
        def reply(message, history): return "fine"
    """
    run(made(tmp_path, code), case("a"))
    assert (tmp_path / "source" / "ended").read_text() == "yes"


@pytest.mark.parametrize("body", ["time.sleep(600)", "ctypes.PyDLL(None).sleep(600)"], ids=["a thread", "all of it"])
def test_no_process_outlives_a_killed_run(tmp_path: Path, body: str) -> None:
    """Also one that never lets the interpreter go, so that it cannot notice by itself."""
    (tmp_path / "source").mkdir()
    source = NOTE_PID + f"import ctypes, subprocess, time\ndef reply(message, history):\n    {body}\n"
    (tmp_path / "source" / "agent.py").write_text(source)
    script = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from callable_agents import case, made, run
        run(made(Path({str(tmp_path)!r}), {source!r}), case("a"), timeout=600)
    """
    assay = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    try:
        until = time.monotonic() + 30
        while not (tmp_path / "source" / "pids").exists() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.1)  # into the turn
    finally:
        os.kill(assay.pid, signal.SIGKILL)
        assay.wait()
    assert all(gone(pid) for pid in pids(tmp_path))


def _old_python() -> str | None:
    places = [shutil.which("python3.9"), *map(str, Path.home().glob(".pyenv/versions/3.9*/bin/python"))]
    for place in filter(None, places):
        if subprocess.run([place, "-c", "pass"], capture_output=True, check=False).returncode == 0:
            return place
    return None


@pytest.mark.skipif(_old_python() is None, reason="there is no Python 3.9 on this machine")
def test_the_oldest_interpreter_will_do(tmp_path: Path) -> None:
    code = "import sys\ndef reply(turn): return turn.tool('t') + '.'.join(map(str, sys.version_info[:2]))"
    agent = made(tmp_path, code, python=str(_old_python()))
    found = run(agent, case("a", tools=[{"name": "t", "result": "Python "}]))["a"]
    assert [turn.reply for turn in found.turns] == ["Python 3.9"]
