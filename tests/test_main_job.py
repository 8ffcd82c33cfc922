"""The main job through the command line, on the shipped content, with a real store."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from assay.cli.setting_up import make_workspace


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A workspace whose first champion was registered, evaluated and gated."""
    folder = tmp_path_factory.mktemp("main") / "workspace"
    make_workspace(folder)
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    """A workspace of one's own. Artifact addresses in a store are absolute, so the store is not copied."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("mlruns", "reports"))
    return to


def test_the_main_job_from_registration_to_promotion(assay, released: Path) -> None:
    first = assay("register", "bundles/harborline/champion.yaml", cwd=released)
    assert first.code == 0, first.err
    assert "harborline v1 registered" in first.out
    again = assay("register", "bundles/harborline/champion.yaml")
    assert "harborline v1 already registered" in again.out
    assert "new," not in again.out

    early = assay("promote", "harborline@candidate")
    assert early.code == 1
    assert "assay eval" in early.err

    evaluated = assay("eval", "harborline@candidate", "--suite", "contact-center")
    assert evaluated.code == 0, evaluated.err
    assert "escalation_recall" in evaluated.out

    judged = assay("gate", "harborline@candidate", "--policy", "production")
    assert judged.code == 0, judged.out
    assert "PASS" in judged.out

    promoted = assay("promote", "harborline@candidate")
    assert promoted.code == 0, promoted.err
    assert "harborline v1 is now harborline@champion" in promoted.out
    assert "already" in assay("promote", "harborline@candidate").out

    shown = json.loads(assay("status", "harborline", "--json").out)
    assert shown["champion"]["version"] == 1
    assert shown["decisions"][0]["verdict"] == "PASS"
    assert shown["mismatches"] == []


def test_what_was_run_is_not_run_again(assay, released: Path) -> None:
    again = assay("eval", "harborline@candidate", cwd=released)
    assert "0 trajectories run" in again.err


def test_a_misspelt_name_in_a_rule_is_refused_before_anything_runs(assay, released: Path) -> None:
    rule = "{id: r, title: t, clause: c, severity: high, holds: 'never calls refund_fee (amuont > 1)'}"
    pack = released / "evalsuites" / "policies" / "misspelt.yaml"
    pack.write_text(f"name: misspelt\nversion: '1'\ndescription: d\nrules:\n  - {rule}\n")
    suite = released / "evalsuites" / "misspelt.yaml"
    scorers = "scorers: [{name: policy, settings: {rules: misspelt}}]"
    suite.write_text(f"name: misspelt\ndataset: harborline\nreplay: {{mode: scripted}}\n{scorers}\n")
    refused = assay("eval", "harborline@candidate", "--suite", "misspelt", cwd=released)
    assert refused.code == 2
    assert "rule pack misspelt: r.holds: 'refund_fee' has no 'amuont'" in refused.err
    assert "Did you mean 'amount'?" in refused.err
    assert "replaying" not in refused.err


def test_scoring_again_runs_no_agent(assay, released: Path, monkeypatch) -> None:
    from assay.runner.agents import factory

    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("an agent was built")

    monkeypatch.setattr(factory, "build_agent", refuse)
    scored = assay("score", "latest", "--suite", "contact-center", cwd=released)
    assert scored.code == 0, scored.err
    assert "no agent was run" in scored.err


def test_a_worse_prompt_is_blocked_and_the_champion_stays(assay, released: Path) -> None:
    checked = assay("check", "bundles/harborline/drop-verification.yaml", "--markdown", "summary.md", cwd=released)
    assert checked.code == 1, checked.out + checked.err
    assert "policy_adherence" in checked.out
    assert "FAIL" in (released / "summary.md").read_text()
    refused = assay("promote", "harborline@candidate")
    assert refused.code == 1
    assert "FAIL" in refused.err
    assert json.loads(assay("status", "harborline", "--json").out)["champion"]["version"] == 1
    changed = assay("bundle", "diff", "harborline@champion", "harborline@candidate")
    assert "identity_verification" in changed.out


def test_a_report_opens_by_itself(assay, released: Path) -> None:
    made = assay("report", "harborline@candidate", "-o", "report.html", cwd=released)
    assert made.code == 0, made.err
    page = (released / "report.html").read_text()
    assert "FAIL" in page
    assert "Content-Security-Policy" in page


def test_runs_and_bundles_are_listed(assay, released: Path) -> None:
    runs = json.loads(assay("runs", "list", "--json", cwd=released).out)
    assert {run["bundle_label"] for run in runs} == {"harborline v1", "harborline v2"}
    bundles = json.loads(assay("bundle", "list", "--json").out)
    assert {"bundle", "aliases", "digest", "registered"} <= set(bundles[0])
    assert assay("runs", "show", runs[0]["run_id"][:8]).code == 0
    assert assay("bundle", "show", "harborline@champion").code == 0


def test_a_run_is_broken_down_by_an_attribute_of_its_cases(assay, released: Path) -> None:
    by = ("runs", "show", "latest", "--metric", "escalation_recall", "--by")
    tiers = json.loads(assay(*by, "risk_tier", "--json", cwd=released).out)
    overall = json.loads(assay("runs", "show", "latest", "--json").out)["metrics"]["escalation_recall"]
    assert [e["slice"] for e in tiers] == [f"risk_tier={tier}" for tier in ("critical", "high", "low", "medium")]
    assert sum(e["units"] for e in tiers) == overall["units"]
    assert sum(e["events"] for e in tiers) == overall["events"]
    assert "customer_request" in assay(*by, "escalation_reason").out
    assert "Did you mean 'risk_tier'" in assay(*by, "risk_tire").err
    unknown = assay("runs", "show", "latest", "--metric", "escalation_recal")
    assert (unknown.code, "Did you mean 'escalation_recall'" in unknown.err) == (2, True)


def test_a_changed_dataset_voids_the_decision(assay, released: Path) -> None:
    cases = released / "datasets" / "harborline" / "cases.jsonl"
    before = cases.read_text()
    first, rest = before.split("\n", 1)
    changed = json.loads(first)
    changed["tags"] = [*changed.get("tags", []), "edited"]
    assay("register", "bundles/harborline/champion.yaml", cwd=released)
    try:
        cases.write_text(json.dumps(changed) + "\n" + rest)
        assay("register", "bundles/harborline/improved.yaml")
        refused = assay("promote", "harborline@candidate")
        assert refused.code == 1
        ran = assay("eval", "harborline@champion", "--suite", "contact-center")
        assert "1 trajectories run, " in ran.err
    finally:
        cases.write_text(before)


def test_a_report_is_by_the_policy_in_force_not_by_one_of_the_same_name(assay, released: Path) -> None:
    lenient = released / "lenient.yaml"
    lenient.write_text(
        "name: production\nchecks: [{name: a, kind: limit, metric: task_success, at_least: 0.01, min_n: 1}]\n"
    )
    register = assay("register", "bundles/harborline/drop-verification.yaml", cwd=released)
    assert register.code == 0
    assert assay("gate", "harborline@candidate", "--policy", str(lenient)).code == 0
    reported = assay("report", "harborline@candidate", "-o", "by-policy.md")
    assert reported.code == 0
    assert "FAIL" in (released / "by-policy.md").read_text().splitlines()[0]
    assert assay("promote", "harborline@candidate").code == 1


def test_trajectories_edited_after_the_gate_stop_a_promotion(assay, released: Path) -> None:
    assert assay("check", "bundles/harborline/improved.yaml", cwd=released).code == 0
    run = json.loads(assay("runs", "list", "--json").out)[0]["run_id"]
    stored = next((released / "mlruns").rglob(f"{run}/artifacts/trajectories.jsonl"))
    before = stored.read_text()
    try:
        stored.write_text(before.replace("Harborline", "Elsewhere"))
        refused = assay("promote", "harborline@candidate")
        assert refused.code == 1
        assert "not the one that was stored" in refused.err
    finally:
        stored.write_text(before)


def test_trying_again_until_it_passes_is_refused(assay, released: Path, monkeypatch) -> None:
    """The same bundle falls short in one run and passes in another: chance, not evidence."""
    from test_faults import break_agent

    assert assay("register", "bundles/harborline/improved.yaml", cwd=released).code == 0
    with monkeypatch.context() as patch:
        break_agent(patch, lambda n: n == 3)
        assert assay("eval", "harborline@candidate", "--fresh").code == 0
        assert assay("gate", "harborline@candidate").code == 1
    assert assay("eval", "harborline@candidate", "--fresh").code == 0
    assert assay("gate", "harborline@candidate").code == 0
    refused = assay("promote", "harborline@candidate")
    assert refused.code == 1
    assert "may be luck" in refused.err


def test_deleting_the_data_checks_does_not_turn_them_off(assay, released: Path) -> None:
    promised = released / "datasets" / "harborline" / "expectations.yaml"
    before = promised.read_text()
    try:
        promised.unlink()
        done = assay("check", "bundles/harborline/champion.yaml", cwd=released)
        assert done.code == 4
        assert "expectations.yaml" in done.out
    finally:
        promised.write_text(before)


def test_a_suite_refuses_a_dataset_that_fails_a_critical_expectation(assay, released: Path, tmp_path: Path) -> None:
    home = copy_of(released, tmp_path / "home")
    cases = home / "datasets" / "harborline" / "cases.jsonl"
    lines = cases.read_text().splitlines()
    lines.append(lines[0].replace('"id": "', '"id": "again-', 1))
    cases.write_text("\n".join(lines) + "\n")
    refused = assay("check", "bundles/harborline/champion.yaml", cwd=home)
    assert refused.code == 4
    assert "no-near-duplicates" in refused.err
    assert f"(line {len(lines)}: 100% like" in refused.err
    assert not list((home / "mlruns").rglob("trajectories/*")), "nothing was run"
    assert assay("gate", "harborline@candidate").code == 2, "there is no run to judge"


def test_a_candidate_that_was_trained_on_the_exam_does_not_sit_it(assay, released: Path, tmp_path: Path) -> None:
    home = copy_of(released, tmp_path / "home")
    said = json.loads((home / "datasets" / "harborline" / "cases.jsonl").read_text().splitlines()[0])["turns"][0][
        "customer"
    ]
    rows = home / "bundles" / "harborline" / "training" / "utterances.csv"
    rows.write_text(rows.read_text() + f'"{said.upper()}",balance_inquiry,none\n')
    refused = assay("check", "bundles/harborline/champion.yaml", cwd=home)
    assert refused.code == 4
    assert "not-trained-on" in refused.err
    assert "harborline v1 is trained on" in refused.err


def test_what_the_data_checks_found_is_kept_with_the_run(assay, released: Path) -> None:
    runs = [run["run_id"] for run in json.loads(assay("runs", "list", "--json", cwd=released).out)]
    first = runs[-1]  # later ones were made without expectations
    [report] = (released / "mlruns").rglob(f"{first}/artifacts/data_checks.json")
    found = json.loads(report.read_text())
    assert found["success"] is True
    assert found["cases"] >= 300
    own = json.loads(report.with_name("great_expectations.json").read_text())
    assert own["cases"]["statistics"]["unsuccessful_expectations"] == 0


def test_evidence_edited_in_the_store_is_refused(assay, released: Path) -> None:
    run = json.loads(assay("runs", "list", "--json", cwd=released).out)[0]["run_id"]
    scores = next((released / "mlruns").rglob(f"{run}/artifacts/scores.jsonl"))
    before = scores.read_text()
    try:
        scores.write_text(before.replace('"value": 0.0', '"value": 1.0'))
        assert scores.read_text() != before
        refused = assay("gate", run)
        assert refused.code == 4
        assert "digest" in refused.err
    finally:
        scores.write_text(before)


def test_a_prompt_edited_in_mlflow_is_refused_by_name(assay, released: Path) -> None:
    database = sqlite3.connect(released / "mlruns" / "mlflow.db")
    query = "UPDATE model_version_tags SET value = value || ' Be brief.' WHERE key = 'mlflow.prompt.text'"
    assert database.execute(query).rowcount > 0
    database.commit()
    try:
        refused = assay("eval", "harborline@champion", cwd=released)
        assert refused.code == 4
        assert "prompt" in refused.err
    finally:
        database.execute(
            "UPDATE model_version_tags SET value = replace(value, ' Be brief.', '') WHERE key = 'mlflow.prompt.text'"
        )
        database.commit()
        database.close()


def test_a_bad_file_leaves_what_is_stored_as_it_was(assay, released: Path) -> None:
    before = assay("status", "harborline", "--json", cwd=released).out
    bad = released / "bundles" / "harborline" / "bad.yaml"
    bad.write_text((released / "bundles" / "harborline" / "improved.yaml").read_text().replace("top_k", "topk"))
    refused = assay("register", str(bad))
    assert refused.code == 2
    assert "bad.yaml:" in refused.err
    assert "Did you mean 'top_k'?" in refused.err
    assert "Traceback" not in refused.err
    assert assay("status", "harborline", "--json").out == before


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        ("odd.yaml", "min_overlap", "min_overlp", "min_overlap"),
        ("odd.yaml", "refund_fee: 40", "refund_fees: 40", "refund_fees"),
        ("prompts/odd.md", "{{ quote }}", "{{ quot }}", "quote"),
        ("prompts/odd.md", "## greeting", "## greting", "greeting"),
        ("prompts/odd.md", "{{ quote }}", "{{ quote }", "answer"),
        ("training/odd.csv", "text,intent,signal", "text,intention,signal", "intent"),
    ],
)
def test_what_an_agent_could_not_run_with_is_not_registered(assay, released: Path, file, old, new, part) -> None:
    folder = released / "bundles" / "harborline"
    bundle = (folder / "champion.yaml").read_text()
    sources = {
        "odd.yaml": bundle.replace("champion.md", "odd.md").replace("utterances.csv", "odd.csv"),
        "prompts/odd.md": (folder / "prompts" / "champion.md").read_text(),
        "training/odd.csv": (folder / "training" / "utterances.csv").read_text(),
    }
    assert old in sources[file]
    for name, text in sources.items():
        (folder / name).write_text(text.replace(old, new, 1) if name == file else text)
    before = assay("bundle", "list", "--json", cwd=released).out
    refused = assay("register", "bundles/harborline/odd.yaml")
    assert refused.code == 2
    assert file.split("/")[-1] in refused.err
    assert part in refused.err
    assert assay("bundle", "list", "--json").out == before


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (("eval", "harborlin@candidate"), "Did you mean 'harborline'?"),
        (("eval", "harborline@canidate", "--suite", "contact-center"), "Did you mean"),
        (("eval", "harborline@candidate", "--suite", "contact-centre"), "Did you mean 'contact-center'?"),
        (("gate", "latest", "--policy", "prodution"), "Did you mean 'production'?"),
        (("gate", "feedfacefeed", "--policy", "production"), "no evaluation run named"),
        (("register", "bundles/harborline/champon.yaml"), "Did you mean 'champion.yaml'?"),
        (("status", "harborlne"), "Did you mean 'harborline'?"),
        (("init", "."), "is not empty"),
    ],
)
def test_a_mistyped_name_is_one_clear_message(assay, released: Path, args: tuple[str, ...], part: str) -> None:
    done = assay(*args, cwd=released)
    assert done.code == 2, done.out
    assert part in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


def test_no_workspace_says_how_to_make_one(assay, tmp_path: Path) -> None:
    done = assay("status", "harborline", cwd=tmp_path)
    assert done.code == 2
    assert "assay init" in done.err


def test_an_alias_moved_by_hand_is_told_and_put_back(assay, released: Path) -> None:
    from assay.cli.pipeline import Session
    from assay.registry.workspace import find_workspace

    standing = json.loads(assay("status", "harborline", "--json", cwd=released).out)["champion"]["version"]
    Session(find_workspace(released, {})).store.set_alias("harborline", "champion", standing + 1)
    assert "moved by hand" in assay("gate", "harborline@candidate").err
    assert json.loads(assay("status", "harborline", "--json").out)["mismatches"] != []
    assert "put back" in assay("promote", f"harborline/{standing}").out
    assert json.loads(assay("status", "harborline", "--json").out)["mismatches"] == []


def test_a_run_on_a_suite_given_by_path_is_gated_and_reported(assay, released: Path) -> None:
    suite = released / "elsewhere.yaml"
    text = (released / "evalsuites" / "contact-center.yaml").read_text()
    suite.write_text(text.replace("name: contact-center", "name: elsewhere", 1))
    assert assay("register", "bundles/harborline/champion.yaml", cwd=released).code == 0
    assert assay("eval", "harborline@candidate", "--suite", str(suite)).code == 0
    judged = assay("gate", "latest", "--policy", "production")
    assert judged.code in {0, 1, 3}, judged.err
    assert "no longer has the dataset" in judged.err
    assert assay("report", "latest", "-o", "elsewhere.html").code == 0


def test_json_stands_alone_on_standard_output(assay, released: Path) -> None:
    decided = assay("check", "bundles/harborline/champion.yaml", "--json", cwd=released)
    assert json.loads(decided.out)["verdict"] in {"PASS", "FAIL", "INCONCLUSIVE"}
    measured = assay("eval", "harborline@candidate", "--json")
    assert "escalation_recall" in json.loads(measured.out)["metrics"]


def test_a_rule_that_names_a_tool_nobody_has_is_refused(assay, released: Path) -> None:
    rules = released / "evalsuites" / "policies" / "harborline.yaml"
    before = rules.read_text()
    try:
        rules.write_text(before.replace("{called: [block_card]}", "{called: [blok_card]}"))
        refused = assay("check", "bundles/harborline/champion.yaml", cwd=released)
        assert refused.code == 2
        assert "Did you mean 'block_card'?" in refused.err
    finally:
        rules.write_text(before)


@pytest.fixture
def judged(assay, released: Path) -> Path:
    """The workspace with a judged bundle in its store: by the tests before, or now where a test runs by itself."""
    if not (released / "mlruns" / "mlflow.db").exists():
        assay("check", "bundles/harborline/drop-verification.yaml", cwd=released)
    return released


def test_traces_in_mlflow_hold_no_personal_data(judged: Path) -> None:
    database = sqlite3.connect(judged / "mlruns" / "mlflow.db")
    spans = " ".join(str(row) for row in database.execute("SELECT content FROM spans"))
    database.close()
    assert "turn 1" in spans
    lines = (judged / "datasets" / "harborline" / "cases.jsonl").read_text().splitlines()
    numbers = {
        customer.get("customer_number") for line in lines if (customer := json.loads(line).get("customer") or {})
    }
    assert {number for number in numbers if number and number in spans} == set()


def test_what_was_never_exercised_and_why_a_scorer_failed_stand_under_the_metrics(assay, released: Path) -> None:
    (released / "checks_of_ours.py").write_text("def polite(case, trajectory):\n    raise RuntimeError('no thanks')\n")
    suite = released / "evalsuites" / "failing.yaml"
    metric = "{name: polite, kind: proportion, direction: higher_is_better, description: d}"
    ours = f"{{name: 'checks_of_ours:polite', settings: {{metric: {metric}}}}}"
    scorers = f"[{ours}, {{name: policy, settings: {{rules: idle}}}}]"
    rule = "{id: zebras, title: t, clause: c, severity: low, holds: 'if customer says \"zebra\" then hands off'}"
    pack = released / "evalsuites" / "policies" / "idle.yaml"
    pack.write_text(f"name: idle\nversion: '1'\ndescription: d\nrules:\n  - {rule}\n")
    suite.write_text(f"name: failing\ndataset: harborline\nreplay: {{mode: scripted}}\nscorers: {scorers}\n")
    shown = assay("score", "latest", "--suite", "failing", cwd=released)
    assert "RuntimeError: no thanks (workspace/checks_of_ours.py:2)" in shown.out, shown.err
    assert "Rules never exercised (policy), so that keeping them is no evidence: zebras." in shown.out
