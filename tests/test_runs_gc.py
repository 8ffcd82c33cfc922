"""`assay runs gc`: what a store lets go, and what it must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_bundle import make_case, make_trajectory, train, workspace, write_bundle

from assay.registry.errors import IntegrityError
from assay.registry.store import Store
from assay.registry.types.score import Score, ScoreRecord
from assay.runner.calls import CallFolder
from assay.runner.gc import Swept, sweep
from assay.runner.journal import Journal
from assay.runner.scorebook import ScoreBook
from assay.runner.usage import using

KEPT, OTHER = "a" * 64, "b" * 64


class Kept:
    """A journal with a score book, and what is in them."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.book = folder / "trajectories", folder / "scores.db"

    def add(self, case: str, bundle: str) -> str:
        """Store a trajectory with its score; its key."""
        trajectory = make_trajectory(make_case(case), bundle)
        digest = Journal(self.journal).put(trajectory)
        record = ScoreRecord(
            case_id=case,
            trial=0,
            trajectory=digest,
            scorer="s",
            scorer_digest="e" * 64,
            metric="m",
            result=Score(value=1.0),
        )
        book = ScoreBook(self.book)
        book.put([record])
        book.close()
        return trajectory.key

    def begin(self, key: str, *, ago: float = 0.0) -> Path:
        """A conversation that was broken off after a call."""
        claimed = CallFolder(self.journal / "calls").claim(key)
        assert claimed is not None
        claimed.take_over([("d" * 64, "answer", 0.5)])
        claimed.release()
        return aged(CallFolder(self.journal / "calls").path(key), ago)

    def files(self) -> dict[str, bytes]:
        """Every file of the journal, by path."""
        found = (path for path in self.journal.rglob("*") if path.is_file() and path.parent.name != "in-use")
        return {path.relative_to(self.journal).as_posix(): path.read_bytes() for path in found}

    def keys(self) -> set[str]:
        return {path.stem for path in self.journal.glob("??/*.json")}

    def scored(self) -> int:
        book = ScoreBook(self.book)
        try:
            return book.forget_all_but([], remove=False)
        finally:
            book.close()

    def sweep(self, *keep: str, remove: bool = True) -> Swept:
        return sweep(self.journal, self.book, set(keep), remove=remove)


def aged(path: Path, seconds: float) -> Path:
    os.utime(path, (time.time() - seconds, time.time() - seconds))
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


