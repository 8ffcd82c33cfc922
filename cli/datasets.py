"""`assay dataset ...`: golden conversations, checked, counted, compared and versioned."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import exporting
from assay.cli.console import day, note, say, table
from assay.cli.pipeline import Session
from assay.registry.errors import AssayError, ContentError, NotFoundError
from assay.registry.files import write_text
from assay.registry.workspace import find_workspace

if TYPE_CHECKING:
    from assay.registry.content.agreement import Agreement, FieldAgreement
    from assay.registry.content.coverage import Coverage, Share
    from assay.registry.content.dataset_diff import DatasetDiff
    from assay.registry.types.case import Case, Dataset
    from assay.registry.types.datacheck import DataCheckReport

__all__ = ["group", "stats_markdown"]

group = typer.Typer(
    help="Check, count, compare and version golden conversations.", no_args_is_help=True, rich_markup_mode=None
)

group.command("export")(exporting.export)

_NAME = "A dataset of the workspace, or the path of its folder."
_REF = "A dataset's name, the path of its folder, or a registered version such as harborline/2 or harborline@latest."
_BAR = 24
_LONGEST_NAME, _LONGEST_PATH = 120, 1000


@group.command("check")
def check(
    name: Annotated[str, typer.Argument(help=_NAME)],
    against: Annotated[
        list[str] | None, typer.Option(help="Another dataset that must not hold the same cases. May be repeated.")
    ] = None,
    training: Annotated[
        list[Path] | None,
        typer.Option(
            help="A training CSV that must not hold a case's text. Default: those of the workspace's bundles."
        ),
    ] = None,
    table_file: Annotated[
        Path | None, typer.Option("--table", help="Write the table that was checked as a CSV file, one row a case.")
    ] = None,
    write_suites: Annotated[
        bool, typer.Option("--write-suites", help="Write the expectation suites and the checkpoint beside the data.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that holds something else.")] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Also list the expectations that hold.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Check a dataset with Great Expectations; exits 1 where a critical expectation fails.

    Names and labels, near duplicates, coverage, leakage from training text, personal data.

    Example: assay dataset check harborline --against pilot
    """
    from assay.registry.content import DatasetCheck, check_dataset, load_expectations
    from assay.registry.content.gx import write_gx_files, write_table
    from assay.registry.types.datacheck import DataExpectations

    folder = _folder(name)
    expectations = load_expectations(folder)
    if expectations is None:
        note(f"There is no expectations.yaml in {folder}: no coverage is promised, and a gate will read ERROR.")
    asked = DatasetCheck(
        folder,
        expectations or DataExpectations(),
        training=tuple(_training(training)),
        others=tuple(_folder(other) for other in against or ()),
    )
    report, _ = check_dataset(asked)
    for path in write_gx_files(asked, overwrite=overwrite) if write_suites else ():
        note(f"written: {path}")
    if table_file is not None:
        write_table(asked, table_file, overwrite=overwrite)
        note(f"written: {table_file}")
    say(report.model_dump_json(indent=2)) if as_json else _show_check(
        report, show_all=show_all, enforced=expectations is not None
    )
    if not report.success:
        raise typer.Exit(1)


def _show_check(report: DataCheckReport, *, show_all: bool, enforced: bool) -> None:
    say(f"{report.dataset}: {report.cases} cases, sha256 {report.dataset_digest}")
    verdicts = {("critical", False): "FAIL", ("warning", False): "WARNING"}
    shown = report.expectations if show_all else report.failed
    rows = [[e.name, verdicts.get((e.severity, e.success), "PASS"), e.message] for e in shown]
    if rows:
        table(["expectation", "result", "detail"], rows)
    for e in report.failed:
        for place in e.places:
            detail = f": {place.detail}" if place.detail else ""
            say(f"{report.file}:{place.line}: case {place.case!r}: {e.name}{detail}")
    say(_check_summary(report, enforced=enforced))


def _check_summary(report: DataCheckReport, *, enforced: bool) -> str:
    count, failed = len(report.expectations), len(report.failed)
    critical = sum(e.severity == "critical" for e in report.failed)
    if critical:
        fails = "fails and is" if critical == 1 else "fail and are"
        refused = ": no suite runs on this dataset" if enforced else ""
        return f"FAIL: {critical} of {count} expectations {fails} critical{refused}."
    warned = f"; {failed} fail as a warning" if failed else ""
    return f"PASS: {count - failed} of {count} expectations hold{warned}."


