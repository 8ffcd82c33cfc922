from __future__ import annotations

import textwrap

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


BUNDLE = """
agent: mybot
adapter: {kind: callable, settings: {target: "agent:reply"}}
model: {kind: code, path: agent.py}
autonomy: {intents: {}}
"""


@pytest.mark.parametrize("others", ["agents: {harborline: {suite: s, policy: strict}}", "schema_version: 1"])
def test_an_agent_without_a_suite_and_a_policy_is_told_which_lines_to_add(folder, others) -> None:
    (folder / "assay.yaml").write_text(f"{others}\n")
    for name in ("evalsuites/phone.yaml", "policies/lax.yaml", "policies/strict.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    with pytest.raises(NotFoundError) as caught:
        find_workspace(folder, {}).release("mybot")
    first, *lines = str(caught.value).split(":\n", 1)
    assert "no agent named 'mybot' in" in first
    assert ("below `agents:`" in first) is others.startswith("agents")
    given = lines[0] if lines[0].startswith("  agents:") else f"  agents:\n{lines[0]}"
    (folder / "assay.yaml").write_text(textwrap.dedent(given))
    release = find_workspace(folder, {}).release("mybot")
    assert (release.suite, release.policy) == ("phone", "strict" if "strict" in others else "lax")


def test_check_of_an_agent_without_a_policy_registers_nothing(folder, assay) -> None:
    (folder / "agent.py").write_text("def reply(turn): return 'Hello.'")
    (folder / "agent.yaml").write_text(BUNDLE)
    done = assay("check", "agent.yaml", cwd=folder)
    assert done.code == 2
    assert "no agent named 'mybot'" in done.err
    assert "    mybot:" in done.err
    assert not list((folder / "mlruns").rglob("*.db"))


def test_an_unknown_agent_or_file_names_the_nearest(folder) -> None:
    workspace = find_workspace(folder, {})
    with pytest.raises(NotFoundError, match=r"Did you mean 'harborline'\?"):
        workspace.release("harbourline")
    workspace.suites.mkdir()
    (workspace.suites / "contact-center.yaml").touch()
    with pytest.raises(NotFoundError, match=r"Did you mean 'contact-center'\?"):
        workspace.named_file(workspace.suites, "contact-centre", "suite")
