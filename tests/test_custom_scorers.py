from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from assay.registry.errors import ContentError
from assay.registry.types.bundle import BundleManifest
from assay.registry.types.case import Case
from assay.registry.types.score import Result, Score, ScorerFailure, Skipped
from assay.registry.types.suite import ScorerUse, Suite
from assay.registry.types.trajectory import Outcome, Say, ToolCall, Trajectory, TurnRecord
from assay.runner.score import build_scorers, score_trajectory, suite_digest
from assay.runner.scorers.base import Scorer, ScorerContext
from assay.runner.scorers.custom import ScorerHome

CLASS = '''
from collections.abc import Mapping
from assay.registry.types.base import Frozen
from assay.registry.types.score import MetricSpec, Score
from assay.runner.scorers.base import Scorer
from checks.words import polite

class Settings(Frozen):
    greeting: str = "good morning"

class GreetingScorer(Scorer):
    """Whether the first reply greets."""
    name = "greeting"
    version = "1"
    Settings = Settings

    @property
    def metrics(self):
        return (MetricSpec(name="greets", kind="proportion", direction="higher_is_better", description="d"),)

    def score(self, case, trajectory):
        return {"greets": Score(value=float(polite(trajectory.turns[0].reply, self.settings.greeting)))}
'''
WORDS = "def polite(text, greeting):\n    return greeting in text.lower()\n"
METRIC = {"name": "short", "kind": "proportion", "direction": "higher_is_better", "description": "d"}
MEAN = METRIC | {"kind": "mean", "range": [0, 100]}


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    """Loading a scorer leaves the import system as it was."""
    path, finders, modules = list(sys.path), list(sys.meta_path), set(sys.modules)
    yield
    assert sys.meta_path == finders
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in {"checks", "loose", "teamchecks"}:
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def home(tmp_path: Path) -> ScorerHome:
    folder = tmp_path / "checks"
    folder.mkdir()
    (folder / "greeting.py").write_text(CLASS)
    (folder / "words.py").write_text(WORDS)
    return ScorerHome(tmp_path, tmp_path / "bundles")


def build(home: ScorerHome | None, *uses: ScorerUse) -> tuple[Scorer, ...]:
    return build_scorers(Suite(name="release", dataset="d", scorers=uses), ScorerContext(), home)


def greeting(**settings: object) -> ScorerUse:
    return ScorerUse(name="checks.greeting:GreetingScorer", settings=settings)  # type: ignore[arg-type]


def function(home: ScorerHome, body: str, metric: dict[str, object] = METRIC, **options: object) -> Scorer:
    (home.root / "loose.py").write_text(body)
    settings = {"metric": metric, **({"options": options} if options else {})}
    return build(home, ScorerUse(name="loose:check", settings=settings))[0]  # type: ignore[arg-type]


def a_case() -> Case:
    return Case.model_validate(
        {
            "id": "c1",
            "intent": "i",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "date": dt.date(2026, 3, 2),
            "turns": [{"customer": "Hello"}],
            "expect": {"escalation": {"required": False}},
        }
    )


def a_trajectory(reply: str = "Good morning.", outcome: Outcome = Outcome.COMPLETED) -> Trajectory:
    events = (Say(step=0, text=reply), ToolCall(step=0, name="t", arguments={"a": 1}))
    return Trajectory(
        key="a" * 64,
        agent="x",
        bundle_digest="b" * 64,
        case_id="c1",
        case_digest="c" * 64,
        mode="scripted",
        turns=(TurnRecord(index=1, customer="Hello", events=events),),
        outcome=outcome,
    )


def result(scorer: Scorer, trajectory: Trajectory | None = None) -> Result:
    (record,) = score_trajectory([scorer], a_case(), trajectory or a_trajectory())
    return record.result


def problem(home: ScorerHome | None, use: ScorerUse) -> str:
    with pytest.raises(ContentError) as caught:
        build(home, use)
    text = str(caught.value)
    assert "suite 'release': " in text
    assert use.name in text
    assert "Traceback" not in text
    return text


