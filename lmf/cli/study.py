"""Commands of the study: fetch, plan, evaluate, report."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lmf.cli.options import DeviceOption, ProfileOption


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


def plan(
    profile: ProfileOption = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time some real training steps of each variant.")
    ] = False,
    mirror: Annotated[
        Path | None, typer.Option(help="Folder with sets or archives that `fetch` would look into.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Say what a profile needs before anyone starts: stages, downloads, disk, steps, time.

    Nothing is fetched or written. Times come from an earlier training of the profile, with
    --measure from a few steps taken now; they are never guessed.

    Example: lmf plan --profile paper --measure --device cpu
    """
    from rich.console import Console

    from lmf.deploy.device import choose_device
    from lmf.study.plan.needs import make_plan
    from lmf.study.plan.show import show
    from lmf.study.settings.local import mirror_of
    from lmf.study.settings.params import read_params, workspace
    from lmf.study.settings.profile import read_profile

    place, params = workspace(profile), read_params()
    settings, chosen = read_profile(place.profile), choose_device(device)
    speeds = {}
    if measure:
        from lmf.study.plan.measure import measure_training

        speeds = measure_training(
            settings,
            params.trainings(settings),
            chosen,
            place.data,
            say=lambda line: typer.echo(line, err=True),
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(show(make_plan(settings, place, mirror or mirror_of(), speeds)), highlight=False)


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="bicubic, bilinear, a trained variant, a released name, a .safetensors or .pth file."
        ),
    ],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="A fetched set or a folder in data/; may be repeated."),
    ] = None,
    scales: Annotated[
        list[float] | None,
        typer.Option("--scale", help="Any number from 1 up; may be repeated.  [default: 2 3 4]"),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="benchmark_y, div2k_rgb or raw_rgb.  [default: the literature's for each set]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="CSV to write.  [default: runs/evaluate/<model>.csv]"),
    ] = None,
    save_images: Annotated[
        Path | None,
        typer.Option(help="Folder for the enlarged pictures: <model>/<set>/<image>-x<scale>.png."),
    ] = None,
    profile: ProfileOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Score a model: one CSV row per picture and scale, with protocol and provenance.

    With none of --set, --scale, --protocol, --out and --save-images this is a stage of the study:
    the profile says what is scored, and results/<profile>/evaluate/<model>.csv is written.
    Interrupt it whenever you like: the same command goes on where it stopped. Several processes
    share the pictures under torchrun.

    Example: lmf evaluate bicubic --set set5 --set set14 --scale 2 --scale 2.7

    Example: torchrun --nproc-per-node 2 -m lmf evaluate lm-lte.pth --set b100
    """
    from lmf.deploy.device import choose_device
    from lmf.study.evaluate.request import Request, is_stage, score
    from lmf.study.evaluate.team import team
    from lmf.study.progress import rows_counter
    from lmf.study.stages.evaluate import score_stage

    request = Request(model, profile, sets or (), scales or (), protocol, out, save_images)
    with team() as us, rows_counter(f"evaluate {model}", us.leads) as on_row:
        chosen = us.device(choose_device(device))
        if is_stage(request):
            text = score_stage(model, profile, chosen, us, on_row)
        else:
            text = score(request, chosen, us, on_row)
        if us.leads:
            typer.echo(text)


def report(profile: ProfileOption = None) -> None:
    """Write the tables, figures and index.html of a profile from its results.

    Example: lmf report --profile quick
    """
    from lmf.study.report.build import build_report
    from lmf.study.settings.params import read_params, workspace
    from lmf.study.settings.profile import read_profile

    place = workspace(profile)
    written = build_report(place, read_profile(place.profile), read_params())
    for path in written:
        typer.echo(path)
