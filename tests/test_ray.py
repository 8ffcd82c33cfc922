"""A job on a real Ray cluster of this machine.

What has to be equal to a local run: the keys, every trajectory but for what the clock says (`started_at`, `latency_s`),
every score, and that each trajectory that was stored has the digest that its scores and the run refer to.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from small_job import Small, small_bundle
from test_processes import alive, in_background, start, until

from assay.cli.replaying import HowToRun
from assay.registry.errors import AssayError, IntegrityError, NotMeasuredError
from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.calls import CallFolder
from assay.runner.collect import Done, Rerun
from assay.runner.far import Delivery, FarWorker, Introduction, Leftover, PartOver, code_digest, errand
from assay.runner.job import Worker
from assay.runner.journal import Journal
from assay.runner.ray_address import refuse_unreachable
from assay.runner.ray_cluster import run_on_ray
from assay.runner.ray_desk import Desk
from assay.runner.score import build_scorers

HEAD = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
context = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
                   object_store_memory=100_000_000, _temp_dir=sys.argv[1])
print("HEAD", context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[str]:
    """The address of a cluster that ends with the tests of this file."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'assay[ray]'")
    folder = Path("/tmp") / f"assay-ray-{os.getpid()}"  # paths of sockets must be short
    environment = {**os.environ, "HOME": str(tmp_path_factory.mktemp("home")), "RAY_AUTH_MODE": "disabled"}
    head = subprocess.Popen(
        [sys.executable, "-c", HEAD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
        start_new_session=True,
    )
    assert head.stdout
    line = next((line for line in head.stdout if line.startswith("HEAD ")), "")
    assert line, "the cluster did not start"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        yield line.split()[1]
    head.communicate(timeout=30)
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def bundle():
    return small_bundle()


@pytest.fixture(scope="module")
def alone(bundle, tmp_path_factory) -> Small:
    one = Small(bundle, tmp_path_factory.mktemp("one"))
    assert Worker(one.job).run(one.trials) is None
    return one


def same(found: Small, expected: Small) -> bool:
    """Whether both kept the same of the same trials."""
    return found.kept() == expected.kept()


def test_a_cluster_gives_the_same_as_this_process(cluster, bundle, alone, tmp_path, capfd) -> None:
    small = Small(bundle, tmp_path)
    stored = small.trials[:3]  # by a local run before: never sent
    assert Worker(small.job).run(stored) is None
    before = len(small.seen())
    assert run_on_ray(small.job, small.trials, 2, cluster, small.told.append) is None
    assert small.kept().keys() == {trial.key for trial in small.trials}
    assert same(small, alone)
    assert len(small.seen()) - before == len(small.trials) - len(stored)
    assert os.getpid() not in {pid for pid, _ in small.seen()[before:]}
    assert sum(done.fresh for done in small.told) == len(small.trials) - len(stored)
    journal = Journal(small.job.stores.journal)
    for done in small.told:
        kept = journal.get(done.key)
        assert kept is not None
        assert kept.digest == done.digest
    assert small.left_over() == []
    assert capfd.readouterr() == ("", "")

    again: list[Done] = []
    assert run_on_ray(small.job, small.trials, 2, cluster, again.append) is None
    assert len(small.seen()) == before + len(small.trials) - len(stored)
    assert not any(done.fresh for done in again)


def test_a_worker_that_is_killed_costs_nothing(cluster, bundle, alone, tmp_path, capfd) -> None:
    small = Small(bundle, tmp_path, concurrency=2)
    small.hold()
    deadly = small.trials[5].case.id
    thread, ended = in_background(lambda: run_on_ray(small.job, small.trials, 2, cluster, small.told.append))
    until(lambda: len({pid for pid, _ in small.seen()}) == 2)
    os.kill(small.seen()[0][0], signal.SIGKILL)
    small.deadly(deadly)
    small.let_go()
    thread.join(60)
    (error,) = ended
    assert isinstance(error, NotMeasuredError)
    assert f"keep dying while they run the cases {deadly}. Everything else is done" in str(error)
    assert sorted(done.key for done in small.told) == sorted(t.key for t in small.trials if t.case.id != deadly)

    small.deadly()
    small.told.clear()
    assert run_on_ray(small.job, small.trials, 2, cluster, small.told.append) is None
    assert [done.fresh for done in small.told].count(True) == 1
    assert same(small, alone)
    assert small.left_over() == []
    assert capfd.readouterr() == ("", "")


def test_budgets_hold_on_a_cluster_and_fresh_runs_everything_anew(cluster, bundle, tmp_path) -> None:
    small = Small(bundle, tmp_path, 6)
    small.limited(budget_usd=0.0)
    assert run_on_ray(small.job, small.trials, 1, cluster) == (
        "the budget of 0 US dollars was spent after 0 of 6 trials"
    )
    assert small.seen() == []
    small.limited(budget_usd=None)
    assert run_on_ray(small.job, small.trials, 1, cluster) is None
    job = replace(small.job, rerun=Rerun(everything=True))
    assert run_on_ray(job, small.trials, 1, cluster, small.told.append) is None
    assert [done.fresh for done in small.told] == [True] * 6
    assert len(small.seen()) == 12


def test_ctrl_c_leaves_no_worker_behind(cluster, bundle, tmp_path) -> None:
    code = f"from assay.runner.ray_cluster import run_on_ray; run_on_ray(small.job, small.trials, 1, {cluster!r})"
    small, driver = start(tmp_path, bundle, code)
    until(small.seen)
    os.killpg(driver.pid, signal.SIGINT)
    out, said = driver.communicate(timeout=60)
    assert b"KeyboardInterrupt" in said
    assert out == b""
    until(lambda: not any(alive(pid) for pid, _ in small.seen()))
    assert small.left_over() == []
    assert small.kept() == {}


# --- addresses, and Ray that is not there ----------------------------------------------------------------------------


def test_a_cluster_that_is_not_there_is_told_at_once(bundle, tmp_path) -> None:
    small = Small(bundle, tmp_path, 2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AssayError, match=f"no Ray cluster can be reached at {address}: Connection refused"):
            run_on_ray(small.job, small.trials, 2, address)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_else_at_the_address_is_no_cluster(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(AssayError, match=f"what answers at {address} is no Ray cluster's head"):
            refuse_unreachable(address)


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("ray://host:10001", "from a node of the cluster"),
        ("host", "give HOST:PORT"),
        ("host:port", "give HOST:PORT"),
        ("host:70000", "give HOST:PORT"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(address: str, part: str) -> None:
    with pytest.raises(AssayError, match=part):
        refuse_unreachable(address)


def test_without_ray_the_error_names_the_extra(bundle, tmp_path) -> None:
    (tmp_path / "bundle").write_bytes(pickle.dumps(bundle))
    code = f"""
import sys, pickle
sys.modules["ray"] = None
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from small_job import Small
from assay.runner.ray_cluster import run_on_ray
small = Small(pickle.loads(Path({str(tmp_path / "bundle")!r}).read_bytes()), Path({str(tmp_path)!r}), 2)
run_on_ray(small.job, small.trials, 2, None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AssayError: `--executor ray` needs Ray, which is an extra of Assay: pip install 'assay[ray]'" in done.stderr


def test_options_that_contradict_each_other_are_refused(assay, tmp_path) -> None:
    assert "it needs --executor ray" in assay("eval", "x@candidate", "--address", "h:1", cwd=tmp_path).err
    assert "no executor named 'rai'" in assay("check", "b.yaml", "--executor", "rai", cwd=tmp_path).err
    with pytest.raises(AssayError):
        HowToRun(executor="local", address="h:1")


# --- the two ends, without Ray between them --------------------------------------------------------------------------


@dataclass
class Ends:
    """A driver's desk and a worker elsewhere."""

    small: Small
    desk: Desk
    worker: FarWorker

    def deliveries(self) -> list[Delivery]:
        part = self.desk.admit(self.small.trials).run
        assert isinstance(self.worker.introduce(), Introduction)
        return [
            item
            for item in self.worker.run(part, self.small.job.limits, self.desk.calls(part))
            if isinstance(item, Delivery)
        ]


@pytest.fixture
def ends(bundle, tmp_path) -> Iterator[Ends]:
    small = Small(bundle, tmp_path, 2)
    scorers = build_scorers(small.job.suite, small.job.context, small.job.home)
    desk, worker = Desk(small.job, scorers), FarWorker(errand(small.job, scorers))
    yield Ends(small, desk, worker)
    worker.close()
    desk.close()


def test_what_is_sent_is_small_and_brings_the_scorers_of_the_workspace(ends: Ends) -> None:
    sent = errand(
        ends.small.job.shared_by(1), build_scorers(ends.small.job.suite, ends.small.job.context, ends.small.job.home)
    )
    assert list(sent.files) == ["watched.py"]
    model = len(ends.small.job.bundle.model_bytes)
    assert len(pickle.dumps(sent)) < model + 1_000_000
    introduced = ends.worker.introduce()
    assert isinstance(introduced, Introduction)
    assert introduced.code == code_digest()
    assert introduced.scorers == ends.desk.scorers


@pytest.mark.parametrize(
    "change",
    [
        lambda file, trajectory: file.replace(b"completed", b"agent_error"),
        lambda file, trajectory: file[: len(file) // 2],
        lambda file, trajectory: b"",
        lambda file, trajectory: with_digest(trajectory.model_copy(update={"case_id": "other"})),
        lambda file, trajectory: with_digest(trajectory.model_copy(update={"bundle_digest": "f" * 64})),
        lambda file, trajectory: with_digest(trajectory.model_copy(update={"key": "f" * 64})),
        lambda file, trajectory: with_digest(trajectory.model_copy(update={"outcome": Outcome.TIMEOUT})),
    ],
)
def test_what_was_not_asked_for_or_was_changed_on_its_way_is_not_stored(ends: Ends, change) -> None:
    delivery = ends.deliveries()[0]
    trajectory = Trajectory.model_validate(json.loads(delivery.file)["trajectory"])
    changed = replace(delivery, file=change(delivery.file, trajectory))
    with pytest.raises(IntegrityError):
        ends.desk.take_in(changed)
    assert not list(ends.small.job.stores.journal.glob("??/*.json"))
    assert ends.desk.take_in(delivery).fresh
    with pytest.raises(IntegrityError, match="nobody asked"):
        ends.desk.take_in(delivery)


def with_digest(trajectory: Trajectory) -> bytes:
    from assay.registry.digest import digest_of

    plain = trajectory.model_dump(mode="json")
    return json.dumps({"digest": digest_of(plain), "trajectory": plain}).encode()


def test_scores_that_its_scorers_did_not_declare_are_not_kept(ends: Ends) -> None:
    delivery = ends.deliveries()[0]
    for records in (
        delivery.records[1:],
        (*delivery.records, delivery.records[0]),
        ({**delivery.records[0], "scorer_digest": "f" * 64}, *delivery.records[1:]),
        ({"metric": "made up"},),
    ):
        with pytest.raises(IntegrityError):
            ends.desk.take_in(replace(delivery, records=records))


def test_a_conversation_that_another_process_is_in_is_not_given_away(ends: Ends) -> None:
    first, second = ends.small.trials
    held = CallFolder(ends.small.job.stores.journal / "calls").claim(first.key)
    assert held is not None
    admitted = ends.desk.admit([first, second])
    assert (list(admitted.run), list(admitted.held)) == ([second], [first])
    held.release()
    assert list(ends.desk.admit([first]).run) == [first]


def test_calls_go_to_the_worker_and_come_back_from_what_a_budget_broke_off(ends: Ends) -> None:
    first, _ = ends.small.trials
    known = [("d" * 64, {"answer": 1}, 0.5)]
    before = CallFolder(ends.small.job.stores.journal / "calls").claim(first.key)
    assert before is not None
    before.take_over(known)
    before.release()
    part = ends.desk.admit([first]).run
    calls = ends.desk.calls(part)
    assert calls == {first.key: known}
    items = list(ends.worker.run(part, replace(ends.small.job.limits, budget_s=0.0), calls))
    assert items == [Leftover(first.key, known), PartOver(True)]
    ends.desk.keep_calls(first.key, [*known, ("e" * 64, 2, 0.5)])
    ends.desk.close()
    after = CallFolder(ends.small.job.stores.journal / "calls").claim(first.key)
    assert after is not None
    assert after.known == [*known, ("e" * 64, 2, 0.5)]
    after.release()


def test_a_worker_that_was_killed_leaves_nothing_for_long(ends: Ends, tmp_path, monkeypatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, other = tmp_path / f"assay-worker-{gone.pid}-x", tmp_path / f"assay-worker-{os.getpid()}-x"
    left.mkdir()
    other.mkdir()
    FarWorker(errand(ends.small.job, ())).close()
    assert (left.exists(), other.exists()) == (False, True)