# --- what works ---------------------------------------------------------------------------------------


def test_a_class_of_the_workspace_scores_with_its_settings(home: ScorerHome) -> None:
    (scorer,) = build(home, greeting())
    assert result(scorer) == Score(value=1)
    assert result(scorer, a_trajectory("What?")) == Score(value=0)
    (other,) = build(home, greeting(greeting="what"))
    assert result(other, a_trajectory("What?")) == Score(value=1)
    (record,) = score_trajectory([scorer], a_case(), a_trajectory())
    assert record.scorer == "checks.greeting.GreetingScorer"
    assert scorer.info().version.startswith("1+")


def test_it_stands_beside_ours_in_a_suite(home: ScorerHome) -> None:
    names = [scorer.info().name for scorer in build(home, ScorerUse(name="escalation"), greeting())]
    assert names == ["escalation", "checks.greeting.GreetingScorer"]


@pytest.mark.parametrize(
    ("answer", "metric", "wanted"),
    [
        ("True", METRIC, Score(value=1)),
        ("False", METRIC, Score(value=0)),
        ("1", METRIC, Score(value=1)),
        ("42.5", MEAN, Score(value=42.5)),
        ("Score(value=2, of=3)", METRIC, Score(value=2, of=3)),
        ("Skipped(reason='no')", METRIC, Skipped(reason="no")),
        ("ScorerFailure(error='e')", METRIC, ScorerFailure(error="e")),
    ],
)
def test_what_a_function_may_answer(home: ScorerHome, answer: str, metric: dict[str, object], wanted: Result) -> None:
    source = "from assay.registry.types.score import Score, ScorerFailure, Skipped\n"
    assert result(function(home, f"{source}def check(case, trajectory):\n    return {answer}\n", metric)) == wanted


@pytest.mark.parametrize(
    ("answer", "metric"),
    [
        ("float('nan')", METRIC),
        ("float('nan')", MEAN),
        ("float('inf')", MEAN),
        ("0.5", METRIC),
        ("2", METRIC),
        ("-1", METRIC),
        ("101.0", MEAN),
        ("True", MEAN),
        ("None", METRIC),
        ("'yes'", METRIC),
        ("{'short': 1}", METRIC),
        ("Score.model_construct(value=True, of=1)", METRIC),
        ("Score.model_construct(value=1.0, of=1, findings=('x',))", METRIC),
        ("Score.model_construct(value=float('nan'), of=1)", MEAN),
        ("1 / 0", METRIC),
        ("sys.exit(0)", METRIC),
        ("case.nothing", METRIC),
    ],
)
def test_everything_else_is_a_failure_and_never_a_number(
    home: ScorerHome, answer: str, metric: dict[str, object]
) -> None:
    source = "import sys\nfrom assay.registry.types.score import Score\n"
    said = result(function(home, f"{source}def check(case, trajectory):\n    return {answer}\n", metric))
    assert isinstance(said, ScorerFailure), said


def test_true_from_a_class_is_a_failure(home: ScorerHome) -> None:
    answer = CLASS.index('return {"greets"')
    (home.root / "checks" / "greeting.py").write_text(CLASS[:answer] + 'return {"greets": True}\n')
    said = result(build(home, greeting())[0])
    assert isinstance(said, ScorerFailure)
    assert "bool" in said.error


def test_options_reach_a_function(home: ScorerHome) -> None:
    body = "def check(case, trajectory, *, most=3):\n    return len(trajectory.turns[0].reply) <= most\n"
    assert result(function(home, body)) == Score(value=0)
    assert result(function(home, body, most=50)) == Score(value=1)
    with pytest.raises(ContentError, match=r"options.mots.*Did you mean 'most'"):
        function(home, body, mots=50)


def test_a_trial_that_broke_counts_at_its_worst(home: ScorerHome) -> None:
    body = "def check(case, trajectory):\n    return True\n"
    broken = a_trajectory(outcome=Outcome.AGENT_ERROR)
    said = result(function(home, body), broken)
    assert isinstance(said, Score)
    assert said.value == 0
    assert isinstance(result(function(home, body, MEAN), broken), ScorerFailure)


