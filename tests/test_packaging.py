from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the tree, as `pip install .` would build it."""
    work = tmp_path_factory.mktemp("wheel")
    away = shutil.ignore_patterns(
        ".venv", ".git", "mlruns", "build", "*.egg-info", "__pycache__", ".*_cache", "reports"
    )
    keep = [ROOT / name for name in ("registry", "runner", "gates", "cli", "datasets", "evalsuites")]
    for folder in keep:
        shutil.copytree(folder, work / "tree" / folder.name, ignore=away if folder.name != "gates" else None)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, work / "tree" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(work), "."]
    subprocess.run(command, cwd=work / "tree", check=True, capture_output=True)
    return next(work.glob("*.whl"))


def test_the_wheel_holds_code_and_content(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"assay"}
    for wanted in (
        "assay/registry/py.typed",
        "assay/registry/bundles/harborline/champion.yaml",
        "assay/datasets/harborline/cases.jsonl",
        "assay/evalsuites/contact-center.yaml",
        "assay/evalsuites/policies/harborline.yaml",
        "assay/gates/policies/production.yaml",
    ):
        assert wanted in names
    assert any(name.startswith("assay/datasets/harborline/knowledge/") for name in names)


def test_an_installed_package_makes_a_workspace(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    env = {**os.environ, "PYTHONPATH": str(site)}
    code = "import assay.registry, sys; print(assay.registry.__file__); from assay.cli.main import main; main()"
    command = [sys.executable, "-c", code, "init", str(tmp_path / "made")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith(str(site))
    for name in (
        "assay.yaml",
        "bundles/harborline/champion.yaml",
        "datasets/harborline/cases.jsonl",
        "policies/production.yaml",
    ):
        assert (tmp_path / "made" / name).is_file()


def test_content_folders_hold_no_code() -> None:
    """A package called `datasets` at the top would shadow the one that ragas imports."""
    for folder in ("datasets", "evalsuites"):
        assert list((ROOT / folder).rglob("*.py")) == []


def test_every_package_is_listed() -> None:
    """Packages are mapped by hand, so a new one could be left out of the wheel."""
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    for room in ("registry", "runner", "gates", "cli"):
        for init in (ROOT / room).rglob("__init__.py"):
            assert "assay." + ".".join(init.parent.relative_to(ROOT).parts) in listed


def test_help_imports_nothing_heavy() -> None:
    heavy = [
        "mlflow",
        "ragas",
        "deepeval",
        "great_expectations",
        "pandas",
        "numpy",
        "sklearn",
        "scipy",
        "sqlmodel",
        "matplotlib",
    ]
    code = (
        "import sys; sys.argv = ['assay', '--help']\n"
        "from assay.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('heavy:', sorted(set(sys.modules) & set({heavy!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_the_lock_names_no_address() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()
