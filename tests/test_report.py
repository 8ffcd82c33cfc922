"""Reports: the verdict first, every finding beside its turn, nothing hidden, nothing executed, nothing personal."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from assay.gates.reports.charts import checks_chart
from assay.gates.reports.estimates import Figures, figures_of
from assay.gates.reports.figures import figure, limit_of
from assay.gates.reports.html import Charts, embedded_json, to_html
from assay.gates.reports.markdown import escape
from assay.gates.reports.render import render_html, render_json, render_junit, render_markdown
from assay.gates.reports.status import Status, case_statuses
from assay.gates.reports.text import TEXT_LIMIT, Presenter, presenter, shorten, visible
from assay.gates.reports.view import Champion, ReportView, report_view, verdict_view
from assay.registry.types.base import Severity
from assay.registry.types.datacheck import DataCheckReport, ExpectationResult, Place
from assay.registry.types.decision import CheckResult, Decision, Verdict
from assay.registry.types.run import EvalRun
from assay.registry.types.score import Finding, Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import Outcome, Trajectory

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    "\u202eevil\u202c\x00\u2028\U0001f469\u200d\U0001f692 {{ 7*7 }}"
)
SECRET = "SECRET-48213907"


def page(sample: samples.Sample, **options: object) -> str:
    settings = {"baseline": sample.baseline, "bundle_diff": samples.DIFF, "redact": False, **options}
    return render_html(sample.decision, sample.run, sample.trajectories, sample.cases, **settings)


def data_of(html: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def view_of(sample: samples.Sample, show: Presenter | None = None) -> ReportView:
    run, trajectories = sample.baseline
    return report_view(
        sample.decision,
        sample.run,
        sample.trajectories,
        sample.cases,
        champion=Champion(run, {(t.case_id, t.trial): t for t in trajectories}),
        bundle_diff=samples.DIFF,
        figures=figures_of(sample.run, sample.decision),
        champion_figures=figures_of(run, sample.decision),
        presenter=show or presenter(redact=False),
        redacted=show is not None,
        title="Report",
    )


@pytest.fixture(scope="module")
def failing() -> samples.Sample:
    return samples.sample(Verdict.FAIL)


class Outline(HTMLParser):
    """Text in order, headings, ids and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.tags: list[str] = []
        self._raw = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._raw = tag in {"script", "style"}
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        self._raw = False

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._raw:
            self.texts.append(data.strip())


# The page


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_verdict_stands_first_in_words_with_its_meaning(verdict: Verdict) -> None:
    html = page(samples.sample(verdict))
    words = Outline(html.partition("<main")[2]).texts
    body = " ".join(words)
    assert verdict.value in words[:6]
    assert body.index(verdict_view(verdict).meaning) < body.index("Headline scores")
    sections = re.findall(r'<section id="([a-z]+)"', html)
    order = ["headlines", "blocks", "measured", "changes", "checks", "slices", "conversations", "provenance"]
    assert sections == order


def test_each_verdict_has_a_meaning_and_only_pass_may_be_promoted() -> None:
    meanings = {verdict: verdict_view(verdict).meaning for verdict in Verdict}
    assert len(set(meanings.values())) == len(Verdict)
    assert [v for v, words in meanings.items() if "may be promoted" in words] == [Verdict.PASS]


def test_headings_are_in_order_and_ids_are_unique(failing: samples.Sample) -> None:
    outline = Outline(page(failing))
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(outline.ids) == len(set(outline.ids))


def test_nothing_is_fetched_and_no_style_or_handler_is_inline(failing: samples.Sample) -> None:
    outline = Outline(page(failing))
    for _, name, value in outline.attributes:
        assert name != "style"
        assert not name.startswith("on")
        if name in {"href", "src", "xlink:href", "action"}:
            assert value
            assert value.startswith("#")
    policy = next(
        value for tag, name, value in outline.attributes if tag == "meta" and value and "default-src" in value
    )
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_links_inside_the_page_lead_somewhere(failing: samples.Sample) -> None:
    outline = Outline(page(failing))
    targets = [value[1:] for tag, name, value in outline.attributes if tag == "a" and name == "href" and value]
    assert "case-card-block-001" in targets
    assert set(targets) <= set(outline.ids)


