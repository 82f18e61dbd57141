"""The `lmf` command: thin; every stage of dvc.yaml is one of these commands."""

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from lmf.core.errors import LmfError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Latent modulated functions: a reproducible study of arbitrary-scale super-resolution.",
    epilog="The whole study: make repro.   One picture: lmf upscale in.png out.png --scale 2.7",
)
notebook_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Run notebooks as programs."
)
app.add_typer(notebook_app, name="notebook")

ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", help="Default: `profile` in params.yaml.", show_default=False),
]
INTERRUPTED = 130
"""Exit status after Ctrl-C or SIGTERM."""

AGAIN = "interrupted; run the same command again: what was saved is not done twice"

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]


def main() -> None:
    """Entry point: what a user can mend is one line and exit status 1, or 2 for a wrong command."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    for chatty in ("httpx", "papermill", "lightning", "lightning.fabric"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stop = _Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        status = app(standalone_mode=False)  # of a typer.Exit; None for a command that is done
        if status == INTERRUPTED:
            raise KeyboardInterrupt
    except LmfError as error:
        _fail(str(error), 1)
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "lmf":
            raise
        _fail(f"{error.name} is not installed; pip install -e '.[study]'", 1)
    except (KeyboardInterrupt, typer.Abort):
        _fail(AGAIN, INTERRUPTED)
    except Exception as error:
        if stop.asked:  # an import that was cut short fails in ways of its own
            _fail(AGAIN, INTERRUPTED)
        if not hasattr(error, "format_message"):
            raise
        _refuse(error)  # an option or argument that the parser does not take
    sys.exit(status)


class _Stop:
    """Ctrl-C or SIGTERM: remembered, then raised where the program stands."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: Any) -> None:
        self.asked = True
        raise KeyboardInterrupt


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"lmf: {' '.join(message.split())}", err=True)
    sys.exit(status)


def _refuse(error: Any) -> NoReturn:
    """Say what the command line got wrong, and which names there are."""
    message = error.format_message()
    if "\n" in message:  # no command at all: the help
        typer.echo(message, err=True)
        sys.exit(2)
    command: Any = getattr(error.ctx, "command", None)
    names = sorted(getattr(command, "commands", ()))
    if hasattr(error, "option_name"):
        names = [name for one in command.params for name in one.opts if name[:2] == "--"]
    elif not message.startswith("No such command"):
        names = []
    if names:
        message = (
            f"{message.rstrip('.')}{'' if message[-1] == '?' else ';'} valid: {', '.join(names)}"
        )
    _fail(message, 2)


@app.command()
def fetch(
    sets: Annotated[list[str], typer.Argument(help="For instance photos-train set5.")],
    profile: Annotated[
        str | None,
        typer.Option(help="Record the sets for this profile; skip those it does not use."),
    ] = None,
    mirror: Annotated[
        Path | None, typer.Option(help="Folder with sets or archives to look into first.")
    ] = None,
    keep_archives: Annotated[bool, typer.Option(help="Keep downloads in data/archives.")] = False,
) -> None:
    """Bring data sets to data/<set>, verified.

    Example: lmf fetch set5 set14 --mirror ~/sr-data
    """
    from lmf.study.progress import fetch_progress
    from lmf.study.stages.fetch import fetch_sets

    with fetch_progress() as progress:
        fetch_sets(sets, profile, mirror, keep_archives, progress)


