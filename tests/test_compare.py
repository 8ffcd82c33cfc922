"""One run against another: reference values, hostile runs, what is said of them, and the command on a real store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from gating import BROKEN, SKIP, Value, cases, digest, make_run, record, spec
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bundle import AGENT, make_dataset, train, write_bundle
from tiny_bundle import make_run as tiny_run

from assay.gates.comparing.cells import holm
from assay.gates.comparing.compare import compare
from assay.gates.reports.comparison import comparison_sections, flip_lines, summary, unmeasured_lines
from assay.gates.reports.comparison_markdown import comparison_markdown
from assay.registry.errors import AssayError
from assay.registry.types.comparison import Change, Comparison, MetricChange
from assay.registry.types.run import EvalRun
from assay.registry.types.score import ScoreRecord, ScorerInfo
from assay.registry.types.trajectory import Outcome

OLD = {"run_id": "run-0", "bundle_digest": "0" * 64, "bundle_label": "harborline v1"}
QUICK = settings(max_examples=50, deadline=None)
Values = Mapping[str, Value | list[Value]]


def before(values: Values, *more, **changes) -> EvalRun:
    return make_run(values, *more, **{**OLD, **changes})


def table(both: int, gained: int, lost: int, neither: int) -> tuple[dict[str, Value], dict[str, Value]]:
    """What A and B score, case by case."""
    rows = [(1.0, 1.0)] * both + [(0.0, 1.0)] * gained + [(1.0, 0.0)] * lost + [(0.0, 0.0)] * neither
    return tuple({f"case-{i:04}": row[side] for i, row in enumerate(rows)} for side in (0, 1))  # type: ignore[return-value]


def overall(comparison: Comparison, metric: str = "quality", part: str = "") -> MetricChange:
    (cell,) = (c for c in comparison.metrics if (c.metric, c.slice) == (metric, part))
    return cell


def of_values(a: Values, b: Values, *more, **changes) -> MetricChange:
    return overall(compare(before(a, *more, **changes), make_run(b, *more, **changes)))


# --- figures ---------------------------------------------------------------------------------------------------


def test_a_paired_table_has_the_interval_of_contingencytables():
    a, b = table(59, 6, 16, 80)
    cell = of_values(a, b)
    assert (cell.cases, cell.gained, cell.lost) == (161, 6, 16)
    assert cell.a is not None
    assert cell.b is not None
    assert (cell.a.value, cell.b.value) == (75 / 161, 65 / 161)
    assert cell.difference == pytest.approx(-10 / 161)
    assert cell.interval is not None
    assert (cell.interval.low, cell.interval.high) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert (cell.interval.method, cell.interval.sided, cell.interval.confidence) == ("Tango score", "two", 0.95)
    assert cell.change is Change.REGRESSED
    assert cell.p_regressed == pytest.approx(0.016504, abs=1e-6)  # z = -10 / sqrt(22), McNemar's


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    assert holm([0.001, 0.01, 0.02, 0.04, 0.30]) == pytest.approx([0.005, 0.04, 0.06, 0.08, 0.30])
    for p_values in ([0.04, 0.001, 0.3, 0.02, 0.01], [0.5, 0.5, 0.01, 0.01], [0.9, 1.0, 0.0], [0.2]):
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == []


def test_several_units_a_case_are_compared_by_linearised_t():
    a: Values = {f"case-{i:02}": (float(3 - i % 2), 4) for i in range(40)}
    b: Values = {f"case-{i:02}": (float(2 - i % 2), 4) for i in range(40)}
    cell = of_values(a, b)
    assert cell.interval is not None
    assert cell.interval.method == "linearised paired t"
    assert cell.difference == pytest.approx(-0.25)
    # Every case loses alike: the error is that of one case of 40, and t(.975, 39) = 2.0227.
    assert cell.interval.low == pytest.approx(-0.25 - 2.0227 / 40, abs=1e-5)
    assert (cell.change, cell.gained, cell.lost) == (Change.REGRESSED, 0, 40)


@pytest.mark.parametrize(("lost", "change"), [(4, Change.NOISE), (6, Change.REGRESSED)])
def test_few_cases_of_several_units_also_have_to_pass_an_exact_sign_test(lost: int, change: Change):
    """4 of 4 heads is no evidence at 2.5 %, 6 of 6 is; the t interval lies below 0 in both."""
    a: Values = {f"case-{i}": (2.0, 2) for i in range(10)}
    b: Values = {f"case-{i}": (0.0 if i < lost else 2.0, 2) for i in range(10)}
    cell = of_values(a, b)
    assert cell.interval is not None
    assert cell.interval.high < 0
    assert cell.change is change
    assert cell.p_regressed is not None
    assert cell.p_regressed == pytest.approx(0.5**lost)


def test_a_metric_of_which_less_is_better_is_turned():
    leaks = spec(direction="lower_is_better")
    cell = of_values(cases(40, 0), cases(0, 40), leaks)
    assert cell.change is Change.IMPROVED
    assert cell.difference == 1.0
    seconds = spec(kind="mean", direction="lower_is_better")
    slower = of_values({f"c{i}": 10.0 + i for i in range(40)}, {f"c{i}": 15.0 + i for i in range(40)}, seconds)
    assert (slower.change, slower.difference) == (Change.REGRESSED, pytest.approx(-5.0))


def test_noise_is_told_from_a_regression_and_from_no_change():
    a, b = table(59, 8, 16, 80)
    assert of_values(a, b).change is Change.NOISE
    same = of_values({**a, "extra": SKIP}, {**a, "extra": SKIP})
    assert (same.change, same.difference) == (Change.SAME, 0.0)
    assert same.interval is not None
    assert same.interval.low < 0 < same.interval.high


# --- the list of what regressed --------------------------------------------------------------------------------


def sliced(lost: int, n: int = 100, slices: tuple[str, ...] = ("risk_tier=critical", "risk_tier=low")) -> Comparison:
    """A loses `lost` cases in one of ten, all of them critical."""
    a, b = cases(n), {**cases(n), **{f"case-{i:04}": 0.0 for i in range(lost)}}
    tiers = {f"case-{i:04}": {"risk_tier": "critical" if i < n // 10 else "low"} for i in range(n)}
    more = {"attributes": tiers, "slices": slices}
    return compare(before(a, **more), make_run(b, **more))


def test_what_regressed_is_corrected_over_all_cells_and_says_so():
    comparison = sliced(6)
    assert comparison.regressed.comparisons == 3
    assert [cell.slice for cell in comparison.metrics] == ["", "risk_tier=critical", "risk_tier=low"]
    corrected = [cell.p_corrected for cell in comparison.metrics]
    assert corrected == holm([cell.p_regressed for cell in comparison.metrics])  # type: ignore[arg-type]
    assert {cell.slice for cell in comparison.regressed.found} == {"", "risk_tier=critical"}
    assert "corrected by Holm over 3 comparisons" in summary(comparison)
    assert overall(comparison, part="risk_tier=low").change is Change.SAME


def test_a_regression_that_the_correction_takes_away_is_said_to_be_perhaps_chance():
    """4 of 4 lost: one-sided p = .023, which is evidence by itself and none among three."""
    alone, among = sliced(4, slices=()), sliced(4)
    assert [cell.change for cell in (overall(alone), overall(among))] == [Change.REGRESSED] * 2
    assert (len(alone.regressed.found), len(among.regressed.found)) == (1, 0)
    titles = {section.title: section for section in comparison_sections(among)}
    assert titles["Regressed"].rows == ()
    assert [row.slice for row in titles["Regressed, but perhaps by chance"].rows] == ["", "risk_tier=critical"]


def test_nothing_regressed_is_said_in_words():
    comparison = compare(before(cases(40, 2)), make_run(cases(42)))
    assert comparison.regressed.found == ()
    assert summary(comparison).startswith("Nothing is shown to have regressed")


# --- hostile runs ----------------------------------------------------------------------------------------------


def test_missing_trials_are_not_measured_and_never_passed():
    cell = of_values(cases(40), {**cases(40), "case-0003": None})
    assert cell.change is Change.NOT_MEASURED
    assert "in B 1 of 40 planned trials have no trajectory or no score (case-0003)" in cell.reason
    cut = make_run(cases(40), outcomes={"case-0003": None})
    cut = cut.model_copy(update={"scores": tuple(s for s in cut.scores if s.case_id != "case-0003")})
    comparison = compare(before(cases(40)), cut)
    assert overall(comparison).change is Change.NOT_MEASURED
    assert [(f.case_id, f.a, f.b) for f in comparison.flips[0].undecided] == [
        ("case-0003", "passed", "did not complete")
    ]
    assert comparison.flips[0].gained == comparison.flips[0].lost == ()
    assert "B: 1 of 40 planned trials were not run." in comparison.notes


@pytest.mark.parametrize("outcome", [Outcome.AGENT_ERROR, Outcome.TIMEOUT])
def test_a_crash_counts_as_lost_and_is_named_as_a_crash(outcome: Outcome):
    comparison = compare(before(cases(40)), make_run(cases(40), outcomes={"case-0003": outcome}))
    cell = overall(comparison)
    assert (cell.lost, cell.gained, cell.doubtful) == (1, 0, 1)
    assert [(f.case_id, f.b) for f in comparison.flips[0].lost] == [("case-0003", "did not complete")]
    assert "B did not complete" in flip_lines(comparison, 10)[0].cases[0]


def test_a_crash_of_the_older_run_is_no_gain():
    comparison = compare(before(cases(40), outcomes={"case-0003": Outcome.AGENT_ERROR}), make_run(cases(40)))
    cell = overall(comparison)
    assert (cell.lost, cell.gained) == (0, 0)
    assert [(f.case_id, f.a, f.b) for f in comparison.flips[0].undecided] == [
        ("case-0003", "did not complete", "passed")
    ]
    assert comparison.flips[0].gained == ()


def test_scorer_failures_never_make_an_improvement():
    a = cases(200, 20)
    b: dict[str, Value] = {**cases(220), **{f"case-{i:04}": BROKEN for i in range(10)}}
    cell = of_values(a, b)
    assert cell.change is Change.NOISE
    assert "10 trials could not be scored" in cell.reason
    worse = of_values(cases(40), {**cases(40), **{f"case-{i:04}": BROKEN for i in range(10)}})
    assert worse.change is Change.NOT_MEASURED
    assert "10 of 40 trials could not be scored" in worse.reason
    assert "policy" not in worse.reason


def test_empty_slices_and_what_does_not_apply_are_not_measured():
    more = {"slices": ("risk_tier=high", "risk_tier=low", "risk_teir=low")}
    comparison = compare(before(cases(40), **more), make_run(cases(39, 1), **more))
    assert "no case has risk_tier=high" in overall(comparison, part="risk_tier=high").reason
    assert "Did you mean 'risk_tier'" in overall(comparison, part="risk_teir=low").reason
    assert overall(comparison, part="risk_tier=low").change is Change.NOISE
    idle = of_values({"a": SKIP, "b": SKIP}, {"a": 1.0, "b": 1.0})
    assert idle.change is Change.NOT_MEASURED
    assert "in A nothing was measured" in idle.reason


def test_one_case_shows_nothing():
    one = of_values({"a": 1.0}, {"a": 0.0})
    assert (one.change, one.lost) == (Change.NOISE, 1)
    several = of_values({"a": (4.0, 4)}, {"a": (0.0, 4)})
    assert (several.change, several.reason) == (Change.NOT_MEASURED, "there is one conversation only.")


def test_flips_stand_gravest_first_and_all_of_them_are_kept():
    tiers = ("low", "critical", "medium", "high")
    attributes = {f"case-{i:04}": {"risk_tier": tiers[i % 4], "intent": "fee"} for i in range(40)}
    comparison = compare(before(cases(40), attributes=attributes), make_run(cases(0, 40), attributes=attributes))
    (flips,) = comparison.flips
    assert [f.risk_tier for f in flips.lost] == ["critical"] * 10 + ["high"] * 10 + ["medium"] * 10 + ["low"] * 10
    assert {(f.a, f.b, f.intent) for f in flips.lost} == {("passed", "failed", "fee")}
    (line,) = flip_lines(comparison, 10)
    assert (line.what, line.count, len(line.cases), line.more) == ("lost", 40, 10, 30)


def test_trials_of_one_case_are_told_apart():
    a: Values = {f"case-{i}": [1.0, 1.0, 1.0] for i in range(5)}
    comparison = compare(before(a), make_run({**a, "case-2": [1.0, 0.0, 1.0]}))
    assert [(f.a, f.b) for f in comparison.flips[0].lost] == [("3 of 3 passed", "2 of 3 passed")]


# --- what cannot be compared -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"agent": "other"}, "another agent (harborline instead of other)"),
        ({"dataset_digest": digest("new")}, "another dataset content"),
        ({"suite_digest": digest("new")}, "another suite content"),
        ({"dataset": "new"}, "another dataset (golden instead of new)"),
        ({"suite": "new"}, "another suite (release instead of new)"),
    ],
)
def test_runs_of_different_things_are_refused_by_name(changes: dict[str, str], told: str):
    with pytest.raises(AssayError) as refused:
        compare(before(cases(3), **changes), make_run(cases(3)))
    assert told in str(refused.value)
    assert "`assay " in str(refused.value)


def test_other_trials_and_other_cases_are_refused():
    with pytest.raises(AssayError, match=r"another number of trials \(2 instead of 1\)"):
        compare(before({"a": 1.0}), make_run({"a": [1.0, 1.0]}))
    with pytest.raises(AssayError, match="does not cover the same cases"):
        compare(before(cases(3)), make_run(cases(4)))


def test_a_run_is_not_compared_with_itself_nor_with_its_double():
    with pytest.raises(AssayError, match="are the same run run-1"):
        compare(make_run(cases(3)), make_run(cases(2, 1)))
    with pytest.raises(AssayError, match="the very same results"):
        compare(make_run(cases(3), run_id="run-0"), make_run(cases(3)))


def two_scorers(version: str, **changes) -> EvalRun:
    """Two metrics by two scorers, one of them of some version."""
    run = make_run(cases(20), **changes)
    other = ScorerInfo(name="pii", version="1", digest=digest(version), metrics=(spec("leaks"),))
    added: list[ScoreRecord] = [
        record(u, "leaks", 1.0).model_copy(update={"scorer": "pii", "scorer_digest": other.digest}) for u in run.planned
    ]
    return run.model_copy(
        update={
            "scorers": (*run.scorers, other),
            "scores": (*run.scores, *added),
            "suite_digest": digest(f"release with {version}"),
        }
    )


def test_only_the_metrics_of_a_scorer_that_changed_are_left_out():
    comparison = compare(two_scorers("old", **OLD), two_scorers("new"))
    assert overall(comparison).change is Change.SAME
    cell = overall(comparison, "leaks")
    assert (cell.change, cell.reason) == (Change.NOT_MEASURED, "scored by another version of pii")
    assert any("scorers pii" in text and "assay score RUN" in text for text in comparison.notes)
    assert unmeasured_lines(comparison) == ("leaks: scored by another version of pii.",)
    added = compare(before(cases(20)), two_scorers("new"))
    assert overall(added, "leaks").reason == "only B measures it"


def test_a_run_that_contradicts_itself_is_refused():
    run = make_run(cases(3))
    twice = run.model_copy(update={"scores": (*run.scores, run.scores[0])})
    with pytest.raises(AssayError, match="contradicts itself"):
        compare(before(cases(3)), twice)


# --- what holds for all runs -----------------------------------------------------------------------------------

MARKS = st.sampled_from([0.0, 1.0])
UNITS = st.integers(1, 4).flatmap(lambda of: st.tuples(st.integers(0, of).map(float), st.just(of)))
PAIRED = st.one_of(
    st.lists(st.tuples(MARKS, MARKS), min_size=1, max_size=16),
    st.lists(st.tuples(UNITS, UNITS), min_size=2, max_size=16),
)
TURNED = {Change.IMPROVED: Change.REGRESSED, Change.REGRESSED: Change.IMPROVED}


@QUICK
@given(PAIRED, st.sampled_from(["higher_is_better", "lower_is_better"]))
def test_swapping_the_runs_turns_every_sign(rows: list[tuple[Value, Value]], direction: str):
    metric = spec(direction=direction)
    a, b = ({f"c{i}": row[side] for i, row in enumerate(rows)} for side in (0, 1))
    there = compare(before(a, metric), make_run(b, metric))
    back = compare(before(b, metric), make_run(a, metric))
    one, other = overall(there), overall(back)
    assert other.difference == pytest.approx(-one.difference, abs=1e-9)  # type: ignore[operator]
    assert (one.gained, one.lost) == (other.lost, other.gained)
    assert one.interval is not None
    assert other.interval is not None
    assert (other.interval.low, other.interval.high) == pytest.approx((-one.interval.high, -one.interval.low), abs=1e-7)
    assert other.change is TURNED.get(one.change, one.change)
    assert [f.lost for f in there.flips] == [f.gained for f in _swapped(back)]


def _swapped(comparison: Comparison):
    for flips in comparison.flips:
        turned = tuple(f.model_copy(update={"a": f.b, "b": f.a}) for f in flips.gained)
        yield flips.model_copy(update={"gained": turned})


ANY = st.one_of(MARKS, UNITS, st.sampled_from([SKIP, BROKEN, None]))
SOME = st.dictionaries(st.sampled_from([f"c{i}" for i in range(6)]), st.tuples(ANY, ANY), min_size=1)


@QUICK
@given(SOME, st.dictionaries(st.sampled_from([f"c{i}" for i in range(6)]), st.sampled_from(Outcome)), st.randoms())
def test_hostile_runs_are_told_of_alike_in_whatever_order(rows, outcomes, random):
    def runs(names: list[str]) -> tuple[EvalRun, EvalRun]:
        more = {"outcomes": outcomes, "slices": ("risk_tier=low", "risk_tier=high")}
        a, b = ({name: rows[name][side] for name in names} for side in (0, 1))
        return before(a, **more), make_run(b, **more)

    names = sorted(rows)
    shuffled = random.sample(names, len(names))
    comparison = compare(*runs(names))
    assert comparison == compare(*runs(shuffled))
    assert Comparison.model_validate_json(comparison.model_dump_json()) == comparison
    assert summary(comparison)
    assert comparison_markdown(comparison, "gone")
    for cell in comparison.metrics:
        assert (cell.p_corrected is None) == (cell.change is Change.NOT_MEASURED)
        assert (cell.change is Change.NOT_MEASURED) <= bool(cell.reason)
    for flip in (f for flips in comparison.flips for f in flips.gained):
        assert "passed" in flip.b
        assert outcomes.get(flip.case_id, Outcome.COMPLETED) is Outcome.COMPLETED


def test_markdown_shows_names_of_cases_as_text():
    more = {"attributes": {"case-0000": {"intent": "<b>@all</b>|x", "risk_tier": "critical"}}}
    comparison = compare(before(cases(2), **more), make_run(cases(0, 2), **more))
    text = comparison_markdown(comparison, "The <bundle> of A is gone")
    assert "&lt;b&gt;&#64;all&lt;/b&gt;\\|x" in text
    assert "The &lt;bundle&gt; of A is gone" in text
    assert "quality**, lost (2)" in text


# --- the command -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A workspace with two bundles of one agent, each with a run."""
    from assay.registry.ledger import Evaluation, Ledger
    from assay.registry.store import Store
    from assay.registry.workspace import find_workspace

    home = tmp_path_factory.mktemp("compare") / "ws"
    home.mkdir()
    (home / "assay.yaml").write_text("schema_version: 1\n")
    workspace = find_workspace(home, {})
    store, ledger = Store(workspace), Ledger(workspace.ledger_url)
    for number, value in ((1, 1.0), (2, 0.0)):
        file = write_bundle(home.parent / str(number), prompt=f"Prompt {number}.\n", top_k=number)
        version = store.register(file, train).version
        run, trajectories = tiny_run(version.digest, label=version.label, value=value)
        made = store.log_run(run, trajectories, metrics={}, params={}, dataset=make_dataset())
        ledger.record_evaluation(Evaluation.of(made))
    return home