def test_table_headers_have_a_scope(failing: samples.Sample) -> None:
    outline = Outline(page(failing))
    assert outline.tags.count("th") == sum(tag == "th" and name == "scope" for tag, name, _ in outline.attributes)


def test_equal_inputs_give_equal_bytes(failing: samples.Sample) -> None:
    again = samples.sample.__wrapped__(Verdict.FAIL)
    assert page(failing) == page(again)
    assert page(failing) == page(
        samples.Sample(
            failing.decision, failing.run, tuple(reversed(failing.trajectories)), failing.cases, failing.baseline
        )
    )


def test_a_hundred_and_twenty_conversations_stay_small() -> None:
    assert len(page(samples.sample(Verdict.FAIL, 120)).encode()) < 1_000_000


def test_headline_scores_carry_interval_limit_and_champion(failing: samples.Sample) -> None:
    escalation, policy, hallucination = view_of(failing).headlines
    assert escalation.name == "Escalation accuracy"
    assert policy.verdict == "INCONCLUSIVE" or policy.verdict == "FAIL"
    assert policy.limit.startswith("80")
    for item in (escalation, policy, hallucination):
        assert item.bar is not None
        assert item.champion
        assert item.interval
        for mark in (item.bar.value, item.bar.low, item.bar.high, item.bar.limit, item.bar.champion):
            assert mark is not None
            assert 0 <= mark <= 100


def test_a_headline_score_that_nobody_measured_is_no_number() -> None:
    sample = samples.sample(Verdict.PASS)
    run = sample.run.model_copy(
        update={
            "scorers": tuple(s for s in sample.run.scorers if s.name != "groundedness"),
            "scores": tuple(r for r in sample.run.scores if r.scorer != "groundedness"),
        }
    )
    decision = samples.judged(run, sample.baseline[0])
    html = render_html(decision, run, sample.trajectories, sample.cases, redact=False)
    assert decision.verdict is Verdict.ERROR
    assert "There is no figure for this score in the evidence" in html


def test_what_blocks_is_one_sentence_for_each_check_with_its_conversations(failing: samples.Sample) -> None:
    view = view_of(failing)
    blocking = [c for c in failing.decision.checks if c.blocking and c.verdict is not Verdict.PASS]
    assert sorted(check.reason for check in view.blockers) == sorted(check.reason for check in blocking)
    assert view.blockers[0].critical
    assert all(set(check.worst_cases) <= view.linkable for check in view.blockers)
    assert {check.check for check in view.remarks} == {"critical-escalation", "escalation-not-worse"}


def test_slices_show_n_and_grey_out_what_is_too_small() -> None:
    small, large = (view_of(samples.sample(Verdict.FAIL, size)) for size in (24, 120))
    for view, thin in ((small, True), (large, False)):
        table = next(table for table in view.slices if table.dimension == "risk_tier")
        assert [row.name for row in table.rows] == ["low", "high", "critical"]
        assert table.columns[:3] == ("escalation_accuracy", "policy_adherence", "hallucination_rate")
        cells = [cell for row in table.rows for cell in row.cells if cell]
        assert all(cell.thin is thin and cell.n.startswith("n = ") for cell in cells)
    dimensions = [table.dimension for table in large.slices]
    assert dimensions == ["risk_tier", "autonomy", "escalation_reason", "intent", ""]


def test_provenance_names_every_digest(failing: samples.Sample) -> None:
    html, decision = page(failing), failing.decision
    assert decision.baseline is not None
    for digest in (
        decision.candidate.bundle_digest,
        decision.candidate.run_digest,
        decision.baseline.bundle_digest,
        decision.baseline.run_digest,
        decision.dataset_digest,
        decision.suite_digest,
        decision.policy_digest,
        *(scorer.digest for scorer in failing.run.scorers),
    ):
        assert digest in html
    for text in (decision.candidate.run_id, decision.decided_at, failing.run.created_at, "3.11.9"):
        assert text in html


