"""Gate policies: what is read, and what is refused because it would check nothing."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
from gating import limit, policy_of
from pydantic import ValidationError

from assay.gates.checks import GroupCheck, LimitCheck
from assay.gates.load import load_policy
from assay.gates.policy import GatePolicy
from assay.gates.statistics import clopper_pearson
from assay.registry.content.json_schema import schemas
from assay.registry.errors import ContentError

POLICIES = Path(str(files("assay.gates"))) / "policies"
SHIPPED = sorted(POLICIES.glob("*.yaml"))

COMPARISON = {"kind": "non_inferiority", "name": "not-worse", "metric": "quality", "margin": 0.05}


def refusal(*checks: dict[str, object], **changes: object) -> str:
    with pytest.raises(ValidationError) as caught:
        policy_of(*checks, **changes)
    return str(caught.value)


def test_defaults_are_the_strict_ones():
    policy = policy_of(limit())
    check = policy.checks[0]
    assert (policy.confidence, policy.max_failure_share) == (0.95, 0.0)
    assert check.blocking
    assert not check.critical


def test_a_critical_check_blocks_whatever_its_severity():
    policy = policy_of(limit(severity="warn", critical=True), limit(name="other", severity="warn"))
    assert [check.blocking for check in policy.checks] == [True, False]
    tolerance = {"kind": "zero_tolerance", "name": "none", "metric": "leaks"}
    assert policy_of(tolerance).checks[0].critical


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ([], "at least 1 item"),
        ([limit(severity="warn")], "warnings only"),
        ([{**COMPARISON, "if_no_champion": "not_applicable"}], "without a champion"),
        ([limit(), limit()], "'quality' stands 2 times"),
        ([limit(at_least=0.0)], "checks nothing"),
        ([limit(at_most=1.0)], "checks nothing"),
        ([limit(at_least=1.0)], "can never pass"),
        ([limit(at_most=0.0)], "can never pass"),
        ([limit(at_least=95.0)], "out of range"),
        ([limit(at_least=-0.1)], "out of range"),
        ([limit(at_least=float("nan"))], "finite"),
        ([limit(at_most=0.1, at_least=0.9)], "exactly one of"),
        ([{**limit(), "at_least": None}], "exactly one of"),
        ([limit(min_n=0)], "greater than or equal to 1"),
        ([limit(min_n=True)], "valid integer"),
        ([limit(slice="risk_tier")], "not of the form attribute=value"),
        ([limit(slice="risk=high")], "Did you mean"),
        ([limit(kind="limmit")], "limmit"),
        ([limit(atleast=0.9)], "atleast"),
        ([{**COMPARISON, "margin": 0.0}], "greater than 0"),
        ([{**COMPARISON, "margin": 0.9}], "less than or equal to 0.25"),
    ],
)
def test_what_checks_nothing_is_refused(checks: list[dict[str, object]], says: str):
    assert says in refusal(*checks)


@pytest.mark.parametrize("changes", [{"confidence": 0.5}, {"confidence": 1.0}, {"max_failure_share": 0.5}])
def test_a_lax_policy_is_refused(changes: dict[str, object]):
    refusal(limit(), **changes)


def test_all_problems_of_a_file_are_named_with_their_lines(tmp_path: Path):
    path = tmp_path / "gate.yaml"
    path.write_text(
        "name: gate\nchecks:\n"
        "  - kind: limit\n    name: a\n    metric: quality\n    at_leest: 0.9\n"
        "  - kind: zero_tolerance\n    name: b\n    metric: leaks\n    max_events: -1\n"
    )
    with pytest.raises(ContentError) as caught:
        load_policy(path)
    message = str(caught.value)
    assert f"{path}:6: checks.0.at_leest: unknown key" in message
    assert "'at_least'" in message
    assert "max_events" in message


def test_a_missing_policy_names_the_nearest(tmp_path: Path):
    (tmp_path / "production.yaml").write_text("")
    with pytest.raises(ContentError, match=r"Did you mean 'production.yaml'"):
        load_policy(tmp_path / "prodution.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_policies_load_and_bear_their_file_name(path: Path):
    assert load_policy(path).name == path.stem


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_flawless_agent_can_pass_every_limit_at_its_min_n(path: Path):
    for check in load_policy(path).checks:
        if check.kind == "limit" and check.interval == "clopper_pearson":
            low, high = clopper_pearson(check.min_n, check.min_n, 0.05)[0], clopper_pearson(0, check.min_n, 0.05)[1]
            shown = low >= check.at_least if check.at_least is not None else high <= (check.at_most or 0)
            assert shown, f"{check.name}: no agent can show it with {check.min_n} cases"


def test_the_production_policy_holds_harm_and_escalation_critical():
    critical = {check.metric for check in load_policy(POLICIES / "production.yaml").checks if check.critical}
    assert critical >= {"critical_violation_rate", "pii_leak_rate", "scope_violation_rate", "escalation_recall"}


def test_the_schema_beside_the_policies_is_current():
    (text,) = schemas({"policy": GatePolicy}).values()
    assert json.loads((POLICIES / "policy.schema.json").read_text()) == json.loads(text)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_policies_meet_the_schema(path: Path):
    import jsonschema
    import yaml

    schema = json.loads((POLICIES / "policy.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


# --- a policy that extends another


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\n{text}", encoding="utf-8")
    return path


BASE = """confidence: 0.97
checks:
  - {kind: limit, name: recall, metric: escalation_recall, at_least: 0.9, min_n: 100, critical: true}
  - {kind: non_inferiority, name: vs, metric: escalation_recall, margin: 0.03}
  - kind: any
    name: quick
    checks:
      - {kind: mean, name: mean, metric: reply_time_s, at_most: 2.0}
      - {kind: quantile, name: p95, metric: reply_time_s, quantile: 0.95, at_most: 5.0}
