"""The HTML report in a real browser: it opens from a file, and its script runs under its own security policy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import report_samples as samples

from assay.gates.reports.render import render_html
from assay.registry.types.decision import Verdict

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def dump(path: Path, fragment: str = "") -> str:
    """The page's DOM after its script ran."""
    assert BROWSER is not None
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--user-data-dir={path.parent / 'profile'}",
        "--enable-logging=stderr",
        "--dump-dom",
        f"{path.as_uri()}{fragment}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Content Security Policy" not in done.stderr, done.stderr
    assert "Uncaught" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dom(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a failing candidate whose first conversation is hostile, opened at another conversation."""
    sample = samples.sample(Verdict.FAIL)
    hostile = [
        t.model_copy(update={"turns": (t.turns[0].model_copy(update={"customer": HOSTILE}), *t.turns[1:])})
        if t.case_id == "card-block-001"
        else t
        for t in sample.trajectories
    ]
    html = render_html(sample.decision, sample.run, hostile, sample.cases, baseline=sample.baseline, redact=False)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html, encoding="utf-8")
    return dump(path, "#case-fraud-report-003")


def article(dom: str, case_id: str) -> str:
    found = re.search(
        rf'<details[^>]* id="case-{case_id}"[^>]*>.*?(?=<details class="conversation|<section id=)',
        dom,
        re.DOTALL,
    )
    assert found
    return found.group(0)


def test_the_verdict_and_the_filter_are_there(dom: str) -> None:
    assert re.search(r"<h1>.*FAIL</h1>", dom)
    assert 'id="filter-text"' in dom
    assert "24 of 24 shown" in dom


def test_the_first_failing_conversation_is_open_with_its_finding_beside_the_turn(dom: str) -> None:
    shown = article(dom, "card-block-001")
    turn = shown[shown.index("Turn 1</h4>") : shown.index("Turn 2</h4>")]
    assert "confirm-before-write" in turn
    assert "A change is made only after the customer has said yes to it." in turn
    assert "Champion, in the same turn" in turn


def test_a_link_to_a_conversation_opens_it(dom: str) -> None:
    shown = article(dom, "fraud-report-003")
    assert re.match(r'<details[^>]* open=""', shown)
    assert "Handoff packet" in shown
    assert "✕ differs" in shown


def test_conversations_that_nobody_opened_have_no_body_yet(dom: str) -> None:
    assert '<div class="body"></div>' in article(dom, "fee-question-005")


def test_hostile_text_is_shown_and_does_not_run(dom: str) -> None:
    assert "<title>harborline v4: FAIL</title>" in dom
    assert "<img" not in dom
    assert "&lt;/script&gt;&lt;script&gt;document.title='owned'" in article(dom, "card-block-001")


FILTER = """<script>
const set = (name, value) => {
  const control = document.getElementById("filter-" + name);
  control.value = value;
  control.dispatchEvent(new Event("input", {bubbles: true}));
  return document.getElementById("filter-count").textContent;
};
const report = [set("text", "STUDENTS waived"), set("text", ""), set("status", "not-passed"),
  set("slice", "risk_tier=critical"), set("champion", "regressed")];
document.body.append(report.join("; "));
</script></body>"""


def test_conversations_can_be_filtered_by_text_result_slice_and_champion(tmp_path: Path) -> None:
    sample = samples.sample(Verdict.FAIL)
    html = render_html(
        sample.decision, sample.run, sample.trajectories, sample.cases, baseline=sample.baseline, redact=False
    )
    # The page's own policy would refuse the script that plays the reader here.
    html = re.sub(r"<meta http-equiv=[^>]*>", "", html).replace("</body>", FILTER)
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    shown = [f"{n} of 24 shown" for n in (2, 24, 8, 2, 1)]
    assert "; ".join(shown) in dump(path)