@group.command("stats")
def stats(
    name: Annotated[str, typer.Argument(help=_REF)],
    chart: Annotated[Path | None, typer.Option(help="Write the coverage as a chart (an SVG file).")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that holds something else.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables in Markdown, for a data card.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show what a dataset covers: cases and customer turns by every attribute that slices can name.

    Example: assay dataset stats harborline --chart coverage.svg
    """
    from assay.registry.content.checks import parse_expectations
    from assay.registry.content.coverage import coverage_of

    dataset, label = _dataset(name)
    promised = parse_expectations(dataset.expectations) if dataset.expectations else None
    found = coverage_of(dataset.cases, promised)
    if chart is not None:
        from assay.gates.reports.coverage import coverage_chart

        text = coverage_chart(found.tables, f"{label}: {found.cases} cases")
        write_text(chart, text, overwrite=overwrite)
        note(f"written: {chart}")
    if as_json:
        say(json.dumps(dataclasses.asdict(found), indent=2))
    elif markdown:
        say("\n".join(stats_markdown(found)))
    else:
        _show_stats(label, dataset, found)


def _show_stats(label: str, dataset: Dataset, found: Coverage) -> None:
    say(
        f"{label}: {found.cases} cases, {found.customer_turns} customer turns, {len(dataset.documents)} documents, "
        f"sha256 {dataset.digest}"
    )
    say(f"{found.escalations} cases require a person; {found.golden_replies} customer turns have a golden reply.")
    for name, shares in found.tables.items():
        most = max(share.cases for share in shares)
        rows = [_share_row(share, most) for share in shares]
        table([name.replace("_", " "), "cases", "turns", "person required", "promised", ""], rows)
    if found.promised:
        rows = [
            [s.value, str(s.cases), str(s.wanted), "yes" if s.cases >= (s.wanted or 0) else "NO"]
            for s in found.promised
        ]
        table(["promised slice", "cases", "at least", "kept"], rows)


def stats_markdown(found: Coverage) -> Iterator[str]:
    """The coverage as Markdown tables, line by line."""
    for name, shares in found.tables.items():
        yield f"| {name.replace('_', ' ')} | cases | customer turns | person required |"
        yield "| --- | --- | --- | --- |"
        yield from (f"| {s.value} | {s.cases} | {s.customer_turns} | {s.escalations} |" for s in shares)
        yield ""


def _share_row(share: Share, most: int) -> list[str]:
    bar = "█" * max(1, round(_BAR * share.cases / most))
    wanted = "" if share.wanted is None else f"{share.wanted}"
    return [share.value, str(share.cases), str(share.customer_turns), str(share.escalations), wanted, bar]


@group.command("diff")
def diff(
    a: Annotated[str, typer.Argument(help=_REF)],
    b: Annotated[str, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show what differs between two datasets: cases added, removed and relabelled, and from what to what.

    Example: assay dataset diff harborline/1 harborline
    """
    from assay.registry.content.dataset_diff import diff_datasets

    (old, old_label), (new, new_label) = _dataset(a), _dataset(b)
    found = diff_datasets(old, new, labels=(old_label, new_label))
    if as_json:
        say(json.dumps(dataclasses.asdict(found), indent=2))
        return
    for line in _diff_lines(found):
        say(line)


def _diff_lines(found: DatasetDiff) -> Iterator[str]:
    if found.same:
        yield f"No difference: {found.old} and {found.new} have the same content."
        return
    yield f"{found.old} -> {found.new}"
    counts = [
        ("added", found.added),
        ("removed", found.removed),
        ("renamed", found.renamed),
        ("changed", found.changed),
    ]
    yield "cases: " + ", ".join(f"{len(names)} {what}" for what, names in counts)
    yield from (f"  + {name}" for name in found.added)
    yield from (f"  - {name}" for name in found.removed)
    yield from (f"  {was} is now called {now}" for was, now in found.renamed)
    for changed in found.changed:
        yield f"  ~ {changed.case} ({', '.join(changed.kinds)})"
        yield from (f"      {c.key}: {_short(c.old)} -> {_short(c.new)}" for c in changed.changes)
    documents = [
        (f"  {sign} {name}")
        for sign, names in (
            ("+", found.documents_added),
            ("-", found.documents_removed),
            ("~", found.documents_changed),
        )
        for name in names
    ]
    if documents:
        yield "knowledge documents"
        yield from documents
    if found.settings:
        yield f"dataset.yaml: {', '.join(found.settings)} differ"
    if found.wording_changed:
        yield "the approved wording differs"
    if found.expectations_changed:
        yield "expectations.yaml differs"


def _short(value: object, limit: int = 110) -> str:
    text = "(absent)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


@group.command("register")
def register(name: Annotated[str, typer.Argument(help=_NAME)]) -> None:
    """Store a dataset in MLflow as an immutable version; the same content makes no new one.

    Example: assay dataset register harborline
    """
    found = Session(find_workspace()).store.register_dataset(_folder(name))
    known = "registered" if found.created else "already registered"
    say(f"{found.ref} {known} (sha256 {found.digest})")


@group.command("versions")
def versions(
    name: Annotated[str, typer.Argument(help="A dataset's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """List the registered versions of a dataset, newest first."""
    found = Session(find_workspace()).store.dataset_versions(name)
    if as_json:
        plain = [{"dataset": v.ref, "digest": v.digest, "registered": day(v.created_at_ms)} for v in found]
        say(json.dumps(plain, indent=2))
    elif not found:
        say(f"No version of {name} is registered. `assay dataset register {name}` registers one.")
    else:
        table(["dataset", "sha256", "registered"], [[v.ref, v.digest[:12], day(v.created_at_ms)] for v in found])


@group.command("agree")
def agree(
    a: Annotated[str, typer.Argument(help=f"One labeller's cases: a .jsonl file, or {_REF[0].lower()}{_REF[1:]}")],
    b: Annotated[str, typer.Argument(help="The other labeller's.")],
    out: Annotated[Path | None, typer.Option(help="Write the disagreements as a CSV file, to settle them in.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that holds something else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Compare two labellers' files: Cohen's kappa for each field, and the disagreements to settle.

    Example: assay dataset agree first.jsonl second.jsonl --out to-settle.csv
    """
    from assay.registry.content.agreement import compare_labels

    found = compare_labels(_cases(a), _cases(b))
    if out is not None:
        write_text(out, _disagreements(found), overwrite=overwrite)
        note(f"written: {out}")
    if as_json:
        say(json.dumps(dataclasses.asdict(found), indent=2))
        return
    _show_agreement(found, a, b)


def _show_agreement(found: Agreement, a: str, b: str) -> None:
    table(["field", "units", "agreed", "kappa", "95 % interval"], [_agreement_row(field) for field in found.fields])
    for name, only in ((a, found.only_first), (b, found.only_second)):
        if only:
            say(f"Only in {name}: {len(only)} cases ({', '.join(only[:5])}{', ...' if len(only) > 5 else ''})")
    say(f"{len(found.disagreements)} disagreements to settle.")
    for one in found.disagreements:
        where = one.case if one.turn is None else f"{one.case}, turn {one.turn}"
        say(f"  {where}: {one.field}: {one.first} | {one.second}")


def _agreement_row(field: FieldAgreement) -> list[str]:
    kappa = "no variation" if field.kappa is None else f"{field.kappa:.3f}"
    interval = "" if field.interval is None else f"{field.interval[0]:.3f} to {field.interval[1]:.3f}"
    return [field.field, str(field.n), f"{field.agreed} ({field.agreed / field.n:.0%})", kappa, interval]


def _disagreements(found: Agreement) -> str:
    """The disagreements as CSV, with a column to settle them in."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["case", "turn", "field", "first", "second", "settled"])
    for one in found.disagreements:
        writer.writerow([one.case, one.turn or "", one.field, one.first, one.second, ""])
    return text.getvalue()


def _folder(name: str) -> Path:
    """The folder of a dataset: a path, which needs no workspace, or a name in the workspace."""
    if len(name) < _LONGEST_PATH and (Path(name) / "dataset.yaml").is_file():
        return Path(name)
    workspace = find_workspace()
    folder = workspace.datasets / name[:_LONGEST_NAME]
    if len(name) > _LONGEST_NAME or not (folder / "dataset.yaml").is_file():
        known = [path.parent.name for path in workspace.datasets.glob("*/dataset.yaml")]
        raise NotFoundError("dataset", name, known, where=str(workspace.datasets))
    return folder


def _dataset(ref: str) -> tuple[Dataset, str]:
    """A dataset and what to call it: a folder, or a registered version."""
    from assay.registry.content import load_dataset

    registered = ("/" in ref or "@" in ref) and not (Path(ref) / "dataset.yaml").is_file()
    if registered:
        version, dataset = Session(find_workspace()).store.load_dataset(ref)
        return dataset, version.ref
    dataset = load_dataset(_folder(ref))
    return dataset, f"{dataset.info.name} {dataset.info.version}"


def _cases(ref: str) -> Sequence[Case]:
    from assay.registry.content.datasets import read_cases

    path = Path(ref)
    return read_cases(path) if path.suffix == ".jsonl" else _dataset(ref)[0].cases


def _training(given: Sequence[Path] | None) -> Iterator[tuple[str, str]]:
    """(where it stands, utterance) of the training text given, or of all bundles of the workspace, if this is one."""
    from assay.registry.strict import read_text
    from assay.runner.agents.reference.triage import parse_utterances

    for path in given if given is not None else _training_files():
        try:
            rows = parse_utterances(read_text(path))
        except ContentError as error:
            raise ContentError(error.problem, file=path, line=error.line) from None
        yield from ((f"{text!r} in {path.name}", text) for text, _, _ in rows)


def _training_files() -> list[Path]:
    """The training text of every bundle file of the workspace, each once."""
    from assay.registry.strict import load_yaml
    from assay.registry.types.bundle import BundleSource, TriageSource

    try:
        workspace = find_workspace()
    except AssayError:
        note("This is no workspace, so no training text was looked at; --training names some.")
        return []
    found: dict[Path, None] = {}
    for file in sorted(workspace.bundles.glob("*/*.yaml")):
        try:
            source = load_yaml(file, BundleSource)
        except AssayError as error:
            note(f"A bundle cannot be read, so its training text was not looked at: {error}")
            continue
        if isinstance(source.model, TriageSource):
            found[(file.parent / source.model.utterances).resolve()] = None
    return list(found)