HOLD = """
import sys
from pathlib import Path
from assay.runner.calls import CallFolder
from assay.runner.usage import using
with using(Path(sys.argv[1]), sys.argv[2]):
    claimed = CallFolder(Path(sys.argv[1]) / "calls").claim(sys.argv[3])
    claimed.take_over([("d" * 64, "answer", 0.5)])
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def evaluating(journal: Path, bundle: str, key: str) -> Iterator[None]:
    """Another process evaluates the bundle, and is in the conversation."""
    arguments = [sys.executable, "-c", HOLD, str(journal), bundle, key]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield
    process.kill()
    process.communicate()


def test_what_belongs_to_no_kept_bundle_goes_with_its_scores(kept: Kept) -> None:
    stays = {kept.add("case-1", KEPT), kept.add("case-2", KEPT)}
    goes = kept.add("case-1", OTHER)
    size = Journal(kept.journal).path(goes).stat().st_size
    assert kept.sweep(KEPT) == Swept(trajectories=1, scores=1, size=size)
    assert kept.keys() == stays
    assert kept.scored() == 2
    assert kept.sweep(KEPT) == Swept()


def test_without_yes_nothing_changes_and_the_counts_are_the_same(kept: Kept) -> None:
    kept.add("case-1", KEPT)
    kept.add("case-1", OTHER)
    kept.begin("c" * 64, ago=7200)
    cut_off = kept.begin("d" * 64, ago=7200)
    cut_off.write_bytes(cut_off.read_bytes() + b'["half')
    aged(cut_off, 7200)
    CallFolder(kept.journal / "calls").path("c" * 64).with_name("e" * 64 + ".jsonl").touch()
    before = kept.files()
    told = kept.sweep(KEPT, remove=False)
    assert kept.files() == before
    assert kept.scored() == 2
    assert kept.sweep(KEPT) == told
    assert (told.trajectories, told.calls, told.scores) == (1, 2, 1)


def test_litter_goes_and_what_is_being_written_stays(kept: Kept) -> None:
    whole = Journal(kept.journal).path(kept.add("case-1", KEPT))
    damaged = whole.with_suffix(".damaged")
    damaged.write_text("{")
    cut_off = whole.with_name("f" * 64 + ".json")
    cut_off.write_bytes(whole.read_bytes()[:99])
    misleading = whole.with_name("9" * 64 + ".json")
    misleading.write_text(json.dumps({"digest": "x", "trajectory": {"bundle_digest": "../../outside"}}))
    writing = whole.with_name(".writing-now")
    writing.write_text("{")
    killed = whole.with_name(".writing-before")
    killed.write_text("{")
    aged(killed, 7200)
    assert kept.sweep(KEPT).litter == 4
    assert {path.name for path in whole.parent.iterdir()} == {whole.name, writing.name}


def test_broken_off_conversations_stay_for_whoever_goes_on(kept: Kept) -> None:
    stored = kept.add("case-1", KEPT)
    recent, old = kept.begin("c" * 64), kept.begin("d" * 64, ago=7200)
    useless = kept.begin(stored)
    assert kept.sweep(KEPT).calls == 2
    assert (recent.exists(), old.exists(), useless.exists()) == (True, False, False)


def test_what_another_process_is_at_is_left_alone(kept: Kept) -> None:
    used = {kept.add("case-1", OTHER), kept.add("case-2", OTHER)}
    third = "c" * 64
    kept.add("case-1", third)
    with evaluating(kept.journal, OTHER, "d" * 64):
        aged(CallFolder(kept.journal / "calls").path("d" * 64), 7200)
        told = kept.sweep(KEPT, remove=False)
        assert kept.sweep(KEPT) == told
        assert (told.trajectories, told.calls, told.scores, told.in_use) == (1, 0, 1, 1)
        assert kept.keys() == used
        assert CallFolder(kept.journal / "calls").path("d" * 64).exists()
    # It was killed: what it left is nobody's.
    assert (kept.sweep(KEPT).trajectories, kept.keys()) == (2, set())


def test_an_evaluation_that_begins_while_it_is_swept_finds_its_place(kept: Kept) -> None:
    kept.add("case-1", OTHER)
    kept.sweep(KEPT)
    with using(kept.journal, OTHER):
        kept.add("case-1", OTHER)
        assert kept.sweep(KEPT).in_use == 1
    assert kept.sweep(KEPT).trajectories == 1
    assert not list((kept.journal / "in-use").iterdir())


def test_a_store_without_anything_is_no_error(kept: Kept) -> None:
    assert kept.sweep(KEPT) == Swept()
    assert not kept.book.exists()


def test_a_damaged_score_book_is_named(kept: Kept) -> None:
    kept.add("case-1", KEPT)
    kept.book.write_bytes(b"no database at all, but long enough to look at" * 100)
    for extra in kept.book.parent.glob("scores.db-*"):
        extra.unlink()
    with pytest.raises(IntegrityError, match=r"scores\.db: file is not a database\. Remove the file"):
        kept.sweep(KEPT)


def test_the_book_shrinks_another_time_where_somebody_reads_it(kept: Kept, monkeypatch) -> None:
    from assay.runner import scorebook

    monkeypatch.setattr(scorebook, "_BUSY_S", 0.1)
    kept.add("case-1", OTHER)
    reader = ScoreBook(kept.book)
    rows = reader._database.execute("SELECT * FROM scores")  # a reading under way
    rows.fetchone()
    assert kept.sweep(KEPT).scores == 1
    reader.close()
    assert kept.scored() == 0


def test_many_processes_open_a_new_book_at_once(tmp_path: Path) -> None:
    code = "import sys, pathlib, assay.runner.scorebook as s; s.ScoreBook(pathlib.Path(sys.argv[1]))"
    opened = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "book.db")]) for _ in range(6)]
    assert [process.wait(60) for process in opened] == [0] * 6


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def registered(tmp_path_factory) -> tuple[Path, dict[int, str]]:
    """A workspace with three versions of a bundle, of which `candidate` points at the last; digests by number."""
    root = tmp_path_factory.mktemp("gc")
    (root / "assay.yaml").write_text("agents: {}\n")
    store = Store(workspace(root))
    for number in (1, 2, 3):
        store.register(write_bundle(root / f"v{number}", top_k=number), train)
    return root, {number: store.bundle(f"tiny/{number}").digest for number in (1, 2, 3)}


def test_the_command_keeps_what_an_alias_points_at_and_what_is_named(assay, registered) -> None:
    root, digests = registered
    stored = Kept(root / "mlruns")
    keys = {number: stored.add("case-1", digest) for number, digest in digests.items()}

    told = assay("runs", "gc", "--keep", "tiny/2", cwd=root)
    assert told.code == 0, told.err
    assert told.out.startswith("Would remove 1 trajectories, 1 scores, 0 unfinished conversations and 0 damaged")
    assert "Kept: tiny v2, tiny v3.\nRun it again with --yes to do so." in told.out
    assert stored.keys() == set(keys.values())

    with evaluating(stored.journal, digests[1], "d" * 64):
        busy = assay("runs", "gc", "--keep", "tiny/2", "--yes")
    assert "1 bundles beside those are being evaluated just now: what they have stays." in busy.out
    assert stored.keys() == set(keys.values())

    done = json.loads(assay("runs", "gc", "--keep", "tiny/2", "--yes", "--json").out)
    assert done.pop("size") > 0
    assert done == {
        "removed": True,
        "kept": ["tiny v2", "tiny v3"],
        "trajectories": 1,
        "calls": 0,
        "litter": 0,
        "scores": 1,
        "in_use": 0,
    }
    assert stored.keys() == {keys[2], keys[3]}
    assert json.loads(assay("runs", "gc", "--json").out)["removed"] is False
    assert "Removed 1 trajectories" in assay("runs", "gc", "--yes").out
    assert stored.keys() == {keys[3]}
    assert stored.scored() == 1


def test_a_bundle_to_keep_that_is_not_there_ends_it(assay, registered) -> None:
    root, _ = registered
    refused = assay("runs", "gc", "--keep", "tiny/9", "--yes", cwd=root)
    assert refused.code == 2
    assert "9" in refused.err
