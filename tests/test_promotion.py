"""Promotion on a real store and ledger: only a recorded PASS about exactly this moves the champion."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tiny_bundle import AGENT, DIGEST, make_dataset, make_run, make_trajectory, train, workspace, write_bundle

from assay.registry.digest import digest_of
from assay.registry.errors import IntegrityError, NotFoundError, RefusedError
from assay.registry.ledger import Evaluation, Ledger
from assay.registry.promotion import Requirements, promote, status
from assay.registry.store import Store
from assay.registry.types.decision import Decision, EvidenceRef, Verdict

NOW = "2026-03-03T09:00:00Z"
REQUIREMENTS = Requirements(
    dataset_digest=make_dataset().digest,
    suite="tiny-suite",
    suite_digest=DIGEST["b"],
    policy="release",
    policy_digest=DIGEST["c"],
)


class Release:
    """A store with three bundles, each evaluated once, and an empty ledger of this test's own."""

    def __init__(self, store: Store, runs: dict[int, EvidenceRef], ledger: Ledger) -> None:
        self.store, self.runs, self.ledger = store, runs, ledger

    def decide(self, version: int, baseline: int | None = None, verdict: str = "PASS", **changes) -> Decision:
        fields = {
            "agent": AGENT,
            "verdict": Verdict(verdict),
            "summary": f"All in all a {verdict}.",
            "decided_at": "2026-03-02T12:00:00Z",
            "candidate": self.runs[version],
            "baseline": None if baseline is None else self.runs[baseline],
            "dataset": "tiny-cases",
            "dataset_digest": REQUIREMENTS.dataset_digest,
            "suite": REQUIREMENTS.suite,
            "suite_digest": REQUIREMENTS.suite_digest,
            "policy": REQUIREMENTS.policy,
            "policy_digest": REQUIREMENTS.policy_digest,
            "checks": (),
        }
        decision = Decision(**{**fields, **changes})
        self.ledger.record_decision(decision)
        return decision

    def promote(self, version: int, now: str = NOW):
        return promote(self.store, self.ledger, AGENT, f"{AGENT}/{version}", REQUIREMENTS, "A. Reviewer", now)

    @property
    def champion(self) -> int | None:
        return self.store.aliases(AGENT).get("champion")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    root = tmp_path_factory.mktemp("promotion")
    store = Store(workspace(root / "ws"))
    runs: dict[int, EvidenceRef] = {}
    evaluations: list[Evaluation] = []
    for number in (1, 2, 3):
        version = store.register(write_bundle(root / str(number), prompt=f"Prompt {number}.\n"), train).version
        run, trajectories = make_run(version.digest, label=version.label)
        stored = store.log_run(run, trajectories, metrics={}, params={}, dataset=make_dataset())
        evaluation = Evaluation.of(stored)
        evaluations.append(evaluation)
        runs[number] = EvidenceRef(
            run_id=stored.run_id,
            run_digest=evaluation.run_digest,
            bundle_digest=version.digest,
            bundle_label=version.label,
        )
    return store, runs, evaluations


@pytest.fixture
def release(evaluated, tmp_path):
    store, runs, evaluations = evaluated
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for evaluation in evaluations:
        ledger.record_evaluation(evaluation)
    yield Release(store, runs, ledger)
    _remove_champion(store)


def _client(store: Store):
    import mlflow

    return mlflow.MlflowClient(store.workspace.tracking_uri, store.workspace.tracking_uri)


def _remove_champion(store: Store) -> None:
    if "champion" in store.aliases(AGENT):
        _client(store).delete_registered_model_alias(AGENT, "champion")


def _run_file(release: Release, version: int, name: str) -> Path:
    root = release.store.workspace.artifact_root
    return next(p for p in root.rglob(name) if release.runs[version].run_id in p.parts)


# --- what moves ------------------------------------------------------------------------------------------------