@app.command()
def train(
    variant: Annotated[str, typer.Argument(help="For instance edsr-baseline or no-modulation.")],
    profile: ProfileOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Train one variant of a profile, or go on with an interrupted training.

    Example: lmf train swinir --profile quick --device cpu
    """
    from lmf.deploy.device import choose_device
    from lmf.study.params import workspace
    from lmf.study.profile import model_config, read_profile
    from lmf.study.progress import counter

    place = workspace(profile)
    settings = read_profile(place.profile)
    model_config(settings, variant)
    chosen = choose_device(device)
    from lmf.study.stages.train import train_variant  # takes seconds: a wrong name need not wait

    typer.echo(f"training {variant} of profile {place.profile} on {chosen}", err=True)
    with counter(f"train {variant}", settings.train.steps, every=settings.train.log_every) as count:
        train_variant(settings, variant, place, chosen, on_step=count)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A trained variant, bicubic or bilinear.")],
    profile: ProfileOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Score a model on the profile's sets: results/<profile>/evaluate/<model>.csv.

    Example: lmf evaluate bicubic
    """
    from lmf.core.config import choose
    from lmf.deploy.device import choose_device
    from lmf.study.params import workspace
    from lmf.study.profile import ABLATIONS, BASELINES, read_profile
    from lmf.study.stages.evaluate import evaluate_model

    place = workspace(profile)
    settings = read_profile(place.profile)
    choose("model", model, [*BASELINES, *settings.encoders, *ABLATIONS])
    frame = evaluate_model(settings, model, place, choose_device(device))
    means = frame.groupby(["set", "scale"], sort=False)[["psnr", "ssim"]].mean()
    typer.echo(means.round(4).to_string())


@app.command()
def report(profile: ProfileOption = None) -> None:
    """Write the tables, figures and index.html of a profile from its results.

    Example: lmf report --profile quick
    """
    from lmf.study.params import read_params, workspace
    from lmf.study.profile import read_profile
    from lmf.study.report import build_report

    place, params = workspace(profile), read_params()
    settings = read_profile(place.profile)
    written = build_report(
        place.profile,
        place.results.parent,
        place.reports.parent,
        params.encoders(settings),
        params.ablations(),
        settings.base,
    )
    for path in written:
        typer.echo(path)


@app.command()
def upscale(
    source: Annotated[Path, typer.Argument(help="Picture to enlarge.")],
    target: Annotated[Path, typer.Argument(help="Picture to write.")],
    scale: Annotated[float | None, typer.Option(help="Any number from 1 up: 2, 2.7, 8.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT instead of a scale.")] = None,
    model: Annotated[
        str, typer.Option(help="Trained variant of the profile, a .safetensors or .pth file.")
    ] = "edsr-baseline",
    profile: ProfileOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Enlarge a picture.

    Example: lmf upscale in.png out.png --scale 2.7
    """
    from lmf.study.params import weights_of
    from lmf.study.upscaling import upscale_file

    line = upscale_file(source, target, scale, size, weights_of(model, profile), device)
    typer.echo(line)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Official .pth file of LIIF, LTE or LMF.")],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Rewrite an official checkpoint as .safetensors with a card, without running code in it.

    Example: lmf convert edsr-b_lm-lte.pth lm-lte.safetensors
    """
    from lmf.checkpoint import convert as rewrite

    card = rewrite(source, target)
    typer.echo(f"{target}: {card['parameters']} parameters, sha256 {card['sha256']}")


@notebook_app.command("run")
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


@notebook_app.command("parameters")
def notebook_parameters(
    source: Annotated[Path, typer.Argument(help="Notebook to inspect.")],
) -> None:
    """List a notebook's parameters with their types."""
    from lmf.study.notebook import declared_parameters

    for name, kind in declared_parameters(source).items():
        typer.echo(f"{name}: {kind}")


@app.command("use-images")
def use_images(
    folder: Annotated[Path, typer.Argument(help="Folder of your own pictures.")],
) -> None:
    """Point data.dvc at a folder of your own; the next `dvc repro` evaluates on it as `custom`.

    Example: lmf use-images ~/holiday && dvc repro
    """
    from lmf.study.custom import use_images as point

    typer.echo(point(folder))


@app.command()
def doctor() -> None:
    """Say what this installation can do, and what it lacks."""
    from lmf.study.doctor import examine

    healthy = True
    for finding in examine():
        typer.echo(f"{'ok  ' if finding.good else 'FAIL'}  {finding.subject}: {finding.text}")
        healthy &= finding.good
    if not healthy:
        raise typer.Exit(1)
