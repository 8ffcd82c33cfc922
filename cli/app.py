"""All commands. Each does one thing by itself; `check` and `demo` string them together."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli import bundles, comparing, datasets, evaluation, gating, importing, planning, release, setting_up

__all__ = ["app"]

app = typer.Typer(
    name="assay",
    help="Evaluation and release control for contact-center AI agents: register, replay, score, gate, promote, report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"assay {version('assay')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


app.command("init")(setting_up.init)
app.command("demo")(setting_up.demo)
app.command("schema")(setting_up.schema)
app.command("register")(bundles.register)
app.add_typer(bundles.group, name="bundle")
app.add_typer(datasets.group, name="dataset")
app.add_typer(importing.import_group, name="import")
app.command("eval")(evaluation.evaluate)
app.command("score")(evaluation.score)
app.add_typer(evaluation.runs_group, name="runs")
app.command("gate")(gating.gate)
app.command("check")(gating.check)
app.command("report")(gating.report)
app.command("plan")(planning.plan)
app.command("compare")(comparing.compare)
app.command("promote")(release.promote)
app.command("status")(release.status)
