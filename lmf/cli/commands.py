"""The `lmf` command line: which commands there are; each imports what it needs when it runs."""

from importlib.metadata import version
from typing import Annotated

import typer

from lmf.cli import cmsr, models, notebook, setup, study
from lmf.cli.bench import bench
from lmf.cli.train import recipe, release, train

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Latent modulated functions: a reproducible study of arbitrary-scale super-resolution.",
    epilog="The whole study: make repro.   One picture: lmf upscale in.png out.png --scale 2.7",
)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"lmf {version('lmf')}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Say the version and exit."
        ),
    ] = False,
) -> None:
    pass  # options before any command


app.command()(study.fetch)
app.command()(study.plan)
app.command()(recipe)
app.command()(train)
app.command()(study.evaluate)
app.command()(bench)
app.command()(study.report)
app.command()(models.upscale)
app.command()(models.convert)
app.command()(release)
app.add_typer(notebook.app, name="notebook")
app.add_typer(cmsr.app, name="cmsr")
app.command()(setup.use_images)
app.command()(setup.doctor)
