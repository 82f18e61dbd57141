"""Commands that are stages of the study: fetch, train, evaluate, report."""

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
