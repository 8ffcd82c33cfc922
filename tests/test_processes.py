"""Several processes on one job: the same as one, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from small_job import Small, small_bundle

from assay.registry.errors import AssayError, NotMeasuredError
from assay.runner import crew, replay
from assay.runner.collect import Done
from assay.runner.crew import Admitted, Died, Ended, Failed, Ready, Told, parts_of, share_out
from assay.runner.job import Worker
from assay.runner.processes import run_in_processes
from assay.runner.replay import Limits


@pytest.fixture(scope="module")
def bundle():
    return small_bundle()


def until(happened: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    ended: list[object] = []

    def run() -> None:
        try:
            ended.append(work())
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


# --- real processes --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(bundle, tmp_path_factory) -> Small:
    """The job done by this process."""
    one = Small(bundle, tmp_path_factory.mktemp("one"))
    assert Worker(one.job).run(one.trials, one.told.append) is None
    return one


def test_two_processes_give_the_same_as_one(bundle, alone: Small, tmp_path: Path) -> None:
    two = Small(bundle, tmp_path)
    assert run_in_processes(two.job, two.trials, 2, two.told.append) is None
    expected, found = alone.kept(), two.kept()
    assert found.keys() == expected.keys() == {trial.key for trial in two.trials}
    for key, (trajectory, scores) in found.items():
        assert trajectory == expected[key][0]
        assert scores["escalation"] == expected[key][1]["escalation"]
        assert scores["watched.check"] == expected[key][1]["watched.check"]
    assert sorted(done.key for done in two.told) == sorted(found)
    assert all(done.fresh for done in two.told)
    assert os.getpid() not in {pid for pid, _ in two.seen()}

    again: list[Done] = []
    before = len(two.seen())
    assert run_in_processes(two.job, two.trials, 1, again.append) is None
    assert [done.fresh for done in again] == [False] * len(two.trials)
    assert len(two.seen()) == before


def test_a_process_that_is_killed_costs_nothing(bundle, alone: Small, tmp_path: Path) -> None:
    small = Small(bundle, tmp_path, concurrency=2)
    small.hold()
    thread, ended = in_background(lambda: run_in_processes(small.job, small.trials, 2, small.told.append))
    until(lambda: len({pid for pid, _ in small.seen()}) == 2)
    os.kill(small.seen()[0][0], signal.SIGKILL)
    small.let_go()
    thread.join(60)
    assert ended == [None]
    assert sorted(done.key for done in small.told) == sorted(trial.key for trial in small.trials)
    assert {key: kept[0] for key, kept in small.kept().items()} == {k: kept[0] for k, kept in alone.kept().items()}
    assert small.left_over() == []


def test_a_case_that_kills_every_process_is_named_after_all_others_are_done(bundle, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(crew, "MOST_DEATHS", 2)  # starting a process is what takes time here
    small = Small(bundle, tmp_path, 6, concurrency=1)
    deadly = small.trials[1].case.id
    small.deadly(deadly)
    with pytest.raises(NotMeasuredError, match=f"keep dying while they run the cases {deadly}. Everything else is"):
        run_in_processes(small.job, small.trials, 2, small.told.append)
    assert sorted(done.key for done in small.told) == sorted(t.key for t in small.trials if t.case.id != deadly)
    assert sum(name == deadly for _, name in small.seen()) == 3


def test_what_keeps_processes_from_beginning_is_told_as_what_it_is(bundle, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(crew, "MOST_DEATHS", 1)
    small = Small(bundle, tmp_path, 2, concurrency=1)
    (small.folder / "watched.py").write_text("def check(case, trajectory, folder:\n")
    with pytest.raises(AssayError, match=r"watched.py:1: not valid Python") as caught:
        run_in_processes(small.job, small.trials, 2)
    assert caught.value.exit_code == 2
    (small.folder / "watched.py").write_text("import os\nos._exit(9)\n")
    with pytest.raises(NotMeasuredError, match="die before they can begin: it ended with exit code 9"):
        run_in_processes(small.job, small.trials, 2)


def test_no_more_conversations_are_in_flight_than_is_said(bundle, tmp_path: Path) -> None:
    small = Small(bundle, tmp_path, 4, concurrency=1)
    assert run_in_processes(small.job, small.trials, 8) is None
    assert len({pid for pid, _ in small.seen()}) == 1


def test_a_budget_of_time_ends_processes_that_are_stuck(bundle, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(crew, "_GRACE_S", 0.2)
    clock = Clock()
    monkeypatch.setattr(crew, "time", clock)
    monkeypatch.setattr(replay, "time", clock)
    small = Small(bundle, tmp_path, 4, concurrency=1, budget_s=1000.0)
    small.hold()  # the check keeps the whole process busy, so that no deadline inside it can strike
    thread, ended = in_background(lambda: run_in_processes(small.job, small.trials, 1, small.told.append))
    until(small.seen)
    clock.ahead = 2000.0
    thread.join(60)
    assert ended == ["the budget of 1000 s was spent after 0 of 4 trials"]
    until(lambda: not any(alive(pid) for pid, _ in small.seen()))
    small.let_go()
    assert Worker(small.job).run(small.trials, small.told.append) is None
    assert len(small.told) == 4


class Clock:
    """The monotonic clock, which can be put forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