"""


def test_an_extending_policy_has_all_checks_and_inherits_what_it_leaves_out(tmp_path: Path):
    written(tmp_path, "base", BASE)
    own = "extends: base\nchecks:\n  - {kind: limit, name: recall, metric: escalation_recall, at_least: 0.95}\n"
    own += "  - {kind: limit, name: more, metric: task_success, at_least: 0.5}\n"
    policy = load_policy(written(tmp_path, "stage", own))
    assert [check.name for check in policy.checks] == ["recall", "vs", "quick", "more"]
    recall = policy.checks[0]
    assert (
        recall
        == GatePolicy.model_validate(
            {
                "name": "x",
                "checks": [limit(name="recall", metric="escalation_recall", at_least=0.95, min_n=100, critical=True)],
            }
        ).checks[0]
    )
    assert (policy.name, policy.confidence) == ("stage", 0.97)
    third = "extends: stage\nchecks:\n  - {kind: non_inferiority, name: vs, metric: escalation_recall, margin: 0.02}\n"
    assert len(load_policy(written(tmp_path, "third", third)).checks) == 4


@pytest.mark.parametrize(
    ("line", "key", "says"),
    [
        ("{kind: limit, name: recall, metric: escalation_recall, at_least: 0.85}", "at_least", "0.85 is weaker than"),
        ("{kind: limit, name: recall, metric: escalation_recall, at_least: 0.9, min_n: 99}", "min_n", "99 is weaker"),
        (
            "{kind: limit, name: recall, metric: escalation_recall, at_least: 0.9, critical: false}",
            "critical",
            "critical",
        ),
        (
            "{kind: limit, name: recall, metric: escalation_recall, at_least: 0.9, interval: wilson}",
            "interval",
            "weaker",
        ),
        ("{kind: limit, name: recall, metric: task_success, at_least: 0.95}", "metric", "has to stay"),
        (
            "{kind: limit, name: recall, metric: escalation_recall, slice: risk_tier=low, at_least: 0.95}",
            "slice",
            "stay",
        ),
        ("{kind: limit, name: recall, metric: escalation_recall, at_most: 0.95}", "checks.0", "exactly one"),
        ("{kind: limit, name: vs, metric: escalation_recall, at_least: 0.1}", "kind", "has to stay"),
        ("{kind: non_inferiority, name: vs, metric: escalation_recall, margin: 0.04}", "margin", "0.04 is weaker"),
        (
            "{kind: non_inferiority, name: vs, metric: escalation_recall, margin: 0.03, "
            "if_no_champion: not_applicable}",
            "if_no_champion",
            "weaker",
        ),
        (
            "{kind: non_inferiority, name: vs, metric: escalation_recall, margin: 0.03, severity: warn}",
            "severity",
            "block",
        ),
        (
            "{kind: any, name: quick, checks: [{kind: mean, name: mean, metric: reply_time_s, at_most: 2.0}, "
            "{kind: mean, name: other, metric: reply_time_s, at_most: 99.0}]}",
            "checks",
            "has to keep its ways",
        ),
        (
            "{kind: any, name: quick, checks: [{kind: mean, name: mean, metric: reply_time_s, at_most: 2.5}, "
            "{kind: quantile, name: p95, metric: reply_time_s, quantile: 0.95, at_most: 5.0}]}",
            "at_most",
            "2.5 is weaker",
        ),
    ],
)
def test_an_extending_policy_may_only_tighten(tmp_path: Path, line: str, key: str, says: str):
    written(tmp_path, "base", BASE)
    path = written(tmp_path, "stage", f"extends: base\nchecks:\n  - {line}\n")
    with pytest.raises(ContentError) as refused:
        load_policy(path)
    assert f"{path}:4: " in str(refused.value)
    assert key in str(refused.value)
    assert says in str(refused.value)


def test_members_of_an_extended_group_inherit_what_they_leave_out(tmp_path: Path):
    base = "checks:\n  - {kind: all, name: g, checks: [{kind: limit, name: a, metric: m, at_least: 0.9, min_n: 300}]}\n"
    written(tmp_path, "base", base)
    own = "extends: base\n" + base.replace("0.9, min_n: 300", "0.95")
    (group,) = load_policy(written(tmp_path, "stage", own)).checks
    assert isinstance(group, GroupCheck)
    (member,) = group.checks
    assert isinstance(member, LimitCheck)
    assert (member.min_n, member.at_least) == (300, 0.95)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("extends: bas\n", "2: extends: there is no policy 'bas'. Did you mean 'base'?"),
        ("extends: stage\n", "2: extends: 'stage' extends this policy in turn"),
        ("extends: base\nconfidence: 0.95\n", "3: confidence: 0.95 is weaker than the 0.97 of 'base'"),
        ("extends: base\nmax_failure_share: 0.1\n", "max_failure_share: 0.1 is weaker"),
        ("extends: base\nrequire_data_checks: false\n", "require_data_checks: False is weaker"),
    ],
)
def test_what_is_extended_has_to_be_there_and_holds_for_all_checks(tmp_path: Path, text: str, says: str):
    written(tmp_path, "base", BASE)
    more = "checks:\n  - {kind: limit, name: more, metric: task_success, at_least: 0.5}\n"
    with pytest.raises(ContentError) as refused:
        load_policy(written(tmp_path, "stage", text + more))
    assert says in str(refused.value)


def test_the_stages_of_the_rollout_grow_stricter():
    bounded, coordinated, scaled = (
        load_policy(POLICIES / f"{n}.yaml") for n in ("production", "coordinated", "scaled")
    )
    assert len(bounded.checks) <= len(coordinated.checks) <= len(scaled.checks)
    limits = [
        next(
            check.at_most
            for check in policy.checks
            if isinstance(check, LimitCheck) and check.name == "false-escalation"
        )
        for policy in (bounded, coordinated, scaled)
    ]
    assert limits == [0.30, 0.25, 0.10]
