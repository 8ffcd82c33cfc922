from __future__ import annotations

import pytest

from assay.registry.errors import AssayError, ContentError, NotFoundError
from assay.registry.workspace import find_workspace


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "assay.yaml").write_text("agents: {harborline: {suite: s, policy: p}}\n")
    return tmp_path


def test_a_workspace_is_found_from_below(folder) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    assert find_workspace(folder / "a" / "b", {}).root == folder.resolve()


def test_the_embedded_store_lies_in_the_workspace(folder) -> None:
    workspace = find_workspace(folder, {})
    assert workspace.embedded
    assert workspace.tracking_uri == f"sqlite:///{folder.resolve()}/mlruns/mlflow.db"
    assert workspace.ledger_url == f"sqlite:///{folder.resolve()}/mlruns/ledger.db"


def test_environment_variables_win(folder) -> None:
    (folder / "assay.yaml").write_text("tracking_uri: sqlite:///other.db\n")
    assert find_workspace(folder, {}).tracking_uri == f"sqlite:///{folder.resolve()}/other.db"
    there = find_workspace(folder, {"MLFLOW_TRACKING_URI": "http://mlflow.example:5000"})
    assert there.tracking_uri == "http://mlflow.example:5000"
    assert not there.embedded


def test_assay_workspace_names_one(folder, monkeypatch, tmp_path_factory) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert find_workspace(environ={"ASSAY_WORKSPACE": str(folder)}).root == folder.resolve()


def test_no_workspace_says_how_to_make_one(tmp_path) -> None:
    with pytest.raises(AssayError, match="assay init"):
        find_workspace(tmp_path, {})


def test_a_misspelt_key_is_an_error(folder) -> None:
    (folder / "assay.yaml").write_text("dataset: here\n")
    with pytest.raises(ContentError, match=r"assay\.yaml:1: dataset: unknown key 'dataset'. Did you mean 'datasets'\?"):
        find_workspace(folder, {})


def test_an_unknown_agent_or_file_names_the_nearest(folder) -> None:
    workspace = find_workspace(folder, {})
    with pytest.raises(NotFoundError, match=r"Did you mean 'harborline'\?"):
        workspace.release("harbourline")
    workspace.suites.mkdir()
    (workspace.suites / "contact-center.yaml").touch()
    with pytest.raises(NotFoundError, match=r"Did you mean 'contact-center'\?"):
        workspace.named_file(workspace.suites, "contact-centre", "suite")