def test_what_the_data_checks_found_is_shown_with_lines_and_cases(failing: samples.Sample) -> None:
    digest = samples.digest("check")
    broken = ExpectationResult(
        name="turns-readable",
        success=False,
        severity="warning",
        places=(Place(case="fee-1", line=7, detail="turn 1 has 10,001 characters"),),
        message=f"no turn is endless: 1 case breaks it: fee-1 (line 7) {HOSTILE}",
    )
    held = ExpectationResult(name="ids-unique", success=True, message="case ids are unique")
    report = DataCheckReport(
        dataset="harborline",
        dataset_digest=digest,
        expectations_digest=digest,
        file="cases.jsonl",
        cases=3,
        success=True,
        expectations=(held, broken),
    )
    checked = replace(failing, run=failing.run.model_copy(update={"data_checks": report}))
    html = page(checked)
    assert "The dataset passed its own checks. 1 of 2 hold." in html
    assert "warning: turns-readable: no turn is endless: 1 case breaks it: fee-1 (line 7)" in html
    assert "<script>document" not in html
    assert "turns-readable" in render_markdown(checked.decision, checked.run)


def test_what_changed_is_shown_only_where_it_is_given(failing: samples.Sample) -> None:
    assert "Please tell me your customer number." in page(failing)
    assert 'id="changes"' not in page(failing, bundle_diff=None)


# Conversations


def conversation(html: str, case_id: str) -> dict:
    return next(item for item in data_of(html)["conversations"] if item["id"] == case_id)


def test_each_finding_stands_beside_its_turn_with_rule_clause_quote_and_evidence(failing: samples.Sample) -> None:
    first, second = conversation(page(failing), "card-block-001")["trials"][0]["turns"]
    (finding,) = first["findings"]
    expected = samples.FINDINGS["card_block"][1]
    assert finding["rule"] == expected.rule
    assert finding["severity"] == "critical"
    for key in ("message", "clause", "quote", "evidence"):
        assert finding[key] == getattr(expected, key)
    assert finding["metrics"] == ["policy adherence", "critical violation rate"]
    assert second["findings"] == []


def test_a_finding_about_a_turn_that_never_happened_is_not_lost(failing: samples.Sample) -> None:
    finding = Finding(rule="late", severity=Severity.HIGH, message="too late", turn=9)
    record = failing.run.scores[0]
    changed = record.model_copy(update={"result": Score(value=0, findings=(finding,))})
    run = failing.run.model_copy(update={"scores": (changed, *failing.run.scores[1:])})
    html = render_html(failing.decision, run, failing.trajectories, failing.cases, redact=False)
    assert [f["message"] for f in conversation(html, record.case_id)["trials"][0]["findings"]] == ["too late"]


def test_retrieved_passages_tool_calls_and_handoff_are_there(failing: samples.Sample) -> None:
    html = page(failing)
    passages = data_of(html)["passages"]
    fee = conversation(html, "fee-question-002")["trials"][0]["turns"][0]["events"]
    search = next(event for event in fee if event["type"] == "retrieval")
    assert [passages[p["text"]] for p in search["passages"]] == [samples.FEES.text, samples.PLAYBOOK.text]
    assert [p["internal"] for p in search["passages"]] == [False, True]
    assert len(passages) == 2
    call = conversation(html, "card-block-001")["trials"][0]["turns"][0]["events"][1]
    assert call["name"] == "block_card"
    assert ["card_last4", "4821"] in call["arguments"]
    fraud = conversation(html, "fraud-report-003")["trials"][0]
    assert ["Queue", "fraud desk", "general", "differs"] in fraud["packet"]
    assert fraud["expected"][0] == "Expected: handover to fraud desk by turn 1 (material impact)."