STARTED = """
import sys
sys.path.insert(0, {tests!r})
if __name__ == "__main__":
    import pickle
    from pathlib import Path
    from small_job import Small
    from assay.runner.processes import run_in_processes
    small = Small(pickle.loads(Path({bundle!r}).read_bytes()), Path({folder!r}), 8, concurrency=2)
    {run}
"""


def start(folder: Path, bundle, run: str) -> tuple[Small, subprocess.Popen[bytes]]:
    """A process, in a group of its own as in a terminal, that shares out a job whose check is held."""
    import pickle

    small = Small(bundle, folder / "job", 8)
    small.hold()
    (folder / "bundle").write_bytes(pickle.dumps(bundle))
    where = {"tests": str(Path(__file__).parent), "bundle": str(folder / "bundle"), "folder": str(folder / "job")}
    (folder / "start.py").write_text(STARTED.format(run=run, **where))
    command = [sys.executable, str(folder / "start.py")]
    return small, subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_it(bundle, tmp_path: Path, how: signal.Signals) -> None:
    small, starter = start(tmp_path, bundle, "run_in_processes(small.job, small.trials, 2)")
    until(lambda: len({pid for pid, _ in small.seen()}) == 2)
    if how is signal.SIGINT:
        os.killpg(starter.pid, how)  # as a terminal does
    else:
        os.kill(starter.pid, how)
    _, said = starter.communicate(timeout=30)
    until(lambda: not any(alive(pid) for pid, _ in small.seen()))
    assert said.count(b"Traceback") == (how is signal.SIGINT)


# --- the sharing alone, with a crew that does as it is told ----------------------------------------------------------


class Crew:
    """Workers that answer at once, by a function of (worker, trial): its cost, or `None` to die at it."""

    def __init__(self, answer) -> None:
        self.answer = answer
        self.queue: list = []
        self.hired = 0
        self.halted = self.dismissed = False
        self.parts: list[tuple[int, int, Limits]] = []

    def hire(self) -> int:
        self.hired += 1
        self.queue.append((self.hired, Ready()))
        return self.hired

    def give(self, worker, part, limits) -> None:
        self.parts.append((worker, len(part), limits))
        for trial in part:
            if self.halted:
                self.queue.append((worker, Ended(True)))
                return
            cost = self.answer(worker, trial)
            if cost is None:
                self.queue.append((worker, Died("killed")))
                return
            self.queue.append((worker, Told(Done(trial.key, "d", True, True, False, 0, cost, ""))))
        self.queue.append((worker, Ended(False)))

    def hear(self, timeout):
        heard, self.queue = self.queue[:1], self.queue[1:]
        return heard

    def halt(self) -> None:
        self.halted = True

    def dismiss(self) -> None:
        self.dismissed = True