def test_it_cannot_change_what_other_scorers_read(home: ScorerHome) -> None:
    body = (
        "def check(case, trajectory):\n    trajectory.turns[0].tool_calls[0].arguments.clear()\n"
        "    object.__setattr__(trajectory.turns[0], 'customer', 'x')\n    case.labels['x'] = 1\n    return True\n"
    )
    scorer, case, trajectory = function(home, body), a_case(), a_trajectory()
    score_trajectory([scorer], case, trajectory)
    assert (case, trajectory) == (a_case(), a_trajectory())


def test_a_workspace_finds_its_own_scorers_and_an_edit_is_another_suite_digest(home: ScorerHome) -> None:
    from assay.cli.pipeline import Session
    from assay.registry.workspace import find_workspace

    root = Path(__file__).parents[1]
    (home.root / "assay.yaml").write_text("schema_version: 1\n")
    (home.root / "evalsuites").mkdir()
    (home.root / "evalsuites" / "team.yaml").write_text(
        "name: team\ndataset: harborline\nscorers:\n- name: checks.greeting:GreetingScorer\n"
    )
    shutil.copytree(root / "datasets" / "harborline", home.root / "datasets" / "harborline")
    session = Session(find_workspace(home.root, {}))
    before = session.standard("team", None, check_data=False)
    assert [scorer.info().name for scorer in before.scorers] == ["checks.greeting.GreetingScorer"]
    (home.root / "checks" / "words.py").write_text(WORDS + "# edited\n")
    assert session.standard("team", None, check_data=False).suite_digest != before.suite_digest


# --- identity -----------------------------------------------------------------------------------------


def test_an_edited_scorer_or_helper_is_another_scorer_and_runs_as_edited(home: ScorerHome) -> None:
    (before,) = build(home, greeting())
    words = home.root / "checks" / "words.py"
    times = words.stat()
    # As long as before and as old as before: what Python would take cached byte code for.
    words.write_text(WORDS.replace("text.lower", "text.upper"))
    os.utime(words, ns=(times.st_atime_ns, times.st_mtime_ns))
    (after,) = build(home, greeting())
    assert after.info().digest != before.info().digest
    assert result(after) == Score(value=0)
    words.write_text(WORDS)
    (again,) = build(home, greeting())
    assert again.info() == before.info()
    assert result(again) == Score(value=1)
    assert not list(home.root.rglob("__pycache__"))


def test_identity_covers_helpers_imported_late_and_packages_but_not_strangers(home: ScorerHome) -> None:
    folder = home.root / "checks"
    (folder / "greeting.py").write_text(CLASS + "\ndef late():\n    from . import deep\n")
    (folder / "deep.py").write_text("x = 1\n")
    first = build(home, greeting())[0].info().digest
    (folder / "stranger.py").write_text("x = 1\n")
    assert build(home, greeting())[0].info().digest == first
    (folder / "deep.py").write_text("x = 2\n")
    second = build(home, greeting())[0].info().digest
    assert second != first
    (folder / "__init__.py").write_text("")
    assert build(home, greeting())[0].info().digest not in (first, second)


def test_settings_are_part_of_the_identity_and_line_ends_are_not(home: ScorerHome) -> None:
    digest = build(home, greeting())[0].info().digest
    assert build(home, greeting(greeting="hello"))[0].info().digest != digest
    (home.root / "checks" / "words.py").write_bytes(WORDS.replace("\n", "\r\n").encode())
    assert build(home, greeting())[0].info().digest == digest


def test_the_same_files_in_another_workspace_are_the_same_scorer(home: ScorerHome, tmp_path: Path) -> None:
    (scorer,) = build(home, greeting())
    other = tmp_path / "other"
    (other / "checks").mkdir(parents=True)
    (other / "checks" / "greeting.py").write_text(CLASS)
    (other / "checks" / "words.py").write_text(WORDS)
    assert build(ScorerHome(other), greeting())[0].info() == scorer.info()
    (other / "checks" / "words.py").write_text("def polite(text, greeting):\n    return False\n")
    assert result(build(ScorerHome(other), greeting())[0]) == Score(value=0)
    assert result(scorer) == Score(value=1)


