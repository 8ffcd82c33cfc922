"""Calls on disk when the disk fails, and claims that several processes want."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_replay import Agent, case, polite, run
from test_replay_engine import KEY, Calling, ask

from assay.registry.types.trajectory import Outcome
from assay.runner.calls import CallFolder
from assay.runner.journal import Journal

FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_replay import Journal, case, run
from test_replay_engine import Calling
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
try:
    run(Calling(Path(sys.argv[3])), [case("c", 9)], Journal(Path(sys.argv[2])))
except OSError as problem:
    print("errno", problem.errno)
"""


def test_a_full_disk_is_not_held_against_the_agent(tmp_path: Path) -> None:
    journal, log = tmp_path / "journal", Path("/dev/null")
    command = [sys.executable, "-c", FULL, str(Path(__file__).parent), str(journal), str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"errno {errno.EFBIG}\n"
    assert not list(journal.glob("??/*.json"))
    (kept,) = (journal / "calls").glob("*/*")
    lines = kept.read_bytes()
    assert lines.endswith(b"\n")  # the call that did not fit left no half of itself
    assert 2 <= lines.count(b"\n") < 9

    written = tmp_path / "log"
    found = run(Calling(written), [case("c", 9)], Journal(journal))["c#0"].trajectory
    assert found.outcome is Outcome.COMPLETED
    assert len(written.read_text().splitlines()) == 9 - lines.count(b"\n")


def test_a_call_after_one_that_could_not_be_written_is_whole(tmp_path: Path) -> None:
    claimed = CallFolder(tmp_path).claim(KEY)
    assert claimed is not None
    ask(claimed, 1, "kept")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, before[1]))
        with pytest.raises(OSError, match="File too large"):
            ask(claimed, 2, "x" * 500)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert claimed.problem is not None
    ask(claimed, 3, "kept too")
    assert [answer for _, answer, _ in claimed.known] == ["kept", "kept too"]
    claimed.release()
    again = CallFolder(tmp_path).claim(KEY)
    assert again is not None
    assert [answer for _, answer, _ in again.known] == ["kept", "kept too"]
    again.release()


def test_what_was_asked_before_a_change_of_mind_is_never_gone(tmp_path: Path, monkeypatch) -> None:
    first = CallFolder(tmp_path).claim(KEY)
    for n in (1, 2, 3):
        ask(first, n, n)
    first.release()
    second = CallFolder(tmp_path).claim(KEY)
    assert second is not None
    path = CallFolder(tmp_path).path(KEY)
    sizes: list[int] = []
    cut = os.ftruncate
    monkeypatch.setattr(os, "ftruncate", lambda handle, size: (cut(handle, size), sizes.append(path.stat().st_size)))
    assert [ask(second, n, "new") for n in (1, 2, 33)] == [1, 2, "new"]
    assert min(sizes) > 0
    second.release()
    third = CallFolder(tmp_path).claim(KEY)
    assert [answer for _, answer, _ in third.known] == [1, 2, "new"]
    third.release()


def test_giving_up_a_claim_takes_no_file_of_another(tmp_path: Path, monkeypatch) -> None:
    first = CallFolder(tmp_path).claim(KEY)
    assert first is not None
    unlink, others = Path.unlink, []

    def and_another_begins(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok=missing_ok)
        if not others:
            others.append(CallFolder(tmp_path).claim(KEY))

    monkeypatch.setattr(Path, "unlink", and_another_begins)
    first.finish()
    assert others[0] is not None
    assert CallFolder(tmp_path).claim(KEY) is None
    others[0].release()


def test_waiting_for_another_process_keeps_no_processor_busy(tmp_path: Path, monkeypatch) -> None:
    cases = [case(f"c{n}") for n in range(6)]
    keys = [done.trajectory.key for done in run(Agent(polite), cases, Journal(tmp_path / "a")).values()]
    folder = CallFolder(tmp_path / "b" / "calls")
    held = [folder.claim(key) for key in keys]
    looks, claim = [], CallFolder.claim

    def counted(self: CallFolder, key: str, **more: bool):
        looks.append(key)
        if len(looks) == 30:
            for each in held:
                each.release()
        return claim(self, key, **more)

    monkeypatch.setattr(CallFolder, "claim", counted)
    slept: list[float] = []
    sleep = asyncio.sleep

    async def quick(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", quick)
    done = run(Agent(polite), cases, Journal(tmp_path / "b"), concurrency=6)
    assert len(done) == 6
    assert slept.count(0.1) >= 4  # between one look at all six and the next


def test_as_many_conversations_as_are_allowed_find_files_to_open(tmp_path: Path) -> None:
    code = """
import resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
from pathlib import Path
from assay.cli.replaying import allow_files
from assay.runner.calls import CallFolder
allow_files(500)
folder = CallFolder(Path(sys.argv[1]))
print(sum(folder.claim(f"{n:064x}") is not None for n in range(500)))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "500\n", done.stderr
