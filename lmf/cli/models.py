"""Commands for someone with a model and a picture: upscale, convert."""

import math
from pathlib import Path
from typing import Annotated

import typer

from lmf.cli.options import DeviceOption, KernelOption, ProfileOption, parse_size


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
    max_pixels: Annotated[
        int | None, typer.Option(help="Largest output.  [default: 268435456]", show_default=False)
    ] = None,
    bf16: Annotated[
        bool,
        typer.Option("--bf16", help="bfloat16 products, the encoder's too: over 60 dB from fp32."),
    ] = False,
    kernel: KernelOption = "auto",
) -> None:
    """Enlarge a picture. PNG and TIFF are written row by row, and may be larger than the memory.

    The picture is turned upright and keeps its colour profile (ICC); other metadata (EXIF, resolution,
    comments) are left out.

    Example: lmf upscale in.png out.png --scale 2.7

    Example: lmf upscale map.png map.tif --scale 8 --max-memory 1 --max-pixels 2000000000
    """
    import torch

    from lmf.render.memory import MAX_PIXELS
    from lmf.study.upscaling import upscale_file
    from lmf.study.weights import weights_of

    line = upscale_file(
        source,
        target,
        scale,
        None if size is None else parse_size(size),
        weights_of(model, profile),
        device,
        cmsr=cmsr,
        max_memory=None if max_memory is None else _bytes(max_memory),
        max_pixels=MAX_PIXELS if max_pixels is None else max_pixels,
        dtype=torch.bfloat16 if bf16 else None,
        kernel=kernel,
    )
    typer.echo(line)


def _bytes(gigabytes: float) -> int:
    count = gigabytes * 1e9
    if not 0 < count < math.inf:
        raise typer.BadParameter(f"--max-memory {gigabytes:g}: give a number of GB above 0")
    return round(count)


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