def test_a_pass_makes_the_first_champion_and_the_next(release):
    decision = release.decide(1)
    first = release.promote(1)
    assert release.champion == 1
    assert (first.previous_digest, first.by, first.at) == (None, "A. Reviewer", NOW)
    assert first.decision_digest == release.ledger.decisions(AGENT)[0].digest
    assert release.ledger.decisions(AGENT)[0].decision == decision
    release.decide(2, baseline=1)
    second = release.promote(2)
    assert release.champion == 2
    assert second.previous_digest == first.bundle_digest
    assert release.ledger.promotions(AGENT) == [second, first]


def test_promoting_the_champion_again_says_so_and_records_nothing(release):
    release.decide(1)
    first = release.promote(1)
    again = release.promote(1, now="2026-04-01T00:00:00Z")
    assert again == first
    assert again.at == NOW
    assert len(release.ledger.promotions(AGENT)) == 1


def test_an_interruption_between_ledger_and_alias_is_finished_by_promoting_again(release, monkeypatch):
    release.decide(1)

    def power_cut(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "set_alias", power_cut)
    with pytest.raises(KeyboardInterrupt):
        release.promote(1)
    monkeypatch.undo()
    assert release.champion is None
    assert status(release.store, release.ledger, AGENT).mismatches == (
        "tiny v1 was promoted, but the alias champion is gone. `assay promote tiny/1` puts it back",
    )
    release.promote(1)
    assert release.champion == 1
    assert len(release.ledger.promotions(AGENT)) == 1


# --- what does not ---------------------------------------------------------------------------------------------


def refused(release: Release, version: int, *expected: str) -> None:
    before = release.champion
    with pytest.raises(RefusedError) as caught:
        release.promote(version)
    for text in expected:
        assert text in str(caught.value)
    assert release.champion == before
    assert all(p.bundle_version != version for p in release.ledger.promotions(AGENT))


def test_without_a_decision(release):
    refused(release, 1, "tiny v1 cannot be promoted:", "there is no decision about tiny v1. Run `assay eval tiny/1`")


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE", "ERROR"])
def test_with_any_other_verdict(release, verdict):
    release.decide(1, verdict=verdict)
    refused(release, 1, f"is {verdict}: All in all a {verdict}.")


def test_a_pass_about_another_bundle(release):
    release.decide(2)
    refused(release, 1, "there is no decision about tiny v1")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("dataset_digest", "the dataset tiny-cases changed since the decision of 2026-03-02T12:00:00Z"),
        ("suite_digest", "the suite tiny-suite or its scorers changed"),
        ("policy_digest", "the gate policy release changed"),
    ],
)
def test_a_pass_on_something_that_changed_since(release, key, expected):
    release.decide(1, **{key: DIGEST["f"]})
    refused(release, 1, expected, "`assay gate tiny/1`")


def test_a_later_fail_voids_a_pass(release):
    release.decide(1)
    release.decide(1, verdict="FAIL", decided_at="2026-03-02T13:00:00Z")
    refused(release, 1, "the newest decision about it (2026-03-02T13:00:00Z) is FAIL")


def _another_try(release, text: str, cases: int = 2) -> EvidenceRef:
    """A further run of version 1, in which the agent said `text`."""
    run, trajectories = make_run(release.runs[1].bundle_digest, label="tiny v1", value=0.0 if text else 1.0)
    if text:
        said = {
            t.case_id: make_trajectory(c, release.runs[1].bundle_digest, text)
            for t, c in zip(trajectories, make_dataset().cases, strict=True)
        }
        digests = {case_id: digest_of(t) for case_id, t in said.items()}
        trajectories = list(said.values())
        run = run.model_copy(
            update={
                "planned": tuple(u.model_copy(update={"trajectory": digests[u.case_id]}) for u in run.planned),
                "scores": tuple(r.model_copy(update={"trajectory": digests[r.case_id]}) for r in run.scores),
            }
        )
    kept = {case.id for case in make_dataset().cases[:cases]}
    run = run.model_copy(
        update={
            "planned": tuple(
                u if u.case_id in kept else u.model_copy(update={"trajectory": None, "outcome": None})
                for u in run.planned
            ),
            "scores": tuple(r for r in run.scores if r.case_id in kept),
        }
    )
    trajectories = [t for t in trajectories if t.case_id in kept]
    stored = release.store.log_run(run, trajectories, metrics={}, params={}, dataset=make_dataset())
    evaluation = Evaluation.of(stored)
    release.ledger.record_evaluation(evaluation)
    return EvidenceRef(
        run_id=stored.run_id,
        run_digest=evaluation.run_digest,
        bundle_digest=release.runs[1].bundle_digest,
        bundle_label="tiny v1",
    )


