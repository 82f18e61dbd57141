"""`lmf upscale`: one picture file to another."""

import io
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from lmf.checkpoint import load_model, read_cmsr
from lmf.core.errors import InputError
from lmf.core.files import atomic_write
from lmf.core.inputs import target_size
from lmf.data.pictures import open_picture
from lmf.deploy.enhancer import Enhancer, output_mode
from lmf.render.cmsr import CmsrTable
from lmf.render.memory import MAX_PIXELS
from lmf.render.result import Upscaled

JPEG_QUALITY = 95
"""Of lossy formats; Pillow's default of 75 would undo what the model adds."""

DEEP_FORMATS = ("PNG", "TIFF", "JPEG2000", "PPM")
"""Formats that keep 16-bit grey; Pillow would clip it at 255 for the others."""


def upscale_file(
    source: Path,
    target: Path,
    scale: float | None,
    size: str | None,
    weights: Path,
    device: str,
    *,
    cmsr: bool = False,
    max_memory: int | None = None,
) -> str:
    """Enlarge `source` into `target`; returns a line that says what was done, how and where.

    cmsr: render smooth parts coarsely, by the table that the weights' card has for `scale`.
    max_memory: bytes above the weights; beyond them the picture is enlarged in tiles.

    Raises:
        InputError: the picture cannot be read or written, or scale and size make no sense.
        CheckpointError: the weights cannot be used, or have no such table.
        ResourceError: device or disk say no.
    """
    wanted = parse_size(size) if size is not None else None
    picture = open_picture(source)
    output = target_size((picture.height, picture.width), wanted, scale)
    if output[0] < picture.height or output[1] < picture.width:
        had = f"{picture.width}x{picture.height}"
        raise InputError(f"{source}: {output[1]}x{output[0]} is smaller than its {had}; enlarge it")
    if output[0] * output[1] > MAX_PIXELS:
        raise InputError(
            f"{output[1]}x{output[0]} is more than {MAX_PIXELS:,} pixels; ask for fewer"
        )
    # What the format refuses, it refuses for one pixel too, before minutes of work.
    _save(Image.new(output_mode(picture), (1, 1)), io.BytesIO(), target)
    table = _table(weights, scale) if cmsr else None
    enhancer = Enhancer(load_model(weights), device)
    told: list[Upscaled] = []
    with atomic_write(target) as temporary, temporary.open("w+b") as file:
        result = enhancer.enhance(
            picture, size=output, max_memory=max_memory, cmsr=table, tell=told.append
        )
        _save(result, file, target)
    return (
        f"{source} {picture.width}x{picture.height} -> {target} {result.width}x{result.height} "
        f"with {weights.name} on {enhancer.device}, {_how(told[0])}"
    )


def _table(weights: Path, scale: float | None) -> CmsrTable:
    if scale is None:
        raise InputError("CMSR tables are made for a scale: give --scale instead of --size")
    return read_cmsr(weights, scale)


def _how(upscaled: Upscaled) -> str:
    """Which renderer ran, and what it left out."""
    share = f", {upscaled.saved:.0%} of its queries saved" if upscaled.path == "cmsr" else ""
    tiles = f" in {upscaled.tiles} tiles" if upscaled.tiles > 1 else ""
    return f"{upscaled.path} renderer{tiles}{share}"


def parse_size(text: str) -> tuple[int, int]:
    """ "WIDTHxHEIGHT" -> (H, W)."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"size {text!r}: write WIDTHxHEIGHT, for instance 1920x1080")
    return int(height), int(width)


def _save(picture: Image.Image, file: BinaryIO, target: Path) -> None:
    """Encode `picture` in the format that the suffix of `target` names.

    Raises:
        InputError: there is no such format, or it cannot hold the picture.
    """
    Image.init()
    name = Image.EXTENSION.get(target.suffix.lower())
    if name not in Image.SAVE:
        raise InputError(f"{target}: unknown picture format {target.suffix!r}; use .png")
    if picture.mode == "I;16" and name not in DEEP_FORMATS:
        raise InputError(f"{target}: {name} cannot hold 16 bits; use .png or .tif")
    try:
        picture.save(file, name, icc_profile=picture.info.get("icc_profile"), quality=JPEG_QUALITY)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's refusal, not the format's
        raise InputError(f"{target}: {error}; use .png") from error
