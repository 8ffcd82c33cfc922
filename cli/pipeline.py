"""The main job, composed: the same steps for every command that needs them."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cli.console import note, progress
from assay.cli.replaying import HowToRun, check_cases, refuse_mode, run_trials
from assay.cli.standard import Standard
from assay.registry.digest import digest_of
from assay.registry.errors import AssayError, IntegrityError, NotFoundError, NotMeasuredError
from assay.registry.workspace import Workspace

if TYPE_CHECKING:
    from assay.gates.policy import GatePolicy
    from assay.registry.ledger import Ledger
    from assay.registry.promotion import Requirements
    from assay.registry.store import ResolvedBundle, Store
    from assay.registry.types.case import Dataset
    from assay.registry.types.datacheck import DataCheckReport
    from assay.registry.types.decision import Decision
    from assay.registry.types.run import EvalRun
    from assay.registry.types.suite import Suite
    from assay.runner.evaluate import Evidence, Subject
    from assay.runner.scorebook import ScoreBook
    from assay.runner.scoring import Scoring

_TRACED = 50
"""Failed conversations of a run that MLflow shows as traces: a trace costs about 30 ms."""

_SHOWN_FAILURES = 5

__all__ = ["Session", "now", "whoami"]


def now() -> str:
    """The time of an act, ISO 8601 in UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def whoami() -> str:
    """The account that runs the command, as the ledger records it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


class Session:
    """One command's view of a workspace; opens the store and the ledger when they are first needed."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @cached_property
    def store(self) -> Store:
        from assay.registry.store import Store

        return Store(self.workspace)

    @cached_property
    def ledger(self) -> Ledger:
        from assay.registry.ledger import Ledger

        return Ledger(self.workspace.ledger_url)

    def load_suite(self, name: str) -> tuple[Suite, Dataset]:
        """A suite of the workspace by name or path, with its dataset. Raises ContentError, NotFoundError."""
        from assay.registry.content import load_dataset, load_suite

        suite = load_suite(self.workspace.named_file(self.workspace.suites, name, "suite"))
        folder = self.workspace.datasets / suite.dataset
        if not folder.is_dir():
            known = [path.parent.name for path in self.workspace.datasets.glob("*/dataset.yaml")]
            raise NotFoundError("dataset", suite.dataset, known, where=str(self.workspace.datasets))
        return suite, load_dataset(folder)

    def dataset_of(self, decision: Decision) -> Dataset | None:
        """The dataset that a decision rests on; None where the workspace no longer has it as it was."""
        try:
            _, dataset = self.load_suite(decision.suite)
        except AssayError:  # a suite given by path, or content that is being edited: the decision stands without
            return None
        return dataset if dataset.digest == decision.dataset_digest else None

    def standard(self, suite_name: str, bundle: ResolvedBundle | None, *, check_data: bool = True) -> Standard:
        """The suite, its dataset (checked), and its scorers, set up for a bundle."""
        from assay.registry.content import check_suite, load_rule_packs
        from assay.runner.score import build_scorers, suite_digest
        from assay.runner.scorers.base import ScorerContext
        from assay.runner.scorers.custom import ScorerHome
        from assay.runner.scorers.vocabulary import vocabulary_of

        suite, dataset = self.load_suite(suite_name)
        check_suite(suite, dataset)
        context = ScorerContext(
            manifest=bundle.version.manifest if bundle else None,
            rule_packs=load_rule_packs(self.workspace.rules),
            approved_wording=dataset.wording,
            tools=dataset.info.tools,
            vocabulary=vocabulary_of(dataset, bundle.version.manifest if bundle else None),
            **self._knowledge(dataset),
        )
        home = ScorerHome(self.workspace.root, self.workspace.bundles)
        scorers = build_scorers(suite, context, home)
        checked, files = self._check_data(dataset, bundle) if check_data else (None, {})
        return Standard(suite, dataset, scorers, suite_digest(suite, scorers), context, home, checked, files)

    def _knowledge(self, dataset: Dataset) -> dict[str, Any]:
        """What is true, for the scorers: the dataset's own documents, not those the candidate brings along."""
        from assay.registry.retrieval.documents import load_knowledge

        if dataset.info.knowledge is None:
            return {}
        folder = self.workspace.datasets / dataset.info.name / dataset.info.knowledge
        documents = load_knowledge(folder)
        first = min(case.date for case in dataset.cases)
        return {
            "documents": {d.id: d.text for d in documents},
            "internal_documents": tuple(d.id for d in documents if d.audience == "internal"),
            "superseded_documents": tuple(d.id for d in documents if d.effective_to and d.effective_to < first),
        }

    def _check_data(
        self, dataset: Dataset, bundle: ResolvedBundle | None
    ) -> tuple[DataCheckReport | None, dict[str, str]]:
        """The dataset's own checks, also against what the bundle's model was trained on.

        Raises:
            NotMeasuredError: a critical expectation fails, so nothing measured on the dataset could be relied on.
        """
        from assay.registry.content import DatasetCheck, check_dataset
        from assay.registry.content.checks import parse_expectations

        if not dataset.expectations:
            return None, {}
        folder = self.workspace.datasets / dataset.info.name
        trained = _training(bundle.training_text, bundle.version.label) if bundle and bundle.training_text else ()
        expectations = parse_expectations(dataset.expectations, folder / "expectations.yaml")
        report, validation = check_dataset(DatasetCheck(folder, expectations, training=trained), dataset=dataset)
        if not report.success:
            broken = [e for e in report.failed if e.severity == "critical"]
            lines = "\n".join(f"- {e.name}: {e.message}" for e in broken[:_SHOWN_FAILURES])
            more = f"\n- and {len(broken) - _SHOWN_FAILURES} more" if len(broken) > _SHOWN_FAILURES else ""
            raise NotMeasuredError(
                f"the dataset {dataset.info.name!r} fails {len(broken)} of its critical expectations, so nothing was "
                f"run on it:\n{lines}{more}\n`assay dataset check {dataset.info.name}` shows all of them."
            )
        for e in report.failed:
            note(f"The dataset has a flaw: {e.name}: {e.message}")
        return report, {"data_checks.json": report.model_dump_json(indent=2), "great_expectations.json": validation}

    def evaluate(self, ref: str, suite_name: str, how: HowToRun | None = None) -> EvalRun:
        """Replay, score, and store: one finished MLflow run, known to the ledger."""
        from assay.runner.evaluate import Subject, from_journal, planned_trials
        from assay.runner.journal import Journal
        from assay.runner.scoring import Scoring
        from assay.runner.usage import using

        how = how or HowToRun()
        if ref.startswith("recorded:"):
            if how.executor != "local" or how.processes > 1:
                raise AssayError(f"{ref} holds transcripts, no agent is run: there is no work for several processes")
            return self._evaluate_recorded(ref.removeprefix("recorded:"), suite_name, how.limit)
        bundle = self.store.resolve(ref)
        standard = self.standard(suite_name, bundle)
        refuse_mode(standard.suite, ref, recorded=False)
        check_cases(standard.suite, standard.dataset)
        subject = Subject(bundle.version.name, bundle.version.digest, bundle.version.label)
        trials = planned_trials(subject, standard.dataset, standard.suite)
        evidence = from_journal(trials, Journal(self.workspace.journal))
        with using(self.workspace.journal, bundle.version.digest), self.book() as book:
            run_trials(self.workspace, bundle, subject, standard, evidence, how)
            return self._finish(evidence, subject, standard, Scoring(standard.scorers, book))

    @contextmanager
    def book(self) -> Iterator[ScoreBook]:
        """The kept scores of the workspace."""
        from assay.runner.scorebook import ScoreBook

        book = ScoreBook(self.workspace.scores)
        try:
            yield book
        finally:
            book.close()

    def _evaluate_recorded(self, name: str, suite_name: str, limit: int | None) -> EvalRun:
        from assay.runner.agents.recorded import load_recordings
        from assay.runner.evaluate import Subject, match_trajectories

        standard = self.standard(suite_name, None)
        refuse_mode(standard.suite, f"recorded:{name}", recorded=True)
        path = Path(name) if name.endswith(".jsonl") else self.workspace.datasets / name / "recordings.jsonl"
        recordings = load_recordings(path)
        subject = Subject(recordings.agent, recordings.bundle_digest, recordings.label)
        trajectories = recordings.for_dataset(standard.dataset, standard.suite.replay)[:limit]
        evidence = match_trajectories(trajectories, subject, standard.dataset, standard.suite)
        note(f"{len(evidence.digests)} recorded trajectories for {len(evidence.trials)} planned trials.")
        return self._finish(evidence, subject, standard)

    def rescore(self, run_ref: str, suite_name: str) -> EvalRun:
        """Score the trajectories of a stored run with a suite as it is now; no agent runs."""
        from assay.runner.evaluate import Subject, match_trajectories

        run, _ = self.load_run(run_ref)
        standard = self.standard(suite_name, self.bundle_of(run))
        subject = Subject(run.agent, run.bundle_digest, run.bundle_label)
        trajectories = self.store.load_trajectories(run.run_id)
        evidence = match_trajectories(trajectories, subject, standard.dataset, standard.suite)
        note(
            f"{len(evidence.digests)} stored trajectories for {len(evidence.trials)} planned trials; no agent was run."
        )
        return self._finish(evidence, subject, standard)

    def _finish(
        self, evidence: Evidence, subject: Subject, standard: Standard, scoring: Scoring | None = None
    ) -> EvalRun:
        from assay.gates.metrics import summarise
        from assay.registry.ledger import Evaluation
        from assay.runner.evaluate import assemble

        with progress("scoring", len(evidence.digests)) as advance:
            run = assemble(
                evidence,
                subject,
                standard.dataset,
                standard.suite,
                standard.scorers,
                scoring,
                created_at=now(),
                data_checks=standard.data_checks,
                progress=lambda _count: advance(),
            )
        estimates = summarise(run)
        metrics = {name: e.value for name, e in estimates.items() if e.value is not None}
        params = {
            "bundle": subject.label,
            "suite": standard.suite.name,
            "dataset": standard.dataset.info.name,
            "mode": standard.suite.replay.mode,
            "trials": str(standard.suite.trials),
        }
        stored = self.store.log_run(
            run,
            evidence.trajectories(),
            metrics=metrics,
            params=params,
            dataset=standard.dataset,
            extra_artifacts=standard.data_check_files,
        )
        self.ledger.record_evaluation(Evaluation.of(stored))
        self._show_failures(stored, evidence)
        return stored

    def _show_failures(self, run: EvalRun, evidence: Evidence) -> None:
        """Trace the conversations that a person will want to look at, in MLflow's own view, without personal data."""
        from assay.registry.pii import redact_json

        customers = {trial.case.id: trial.case.customer for trial in evidence.trials}

        def redacted(model: Any, case_id: str) -> Any:
            return type(model).model_validate(redact_json(model.model_dump(mode="json"), customers[case_id]))

        failing = set(failing_cases(run))
        keys = sorted(t.key for t in evidence.trials if t.case.id in failing and t.key in evidence.digests)
        chosen = [evidence.read(key) for key in keys[:_TRACED]]
        results: dict[tuple[str, int], list[tuple[str, Any]]] = {(t.case_id, t.trial): [] for t in chosen}
        for record in run.scores:
            if (record.case_id, record.trial) in results:
                scored = (record.metric, redacted(record.result, record.case_id))
                results[record.case_id, record.trial].append(scored)
        plain = [
            t.model_copy(
                update={
                    "turns": tuple(redacted(turn, t.case_id) for turn in t.turns),
                    "error": None if t.error is None else redact_json(t.error, customers[t.case_id]),
                }
            )
            for t in chosen
        ]
        self.store.log_traces(run.run_id, [(t, results[t.case_id, t.trial]) for t in plain], limit=_TRACED)

    def load_run(self, ref: str) -> tuple[EvalRun, str]:
        """A stored run and its digest, if it still is what the ledger knows.

        Raises:
            IntegrityError: the run was edited after it was stored, or the ledger does not know it.
        """
        run, digest = self.store.load_run(ref)
        recorded = self.ledger.evaluation_digest(run.run_id)
        if recorded is None:
            raise IntegrityError(
                f"run {run.run_id} is in MLflow but not in the ledger: it was not stored by `assay eval`"
            )
        if recorded != digest:
            raise IntegrityError(
                f"run {run.run_id} was edited after it was stored: its digest is {digest[:12]}, "
                f"the ledger has {recorded[:12]}. Evaluate again."
            )
        return run, digest

    def bundle_of(self, run: EvalRun) -> ResolvedBundle | None:
        """The registered bundle that a run evaluated; None for recorded transcripts.

        Raises:
            IntegrityError: the bundle was changed after it was registered.
        """
        for version in self.store.versions(run.agent):
            if version.digest == run.bundle_digest:
                return self.store.resolve(f"{run.agent}/{version.version}")
        return None

    def load_policy(self, name: str) -> tuple[GatePolicy, str]:
        """A gate policy of the workspace by name or path, and its digest."""
        from assay.gates.load import load_policy

        policy = load_policy(self.workspace.named_file(self.workspace.policies, name, "gate policy"))
        return policy, digest_of(policy)

    def gate(self, run_ref: str, policy_name: str, baseline_ref: str | None = None) -> Decision:
        """Judge a stored run; the decision is recorded in the ledger and logged to the run."""
        from assay.gates.decide import decide
        from assay.gates.reports.render import render_json

        run, digest = self.load_run(run_ref)
        policy, policy_digest = self.load_policy(policy_name)
        baseline, champion_exists = self._baseline(run, baseline_ref)
        decision = decide(policy, policy_digest, run, digest, baseline, champion_exists, now())
        decision = decision.model_copy(update={"versions": _versions()})
        self.ledger.record_decision(decision)
        self.store.log_artifact_text(run.run_id, "decision.json", render_json(decision))
        return decision

    def _baseline(self, run: EvalRun, ref: str | None) -> tuple[tuple[EvalRun, str] | None, bool]:
        """The run to compare with (by default the champion's newest on the same data), and if there is a champion."""
        if ref and ref != "champion":
            return self.load_run(ref), True
        if "champion" not in self.store.aliases(run.agent):
            if ref:
                raise NotFoundError("bundle", f"{run.agent}@champion", self.store.aliases(run.agent))
            return None, False
        champion = self.store.bundle(f"{run.agent}@champion")
        promoted = self.ledger.promotions(run.agent)[:1]
        if promoted and promoted[0].bundle_digest != champion.digest:
            note(f"{run.agent}@champion was moved by hand: the ledger's champion is {promoted[0].label}.")
        if champion.digest == run.bundle_digest:
            return None, False
        runs = self.store.find_runs(
            run.agent, bundle_digest=champion.digest, dataset_digest=run.dataset_digest, suite_digest=run.suite_digest
        )
        return (self.load_run(runs[0].run_id) if runs else None), True

    def requirements(self, agent: str, ref: str) -> Requirements:
        """What a promotion of the agent has to rest on, from the workspace as it is now."""
        from assay.registry.promotion import Requirements

        release = self.workspace.release(agent)
        standard = self.standard(release.suite, self.store.resolve(ref), check_data=False)
        _, policy_digest = self.load_policy(release.policy)
        return Requirements(
            dataset_digest=standard.dataset.digest,
            suite=standard.suite.name,
            suite_digest=standard.suite_digest,
            policy=release.policy,
            policy_digest=policy_digest,
        )


def _training(text: str, label: str) -> tuple[tuple[str, str], ...]:
    """(where it stands, utterance) of a text that a triage model is trained from."""
    from assay.runner.agents.reference.triage import parse_utterances

    return tuple(
        (f"{utterance!r}, which {label} is trained on", utterance) for utterance, _, _ in parse_utterances(text)
    )


def _versions() -> dict[str, str]:
    """What computed the decision, for whoever wants to compute it again."""
    import platform
    from importlib.metadata import version

    return {"python": platform.python_version(), **{name: version(name) for name in ("assay", "numpy", "scipy")}}


def failing_cases(run: EvalRun) -> Sequence[str]:
    """Ids of the cases with a finding or a trial that did not complete, in order."""
    from assay.registry.types.score import Score

    found = {r.case_id for r in run.scores if isinstance(r.result, Score) and r.result.findings}
    found |= {u.case_id for u in run.planned if u.outcome is None or u.outcome.value != "completed"}
    return sorted(found)
