"""`lmf train`: on a CPU, a GPU, or many of them."""

from pathlib import Path
from typing import Annotated

import typer

from lmf.cli.options import DeviceOption, ProfileOption


def train(
    variant: Annotated[str, typer.Argument(help="For instance edsr-baseline or no-modulation.")],
    profile: ProfileOption = None,
    device: DeviceOption = "auto",
    benchmark: Annotated[
        int, typer.Option(help="Time so many steps, write nothing.", show_default=False)
    ] = 0,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Write the log there for TensorBoard, too.")
    ] = None,
) -> None:
    """Train one variant of a profile, or go on with an interrupted training.

    Example: lmf train swinir --profile quick --device cpu

    Several GPUs: torchrun --nproc-per-node 4 -m lmf train swinir --profile study
    """
    from lmf.deploy.device import choose_device
    from lmf.study.params import workspace
    from lmf.study.profile import model_config, read_profile
    from lmf.study.progress import counter

    place = workspace(profile)
    settings = read_profile(place.profile)
    model_config(settings, variant)
    chosen = choose_device(device)
    from lmf.study.stages.train import speed_of, train_variant  # takes seconds: after the checks

    what = f"{variant} of profile {place.profile} on {chosen}"
    if benchmark:
        typer.echo(f"timing {benchmark} steps of {what}", err=True)
        typer.echo(speed_of(settings, variant, place, chosen, benchmark))
        return
    from lmf.train.board import tensorboard as board

    on_row = board(tensorboard) if tensorboard else lambda row: None
    typer.echo(f"training {what}", err=True)
    with counter(f"train {variant}", settings.train.steps, every=settings.train.log_every) as count:
        train_variant(settings, variant, place, chosen, on_step=count, on_row=on_row)