def test_a_module_that_was_not_hashed_cannot_be_imported(home: ScorerHome) -> None:
    (home.root / "hidden.py").write_text("x = 1\n")
    body = "import importlib\nimportlib.import_module('hid' + 'den')\ndef check(case, trajectory):\n    return True\n"
    with pytest.raises(ContentError, match="No module named 'hidden'"):
        function(home, body)


def test_ours_keep_their_digests() -> None:
    (scorer,) = build(None, ScorerUse(name="escalation"))
    from assay.runner.scorers.escalation import EscalationScorer

    assert scorer.info() == EscalationScorer(EscalationScorer.Settings(), ScorerContext()).info()
    suite = Suite(name="s", dataset="d", scorers=(ScorerUse(name="escalation"),))
    assert suite.model_dump(mode="json")["scorers"] == [{"name": "escalation", "settings": {}}]
    assert len(suite_digest(suite, (scorer,))) == 64


# --- what is refused ----------------------------------------------------------------------------------


def test_misspelt_module_and_name_are_told_with_the_nearest(home: ScorerHome) -> None:
    assert "Did you mean 'checks.greeting'?" in problem(home, ScorerUse(name="checks.greting:GreetingScorer"))
    assert "Did you mean 'GreetingScorer'?" in problem(home, ScorerUse(name="checks.greeting:GretingScorer"))
    assert "Did you mean 'checks.greeting'?" in problem(home, ScorerUse(name="check.greeting:GreetingScorer"))
    assert "no module 'checks.greeting'" in problem(None, greeting())


def test_a_wrong_setting_is_told_with_the_nearest(home: ScorerHome) -> None:
    text = problem(home, greeting(greting="x"))
    assert "scorers.checks.greeting:GreetingScorer.settings.greting" in text
    assert "'greeting'" in text
    (home.root / "loose.py").write_text("def check(case, trajectory):\n    return True\n")
    assert "settings.metric" in problem(home, ScorerUse(name="loose:check"))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\ny = 1 / 0\n", ("ZeroDivisionError", "loose.py:2")),
        ("import sys\nsys.exit(0)\n", ("SystemExit", "loose.py:2")),
        ("import nowhere_to_be_found\n", ("nowhere_to_be_found", "loose.py:1")),
        ("def check(:\n", ("not valid Python", "loose.py:1")),
        ("check = 3\n", ("int",)),
        ("async def check(case, trajectory):\n    return True\n", ("async",)),
        ("class check:\n    pass\n", ("no subclass",)),
        ("def check(case):\n    return True\n", ("cannot be called",)),
        ("def check(case, trajectory, more):\n    return True\n", ("cannot be called", "more")),
        ("from assay.runner.scorers.base import Scorer\nclass check(Scorer):\n    pass\n", ("'score'", "'version'")),
        (
            CLASS.replace("GreetingScorer", "check").replace("checks.words", "loose2") + "    identity = object()\n",
            ("cannot be set up",),
        ),
    ],
)
def test_code_that_is_no_scorer_is_refused_before_anything_runs(
    home: ScorerHome, source: str, told: tuple[str, ...]
) -> None:
    (home.root / "loose.py").write_text(source)
    (home.root / "loose2.py").write_text(WORDS)
    settings = {} if "identity" in source else {"metric": METRIC}
    text = problem(home, ScorerUse(name="loose:check", settings=settings))  # type: ignore[arg-type]
    for part in told:
        assert part in text


def test_a_metric_measured_twice_is_refused(home: ScorerHome) -> None:
    (home.root / "loose.py").write_text("def check(case, trajectory):\n    return True\n")
    again = ScorerUse(name="loose:check", settings={"metric": METRIC | {"name": "greets"}})  # type: ignore[dict-item]
    with pytest.raises(ContentError, match="both measure 'greets'"):
        build(home, greeting(), again)
    with pytest.raises(ValidationError, match="listed twice"):
        Suite(name="s", dataset="d", scorers=(greeting(), greeting()))


