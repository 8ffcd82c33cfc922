"""The ledger: append, look up, and notice every kind of tampering."""

from __future__ import annotations

import json
import sqlite3
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.registry.digest import digest_of
from assay.registry.errors import AssayError, IntegrityError, NotFoundError, RefusedError
from assay.registry.ledger import Evaluation, Ledger, Promotion
from assay.registry.types.decision import Decision, EvidenceRef, Verdict

A, B, C, D, E, F = (letter * 64 for letter in "abcdef")


def make_evaluation(run_id: str = "run-1", **changes) -> Evaluation:
    fields = {
        "agent": "tiny",
        "run_id": run_id,
        "run_digest": A,
        "bundle_digest": B,
        "dataset_digest": C,
        "suite_digest": D,
        "created_at": "2026-03-02T10:00:00Z",
    }
    return Evaluation(**{**fields, **changes})


def make_decision(verdict: str = "PASS", at: str = "2026-03-02T11:00:00Z", **changes) -> Decision:
    fields = {
        "agent": "tiny",
        "verdict": Verdict(verdict),
        "summary": f"It is a {verdict}.",
        "decided_at": at,
        "candidate": EvidenceRef(run_id="run-1", run_digest=A, bundle_digest=B, bundle_label="tiny v1"),
        "dataset": "tiny-cases",
        "dataset_digest": C,
        "suite": "tiny-suite",
        "suite_digest": D,
        "policy": "release",
        "policy_digest": E,
        "checks": (),
    }
    return Decision(**{**fields, **changes})


def make_promotion(
    bundle_digest: str = B, version: int = 1, previous: str | None = None, agent: str = "tiny"
) -> Promotion:
    return Promotion(
        agent=agent,
        bundle_digest=bundle_digest,
        bundle_version=version,
        previous_digest=previous,
        decision_digest=F,
        by="release pipeline",
        at=f"2026-03-0{version}T12:00:00Z",
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "ledger.db"


@pytest.fixture
def ledger(path):
    return Ledger(f"sqlite:///{path}")


@pytest.fixture
def filled(ledger):
    """Five entries: two evaluations, two decisions, a promotion."""
    ledger.record_evaluation(make_evaluation())
    ledger.record_decision(make_decision("FAIL"))
    ledger.record_evaluation(make_evaluation("run-2"))
    ledger.record_decision(make_decision("PASS", at="2026-03-02T12:00:00Z"))
    ledger.record_promotion(make_promotion())
    return ledger


def tamper(path, *statements: str) -> None:
    """Change the database as someone with write access to the file can."""
    with sqlite3.connect(path) as connection:
        for name in ("ledger_no_update", "ledger_no_delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_new_ledger_is_empty_and_whole(ledger, path):
    assert not path.exists()
    assert ledger.entries() == []
    assert ledger.verify() == []
    assert ledger.head() == (0, "0" * 64)


def test_evaluations(ledger):
    assert ledger.evaluation_digest("run-1") is None
    first = ledger.record_evaluation(make_evaluation())
    assert ledger.record_evaluation(make_evaluation()) == first
    assert ledger.evaluation_digest("run-1") == A
    with pytest.raises(RefusedError, match="run-1 is in the ledger already, with other content"):
        ledger.record_evaluation(make_evaluation(run_digest=F))
    assert len(ledger.entries()) == 1


def test_decisions_newest_first_and_found_by_all_digests(ledger):
    fail, passing = make_decision("FAIL"), make_decision("PASS", at="2026-03-02T12:00:00Z")
    assert ledger.record_decision(fail) == digest_of(fail)
    ledger.record_decision(passing)
    assert [d.decision.verdict for d in ledger.decisions("tiny")] == [Verdict.PASS, Verdict.FAIL]
    assert len(ledger.decisions("tiny", limit=1)) == 1
    assert ledger.decisions("other") == []
    wanted = {"bundle_digest": B, "dataset_digest": C, "suite_digest": D, "policy_digest": E}
    found = ledger.find_decision("tiny", **wanted)
    assert found is not None
    assert found.decision == passing
    for key in wanted:
        assert ledger.find_decision("tiny", **{**wanted, key: F}) is None


def test_the_newest_decision_is_recorded_once_but_an_older_one_again(ledger):
    fail, passing = make_decision("FAIL"), make_decision("PASS")
    for decision in (passing, passing, fail, passing):
        ledger.record_decision(decision)
    assert [d.decision.verdict.value for d in ledger.decisions()] == ["PASS", "FAIL", "PASS"]


def test_a_decision_by_the_beginning_of_its_digest(filled):
    digest = digest_of(make_decision("FAIL"))
    assert filled.decision(digest[:8]).decision.verdict is Verdict.FAIL
    with pytest.raises(NotFoundError):
        filled.decision(digest[:5])
    with pytest.raises(NotFoundError):
        filled.decision("0" * 12)


def test_promotions_follow_one_another(ledger):
    ledger.record_promotion(make_promotion(B, 1))
    ledger.record_promotion(make_promotion(C, 2, previous=B))
    with pytest.raises(RefusedError, match="the champion of tiny changed meanwhile"):
        ledger.record_promotion(make_promotion(D, 3, previous=B))
    ledger.record_promotion(make_promotion(D, 1, agent="other"))
    assert [p.label for p in ledger.promotions("tiny")] == ["tiny v2", "tiny v1"]


def test_what_is_recorded_survives_reopening(filled):
    again = Ledger(filled.url)
    assert again.entries() == filled.entries()
    assert again.head() == filled.head()
    assert again.verify() == []


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=20), min_size=1, max_size=5))
def test_any_text_is_kept_as_it_is(tmp_path_factory, texts):
    ledger = Ledger(f"sqlite:///{tmp_path_factory.mktemp('l') / 'l.db'}")
    for number, text in enumerate(texts):
        ledger.record_decision(make_decision(summary=text, at=str(number)))
    assert [d.decision.summary for d in reversed(ledger.decisions())] == texts
    assert ledger.verify() == []