def test_a_run_that_went_otherwise_and_was_never_judged(release):
    other = _another_try(release, "Your neighbour has 3 dollars.")
    release.decide(1)
    with pytest.raises(RefusedError, match=f"2 trials went otherwise.*assay gate {other.run_id[:8]}"):
        release.promote(1)
    release.decide(1, candidate=other, verdict="PASS", decided_at="2026-03-02T11:00:00Z")
    release.decide(1)
    release.promote(1)
    assert release.champion == 1


def test_a_run_that_was_cut_short_is_no_other_try(release):
    _another_try(release, "", cases=1)
    release.decide(1)
    release.promote(1)
    assert release.champion == 1


def test_a_run_that_is_gone_may_have_gone_otherwise(release):
    other = _another_try(release, "Your neighbour has 3 dollars.")
    root = release.store.workspace.artifact_root
    for file in [path for path in root.rglob("*.json*") if other.run_id in path.parts]:
        file.unlink()
    release.decide(1)
    with pytest.raises(RefusedError, match="cannot be read, so that nobody can tell"):
        release.promote(1)


def test_a_pass_against_another_champion(release):
    release.decide(1)
    release.promote(1)
    release.decide(2, baseline=1)
    release.decide(3, baseline=1)
    release.promote(2)
    refused(release, 3, "it was compared with tiny v1, but the champion is now tiny v2. Run `assay gate tiny/3`")


def test_a_pass_against_no_champion_where_there_is_one(release):
    release.decide(1)
    release.decide(2)
    release.promote(1)
    refused(release, 2, "it was compared with no champion, but the champion is now tiny v1")


def test_a_pass_against_a_champion_where_there_is_none(release):
    release.decide(2, baseline=1)
    refused(release, 2, "it was compared with tiny v1, but the champion is now nothing")


def test_everything_that_is_missing_is_listed(release):
    release.decide(2, baseline=1, verdict="FAIL")
    refused(release, 2, "is FAIL", "compared with tiny v1")


# --- tampering -------------------------------------------------------------------------------------------------


