"""`lmf cmsr`: tables for controllable multi-scale rendering, built and checked."""

from typing import Annotated

import typer

from lmf.cli.options import DeviceOption, KernelOption, ProfileOption

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Render smooth parts of a picture coarsely: build the tables for it, and check them.",
)


@app.command(short_help="Measure which cells may be coarse.")
def build(
    model: Annotated[
        str, typer.Argument(help="Trained variant, released name or .safetensors file.")
    ],
    scales: Annotated[list[float], typer.Option("--scale", help="Target scale; may be repeated.")],
    mse: Annotated[
        float, typer.Option(help="Mean squared error allowed, of colours in [0, 1].")
    ] = 2e-5,
    set_name: Annotated[
        str, typer.Option("--set", help="Training pictures to measure on.")
    ] = "photos-train",
    images: Annotated[int, typer.Option(help="At most so many of them.")] = 20,
    seed: Annotated[int, typer.Option(help="Which ones, where the set has more.")] = 0,
    profile: ProfileOption = None,
) -> None:
    """Measure which cells may be rendered coarsely; the model's card keeps the tables.

    Cards in results/ are a stage's output: the next `dvc repro` puts them back as they were. For
    tables that stay, `lmf release` the model first.

    Example: lmf cmsr build no-cross-scale --scale 8 --scale 12 --scale 16
    """
    from lmf.study.cmsr.build import build_tables
    from lmf.study.settings.workspace import Workspace
    from lmf.study.weights import weights_of

    weights, data = weights_of(model, profile), Workspace("").data
    for table in build_tables(weights, scales, mse, set_name, images, seed=seed, data=data):
        steps = ", ".join(f"x{s.render_scale} up to {s.threshold:.3f}" for s in table.steps)
        typer.echo(f"x{table.scale:g} on {table.images} pictures: {steps or 'nothing coarse'}")


@app.command(short_help="Say what that loses and saves.")
def check(
    model: Annotated[
        str, typer.Argument(help="Trained variant, released name or .safetensors file.")
    ],
    scales: Annotated[list[float], typer.Option("--scale", help="Target scale; may be repeated.")],
    set_name: Annotated[str, typer.Option("--set", help="Pictures to enlarge.")] = "photos-test",
    profile: ProfileOption = None,
    device: DeviceOption = "auto",
    kernel: KernelOption = "auto",
) -> None:
    """Enlarge pictures fully and by CMSR, both by one renderer: what is lost in dB, what is saved in time.

    Example: lmf cmsr check no-cross-scale --scale 8 --scale 16
    """
    import torch

    from lmf.deploy.device import choose_device
    from lmf.study.cmsr.check import check_tables, savings_table
    from lmf.study.settings.workspace import Workspace
    from lmf.study.weights import weights_of

    chosen = choose_device(device)
    weights, data = weights_of(model, profile), Workspace("").data
    path, found = check_tables(weights, scales, set_name, chosen, kernel, data=data)
    typer.echo(f"{model} on {chosen}, {torch.get_num_threads()} threads, fp32, {path} renderer")
    typer.echo(savings_table(found))
