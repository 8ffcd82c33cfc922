"""Recordings are read strictly, belong to unchanged cases only, and cannot be edited unnoticed."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from assay.registry.digest import digest_of
from assay.registry.errors import ContentError, IntegrityError
from assay.registry.types.case import (
    Case,
    ConversationExpectation,
    CustomerTurn,
    Dataset,
    DatasetInfo,
    EscalationExpectation,
)
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Outcome, Say, Trajectory, TurnRecord
from assay.runner.agents.recorded import RECORDED, UNSEALED, load_recordings, seal
from assay.runner.keys import trajectory_key


def make_case(case_id: str, said: str = "Where is my order?") -> Case:
    return Case(
        id=case_id,
        intent="question",
        risk_tier="low",
        autonomy="autonomous",
        date=dt.date(2026, 3, 2),
        turns=(CustomerTurn(customer=said),),
        expect=ConversationExpectation(escalation=EscalationExpectation(required=False)),
    )


def make_dataset(*cases: Case) -> Dataset:
    info = DatasetInfo(name="orders", version="1", description="d", licence="none", intents=("question",))
    digests = {case.id: digest_of(case) for case in cases}
    return Dataset(info=info, cases=cases, case_digests=digests, documents={}, digest=digest_of(digests))


def recording(case: Case, trial: int = 0, reply: str = "It left today.", agent: str = "clerk") -> Trajectory:
    return Trajectory(
        key=UNSEALED,
        agent=agent,
        bundle_digest=UNSEALED,
        case_id=case.id,
        case_digest=digest_of(case),
        trial=trial,
        mode="recorded",
        turns=(TurnRecord(index=1, customer="Where is it?", events=(Say(step=2, text=reply),)),),
        outcome=Outcome.COMPLETED,
        labels={"reward": 1},
    )


def write(path: Path, trajectories: tuple[Trajectory, ...]) -> Path:
    path.write_text("".join(f"{t.model_dump_json()}\n" for t in trajectories), encoding="utf-8")
    return path


A, B = make_case("a"), make_case("b")


@pytest.fixture
def sealed() -> tuple[Trajectory, ...]:
    return seal([recording(A, 0), recording(A, 1), recording(B, 0)])


def edited(path: Path, line: int, change) -> Path:
    lines = path.read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[line - 1])
    change(record)
    lines[line - 1] = json.dumps(record)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_what_was_sealed_is_read_back(tmp_path, sealed) -> None:
    file = write(tmp_path / "recordings.jsonl", sealed)
    for path in (file, tmp_path):
        found = load_recordings(path)
        assert found.trajectories == sealed
        assert (found.agent, found.trials, found.label) == ("clerk", 2, "clerk (recorded)")
        assert {t.bundle_digest for t in sealed} == {found.bundle_digest}


def test_keys_are_those_of_the_replay_plan(sealed) -> None:
    for t in sealed:
        assert t.key == trajectory_key(t.bundle_digest, t.case_digest, ReplaySettings(mode="recorded"), t.trial)


def test_the_bundle_digest_is_of_what_the_agent_did_in_any_order(sealed) -> None:
    assert seal([recording(B, 0), recording(A, 1), recording(A, 0)]) == sealed
    changed_case = make_case("b", "Where, oh where, is my order?")
    assert seal([recording(A, 0), recording(A, 1), recording(changed_case, 0)])[0].bundle_digest == (
        sealed[0].bundle_digest
    )
    assert seal([recording(A, 0), recording(A, 1), recording(B, 0, "No idea.")])[0].bundle_digest != (
        sealed[0].bundle_digest
    )
    assert seal([recording(A, 0), recording(A, 1)])[0].bundle_digest != sealed[0].bundle_digest


def test_matched_with_the_cases_of_a_dataset(tmp_path, sealed) -> None:
    found = load_recordings(write(tmp_path / "r.jsonl", sealed))
    dataset = make_dataset(A, B, make_case("c"))
    assert [(t.case_id, t.trial) for t in found.for_dataset(dataset)] == [("a", 0), ("a", 1), ("b", 0)]


def test_a_changed_case_is_refused_by_name(tmp_path, sealed) -> None:
    found = load_recordings(write(tmp_path / "r.jsonl", sealed))
    with pytest.raises(ContentError) as problem:
        found.for_dataset(make_dataset(A, make_case("b", "Hello?")), RECORDED)
    expected = f"{tmp_path / 'r.jsonl'}: b: the case was changed after it was recorded; import it again"
    assert str(problem.value) == expected


def test_a_case_that_is_gone_is_refused_by_name(tmp_path, sealed) -> None:
    found = load_recordings(write(tmp_path / "r.jsonl", sealed))
    with pytest.raises(ContentError, match=r"b: dataset 'orders' has no such case"):
        found.for_dataset(make_dataset(A), RECORDED)


@pytest.mark.parametrize("settings", [ReplaySettings(), ReplaySettings(mode="recorded", seed=1)])
def test_a_suite_that_asks_for_a_replay_is_refused(tmp_path, sealed, settings) -> None:
    found = load_recordings(write(tmp_path / "r.jsonl", sealed))
    with pytest.raises(ContentError, match="mode: recorded"):
        found.for_dataset(make_dataset(A, B), settings)


def better_reply(record: dict) -> None:
    record["turns"][0]["events"][0]["text"] = "It left yesterday."


def better_reward(record: dict) -> None:
    record["labels"]["reward"] = 0


def other_bundle(record: dict) -> None:
    record["bundle_digest"] = "a" * 64


def other_key(record: dict) -> None:
    record["key"] = "a" * 64


def other_case(record: dict) -> None:
    record["case_digest"] = "a" * 64


@pytest.mark.parametrize("change", [better_reply, better_reward, other_bundle, other_key, other_case])
def test_an_edited_recording_is_refused(tmp_path, sealed, change) -> None:
    file = edited(write(tmp_path / "r.jsonl", sealed), 2, change)
    with pytest.raises(IntegrityError, match=r"r\.jsonl:\d: case 'a'"):
        load_recordings(file)


def test_a_dropped_recording_is_noticed(tmp_path, sealed) -> None:
    with pytest.raises(IntegrityError, match="not those that were imported"):
        load_recordings(write(tmp_path / "r.jsonl", sealed[1:]))


def test_two_agents_in_one_file_are_refused(tmp_path) -> None:
    mixed = seal([recording(A, 0), recording(B, 0, agent="other")])
    with pytest.raises(ContentError, match=r"r\.jsonl:2: agent: a recording of 'other' among those of 'clerk'"):
        load_recordings(write(tmp_path / "r.jsonl", mixed))


def test_a_trial_that_stands_twice_is_refused(tmp_path, sealed) -> None:
    with pytest.raises(ContentError, match=r"r\.jsonl:4: trial 0 of case 'a' stands twice \(first on line 1\)"):
        load_recordings(write(tmp_path / "r.jsonl", (*sealed, sealed[0])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(mode="scripted"), r"r\.jsonl:1: mode: a replay \('scripted'\) is not a recording"),
        (lambda r: r.pop("turns"), r"r\.jsonl:1: turns: the key 'turns' is required"),
        (lambda r: r.update(trail=1), r"r\.jsonl:1: trail: unknown key 'trail'. Did you mean 'trial'"),
        (lambda r: r.update(trial=-1), r"r\.jsonl:1: trial: "),
    ],
)
def test_a_line_that_is_no_recording_is_refused(tmp_path, sealed, change, message) -> None:
    with pytest.raises(ContentError, match=message):
        load_recordings(edited(write(tmp_path / "r.jsonl", sealed), 1, change))


@pytest.mark.parametrize("text", ["", "\n", "\n\n", "{", "[]", "null"])
def test_a_file_without_recordings_is_refused(tmp_path, text) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text(text)
    with pytest.raises(ContentError, match=r"r\.jsonl:1: "):
        load_recordings(file)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(ContentError, match=r"recordings\.jsonl: there is no such file"):
        load_recordings(tmp_path)


def test_line_separators_inside_text_do_not_split_a_line(tmp_path) -> None:
    sealed = seal([recording(A, 0, "one\u2028two\x85three")])
    assert load_recordings(write(tmp_path / "r.jsonl", sealed)).trajectories == sealed
