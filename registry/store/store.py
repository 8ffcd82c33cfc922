"""The store's door: bundles in and out, runs in and out."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.errors import AssayError, NotFoundError
from assay.registry.store import datasets, runs, traces
from assay.registry.store.artifacts import newest_first, tags_of, version_number
from assay.registry.store.connection import Connection, absent
from assay.registry.store.contents import read_bundle
from assay.registry.store.datasets import DatasetVersion
from assay.registry.store.refs import ALIASES, DIGEST_TAG, KIND_TAG, BundleRef, parse_bundle_ref
from assay.registry.store.resolve import ResolvedBundle, bundle_version, resolve
from assay.registry.store.runs import RunSummary
from assay.registry.types.bundle import BundleVersion, TriageConfig
from assay.registry.types.case import Dataset
from assay.registry.types.run import EvalRun
from assay.registry.types.score import Result
from assay.registry.types.trajectory import Trajectory
from assay.registry.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["Registration", "Store", "VersionSummary"]

_SHORTEST_PREFIX = 6


@dataclass(frozen=True)
class Registration:
    """What registering a bundle came to. `new_parts` names what had to be made: prompt, retrieval, model, bundle."""

    version: BundleVersion
    created: bool
    new_parts: tuple[str, ...]


@dataclass(frozen=True)
class VersionSummary:
    """A bundle's version as MLflow lists it. `digest` is what its tag says; `Store.resolve` is what verifies it."""

    agent: str
    version: int
    digest: str
    aliases: tuple[str, ...]
    tags: dict[str, str]
    created_at_ms: int

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.agent} v{self.version}"


