"""`lmf notebook`: notebooks as programs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Run notebooks as programs.")


@app.command("run")
def notebook_run(
    source: Annotated[Path, typer.Argument(help="Notebook to execute.")],
    target: Annotated[Path, typer.Argument(help="Executed copy to write.")],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="name=value, as YAML reads it.")
    ] = None,
) -> None:
    """Execute a notebook with checked parameters, in the current folder.

    Example: lmf notebook run notebooks/learn/01-from-pixels-to-a-function.ipynb out.ipynb -p SCALE=3.5
    """
    from lmf.study.notebook import parse_parameters, run_notebook

    values = parse_parameters(parameter or [])
    run_notebook(source, target, values, progress=sys.stderr.isatty())
    typer.echo(target)


@app.command("parameters")
def notebook_parameters(
    source: Annotated[Path, typer.Argument(help="Notebook to inspect.")],
) -> None:
    """List a notebook's parameters with their types."""
    from lmf.study.notebook import declared_parameters

    for name, kind in declared_parameters(source).items():
        typer.echo(f"{name}: {kind}")
