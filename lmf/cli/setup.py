"""Commands about this installation: use-images, doctor."""

from pathlib import Path
from typing import Annotated

import typer


def use_images(
    folder: Annotated[Path, typer.Argument(help="Folder of your own pictures.")],
) -> None:
    """Point data.dvc at a folder of your own; the next `dvc repro` evaluates on it as `custom`.

    Example: lmf use-images ~/holiday && dvc repro
    """
    from lmf.study.custom import use_images as point

    typer.echo(point(folder))


def doctor() -> None:
    """Say what this installation can do, and what it lacks. Exit status 1 after any FAIL."""
    from lmf.study.doctor import examine

    marks = {True: "ok  ", None: "--  ", False: "FAIL"}
    healthy = True
    for finding in examine():
        typer.echo(f"{marks[finding.good]}  {finding.subject}: {finding.text}")
        healthy &= finding.good is not False
    if not healthy:
        raise typer.Exit(1)