# --- tampering -------------------------------------------------------------------------------------------------


def test_ordinary_sql_cannot_change_entries(filled, path):
    connection = sqlite3.connect(path)
    for statement in ("UPDATE ledger_entry SET agent = 'x'", "DELETE FROM ledger_entry"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("column", ["kind", "agent", "subject", "created_at", "payload", "digest"])
def test_every_column_is_covered(filled, path, column):
    tamper(path, f"UPDATE ledger_entry SET {column} = replace({column}, substr({column}, 1, 1), 'Z') WHERE seq = 2")
    assert "entry 2" in filled.verify()[0]


def test_a_changed_verdict_is_noticed_when_it_is_read(filled, path):
    tamper(path, "UPDATE ledger_entry SET payload = replace(payload, 'FAIL', 'PASS') WHERE seq = 2")
    with pytest.raises(IntegrityError, match=r"entry 2 of the ledger \(decision\) was changed"):
        filled.decisions("tiny")


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["DELETE FROM ledger_entry WHERE seq = 1"], "entry 1 is missing"),
        (["DELETE FROM ledger_entry WHERE seq IN (2, 3)"], "entries 2 to 3 are missing"),
        (["DELETE FROM ledger_entry WHERE seq = 5"], "ends with entry 4, but entry 5 was recorded as its last"),
        (["DELETE FROM ledger_entry"], "ends with entry 0"),
        (["DELETE FROM ledger_head"], "ends with entry 5, but entry -1"),
        (
            [f"UPDATE ledger_entry SET seq = {to} WHERE seq = {at}" for at, to in ((2, 99), (4, 2), (99, 4))],
            "entry 2 (decision) was changed",
        ),
        (
            [
                "INSERT INTO ledger_entry "
                "SELECT 6, kind, agent, subject, created_at, payload, prev, 'x' FROM ledger_entry WHERE seq = 4"
            ],
            "ends with entry 6",
        ),
    ],
)
def test_removed_reordered_and_inserted_entries(filled, path, statements, expected):
    tamper(path, *statements)
    assert expected in "\n".join(filled.verify())


def test_a_forged_entry_with_a_right_digest_breaks_the_chain(filled, path):
    from dataclasses import replace

    entry = next(e for e in filled.entries() if e.seq == 2)
    forged = replace(entry, payload=entry.payload.replace("FAIL", "PASS"))
    tamper(
        path,
        f"UPDATE ledger_entry SET payload = '{forged.payload}', digest = '{forged.computed_digest()}' WHERE seq = 2",
    )
    assert filled.verify() == ["entry 3 (evaluation) does not follow the entry before it"]


# --- concurrency and versions ----------------------------------------------------------------------------------


def test_concurrent_writers_make_one_chain(path):
    url = f"sqlite:///{path}"
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def work(name: str) -> None:
        try:
            start.wait()
            mine = Ledger(url)
            for number in range(15):
                mine.record_evaluation(make_evaluation(f"{name}-{number}"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    ledger = Ledger(url)
    assert ledger.verify() == []
    assert ledger.head()[0] == len(ledger.entries()) == 60


def test_only_one_of_two_rival_promotions_is_recorded(path):
    url = f"sqlite:///{path}"
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def work(digest: str) -> None:
        start.wait()
        try:
            Ledger(url).record_promotion(make_promotion(digest))
            outcomes.append("recorded")
        except RefusedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=work, args=(digest,)) for digest in (B, C)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["recorded", "refused"]


def test_a_failing_write_leaves_nothing(filled, monkeypatch):
    from assay.registry.ledger import tables

    before = filled.entries()

    def explode(*args, **kwargs):
        raise RuntimeError("power cut")

    monkeypatch.setattr(tables.Session, "commit", explode)
    with pytest.raises(RuntimeError, match="power cut"):
        filled.record_evaluation(make_evaluation("run-9"))
    monkeypatch.undo()
    assert filled.entries() == before
    assert filled.verify() == []


def test_a_newer_schema_is_refused(filled, path):
    tamper(path, "UPDATE ledger_head SET schema_version = 2")
    with pytest.raises(AssayError, match="written by a newer Assay"):
        Ledger(filled.url).entries()


def test_a_lost_head_is_refused_on_opening(filled, path):
    tamper(path, "DELETE FROM ledger_head")
    with pytest.raises(IntegrityError, match="the record of where it ends is gone"):
        Ledger(filled.url).entries()


@pytest.mark.parametrize("url", ["sqlite:////proc/none/ledger.db", "nonsense", "postgresql://me:hunter2@127.0.0.1:1/x"])
def test_a_ledger_that_cannot_be_opened_is_explained_without_its_password(url):
    with pytest.raises(AssayError, match=r"the ledger .* cannot be opened") as caught:
        Ledger(url).entries()
    assert "hunter2" not in str(caught.value)


def test_the_payload_is_canonical_json(filled):
    entry = filled.entries(kind="promotion")[0]
    assert Promotion.model_validate_json(entry.payload) == make_promotion()
    assert entry.payload == json.dumps(json.loads(entry.payload), sort_keys=True, separators=(",", ":"))