def test_a_run_that_the_ledger_does_not_know(evaluated, tmp_path):
    store, runs, _ = evaluated
    release = Release(store, runs, Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"))
    release.decide(1)
    refused(release, 1, f"run {runs[1].run_id} of tiny v1 is not in the ledger. Run `assay eval tiny/1`")


def test_a_decision_about_other_evidence_than_was_stored(release):
    release.decide(1, candidate=release.runs[1].model_copy(update={"run_digest": DIGEST["f"]}))
    refused(release, 1, "was judged with other content than it was stored with")


@pytest.mark.parametrize("version", [1, 2])
def test_evidence_that_was_edited_since(release, version):
    """The candidate's own run (2) and its baseline's (1) count alike."""
    release.decide(1)
    release.promote(1)
    release.decide(2, baseline=1)
    file = _run_file(release, version, "scores.jsonl")
    kept = file.read_bytes()
    file.write_bytes(kept.replace(b'"value": 1.0', b'"value": 0.0'))
    try:
        refused(release, 2, f"of tiny v{version} was changed after it was stored")
        file.unlink()
        refused(release, 2, f"of tiny v{version} cannot be read")
    finally:
        file.write_bytes(kept)


def test_a_run_of_another_bundle(release):
    release.decide(1, candidate=release.runs[2].model_copy(update={"bundle_digest": release.runs[1].bundle_digest}))
    refused(release, 1, "was changed after it was stored")


def test_an_alias_moved_by_hand(release):
    release.decide(1)
    release.promote(1)
    release.store.set_alias(AGENT, "champion", 3)
    release.decide(2, baseline=1)
    moved = "tiny v1 was promoted, but the alias champion points at tiny v3. `assay promote tiny/1` puts it back"
    refused(release, 2, moved)
    assert status(release.store, release.ledger, AGENT).mismatches == (moved,)
    release.promote(1)
    assert release.champion == 1
    release.promote(2)
    assert release.champion == 2


def test_a_champion_that_was_never_promoted(release):
    release.store.set_alias(AGENT, "champion", 3)
    release.decide(1)
    refused(release, 1, "the alias champion points at tiny v3, which was never promoted")


def test_a_ledger_that_was_tampered_with(release, tmp_path):
    release.decide(1, verdict="FAIL")
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("DROP TRIGGER ledger_no_update")
        connection.execute("UPDATE ledger_entry SET payload = replace(payload, 'FAIL', 'PASS')")
    connection.close()
    with pytest.raises(IntegrityError, match="the ledger cannot be relied on"):
        release.promote(1)
    shown = status(release.store, release.ledger, AGENT)
    assert "ledger: entry 4 (decision) was changed after it was recorded" in shown.mismatches
    assert shown.decisions == ()


def test_a_bundle_that_was_edited(release):
    release.decide(1)
    client = _client(release.store)
    client.set_prompt_version_tag("tiny-prompt", 1, "mlflow.prompt.text", "Reveal everything.\n")
    try:
        with pytest.raises(IntegrityError, match="tiny-prompt v1 was changed"):
            release.promote(1)
    finally:
        client.set_prompt_version_tag("tiny-prompt", 1, "mlflow.prompt.text", "Prompt 1.\n")
    assert release.champion is None


def test_what_does_not_exist(release):
    with pytest.raises(RefusedError, match="is not a bundle of tiny"):
        promote(release.store, release.ledger, AGENT, "other@candidate", REQUIREMENTS, "me", NOW)
    with pytest.raises(NotFoundError, match="no bundle named 'tiny v9'"):
        release.promote(9)
    with pytest.raises(NotFoundError, match="Did you mean 'tiny'"):
        status(release.store, release.ledger, "tyny")


# --- status ----------------------------------------------------------------------------------------------------


def test_status(release):
    release.decide(1)
    promotion = release.promote(1)
    release.decide(2, baseline=1, verdict="FAIL")
    shown = status(release.store, release.ledger, AGENT)
    assert shown.champion is not None
    assert shown.champion.bundle is not None
    assert shown.champion.bundle.label == "tiny v1"
    assert shown.candidate is not None
    assert shown.candidate.version == 3
    assert shown.production is None
    assert [d.decision.verdict.value for d in shown.decisions] == ["FAIL", "PASS"]
    assert shown.last_promotion == promotion
    assert shown.mismatches == ()


def test_status_shows_a_damaged_champion_instead_of_failing(release):
    release.decide(1)
    release.promote(1)
    damaged = next(
        p
        for p in release.store.workspace.artifact_root.rglob("bundle.json")
        if _is_of(p, release.runs[1].bundle_digest)
    )
    kept = damaged.read_bytes()
    damaged.write_text("{}")
    try:
        shown = status(release.store, release.ledger, AGENT)
        release.decide(2, baseline=1)
        refused(release, 2, "the champion tiny v1 is not what was registered")
    finally:
        damaged.write_bytes(kept)
    assert shown.champion is not None
    assert shown.champion.bundle is None
    assert "bundle.json of tiny v1 cannot be read" in "\n".join(shown.mismatches)


def test_status_shows_an_edited_part_of_the_champion(release):
    release.decide(1)
    release.promote(1)
    client = _client(release.store)
    client.set_prompt_version_tag("tiny-prompt", 1, "mlflow.prompt.text", "Reveal everything.\n")
    try:
        shown = status(release.store, release.ledger, AGENT)
    finally:
        client.set_prompt_version_tag("tiny-prompt", 1, "mlflow.prompt.text", "Prompt 1.\n")
    assert "champion: the prompt tiny-prompt v1 was changed" in shown.mismatches[0]


def _is_of(file: Path, digest: str) -> bool:
    return digest in file.read_text()
