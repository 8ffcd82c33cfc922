from __future__ import annotations

import re
from pathlib import Path

from assay.cli.app import app
from assay.registry.types.suite import ReplaySettings, Suite

ROOT = Path(__file__).parents[1]


def _commands() -> list[str]:
    names = [f"assay {command.name}" for command in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names += [f"assay {group.name} {command.name}" for command in group.typer_instance.registered_commands]
    return names


def test_every_command_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    assert [name for name in _commands() if f"`{name}" not in text] == []


def test_every_command_in_the_docs_exists() -> None:
    known = {tuple(name.split()[1:]) for name in _commands()}
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for words in re.findall(r"(?:^\$ |`)assay ([a-z-]+)(?: ([a-z-]+))?", page.read_text(), re.MULTILINE):
            assert (words[0],) in known or words in known, (page.name, words)


def test_every_replay_setting_is_in_the_docs_with_its_default() -> None:
    rows = re.findall(r"^\| `replay\.(\w+)` \| `?([\w.]+)", (ROOT / "docs" / "writing.md").read_text(), re.MULTILINE)
    assert {name for name, _ in rows} == set(ReplaySettings.model_fields)
    told = {name: default for name, default in rows if name != "simulator"}
    assert told == {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in _defaults()}
    assert Suite.model_fields["trials"].default == 1


def _defaults() -> list[tuple[str, object]]:
    return [(name, field.default) for name, field in ReplaySettings.model_fields.items() if name != "simulator"]


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)