def test_the_command_shows_what_changed_in_the_agent_and_in_its_behaviour(assay, stored: Path):
    done = assay("compare", f"{AGENT}/1", f"{AGENT}/2", "--markdown", "diff.md", cwd=stored)
    assert done.code == 0, done.err
    for part in ("+Prompt 2.", "retrieval.top_k: 1 -> 2", "task_success", "lost (2): case-1 (fee, low), case-2"):
        assert part in done.out
    assert "pii_leak_rate: in both runs 2 of 2 trials could not be scored" in done.out
    assert max(map(len, done.out.splitlines())) <= 112
    assert "### What changed in the agent" in (stored / "diff.md").read_text()
    body = json.loads(assay("compare", f"{AGENT}/1", f"{AGENT}/2", "--json").out)
    assert body["schema_version"] == 1
    assert body["bundle_diff"]["settings"][0]["key"] == "retrieval.top_k"
    assert body["flips"][0]["metric"] == "task_success"
    (cell,) = (c for c in body["metrics"] if c["metric"] == "task_success")
    assert (cell["lost"], cell["change"], cell["difference"]) == (2, "within noise", -1.0)


def test_a_run_against_itself_and_a_wrong_ending_are_refused_in_words(assay, stored: Path):
    same = assay("compare", f"{AGENT}/1", f"{AGENT}/1", cwd=stored)
    assert same.code == 2
    assert "are the same run" in same.err
    ending = assay("compare", f"{AGENT}/1", f"{AGENT}/2", "--markdown", "diff.html")
    assert (ending.code, "written as .md" in ending.err) == (2, True)


def test_a_bundle_that_is_gone_is_said_to_be_gone(assay, stored: Path):
    import mlflow

    from assay.registry.workspace import find_workspace

    runs = {r["bundle_label"]: r["run_id"] for r in json.loads(assay("runs", "list", "--json", cwd=stored).out)}
    uri = find_workspace(stored, {}).tracking_uri
    mlflow.MlflowClient(uri, uri).delete_model_version(AGENT, "1")
    done = assay("compare", runs["tiny v1"], runs["tiny v2"])
    assert done.code == 0, done.err
    assert "the bundle of A (tiny v1, sha256" in done.out
    assert "task_success" in done.out
    body = json.loads(assay("compare", runs["tiny v1"], runs["tiny v2"], "--json").out)
    assert body["bundle_diff"] is None
    assert "not in the store" in body["bundle_diff_missing"]