def test_the_champions_reply_is_shown_only_where_it_differs(failing: samples.Sample) -> None:
    html = page(failing)
    assert "cannot be undone" in conversation(html, "card-block-001")["trials"][0]["turns"][0]["champion"]
    same = conversation(html, "card-block-010")["trials"][0]["turns"]
    assert [turn["champion"] for turn in same] == [None, None]
    assert conversation(html, "card-block-001")["champion"] == "regressed"


def test_failing_conversations_come_first_and_those_that_block_before_the_others(failing: samples.Sample) -> None:
    statuses = case_statuses(failing.run, failing.decision)
    passed = [status.status is Status.PASSED for status in statuses]
    assert passed == sorted(passed)
    blocked = [bool(status.blocked_checks) for status in statuses if status.status is not Status.PASSED]
    assert blocked == sorted(blocked, reverse=True)


def test_missing_errored_and_unmeasured_conversations_say_so() -> None:
    sample = samples.sample(Verdict.ERROR)
    html, ids = page(sample), list(sample.cases)
    assert conversation(html, ids[5])["status"] == "missing"
    assert "never run" in conversation(html, ids[5])["trials"][0]["notes"][0]
    unscored = conversation(html, ids[8])
    assert unscored["status"] == "unmeasured"
    assert any("'idk'" in row[3] for row in unscored["trials"][0]["scores"])
    assert "2 never run" in html
    assert "2 of 24 planned trials were not run." in html
    assert "hallucination rate: 3 of 24 trials could not be scored." in html

    sample = samples.sample(Verdict.FAIL)
    errored = conversation(page(sample), list(sample.cases)[4])
    assert errored["status"] == "errored"
    assert "ended with timeout: no answer from the model" in errored["trials"][0]["notes"][0]
    assert "48213907. It counts at the worst value" in errored["trials"][0]["notes"][0]


def test_a_conversation_without_its_text_or_its_case_says_so(failing: samples.Sample) -> None:
    html = render_html(failing.decision, failing.run, (), {}, redact=False)
    notes = conversation(html, "card-block-001")["trials"][0]["notes"]
    assert any("text was not handed to this report" in note for note in notes)
    assert any("golden conversation was not handed" in note for note in notes)


def test_a_metric_without_any_record_is_not_a_pass() -> None:
    sample = samples.sample(Verdict.PASS)
    run = sample.run.model_copy(update={"scores": sample.run.scores[1:]})
    status = next(s for s in case_statuses(run) if s.case_id == sample.run.scores[0].case_id)
    assert status.status is Status.UNMEASURED


def test_an_empty_run_renders_as_an_error() -> None:
    empty = samples.sample(Verdict.PASS).run.model_copy(update={"planned": (), "scores": (), "scorers": ()})
    decision = samples.judged(empty, None)
    assert decision.verdict is Verdict.ERROR
    html = render_html(decision, empty, (), {}, redact=False)
    assert "No conversation was planned" in html
    assert "There are no figures by slice" in html
    assert "ERROR" in render_markdown(decision, empty)


def test_a_decision_without_checks_renders() -> None:
    sample = samples.sample(Verdict.ERROR)
    bare = sample.decision.model_copy(update={"checks": ()})
    assert "That is never a pass" in render_html(bare, sample.run, (), {}, redact=False)


def test_several_trials_are_told_apart() -> None:
    case = samples.golden(0)
    run, _ = samples.make_run("harborline v4", [case], set())
    units = tuple(run.planned[0].model_copy(update={"trial": trial}) for trial in range(2))
    scores = tuple(record.model_copy(update={"trial": trial}) for trial in range(2) for record in run.scores)
    run = run.model_copy(update={"planned": units, "scores": scores, "trials": 2})
    decision = samples.judged(run, None)
    (item,) = data_of(render_html(decision, run, (), {case.id: case}, redact=False))["conversations"]
    assert [trial["title"] for trial in item["trials"]] == ["Trial 1 of 2", "Trial 2 of 2"]


# Hostile text and personal data


