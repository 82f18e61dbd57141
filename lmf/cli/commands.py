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


# `lmf --help` would cut their first sentences short.
app.command(short_help="Bring data sets to data/<set>, verified.")(study.fetch)
app.command(short_help="Say what a profile takes: data, disk, time.")(study.plan)
app.command(short_help="Write down what decides each training.")(recipe)
app.command(short_help="Train a variant, or go on with it.")(train)
app.command(short_help="Score a model on test sets, row by row.")(study.evaluate)
app.command(short_help="Measure what models cost on this machine.")(bench)
app.command(short_help="Write a profile's tables and index.html.")(study.report)
app.command(short_help="Enlarge a picture.")(models.upscale)
app.command(short_help="Rewrite an official checkpoint, safely.")(models.convert)
app.command(short_help="Put a trained variant into weights/.")(release)
app.add_typer(notebook.app, name="notebook", short_help="Run notebooks as programs.")
app.add_typer(cmsr.app, name="cmsr", short_help="Render smooth parts of pictures coarsely.")
app.command(short_help="Let the study score your own pictures.")(setup.use_images)
app.command(short_help="Say what this installation can do.")(setup.doctor)
