"""`lmf recipe`, `lmf train` and `lmf release`: what decides weights, weights, and weights for others."""

from pathlib import Path
from typing import Annotated

import typer

from lmf.cli.options import DeviceOption, ProfileOption
from lmf.cli.process import leads, say


def train(
    variant: Annotated[str, typer.Argument(help="For instance edsr-baseline or no-modulation.")],
    profile: ProfileOption = None,
    device: DeviceOption = "auto",
    benchmark: Annotated[
        int | None,
        typer.Option(help="Time so many steps in fp32 and bf16; write nothing.", min=1),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Write the log there for TensorBoard, too.")
    ] = None,
    dvclive: Annotated[
        Path | None, typer.Option(help="Write the log there for DVCLive, too.")
    ] = None,
) -> None:
    """Train one variant of a profile, or go on with an interrupted training.

    Example: lmf train swinir --profile quick --device cpu

    Several GPUs: torchrun --nproc-per-node 4 -m lmf train swinir --profile study
    """
    from lmf.deploy.device import choose_device
    from lmf.study.progress import counter
    from lmf.study.settings.params import workspace
    from lmf.study.settings.profile import read_profile, train_config

    place = workspace(profile)
    settings = read_profile(place.profile)
    budget = train_config(settings, variant)
    chosen = choose_device(device)
    what = f"{variant} of profile {place.profile} on {chosen}"
    if benchmark is not None:
        from lmf.study.training_speed import speed_of

        say(f"timing {benchmark} steps of {what}")
        speed = speed_of(settings, variant, place, chosen, benchmark)
        if leads():
            typer.echo(speed)
        return
    from lmf.study.stages.train import is_trained, train_variant  # takes seconds: after the checks
    from lmf.train import board

    if is_trained(settings, variant, place):
        say(f"{what}: trained already, {place.weights(variant)}; remove that to train it again")
        return

    asked = ((board.tensorboard, tensorboard), (board.dvclive, dvclive))
    on_row = board.all_of(*(opener(folder) for opener, folder in asked if folder is not None))
    say(f"training {what}")
    with counter(f"train {variant}", budget.steps, budget.log_every, shown=leads()) as count:
        train_variant(settings, variant, place, chosen, on_step=count, on_row=on_row)


def recipe(profile: ProfileOption = None) -> None:
    """Write down what decides each training: model, schedule, seed, pictures.

    Example: lmf recipe --profile study
    """
    from lmf.study.settings.params import read_params, workspace
    from lmf.study.settings.profile import read_profile
    from lmf.study.stages.recipe import write_recipes

    place = workspace(profile)
    settings = read_profile(place.profile)
    for path in write_recipes(settings, read_params().trainings(settings), place):
        typer.echo(path)


def release(
    variant: Annotated[str, typer.Argument(help="A trained variant of the profile.")],
    name: Annotated[str, typer.Argument(help="What others will load it as.")],
    profile: ProfileOption = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Score it on this set; may be repeated.  [default: the profile's]"
        ),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Put a trained variant into weights/, with what it scores on its card.

    Example: lmf release no-cross-scale lm-lte-edsr-baseline --profile gpu

    Example: lmf release swinir study-swinir --profile study --set set5 --set set14
    """
    from lmf.deploy.device import choose_device
    from lmf.study.progress import rows_counter
    from lmf.study.release import release as put

    with rows_counter(f"score {name}", True) as on_row:
        typer.echo(put(variant, name, profile, sets or (), choose_device(device), on_row))
