"""What tests of several rooms share: quiet dependencies, and the command line in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from assay.registry.types.bundle import TriageConfig

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    GX_ANALYTICS_ENABLED="false",
    RAGAS_DO_NOT_TRACK="true",
    DEEPEVAL_TELEMETRY_OPT_OUT="YES",
    DEEPEVAL_DISABLE_DOTENV="1",
)
SETTINGS = ("MLFLOW_TRACKING_URI", "ASSAY_TRACKING_URI", "ASSAY_LEDGER_URL", "ASSAY_WORKSPACE", "ASSAY_DEBUG")
for name in SETTINGS:
    os.environ.pop(name, None)


LONGEST = ("test_main_job.py", "test_faults.py", "test_store.py", "test_reference_agent.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: a file runs in one process, and none should be left alone with one at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def trained_once() -> Iterator[None]:
    """Each triage model is trained once a process: training is deterministic, and dozens of tests register a bundle."""
    from assay.runner.agents.reference import triage

    train, kept = triage.train_triage, {}

    def trained(config: TriageConfig, utterances_csv: str) -> Any:
        key = (config.model_dump_json(), utterances_csv)
        if key not in kept:
            kept[key] = train(config, utterances_csv)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triage, "train_triage", trained)
        yield


@pytest.fixture
def assay(
    trained_once: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Runs `assay ARGS...` as a user would, in a folder; returns exit code and output."""

    def run(*args: str, cwd: Path | None = None) -> Done:
        from assay.cli.main import main

        capsys.readouterr()
        for name in SETTINGS:  # other tests in this process use MLflow directly, which sets its address for all
            monkeypatch.delenv(name, raising=False)
        if cwd is not None:
            monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["assay", *args])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, out, err)

    return run