def test_a_bundle_brings_no_scorer(home: ScorerHome) -> None:
    folder = home.root / "bundles"
    folder.mkdir()
    (folder / "mine.py").write_text("def check(case, trajectory):\n    return True\n")
    assert "part of a bundle" in problem(
        home,
        ScorerUse(name="bundles.mine:check", settings={"metric": METRIC}),  # type: ignore[dict-item]
    )
    assert not any("scorer" in name for name in BundleManifest.model_fields)


@pytest.mark.parametrize("name", ["json", "pydantic", "pytest"])
def test_a_file_does_not_take_the_place_of_an_installed_module(home: ScorerHome, name: str) -> None:
    before = sys.modules[name]
    (home.root / f"{name}.py").write_text("def check(case, trajectory):\n    return True\n")
    use = ScorerUse(name=f"{name}:check", settings={"metric": METRIC})  # type: ignore[dict-item]
    assert "also the name of an installed module" in problem(home, use)
    assert sys.modules[name] is before


def test_ours_do_not_go_by_dotted_path(home: ScorerHome) -> None:
    assert "by their names" in problem(home, ScorerUse(name="assay.runner.scorers.pii:PiiScorer"))


@pytest.mark.parametrize("name", ["a:b:c", ":x", "a:", "../a:b", "a/b:c", "a:b.c", "a b:c"])
def test_a_dotted_path_is_spelt_one_way(name: str) -> None:
    with pytest.raises(ValidationError):
        ScorerUse(name=name)


# --- installed packages -------------------------------------------------------------------------------


def install(folder: Path, version: str = "1.0", points: str = "team_greeting = teamchecks:check") -> None:
    """A package as an installer leaves it."""
    info = folder / f"teamchecks-{version}.dist-info"
    info.mkdir(parents=True)
    (folder / "teamchecks.py").write_text("def check(case, trajectory):\n    return True\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: teamchecks\nVersion: {version}\n")
    (info / "RECORD").write_text(f"teamchecks.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    (info / "top_level.txt").write_text("teamchecks\n")
    (info / "entry_points.txt").write_text(f"[assay.scorers]\n{points}\n")


def test_an_installed_scorer_goes_by_entry_point_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = {"metric": METRIC}
    (point,) = build(None, ScorerUse(name="team_greeting", settings=settings))  # type: ignore[arg-type]
    (path,) = build(None, ScorerUse(name="teamchecks:check", settings=settings))  # type: ignore[arg-type]
    assert result(point) == result(path) == Score(value=1)
    assert point.info().name == "team_greeting"
    source = point.identity["source"]
    assert isinstance(source, dict)
    assert (source["distribution"], source["version"]) == ("teamchecks", "1.0")
    assert "'team_greeting'" in problem(None, ScorerUse(name="team_greting"))


def test_another_version_or_other_files_of_one_version_are_another_scorer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = ScorerUse(name="team_greeting", settings={"metric": METRIC})  # type: ignore[dict-item]
    digests = set()
    for number, (version, more) in enumerate([("1.0", ""), ("1.1", ""), ("1.1", "# rebuilt\n"), ("1.0", "")]):
        folder = tmp_path / str(number)
        install(folder, version)
        with (folder / "teamchecks.py").open("a") as file:
            file.write(more)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            sys.modules.pop("teamchecks", None)
            digests.add(build(None, use)[0].info().digest)
    assert len(digests) == 3


def test_an_entry_point_never_takes_a_name_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, points="escalation = teamchecks:check")
    monkeypatch.syspath_prepend(str(tmp_path))
    (scorer,) = build(None, ScorerUse(name="escalation"))
    assert type(scorer).__module__ == "assay.runner.scorers.escalation"


def test_two_packages_with_one_entry_point_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, points="twice = teamchecks:check")
    other = tmp_path / "otherchecks-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: otherchecks\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[assay.scorers]\ntwice = teamchecks:other\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "has to lead to one scorer" in problem(None, ScorerUse(name="twice"))
