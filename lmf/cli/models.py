"""Commands for someone with a model and a picture: upscale, convert."""

from pathlib import Path
from typing import Annotated

import typer

from lmf.cli.options import DeviceOption, ProfileOption


def upscale(
    source: Annotated[Path, typer.Argument(help="Picture to enlarge.")],
    target: Annotated[Path, typer.Argument(help="Picture to write.")],
    scale: Annotated[float | None, typer.Option(help="Any number from 1 up: 2, 2.7, 8.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT instead of a scale.")] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Released name, a trained variant of the profile, a .safetensors or .pth file."
        ),
    ] = "lm-lte-edsr-baseline",
    profile: ProfileOption = None,
    device: DeviceOption = "auto",
    cmsr: Annotated[
        bool, typer.Option("--cmsr", help="Render smooth parts coarsely; see `lmf cmsr build`.")
    ] = False,
    max_memory: Annotated[
        float | None, typer.Option(help="GB above the weights; more is done in tiles.")
    ] = None,
) -> None:
    """Enlarge a picture.

    Example: lmf upscale in.png out.png --scale 2.7
    """
    from lmf.study.params import weights_of
    from lmf.study.upscaling import upscale_file

    weights = weights_of(model, profile)
    limit = None if max_memory is None else round(max_memory * 1e9)
    line = upscale_file(source, target, scale, size, weights, device, cmsr=cmsr, max_memory=limit)
    typer.echo(line)


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
