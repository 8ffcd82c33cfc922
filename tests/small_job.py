"""A job that any process can do a part of: the reference agent on a small model, and a check of the workspace's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.registry.digest import digest_bytes, digest_of
from assay.registry.retrieval.documents import load_knowledge
from assay.registry.store import ResolvedBundle
from assay.registry.store.estimators import dump_estimator
from assay.registry.strict import load_yaml
from assay.registry.types.bundle import (
    ArtifactVersion,
    BundleManifest,
    BundleSource,
    BundleVersion,
    RetrievalConfig,
    TriageConfig,
)
from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings, ScorerUse, Suite
from assay.runner.agents.reference.triage import train_triage
from assay.runner.collect import Done, Rerun
from assay.runner.evaluate import Subject
from assay.runner.job import Job, Stores
from assay.runner.journal import Journal
from assay.runner.replay import Limits, Trial, plan
from assay.runner.score import build_scorers
from assay.runner.scorebook import ScoreBook
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.custom import ScorerHome

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "registry" / "bundles" / "harborline"
ROWS_EACH = 8

WATCHED = '''
"""Tells which case it sees, waits while it is held, and ends its process at cases that are named deadly."""
import os, time
from pathlib import Path

def check(case, trajectory, folder):
    folder = Path(folder)
    with (folder / "seen").open("a") as file:
        file.write(f"{os.getpid()} {case.id}\\n")
    if case.id in (folder / "deadly").read_text().split():
        os._exit(7)
    until = time.monotonic() + 60
    while (folder / "hold").exists() and time.monotonic() < until:
        time.sleep(0.01)
    return len(trajectory.turns) > 0
'''
METRIC = {"name": "answered", "kind": "proportion", "direction": "higher_is_better", "description": "d"}


def small_bundle() -> ResolvedBundle:
    """The champion on a model that is trained in less than a second."""
    source = load_yaml(BUNDLE / "champion.yaml", BundleSource)
    assert source.prompt
    assert source.retrieval
    text = (BUNDLE / "training" / "utterances.csv").read_text()
    head, *rows = text.splitlines(keepends=True)
    kept: dict[str, list[str]] = {}
    for row in rows:
        kept.setdefault(row.split(",")[-2], []).append(row)
    text = head + "".join(row for group in kept.values() for row in group[:ROWS_EACH])
    config = TriageConfig(regularisation=80)
    data = dump_estimator(train_triage(config, text))
    prompt = (BUNDLE / source.prompt.file).read_text()
    retrieval = RetrievalConfig.model_validate(source.retrieval.model_dump(exclude={"knowledge"}))
    manifest = BundleManifest(
        agent=source.agent,
        adapter=source.adapter,
        prompt_digest=digest_of(prompt),
        retrieval=retrieval,
        knowledge_digest=digest_of("knowledge"),
        model=config,
        model_source_digest=digest_of(text),
        model_digest=digest_bytes(data),
        tools=source.tools,
        roles=source.roles,
        autonomy=source.autonomy,
    )
    part = ArtifactVersion(name="p", version=1, digest="a" * 64)
    version = BundleVersion(
        name=source.agent,
        version=1,
        digest=digest_of(manifest),
        manifest=manifest,
        prompt=part,
        retrieval=part,
        model=part,
    )
    knowledge = load_knowledge(ROOT / "datasets" / "harborline" / "knowledge")
    return ResolvedBundle(version=version, prompt=prompt, knowledge=knowledge, model_bytes=data, training_text=text)


def cases(number: int) -> list[Case]:
    """The first of the golden conversations."""
    lines = (ROOT / "datasets" / "harborline" / "cases.jsonl").read_text().splitlines()[:number]
    return [Case.model_validate(json.loads(line)) for line in lines]


class Small:
    """A job in a folder of its own, with what its scorer saw."""

    def __init__(self, bundle: ResolvedBundle, folder: Path, number: int = 24, **limits: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "watched.py").write_text(WATCHED)
        self.deadly()
        options = {"metric": METRIC, "options": {"folder": str(folder)}}
        suite = Suite(
            name="small",
            dataset="d",
            replay=ReplaySettings(),
            scorers=(ScorerUse(name="escalation"), ScorerUse(name="watched:check", settings=options)),
        )
        self.job = Job(
            bundle=bundle,
            subject=Subject(bundle.version.name, bundle.version.digest, "small v1"),
            root=folder,
            suite=suite,
            context=ScorerContext(manifest=bundle.manifest),
            home=ScorerHome(folder),
            stores=Stores(folder / "store" / "trajectories", folder / "store" / "scores.db"),
            limits=Limits(**{"concurrency": 4, **limits}),
            rerun=Rerun(),
        )
        chosen = cases(number)
        digests = {case.id: digest_of(case) for case in chosen}
        self.trials: tuple[Trial, ...] = plan(chosen, digests, bundle.version.digest, suite.replay, 1)
        self.told: list[Done] = []

    def deadly(self, *names: str) -> None:
        """The check ends its process when it sees one of these cases."""
        (self.folder / "deadly").write_text(" ".join(names))

    def hold(self) -> None:
        """Let the check wait at the next case, until `let_go`."""
        (self.folder / "hold").touch()

    def let_go(self) -> None:
        (self.folder / "hold").unlink(missing_ok=True)

    def seen(self) -> list[tuple[int, str]]:
        """The process and the case of each time that the check was asked."""
        file = self.folder / "seen"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(int(pid), name) for pid, name in map(str.split, lines)]

    def limited(self, **limits: Any) -> None:
        self.job = replace(self.job, limits=replace(self.job.limits, **limits))

    def kept(self) -> dict[str, Any]:
        """All that is in the stores, without what the clock says: by trial, the conversation and its scores."""
        job, found = self.job, {}
        scorers = build_scorers(job.suite, job.context, job.home)
        book = ScoreBook(job.stores.book)
        for trial in self.trials:
            stored = Journal(job.stores.journal).get(trial.key)
            if stored is not None:
                scores = book.get(stored.digest, [scorer.info() for scorer in scorers])
                own = {s.info().name: scores.get(s.info().digest) for s in scorers}
                found[trial.key] = (timeless(stored.trajectory.model_dump(mode="json")), own)
        book.close()
        return found

    def left_over(self) -> list[str]:
        """Files of conversations that nobody is in any more."""
        return [str(path) for path in (self.job.stores.journal / "calls").glob("*/*")]


def timeless(value: Any) -> Any:
    """A trajectory without `started_at` and every `latency_s`: all of it that two runs of one trial have in common."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in {"started_at", "latency_s"}}
    return [timeless(item) for item in value] if isinstance(value, list) else value