def poisoned(sample: samples.Sample, text: str) -> tuple[Decision, EvalRun, list[Trajectory]]:
    """The sample with `text` in every place where a customer, an agent or a scorer can write."""
    trajectories = []
    for trajectory in sample.trajectories:
        raw = trajectory.model_dump(mode="json")
        for turn in raw["turns"]:
            turn["customer"] = text
            for event in turn["events"]:
                event["role"] = text
                _poison_event(event, text)
        trajectories.append(Trajectory.model_validate({**raw, "error": text, "system": text}))
    scores = tuple(r.model_copy(update={"result": _poison_result(r.result, text)}) for r in sample.run.scores)
    planned = tuple(u.model_copy(update={"error": text, "outcome": Outcome.AGENT_ERROR}) for u in sample.run.planned)
    return sample.decision, sample.run.model_copy(update={"scores": scores, "planned": planned}), trajectories


def _poison_event(event: dict, text: str) -> None:
    for key in ("text", "query", "intent", "name"):
        if key in event:
            event[key] = text
    if event["type"] == "triage":
        event["signals"] = [text]
    if event["type"] == "tool_call":
        event.update(arguments={text: [text, {text: 7}]}, result={text: text})
    if event["type"] == "retrieval":
        event["passages"] = [{**p, "text": text, "title": text, "version": text} for p in event["passages"]]
    if event["type"] == "handoff":
        names = ("reason", "queue", "intent", "summary")
        lists = ("history", "prior_actions", "knowledge")
        event["packet"] = {**dict.fromkeys(names, text), **{name: [text] for name in lists}}


def _poison_result(result: Score | Skipped | ScorerFailure, text: str) -> Score | Skipped | ScorerFailure:
    if isinstance(result, Skipped):
        return Skipped(reason=text)
    finding = Finding(rule="any", severity=Severity.LOW, message=text, clause=text, quote=text, evidence=text, turn=1)
    return result.model_copy(update={"explanation": text, "findings": (finding,)})


def test_hostile_text_stays_text(failing: samples.Sample) -> None:
    decision, run, trajectories = poisoned(failing, HOSTILE)
    decision = decision.model_copy(update={"summary": HOSTILE, "not_measured": (HOSTILE,), "versions": {"x": HOSTILE}})
    html = render_html(
        decision, run, trajectories, failing.cases, baseline=failing.baseline, redact=False, title=HOSTILE
    )
    assert html.count("<script") == 2
    assert "<img" not in html
    assert "{{ 7*7 }}" in html
    for character in "\u202e\u202c\x00\u2028":
        assert character not in html
    turn = conversation(html, "card-block-001")["trials"][0]["turns"][0]
    assert "<script>document.title='owned'</script>" in turn["customer"]
    assert "[U+202E]evil[U+202C][U+0000][U+2028]\U0001f469\u200d\U0001f692" in turn["customer"]


def test_all_text_of_conversations_is_redacted(failing: samples.Sample) -> None:
    decision, run, trajectories = poisoned(failing, f"before {SECRET} after")
    show = Presenter(lambda text, customer: text.replace(SECRET, "[redacted]"))
    sample = samples.Sample(decision, run, tuple(trajectories), failing.cases, (run, tuple(trajectories)))
    html = to_html(view_of(sample, show), Charts("", "", ""))
    assert "before [redacted] after" in html
    assert SECRET not in html


def test_redaction_is_told_whose_conversation_it_is(failing: samples.Sample) -> None:
    seen = set()
    view_of(failing, Presenter(lambda text, customer: (seen.add(customer and customer.customer_number), text)[1]))
    assert seen == {"48213907"}


def test_numbers_in_tool_calls_are_redacted_too() -> None:
    show = Presenter(lambda text, customer: "[number]" if text == "48213907" else text)
    assert show.json({"customer_number": 48213907, "ok": True, "amount": 4.5}) == (
        '{"customer_number": "[number]", "ok": true, "amount": 4.5}'
    )


def test_personal_data_is_redacted_unless_asked_not_to(failing: samples.Sample) -> None:
    assert "48213907" in page(failing)
    redacted = page(failing, redact=True)
    for secret in ("48213907", "Maren Ostwald", "1984-03-12"):
        assert secret not in redacted
    assert "Personal data is redacted" in redacted
    assert "Personal data is not redacted" in page(failing)