class Store:
    """Prompts, retrieval configs, models, bundles and runs of one workspace. Nothing is opened before it is needed."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @cached_property
    def _connection(self) -> Connection:
        return Connection(self.workspace)

    # --- bundles -------------------------------------------------------------------------------------------

    def register(
        self, bundle_file: Path, train: Callable[[TriageConfig, str], object], *, loader: str | None = None
    ) -> Registration:
        """Register a bundle and let the alias `candidate` point at it. Equal content is never registered twice.

        Args:
            bundle_file: a `bundle.yaml`.
            train: makes a triage model from its config and the text of the utterances file; called only when no
                stored model was trained from the same.
            loader: module of the installed package with which MLflow loads the bundle as a model (it has
                `_load_pyfunc(path)`). Without one the version holds the manifest only and cannot be served.

        Raises:
            ContentError: the file, or something it names, is missing or ill-formed.
            AssayError: the prompt or the model cannot be stored.
        """
        from assay.registry.store.register import Registrar

        files = read_bundle(bundle_file)
        with tempfile.TemporaryDirectory(prefix="assay-") as scratch:
            registrar = Registrar(self._connection, files, Path(scratch), loader)
            number, stored = registrar.run(train)
        self._connection.client.set_registered_model_alias(stored.name, "candidate", str(number))
        version = BundleVersion(
            name=stored.name,
            version=number,
            digest=stored.digest,
            manifest=stored.manifest,
            prompt=stored.prompt,
            retrieval=stored.retrieval,
            model=stored.model,
        )
        return Registration(version, "bundle" in registrar.created, tuple(registrar.created))

    def resolve(self, ref: str) -> ResolvedBundle:
        """The bundle that `ref` names (`harborline@candidate`, `harborline/3`, `harborline v3`), wholly verified.

        Raises:
            AssayError: `ref` is not a reference.
            NotFoundError: there is no such agent, alias or version.
            IntegrityError: something was changed after it was registered.
        """
        return resolve(self._connection, self._find(parse_bundle_ref(ref)))

    def bundle(self, ref: str) -> BundleVersion:
        """What `ref` pins, from its verified manifest; its parts are not read. Raises as `resolve` does."""
        return bundle_version(self._connection, self._find(parse_bundle_ref(ref)))

    def agents(self) -> tuple[str, ...]:
        """Agents with a registered bundle, sorted."""
        client, names, token = self._connection.client, list[str](), None
        while True:
            page = client.search_registered_models(f"tags.`{KIND_TAG}` = 'bundle'", page_token=token)
            names += [model.name for model in page]
            token = page.token
            if not token:
                return tuple(sorted(name for name in names if self.versions(name)))

    def versions(self, agent: str) -> tuple[VersionSummary, ...]:
        """The agent's bundle versions, newest first; empty where there are none."""
        aliases = self.aliases(agent)
        return tuple(
            VersionSummary(
                agent=agent,
                version=version_number(found),
                digest=tags_of(found).get(DIGEST_TAG, ""),
                aliases=tuple(sorted(alias for alias, number in aliases.items() if number == version_number(found))),
                tags=tags_of(found),
                created_at_ms=int(found.creation_timestamp or 0),
            )
            for found in newest_first(self._connection, agent)
            if tags_of(found).get(KIND_TAG) == "bundle"
        )

    def aliases(self, agent: str) -> dict[str, int]:
        """Alias to version number, for the agent's bundles."""
        with absent():
            found = self._connection.client.get_registered_model(agent).aliases
            return {str(alias): int(number) for alias, number in sorted(found.items())}
        return {}

    def set_alias(self, agent: str, alias: str, version: int) -> None:
        """Let an alias point at a version. Releases go through `assay.registry.promotion`, not through here.

        Raises:
            NotFoundError: there is no such version, or no such alias is in use here.
        """
        if alias not in ALIASES:
            raise NotFoundError("alias", alias, ALIASES)
        self._find(BundleRef(agent, version=version))
        self._connection.client.set_registered_model_alias(agent, alias, str(version))

    def set_tag(self, agent: str, version: int, key: str, value: str) -> None:
        """Set a tag on a bundle's version. Tags are for people to read; nothing rests on them.

        Raises:
            NotFoundError: there is no such version.
            AssayError: the tag is one that Assay itself sets.
        """
        if key in {KIND_TAG, DIGEST_TAG}:
            raise AssayError(f"the tag {key!r} is set when a bundle is registered and cannot be set by hand")
        self._find(BundleRef(agent, version=version))
        self._connection.client.set_model_version_tag(agent, str(version), key, value)

    # --- datasets ------------------------------------------------------------------------------------------

    def register_dataset(self, folder: Path) -> DatasetVersion:
        """Store the dataset in a folder as a new version; the same content makes none.

        Raises:
            ContentError: the dataset is ill-formed.
            AssayError: its files changed while they were read.
        """
        return datasets.register_dataset(self._connection, folder)

    def dataset_versions(self, name: str) -> list[DatasetVersion]:
        """The registered versions of a dataset, newest first."""
        return datasets.dataset_versions(self._connection, name)

    def load_dataset(self, ref: str) -> tuple[DatasetVersion, Dataset]:
        """The registered dataset that `NAME/VERSION` or `NAME@latest` names, verified.

        Raises:
            NotFoundError: there is no such version.
            IntegrityError: it was changed after it was registered.
        """
        return datasets.load_dataset_version(self._connection, ref)

    # --- runs ----------------------------------------------------------------------------------------------

    def log_run(
        self,
        run: EvalRun,
        trajectories: Iterable[Trajectory],
        *,
        metrics: Mapping[str, float],
        params: Mapping[str, str],
        dataset: Dataset,
        extra_artifacts: Mapping[str, str] | None = None,
    ) -> EvalRun:
        """Store a run whole: header, scores, trajectories, metrics, params, dataset. A half-stored one is FAILED.

        Args:
            extra_artifacts: file name to text.

        Returns:
            The run with its `run_id`.

        Raises:
            AssayError: a metric is not finite, or a name cannot be used.
        """
        return runs.log_run(
            self._connection,
            run,
            trajectories,
            metrics=metrics,
            params=params,
            dataset=dataset,
            extra_artifacts=extra_artifacts or {},
        )

    def load_run(self, ref: str, agent: str | None = None) -> tuple[EvalRun, str]:
        """A run and the digest of what is stored of it now. For `ref` see `find_run`.

        Raises:
            NotFoundError: there is no such finished run.
            IntegrityError: its files are gone, unreadable, or of another run.
        """
        return runs.load_run(self._connection, self.find_run(ref, agent).run_id)

    def load_trajectories(self, run_id: str) -> list[Trajectory]:
        """The trajectories of a run, each verified. Raises as `load_run` does."""
        return runs.load_trajectories(self._connection, run_id)

    def find_runs(
        self,
        agent: str,
        bundle_digest: str | None = None,
        dataset_digest: str | None = None,
        suite_digest: str | None = None,
    ) -> list[RunSummary]:
        """Finished runs of an agent, newest first."""
        wanted = {"bundle_digest": bundle_digest, "dataset_digest": dataset_digest, "suite_digest": suite_digest}
        return runs.find_runs(self._connection, agent, wanted)

    def agents_with_runs(self) -> tuple[str, ...]:
        """Agents with an evaluation run, also those whose transcripts were recorded elsewhere."""
        return tuple(self._connection.agents_with_runs())

    def find_run(self, ref: str, agent: str | None = None) -> RunSummary:
        """The finished run that `ref` names.

        Args:
            ref: a run id, the beginning of one (at least 6 characters), `latest`, or a bundle
                (`harborline@candidate`: the newest run of that bundle).
            agent: look only at this agent's runs.

        Raises:
            NotFoundError: there is none.
            AssayError: several runs begin so.
        """
        if re.fullmatch(r"[0-9a-f]{32}", ref):
            return runs.run_by_id(self._connection, ref)
        if "@" in ref or "/" in ref or " " in ref.strip():
            bundle = self.bundle(ref)
            found = self.find_runs(bundle.name, bundle_digest=bundle.digest)
            if not found:
                raise NotFoundError("evaluation run", ref)
            return found[0]
        known = [
            run for name in ([agent] if agent else self._connection.agents_with_runs()) for run in self.find_runs(name)
        ]
        if ref == "latest" and known:
            return max(known, key=lambda run: run.created_at)
        matching = [run for run in known if run.run_id.startswith(ref)] if len(ref) >= _SHORTEST_PREFIX else []
        if len(matching) > 1:
            raise AssayError(f"{len(matching)} runs begin with {ref!r}: {', '.join(run.run_id for run in matching)}")
        if not matching:
            names = ["latest", *(run.run_id[:8] for run in known)] if known else []
            raise NotFoundError("evaluation run", ref, names, hint="" if known else "No run is stored yet.")
        return matching[0]

    def log_traces(
        self, run_id: str, scored: Sequence[tuple[Trajectory, list[tuple[str, Result]]]], limit: int = 50
    ) -> int:
        """Show conversations of a stored run in MLflow, with their findings; at most `limit`. How many traces."""
        return traces.log_traces(self._connection, run_id, scored[:limit])

    def log_artifact_text(self, run_id: str, name: str, text: str) -> None:
        """Add a file to a stored run, such as a decision or a report.

        Raises:
            AssayError: the name is that of a part of the run's evidence.
        """
        if name in runs.EVIDENCE_FILES:
            raise AssayError(f"{name!r} is part of the evidence of a run and cannot be written again")
        self._connection.client.log_text(run_id, text, name)

    # --- inside --------------------------------------------------------------------------------------------

    def _find(self, ref: BundleRef) -> ModelVersion:
        numbers = {summary.version: summary for summary in self.versions(ref.agent)}
        if not numbers:
            raise NotFoundError("agent", ref.agent, self.agents(), where="the registry")
        aliases = self.aliases(ref.agent)
        if ref.alias is not None and ref.alias not in aliases:
            raise NotFoundError("bundle", str(ref), [f"{ref.agent}@{alias}" for alias in aliases])
        number = ref.version if ref.alias is None else aliases[ref.alias]
        if number not in numbers:
            raise NotFoundError("bundle", str(ref), [summary.label for summary in numbers.values()])
        return self._connection.client.get_model_version(ref.agent, str(number))
