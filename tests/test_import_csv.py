"""Importing tables: everything a case holds comes back, whatever a spreadsheet did to the file."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path

import pytest
from golden_cases import case_lists
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.registry.content.datasets import load_dataset
from assay.registry.digest import digest_tree
from assay.registry.errors import ContentError
from assay.registry.types.case import (
    Case,
    ConversationExpectation,
    CustomerTurn,
    EscalationExpectation,
    TurnExpectation,
)
from assay.runner.exporters.csv_file import csv_remarks, csv_text
from assay.runner.importers.csv_columns import CASE_COLUMNS, COLUMNS, TURN_COLUMNS
from assay.runner.importers.csv_import import import_csv, read_cases
from assay.runner.importers.dataset_files import Target
from assay.runner.importers.labels import parse_defaults
from assay.runner.importers.problems import Problems

ROOT = Path(__file__).parents[1]
LABELS = "intent,risk_tier,autonomy,date,escalation"
GIVEN = "late_card,low,confirm,2026-03-02,not_required"


def back(folder: Path, text: str | bytes, defaults: dict[str, str] | None = None) -> list[Case]:
    """The cases of a table, without a dataset around them."""
    source = folder / "cases.csv"
    source.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    problems = Problems(source)
    found = read_cases(source, defaults or {}, problems)
    problems.refuse()
    return [item.case for item in found]


def run(folder: Path, text: str | bytes, *, defaults: dict[str, str] | None = None, **options):
    source = folder / "cases.csv"
    source.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return import_csv(source, Target("mine", folder / "out", **options), defaults=defaults or {})


def refused(folder: Path, text: str | bytes, **options) -> str:
    with pytest.raises(ContentError) as error:
        run(folder, text, **options)
    assert not (folder / "out").exists()
    return str(error.value)


# Everything comes back


@settings(max_examples=120, deadline=None)
@given(cases=case_lists())
def test_every_case_comes_back_equal(cases) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert back(Path(folder), csv_text(cases)) == cases


@settings(max_examples=40, deadline=None)
@given(cases=case_lists(), data=st.data())
def test_what_a_spreadsheet_does_to_the_file_changes_nothing(cases, data) -> None:
    """Another delimiter, no byte-order mark, other order of rows and columns, empty rows."""
    rows = list(csv.reader(io.StringIO(csv_text(cases).removeprefix("\ufeff"), newline="")))
    order = data.draw(st.permutations(range(len(rows[0]))))
    body = data.draw(st.permutations(rows[1:]))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=data.draw(st.sampled_from([";", "\t", ","])), lineterminator="\r\n")
    for row in [rows[0], *body]:
        writer.writerow([row[place] for place in order])
        writer.writerow([""] * len(row))
    with tempfile.TemporaryDirectory() as folder:
        found = {case.id: case for case in back(Path(folder), stream.getvalue())}
    assert found == {case.id: case for case in cases}


def test_harborline_comes_back_equal_and_like_it_is_as_good(tmp_path) -> None:
    folder = ROOT / "datasets" / "harborline"
    dataset = load_dataset(folder)
    report = run(tmp_path, csv_text(dataset.cases), like=folder)
    again = load_dataset(tmp_path / "out")
    assert again.cases == dataset.cases
    assert again.documents == dataset.documents
    assert again.wording == dataset.wording
    assert again.info.intents == dataset.info.intents
    assert report.cases == len(dataset.cases)
    assert not run(tmp_path, csv_text(dataset.cases), like=folder).written


def test_every_field_of_a_case_has_a_column() -> None:
    """A field that is added to a case has to be added to the table too, or it would be lost."""
    placed = {column.path[0] for column in CASE_COLUMNS.values()} | {"schema_version", "turns"}
    assert set(Case.model_fields) - set(COLUMNS) <= placed
    assert set(CustomerTurn.model_fields) == {column.path[0] for column in TURN_COLUMNS.values()}
    assert set(TurnExpectation.model_fields) == {c.path[-1] for c in TURN_COLUMNS.values() if len(c.path) > 1}
    assert set(ConversationExpectation.model_fields) == {"escalation", "handoff", "must_not_say"}
    assert set(EscalationExpectation.model_fields) - {"required"} <= set(COLUMNS)


def test_text_that_no_table_can_hold_is_told() -> None:
    case = load_dataset(ROOT / "datasets" / "harborline").cases[0]
    turn = case.turns[0].model_copy(update={"customer": "a\0b"})
    with pytest.raises(ContentError, match=rf"case '{case.id}': the text holds a NUL"):
        csv_text([case.model_copy(update={"turns": (turn,)})])
    long = case.turns[0].model_copy(update={"customer": "x" * 40_000})
    assert "Excel would cut" in csv_remarks([case.model_copy(update={"turns": (long,)})])[0]
    assert csv_remarks([case]) == []


# Written by hand


def test_readable_cells(tmp_path) -> None:
    text = (
        f"id,{LABELS},tags,turn,customer_says,must_say,must_not_say,tool_calls,customer,tools\n"
        f'a,{GIVEN},vip | near_miss,1,Hello,"card number | number of the card\npostcode","a fee\nfree | gratis",'
        'get_card,Nadia Okafor,"[{""name"": ""get_card"", ""result"": 3}]"\n'
        ",,,,,,,2,Thanks,,,,,\n"
    )
    made = back(tmp_path, text)[0]
    assert made.tags == ("vip", "near_miss")
    first = made.turns[0].expect
    assert [r.any_of for r in first.must_say] == [("card number", "number of the card"), ("postcode",)]
    assert first.must_not_say == ("a fee", "free", "gratis")
    assert [call.name for call in first.tool_calls] == ["get_card"]
    assert made.customer is not None
    assert made.customer.name == "Nadia Okafor"
    assert made.tools[0].result == 3
    assert [turn.customer for turn in made.turns] == ["Hello", "Thanks"]


def test_what_is_said_of_the_case_may_stand_on_any_row_but_only_once(tmp_path) -> None:
    head = f"id,{LABELS},turn,customer_says\n"
    made = back(tmp_path, f"{head}a,,,,,,2,two\na,{GIVEN},1,one\n")
    assert made[0].intent == "late_card"
    told = refused(tmp_path, f"{head}a,{GIVEN},1,one\na,other,,,,,2,two\n")
    assert "cases.csv:3: case 'a', intent: line 2 says something else" in told


def test_defaults_and_missing_labels(tmp_path) -> None:
    defaults = parse_defaults(["intent=other", "risk_tier=low", "autonomy=confirm", "date=2026-03-02"])
    told = refused(tmp_path, "id,customer_says\na,Hi\n", defaults=defaults)
    assert "cases.csv:2: case 'a', escalation: missing; fill the column 'escalation', or give --default" in told
    report = run(tmp_path, "id,customer_says,escalation\na,Hi,not_required\n", defaults=defaults)
    assert load_dataset(tmp_path / "out").cases[0].tags == ("needs_labels",)
    assert report.needs_labels == 1


def test_names_are_held_against_the_dataset_to_be_like(tmp_path) -> None:
    head = f"id,{LABELS},customer_says,tool_calls,supporting_documents\n"
    told = refused(tmp_path, f"{head}a,{GIVEN},Hi,get_balanse,fees\n", like=ROOT / "datasets" / "harborline")
    assert "case 'a', turns.0.expect.tool_calls.0.name: no tool named 'get_balanse'" in told
    assert "Did you mean 'get_balance'?" in told
    assert "no intent named 'late_card'" in told
    told = refused(tmp_path, f"{head}a,{GIVEN},Hi,,fees\n")
    assert "no document named 'fees'" in told
    assert "--like DATASET" in told


# What a bad file makes

ROW = f"a,{GIVEN},Hi"
HEAD = f"id,{LABELS},customer_says"
BAD = [
    ("", "the file is empty"),
    ("\n\n", "the file is empty"),
    ("\ufeff", "the file is empty"),
    (f"{HEAD}\n", "holds no conversation"),
    (f"{HEAD},golden_replay\n{ROW},x\n", ":1: no column is named 'golden_replay'. Did you mean 'golden_reply'"),
    (f"{HEAD},intent\n{ROW},x\n", ":1: the column 'intent' stands twice"),
    (f"id,{LABELS}\na,{GIVEN}\n", ":1: the column 'customer_says' is missing"),
    (f"id,{LABELS},customer_say\n{ROW}\n", ":1: no column is named 'customer_say'. Did you mean 'customer_says'"),
    (f"{HEAD},\n{ROW},x\n", ":2: a cell stands below no column name"),
    (f"{HEAD}\n{ROW},x\n", ":2: the row has 8 cells and the header 7"),
    (f"{HEAD}\na,late_card\n", ":2: the row has 2 cells"),
    (f'{HEAD}\na,{GIVEN},"Hi\n', ":2: no valid CSV: a quotation mark is not closed"),
    (f'{HEAD}\na,{GIVEN},"Hi"x\n', ":2: no valid CSV"),
    (f"{HEAD}\n,{GIVEN},Hi\n", ":2: id: the first row needs an id"),
    (f"{HEAD}\nno good,{GIVEN},Hi\n", ":2: case 'no good', id: "),
    (f"{HEAD}\na,{GIVEN},\n", ":2: case 'a', customer_says: the key 'customer' is required"),
    (f"{HEAD}\na,late_card,hihg,confirm,2026-03-02,not_required,Hi\n", ":2: case 'a', risk_tier: 'hihg'"),
    (f"{HEAD}\na,late_card,low,confirm,3/2/2026,not_required,Hi\n", "a spreadsheet may have rewritten it"),
    (f"{HEAD}\na,late_card,low,confirm,2026-03-02,required,Hi\n", ":2: case 'a', reasons: missing"),
    (f"{HEAD},by_turn,reasons\na,late_card,low,confirm,2026-03-02,required,Hi,4,customer_request\n",
     ":2: case 'a'"),
    (f"{HEAD},queue\n{ROW},general\n", ":2: case 'a', escalation: an escalation that is not required has no"),
    (f"{HEAD},tags\n{ROW},two words\n", ":2: case 'a', tags: 'two words' is no name"),
    (f"{HEAD},must_say\n{ROW},a |  | b\n", ":2: case 'a', must_say: an item is empty"),
    (f"{HEAD},must_say\n{ROW},[a\n", ":2: case 'a', must_say: not valid JSON"),
    (f'{HEAD},must_say\n{ROW},"[[""a"", 3]]"\n', ":2: case 'a', must_say.0.any_of.1: "),
    (f'{HEAD},tools\n{ROW},"[{{""name"": ""t""}}]"\n', ":2: case 'a', tools.0: give exactly one of"),
    (f'{HEAD},tools\n{ROW},"[{{""nam"": ""t"", ""result"": 1}}]"\n', "unknown key 'nam'. Did you mean 'name'"),
    (f'{HEAD},labels\n{ROW},"{{""a"": 1, ""a"": 2}}"\n', "labels: not valid JSON: the key 'a' stands twice"),
    (f"{HEAD},labels\n{ROW},plain\n", ":2: case 'a', labels: not valid JSON"),
    (f'{HEAD},labels\n{ROW},"{{""a"": 1e999}}"\n', ":2: case 'a', labels: not valid JSON: 1e999 is too large"),
    (f"{HEAD}\n{ROW}\nb,{GIVEN},Hi\na,,,,,,Ho\n", ":4: case 'a', turn: the rows of the case do not stand together"),
    (f"{HEAD},turn\n{ROW},1\na,,,,,,Ho,\n", ":3: case 'a', turn: other rows of the case have a turn number"),
    (f"{HEAD},turn\n{ROW},1\na,,,,,,Ho,1\n", ":3: case 'a', turn: turn 1 stands on line 2 already"),
    (f"{HEAD},turn\n{ROW},1\na,,,,,,Ho,3\n", ":2: case 'a', turn: turn 2 of the case is missing"),
    (f"{HEAD},turn\n{ROW},first\n", ":2: case 'a', turn: 'first' is no turn number"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD)
def test_a_bad_file_is_named_and_nothing_is_written(tmp_path, text, told) -> None:
    found = refused(tmp_path, text)
    assert "cases.csv" in found
    assert told in found


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (f"{HEAD}\n{ROW}\n".encode("utf-16"), "UTF-16"),
        (b"id,customer_says\na,b\0c\n", ":2: a NUL character"),
        ("id,customer_says\na,für\n".encode("latin-1"), ":2: not UTF-8 text"),
        (b"PK\x03\x04\x14\0\x06", "NUL"),
        (b"\x89PNG\r\n\x1a\n", "not UTF-8"),
    ],
)
def test_what_is_no_csv_file_is_told(tmp_path, data, told) -> None:
    assert told in refused(tmp_path, data)


def test_a_missing_file_is_told(tmp_path) -> None:
    with pytest.raises(ContentError, match="no such file"):
        import_csv(tmp_path / "none.csv", Target("mine", tmp_path / "out"), defaults={})


def test_semicolons_tabs_crlf_marks_and_names_as_people_write_them(tmp_path) -> None:
    rows = [["ID", "Risk tier", "customer-says", *LABELS.split(",")[:1], "autonomy", "date", "escalation"],
            ["a", "low", "Hi; there, friend\nsecond line", "x", "confirm", "2026-03-02", "not_required"]]  # fmt: skip
    for delimiter, start in (";", "\ufeff"), ("\t", ""), (";", "sep=;\r\n"), (",", "\ufeffsep=,\r\n"):
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
        made = back(tmp_path, start + stream.getvalue())
        assert made[0].turns[0].customer == "Hi; there, friend\nsecond line"


def test_line_numbers_count_the_lines_in_cells(tmp_path) -> None:
    told = refused(tmp_path, f'{HEAD}\na,{GIVEN},"one\ntwo\nthree"\nb,late_card,hihg,confirm,2026-03-02,no,Hi\n')
    assert "cases.csv:5: case 'b', risk_tier" in told


def test_a_turn_of_a_megabyte(tmp_path) -> None:
    made = back(tmp_path, f"{HEAD}\na,{GIVEN},{'long ' * 200_000}\n")
    assert len(made[0].turns[0].customer) == 1_000_000


def test_a_cell_that_would_be_a_formula_gets_an_apostrophe(tmp_path) -> None:
    case = back(tmp_path, f"{HEAD}\na,{GIVEN},'=HYPERLINK(1)\n")[0]
    assert case.turns[0].customer == "=HYPERLINK(1)"
    assert ",'=HYPERLINK(1)," in csv_text([case])


def test_the_same_file_makes_the_same_bytes(tmp_path) -> None:
    assert run(tmp_path, f"{HEAD}\n{ROW}\n").written
    before = digest_tree(tmp_path / "out")
    assert not run(tmp_path, f"{HEAD}\r\n{ROW}\r\n").written
    assert digest_tree(tmp_path / "out") == before
    with pytest.raises(ContentError, match="already holds another import"):
        run(tmp_path, f"{HEAD}\n{ROW}!\n")


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: (HEAD + "\n" + text).encode("utf-8", "replace"))
)
def test_garbage_is_an_error_and_no_folder(data) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            run(folder, data)
        except ContentError as error:
            told = str(error)
        else:
            return
        assert "cases.csv" in told
        assert not (folder / "out").exists()


# The command and the page


def test_the_table_in_the_docs_can_be_imported(tmp_path) -> None:
    page = (ROOT / "docs" / "datasets-formats.md").read_text()
    block = next(b for b in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if b.startswith("id,"))
    made = back(tmp_path, block)[0]
    assert [len(turn.expect.must_say) for turn in made.turns] == [1, 1]
    assert made.turns[1].expect.must_say[0].any_of == ("sent", "on its way")


def test_the_command_goes_there_and_back(assay, tmp_path) -> None:
    (tmp_path / "cases.csv").write_text(f"{HEAD}\n{ROW}\n")
    out = str(tmp_path / "out")
    done = assay("import", "csv", str(tmp_path / "cases.csv"), "--name", "mine", "--out", out)
    assert (done.code, done.out) == (0, f"{out}: 1 case, 1 customer turn\n")
    assert "not said by the source" in done.err
    again = assay("import", "csv", str(tmp_path / "cases.csv"), "--name", "mine", "--out", out)
    assert "already holds this" in again.out
    bad = assay("import", "csv", str(tmp_path / "cases.csv"), "--name", "mine", "--out", out, "--default", "intnt=x")
    assert bad.code == 2
    assert "Did you mean 'intent'?" in bad.err