@pytest.fixture(scope="module")
def trials(bundle, tmp_path_factory):
    return Small(bundle, tmp_path_factory.mktemp("plan"), 120).trials


def test_every_trial_is_counted_once_whoever_dies(trials) -> None:
    calls: dict[str, int] = {}

    def answer(worker, trial):
        calls[trial.key] = calls.get(trial.key, 0) + 1
        return None if worker % 2 and len(calls) % 7 == 0 else 0.0

    team, told = Crew(answer), []
    assert share_out(team, trials, 3, Limits(4), told.append) is None
    assert sorted(done.key for done in told) == sorted(trial.key for trial in trials)
    assert team.hired > 3
    assert team.dismissed


def test_a_budget_holds_for_all_workers_together(trials) -> None:
    team, told = Crew(lambda worker, trial: 1.0), []
    stopped = share_out(team, trials, 2, Limits(1, budget_usd=30), told.append)
    assert stopped == "the budget of 30 US dollars was spent after 30 of 120 trials"
    assert team.halted
    # What has been given away already is told of; nothing is given away any more.
    assert 30 <= len(told) <= 30 + 2 * max(size for _, size, _ in team.parts)
    assert min(limits.budget_usd for *_, limits in team.parts if limits.budget_usd is not None) < 30


def test_what_was_spent_before_a_death_stays_spent(trials) -> None:
    deaths = iter([True])
    team, told = Crew(lambda worker, trial: None if len(told) > 8 and next(deaths, False) else 1.0), []
    assert share_out(team, trials, 1, Limits(1, budget_usd=20), told.append) is not None
    assert team.hired == 2
    assert team.parts[-1][2].budget_usd <= 20 - 8


def test_a_budget_that_is_just_enough_stops_nothing(trials) -> None:
    assert share_out(Crew(lambda worker, trial: 1.0), trials[:10], 2, Limits(1, budget_usd=10)) is None
    assert share_out(Crew(lambda worker, trial: 1.0), trials[:10], 2, Limits(1, budget_usd=0)) is not None


def test_parts_held_by_another_run_are_looked_at_again(trials) -> None:
    asked: dict[str, int] = {}

    def admit(part):
        for trial in part:
            asked[trial.key] = asked.get(trial.key, 0) + 1
        held = [trial for trial in part if asked[trial.key] < 3]
        return Admitted([trial for trial in part if trial not in held], held=held)

    told: list[Done] = []
    team = Crew(lambda worker, trial: 0.0)
    assert share_out(team, trials[:20], 2, Limits(1), told.append, admit=admit) is None
    assert len({done.key for done in told}) == len(told) == 20


def test_a_worker_that_fails_ends_the_run_with_its_reason(trials) -> None:
    class Broken(Crew):
        def give(self, worker, part, limits) -> None:
            self.queue.append((worker, Failed("the disk is full", 4)))

    team = Broken(None)
    with pytest.raises(AssayError, match="the disk is full") as caught:
        share_out(team, trials, 2, Limits(1))
    assert (caught.value.exit_code, team.dismissed) == (4, True)


def test_a_worker_that_leaves_something_out_is_not_believed(trials) -> None:
    class Lazy(Crew):
        def give(self, worker, part, limits) -> None:
            self.queue.append((worker, Ended(False)))

    with pytest.raises(NotMeasuredError, match="left out the case"):
        share_out(Lazy(None), trials, 2, Limits(1))


@pytest.mark.parametrize(
    ("number", "workers", "concurrency", "sizes"),
    [(120, 2, 1, {8}), (120, 2, 20, {20}), (20, 2, 64, {10}), (3, 8, 16, {1}), (0, 2, 1, set())],
)
def test_a_part_is_large_enough_for_a_workers_concurrency(trials, number, workers, concurrency, sizes) -> None:
    parts = parts_of(trials[:number], workers, concurrency)
    assert sum(map(len, parts)) == number
    assert {len(part) for part in list(parts)[:-1] or parts} == sizes
