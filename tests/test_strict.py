from __future__ import annotations

import pytest
from pydantic import BaseModel

from assay.gates.policy import GatePolicy
from assay.registry.errors import ContentError, nearest
from assay.registry.strict import load_yaml, parse_json, parse_yaml
from assay.registry.types.case import Case
from assay.registry.types.suite import Suite

GOOD = "name: s\ndataset: d\nscorers:\n  - name: escalation\n"


def fails(text: str) -> str:
    with pytest.raises(ContentError) as caught:
        parse_yaml(text, Suite, file="suite.yaml")
    return str(caught.value)


def test_good_yaml_is_read() -> None:
    assert parse_yaml(GOOD, Suite, file="suite.yaml").scorers[0].name == "escalation"


def test_an_unknown_key_names_file_line_key_and_the_nearest_right_one() -> None:
    message = fails(GOOD + "replay:\n  mode: scripted\n  sede: 3\n")
    assert message == "suite.yaml:7: replay.sede: unknown key 'sede'. Did you mean 'seed'?"


def test_a_wrong_value_names_the_nearest_right_one() -> None:
    message = fails(GOOD + "replay: {mode: script}\n")
    assert "replay.mode: Input should be 'scripted', 'golden_history', 'simulated' or 'recorded'" in message
    assert "(given: 'script'). Did you mean 'scripted'?" in message


def test_all_problems_are_told_at_once() -> None:
    message = fails("name: s\nscorers: []\ntrials: 0\n")
    assert "the key 'dataset' is required" in message
    assert "scorers" in message
    assert "trials" in message


def test_a_key_that_stands_twice_is_refused() -> None:
    message = fails("name: s\nname: t\ndataset: d\nscorers: [{name: a}]\n")
    assert "suite.yaml:2: name: the key stands twice (first on line 1)" in message


@pytest.mark.parametrize(
    ("text", "part"),
    [("", "the file is empty"), ("- a\n", "a mapping"), ("name: [\n", "not valid YAML"), ("a: &x [*x]\n", "YAML")],
)
def test_hostile_yaml_is_one_clear_error(text: str, part: str) -> None:
    assert part in fails(text)


def test_python_objects_in_yaml_are_not_built() -> None:
    assert "YAML" in fails("name: !!python/object/apply:os.system ['true']\n")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_yaml(file, Suite).name == "s"


def test_a_missing_file_names_the_nearest(tmp_path) -> None:
    (tmp_path / "contact-center.yaml").write_text(GOOD)
    with pytest.raises(ContentError, match=r"Did you mean 'contact-center\.yaml'\?"):
        load_yaml(tmp_path / "contact-centre.yaml", Suite)


def test_bytes_that_are_not_text_are_refused(tmp_path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ContentError, match="not UTF-8"):
        load_yaml(tmp_path / "x.yaml", Suite)


def test_json_lines_name_their_line() -> None:
    with pytest.raises(ContentError, match=r"cases\.jsonl:7: .*the key 'id' is required"):
        parse_json('{"intent": "x"}', Case, file="cases.jsonl", line=7)


def test_nearest_lists_what_there_is_when_nothing_is_near() -> None:
    assert nearest("zzz", ["alpha", "beta"]) == " There is: alpha, beta."
    assert nearest("zzz", [f"a{n}" for n in range(10, 24)]).endswith("a20, a21 and 2 more.")
    assert nearest("alpa", ["alpha", "beta"]) == " Did you mean 'alpha'?"
    assert nearest("x", []) == ""


@pytest.mark.parametrize(
    ("text", "model", "told"),
    [
        (
            "name: p\nchecks:\n  - {kind: zero_tolerence, name: a, metric: b}\n",
            GatePolicy,
            "f.yaml:3: checks.0.kind: there is no kind 'zero_tolerence'. Did you mean 'zero_tolerance'?",
        ),
        (
            "name: s\ndataset: d\nscorers: [{name: 'checks/thanks.py:number'}]\n",
            Suite,
            "f.yaml:3: scorers.0.name: a scorer is a name, or module and class or function as in "
            "'checks.thanks:number', without '.py' (given: 'checks/thanks.py:number')",
        ),
    ],
)
def test_a_problem_is_told_once_in_words_with_the_nearest_name(text: str, model: type[BaseModel], told: str) -> None:
    with pytest.raises(ContentError) as error:
        parse_yaml(text, model, file="f.yaml")
    assert str(error.value) == told
