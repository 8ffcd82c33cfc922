"""Registering a bundle: each part once, by content, then the bundle that pins them.

The order makes a crash harmless: parts first, the bundle's version last, the alias after it. Running again
finds the finished parts by digest and goes on. A stored part that was edited since is never reused.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from assay.registry.digest import canonical_json, digest_bytes, digest_of
from assay.registry.errors import AssayError, ContentError, IntegrityError
from assay.registry.store.artifacts import add_version, find_version, tags_of, version_number
from assay.registry.store.bundle_model import make_loadable, write_bundle
from assay.registry.store.bundle_parts import Parts
from assay.registry.store.connection import Connection, absent
from assay.registry.store.contents import BundleFiles, StoredBundle, StoredRetrieval, prompt_digest, retrieval_digest
from assay.registry.store.estimators import dump_estimator
from assay.registry.store.mlflow_models import MlflowModel, fetch_model
from assay.registry.store.read import (
    MODEL_FILE,
    TRAINING_FILE,
    model_file,
    read_model,
    read_retrieval,
    read_stored_bundle,
)
from assay.registry.store.refs import DIGEST_TAG, SOURCE_TAG, model_name, prompt_name, retrieval_name
from assay.registry.types.bundle import ArtifactVersion, BundleManifest, MlflowConfig, TriageConfig, TriageSource

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["Registrar"]

Trainer = Callable[[TriageConfig, str], object]


class Registrar:
    """Registers one bundle. `created` collects the names of what had to be made."""

    def __init__(self, connection: Connection, files: BundleFiles, scratch: Path, loader: str | None) -> None:
        self._connection = connection
        self._files = files
        self._scratch = scratch
        self._agent = files.source.agent
        self._loader = loader
        self._model_bytes = b""
        self._mlflow_model: MlflowModel | None = None
        self.created: list[str] = []

    def run(self, train: Trainer) -> tuple[int, StoredBundle]:
        """The version of the bundle and what it pins.

        Raises:
            AssayError: the prompt is too long for MLflow, or the trained model cannot be stored.
        """
        prompt = self._prompt()
        retrieval = self._retrieval()
        model = self._model(train)
        manifest = self._manifest(model.digest)
        stored = StoredBundle(
            name=self._agent,
            digest=digest_of(manifest),
            manifest=manifest,
            prompt=prompt,
            retrieval=retrieval,
            model=model,
        )
        return self._bundle(stored), stored

    def _prompt(self) -> ArtifactVersion | None:
        text = self._files.prompt
        if text is None:
            return None
        name, digest = prompt_name(self._agent), prompt_digest(text)
        client = self._connection.client
        with absent():
            token: str | None = None
            while True:
                page = client.search_prompt_versions(name, max_results=100, page_token=token)
                for found in page:
                    if isinstance(found.template, str) and prompt_digest(found.template) == digest:
                        return ArtifactVersion(name=name, version=int(found.version), digest=digest)
                token = page.token
                if not token:
                    break
        made = client.register_prompt(name, text, tags={DIGEST_TAG: digest})
        kept = client.get_prompt_version(name, made.version)
        if kept is None or prompt_digest(str(kept.template)) != digest:
            raise AssayError(f"MLflow did not keep the prompt as it is (it may be too long): {name} v{made.version}")
        self.created.append("prompt")
        return ArtifactVersion(name=name, version=int(made.version), digest=digest)

    def _retrieval(self) -> ArtifactVersion | None:
        wanted, knowledge = self._files.retrieval, self._files.knowledge
        if wanted is None or knowledge is None:
            return None
        name = retrieval_name(self._agent)
        digest = retrieval_digest(wanted.config, wanted.knowledge_digest)
        found = self._find(name, DIGEST_TAG, digest, lambda v, into: read_retrieval(self._connection, v, digest, into))
        if found is None:
            found = self._add(
                "retrieval",
                name,
                {DIGEST_TAG: digest},
                lambda folder, model_id: self._write_retrieval(wanted, knowledge, folder, model_id),
            )
        return ArtifactVersion(name=name, version=version_number(found), digest=digest)

    def _model(self, train: Trainer) -> ArtifactVersion:
        source = self._files.model_source_digest
        config = self._files.model
        name = model_name(self._agent, config.kind)
        if isinstance(config, MlflowConfig):
            self._mlflow_model = fetch_model(self._connection, config)

        def check(version: ModelVersion, into: Path) -> None:
            digest = tags_of(version).get(DIGEST_TAG, "")
            self._model_bytes, _ = read_model(self._connection, version, digest, self._files, into)
            if self._mlflow_model is not None:
                self._mlflow_model.check(self._model_bytes)

        found = self._find(name, SOURCE_TAG, source, check)
        if found is not None:
            return ArtifactVersion(name=name, version=version_number(found), digest=tags_of(found)[DIGEST_TAG])
        # Made before anything is written to MLflow, so that a training that fails leaves nothing there.
        data, write = self._made(train)
        self._model_bytes = data
        tags = {DIGEST_TAG: digest_bytes(data), SOURCE_TAG: source}
        made = self._add("model", name, tags, write)
        return ArtifactVersion(name=name, version=version_number(made), digest=tags[DIGEST_TAG])

    def _made(self, train: Trainer) -> tuple[bytes, Callable[[Path, str], None]]:
        """The bytes of the model, and what writes its files."""
        config, text = self._files.model, self._files.utterances
        if not isinstance(config, TriageConfig):
            data = self._files.code or canonical_json(config)
            if self._mlflow_model is not None:
                data = self._mlflow_model.record
            return data, lambda folder, _: _write_file(folder, model_file(config), data)
        try:
            estimator = train(config, text)
        except ContentError as error:
            assert isinstance(self._files.source.model, TriageSource)
            file = self._files.file.parent / self._files.source.model.utterances
            raise ContentError(error.problem, file=file, line=error.line) from None
        data = dump_estimator(estimator)

        def write(folder: Path, model_id: str) -> None:
            _write_model(estimator, data, folder, model_id)
            (folder / TRAINING_FILE).write_bytes(text.encode("utf-8", errors="surrogatepass"))

        return data, write

    def _bundle(self, stored: StoredBundle) -> int:
        def check(version: ModelVersion, into: Path) -> None:
            if read_stored_bundle(self._connection, version, into) != stored:
                raise IntegrityError("the same content with other parts")

        def write(folder: Path, model_id: str) -> None:
            files = self._files
            parts = Parts(
                files.prompt, files.retrieval, files.knowledge, files.model, self._model_bytes, self._mlflow_model
            )
            write_bundle(folder, model_id, stored, parts, self._loader)

        found = self._find(stored.name, DIGEST_TAG, stored.digest, check)
        if found is not None:
            if self._loader is not None:
                make_loadable(self._connection, found, write, self._scratch)
            return version_number(found)
        tags = {DIGEST_TAG: stored.digest}
        for kind, part in stored.parts.items():
            tags[f"assay.{kind}"] = f"{part.name} v{part.version}"
            tags[f"assay.{kind}_digest"] = part.digest

        return version_number(self._add("bundle", stored.name, tags, write))

    def _manifest(self, model_digest: str) -> BundleManifest:
        source, files = self._files.source, self._files
        return BundleManifest(
            agent=source.agent,
            description=source.description,
            adapter=source.adapter,
            prompt_digest=None if files.prompt is None else prompt_digest(files.prompt),
            retrieval=files.retrieval.config if files.retrieval else None,
            knowledge_digest=files.retrieval.knowledge_digest if files.retrieval else None,
            model=files.model,
            model_source_digest=files.model_source_digest,
            model_digest=model_digest,
            tools=source.tools,
            roles=source.roles,
            autonomy=source.autonomy,
        )

    def _find(
        self, name: str, tag: str, digest: str, check: Callable[[ModelVersion, Path], object]
    ) -> ModelVersion | None:
        """The newest version tagged with `digest` whose stored bytes still pass `check`."""

        def intact(version: ModelVersion) -> bool:
            try:
                check(version, self._scratch / f"found-{version.name}-{version.version}")
            except IntegrityError:
                return False
            return True

        return find_version(self._connection, name, tag, digest, intact)

    def _add(self, kind: str, name: str, tags: dict[str, str], write: Callable[[Path, str], None]) -> ModelVersion:
        made = add_version(self._connection, self._agent, name, kind, tags, write, self._scratch)
        self.created.append(kind)
        return made

    def _write_retrieval(self, wanted: StoredRetrieval, knowledge: Path, folder: Path, model_id: str) -> None:
        """Stage exactly the knowledge files that the digest covers, and save them as a pyfunc model."""
        import mlflow.pyfunc
        from mlflow.models import Model

        staged = self._scratch / "staged"
        (staged / "knowledge").mkdir(parents=True)
        for name in wanted.documents:
            shutil.copyfile(knowledge / name, staged / "knowledge" / name)
        (staged / "retrieval.json").write_bytes(canonical_json(wanted))
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(Path(__file__).with_name("retriever_model.py")),
            artifacts={"retrieval": str(staged / "retrieval.json"), "knowledge": str(staged / "knowledge")},
            model_config={"date": ""},
            pip_requirements=_requirements("mlflow", "bm25s", "numpy", "pydantic", "pyyaml"),
            mlflow_model=Model(model_id=model_id),
        )


def _write_model(estimator: object, data: bytes, folder: Path, model_id: str) -> None:
    from mlflow import sklearn as flavor
    from mlflow.models import Model

    flavor.save_model(
        estimator,
        str(folder),
        serialization_format=flavor.SERIALIZATION_FORMAT_PICKLE,
        pip_requirements=_requirements("mlflow", "scikit-learn", "numpy", "scipy"),
        mlflow_model=Model(model_id=model_id),
    )
    # The very bytes that the digest is of: pickling twice need not give the same.
    (folder / MODEL_FILE).write_bytes(data)


def _write_file(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir()
    (folder / name).write_bytes(data)


def _requirements(*packages: str) -> list[str]:
    """Pinned as installed here; MLflow would otherwise load the model again to find out, which takes seconds."""
    return [f"{package}=={installed(package)}" for package in packages]