def test_a_very_long_turn_is_cut_in_the_middle_and_says_so(failing: samples.Sample) -> None:
    long = "start " + "x" * 1_000_000 + " end"
    trajectory = failing.trajectories[0]
    turn = trajectory.turns[0].model_copy(update={"customer": long})
    changed = trajectory.model_copy(update={"turns": (turn, *trajectory.turns[1:])})
    html = render_html(failing.decision, failing.run, (changed,), failing.cases, redact=False)
    shown = conversation(html, trajectory.case_id)["trials"][0]["turns"][0]["customer"]
    assert shown.startswith("start ")
    assert shown.endswith(" end")
    assert "of 1,000,010 characters are not shown" in shown
    assert len(shown) < TEXT_LIMIT + 100


@pytest.mark.parametrize("length", [TEXT_LIMIT, 20 * TEXT_LIMIT])
@given(offset=st.integers(min_value=-2 * len(SECRET), max_value=400))
def test_redaction_comes_before_the_cut(length: int, offset: int) -> None:
    show = Presenter(lambda text, customer: text.replace(SECRET, "*"))
    for edge in (TEXT_LIMIT * 2 // 3, TEXT_LIMIT):
        for text in (
            "a" * (edge + offset) + SECRET + "b" * length,
            "a" * length + SECRET + "b" * (edge // 2 + offset),
        ):
            shown = show.text(text)
            assert not any(SECRET[i : i + 5] in shown for i in range(len(SECRET) - 4))


def test_a_megabyte_of_personal_data_is_handled(failing: samples.Sample) -> None:
    shown = presenter(redact=True).text("My card is 4111 1111 1111 1111, write to me@example.org. " * 20_000)
    assert "4111" not in shown
    assert "me@example.org" not in shown


@given(st.text())
def test_visible_text_hides_and_reorders_nothing(text: str) -> None:
    shown = visible(text)
    assert not set(shown) & set("\x00\x07\x1b\r\u202a\u202e\u2066\u2069\u200b\u200f\u2028\ufeff\U000e0041")
    assert visible(shown) == shown
    shown.encode("utf-8")


def test_lone_surrogates_can_be_written() -> None:
    assert visible("a\ud800b") == "a[U+D800]b"


@given(st.text(), st.integers(min_value=3, max_value=50))
def test_shortening_keeps_both_ends(text: str, limit: int) -> None:
    short = shorten(text, limit)
    if len(text) > limit:
        assert short.startswith(text[: limit * 2 // 3])
        assert short.endswith(text[-(limit // 3) :])
        assert f"{len(text):,} characters" in short
    else:
        assert short == text


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_embedded_json_cannot_end_its_script_and_reads_back(value: object) -> None:
    text = embedded_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


# Figures and charts


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.875, "87.5 %"),
        (1.0, "100.0 %"),
        (0.9996, "99.96 %"),
        (0.0, "0.0 %"),
        (0.0004, "0.04 %"),
        (None, "not measured"),
    ],
)
def test_a_figure_never_rounds_onto_a_bound_it_does_not_reach(value: float | None, words: str) -> None:
    assert figure(value).replace("\N{NO-BREAK SPACE}", " ") == words


@pytest.mark.parametrize(
    ("words", "limit"),
    [
        ("lower 95 % bound >= 0.90", 0.9),
        ("upper 95 % bound <= 0.02", 0.02),
        ("lower 95 % bound vs champion > -0.03", -0.03),
        ("no event in 300 or more conversations", None),
    ],
)
def test_limits_are_read_for_drawing(failing: samples.Sample, words: str, limit: float | None) -> None:
    check: CheckResult = failing.decision.checks[0].model_copy(update={"limit": words})
    assert limit_of(check) == limit


def test_the_gates_own_limits_are_drawn(failing: samples.Sample) -> None:
    limits = {check.check: limit_of(check) for check in failing.decision.checks}
    assert limits["policy-floor"] == 0.8
    assert limits["escalation-not-worse"] == -0.15
    assert limits["no-critical-violation"] is None


def test_charts_say_in_words_what_they_show(failing: samples.Sample) -> None:
    svg = ElementTree.fromstring(checks_chart(failing.decision, failing.run, Figures()))
    title, description = svg[0], svg[1]
    assert title.text == "Checks against their limits"
    assert "policy-floor" in (description.text or "")
    assert svg.attrib["aria-labelledby"] == f"{title.attrib['id']} {description.attrib['id']}"
    assert all("style" not in element.attrib for element in svg.iter())


# Markdown, JUnit, JSON


def test_markdown_opens_with_the_verdict_and_names_what_blocks(failing: samples.Sample) -> None:
    text = render_markdown(failing.decision, failing.run)
    assert text.startswith("## ❌ FAIL")
    assert "| no-critical-violation |" in text
    assert "### What blocks" in text
    assert "`card-block-001` fails" in text
    assert failing.decision.policy_digest in text
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.endswith(" |")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {3, 9}


def test_markdown_lists_at_most_the_limit() -> None:
    sample = samples.sample(Verdict.FAIL, 120)
    text = render_markdown(sample.decision, sample.run, limit=3)
    assert sum(line.startswith("- `") for line in text.splitlines()) == 3
    assert " more" in text


def test_markdown_cannot_be_broken_by_text(failing: samples.Sample) -> None:
    decision = failing.decision.model_copy(
        update={"summary": "x\n# heading\n| cell | [a](http://b) @team <b> `c` www.d.e"}
    )
    text = render_markdown(decision, failing.run)
    line = next(line for line in text.splitlines() if "heading" in line)
    assert line == "x \\# heading \\| cell \\| \\[a\\](http&#58;//b) &#64;team &lt;b&gt; \\`c\\` www&#46;d.e"


@pytest.mark.parametrize("text", ["- a", "+ a", "1. a", "12) a", "# a", "> a", "* a", "| a |"])
def test_escaped_text_opens_no_list_heading_quote_or_table(text: str) -> None:
    assert re.match(r"\\|&|\d+\\", escape(text))


@given(st.text())
def test_escaped_markdown_is_one_line_without_markup(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]|<>@]", escaped)


def test_markdown_quotes_no_conversation(failing: samples.Sample) -> None:
    decision, run, _ = poisoned(failing, SECRET)
    assert SECRET not in render_markdown(decision, run)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_junit_is_green_only_for_pass(verdict: Verdict) -> None:
    root = ElementTree.fromstring(render_junit(samples.sample(verdict).decision))
    suite = root[0]
    bad = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    assert (bad == 0) is (verdict is Verdict.PASS)
    assert int(suite.attrib["tests"]) == len(suite)


def test_junit_survives_hostile_text_and_a_verdict_that_no_check_explains() -> None:
    sample = samples.sample(Verdict.PASS)
    decision = sample.decision.model_copy(update={"verdict": Verdict.ERROR, "summary": HOSTILE})
    suite = ElementTree.fromstring(render_junit(decision))[0]
    assert suite.attrib["errors"] == "1"


def test_json_reads_back_as_the_decision(failing: samples.Sample) -> None:
    assert Decision.model_validate_json(render_json(failing.decision)) == failing.decision


def test_a_check_that_does_not_apply_reads_neither_pass_nor_fail() -> None:
    made = samples.sample(Verdict.FAIL)
    idle = made.decision.checks[0].model_copy(
        update={"check": "idle", "verdict": Verdict.PASS, "applicable": False, "estimate": None}
    )
    decision = made.decision.model_copy(update={"checks": (idle,)})
    row = next(line for line in render_markdown(decision, made.run).splitlines() if line.startswith("| idle"))
    assert "n/a" in row
    assert "PASS" not in row
    assert "<skipped" in render_junit(decision)
    html = page(replace(made, decision=decision))
    assert "n/a" in html
    assert not re.search(r"PASS</span><br>", html)
