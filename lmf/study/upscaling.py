"""`lmf upscale`: one picture file to another."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lmf.checkpoint import load_model, read_cmsr
from lmf.core.errors import InputError
from lmf.core.files import atomic_write, check_no_folder
from lmf.core.inputs import target_size
from lmf.data.formats import LAYOUTS, ROW_FORMATS, encode, format_for
from lmf.data.pictures import open_picture
from lmf.data.row_files import Pixels
from lmf.deploy.enhancer import Enhancer, output_mode
from lmf.render.cmsr import CmsrTable
from lmf.render.memory import MAX_PIXELS, check_output
from lmf.render.options import Kernel, Options
from lmf.render.result import Rendering

MUCH = 1.5
"""Times that the encoder reads a pixel, beyond which it is worth saying."""


def upscale_file(
    source: Path,
    target: Path,
    scale: float | None,
    size: tuple[int, int] | None,
    weights: Path,
    device: str,
    *,
    cmsr: bool = False,
    max_memory: int | None = None,
    max_pixels: int = MAX_PIXELS,
    dtype: torch.dtype | None = None,
    kernel: Kernel = "auto",
) -> str:
    """Enlarge `source` into `target`; returns a line that says what was done, how and where.

    size: (H, W) instead of a scale. cmsr: render smooth parts coarsely, by the table that the weights'
    card has for `scale`.
    max_memory: bytes above the weights and the source; beyond them the picture is enlarged in tiles.
    PNG and TIFF are written row by row, so that a picture may be larger. max_pixels, dtype, kernel:
    see `Lmf.upscale`.

    Raises:
        ConfigError: the model cannot be used so.
        InputError: the picture cannot be read or written, or scale and size make no sense.
        CheckpointError: the weights cannot be used, or have no such table.
        ResourceError: device or disk say no; `target` is a folder.
    """
    check_no_folder(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(f"{target} is the picture itself: name another file to write")
    if (size is None) == (scale is None):
        raise InputError("give one of --scale and --size")
    picture = open_picture(source)
    mode = output_mode(picture, f"{source}:")
    output = target_size((picture.height, picture.width), size, scale)
    _check_larger(output, picture, source)
    check_output(output, max_pixels)
    name = format_for(mode, output, target, max_memory)
    table = _table(weights, scale) if cmsr else None
    enhancer = Enhancer(load_model(weights), device)
    options = Options(max_memory, max_pixels, table, dtype, kernel)
    told: list[Rendering] = []
    with atomic_write(target) as temporary:
        parts = enhancer.stream(picture, size=output, options=options, tell=told.append)
        _write(parts, picture, output, temporary, name, target)
    return (
        f"{source} {picture.width}x{picture.height} -> {target} {output[1]}x{output[0]} "
        f"with {weights.name} on {enhancer.device}, {_how(told[0], dtype)}"
    )


def _check_larger(output: tuple[int, int], picture: Image.Image, source: Path) -> None:
    """InputError if either side of the output (H, W) is below the picture's."""
    small = [
        side
        for side, now, had in zip(("height", "width"), output, picture.size[::-1], strict=True)
        if now < had
    ]
    if small:
        had = f"{picture.width}x{picture.height}"
        raise InputError(
            f"{source}: {output[1]}x{output[0]} is below its {had} in {' and '.join(small)}; pictures "
            "are only enlarged"
        )


def _write(
    parts: Iterator[Pixels],
    picture: Image.Image,
    output: tuple[int, int],
    file: Path,
    name: str,
    target: Path,
) -> None:
    """Write the rows of `picture` enlarged into `file`, which is to become `target`, of a format."""
    mode, profile = output_mode(picture), picture.info.get("icc_profile")
    if name in ROW_FORMATS:
        with ROW_FORMATS[name](file, output, *LAYOUTS[mode], profile) as write:
            for pixels in parts:
                write(pixels)
        return
    result = Image.fromarray(np.concatenate(list(parts)))
    result.info["icc_profile"] = profile
    with file.open("w+b") as opened:
        encode(result, opened, name, target)


def _table(weights: Path, scale: float | None) -> CmsrTable:
    if scale is None:
        raise InputError("CMSR tables are made for a scale: give --scale instead of --size")
    return read_cmsr(weights, scale)


def _how(rendering: Rendering, dtype: torch.dtype | None) -> str:
    """Which renderer ran, why, and what it left out; who computed the encoder's convolutions."""
    kind = "" if dtype is None else f" in {str(dtype).removeprefix('torch.')}"
    share = f", {rendering.saved:.0%} of its queries saved" if rendering.path == "cmsr" else ""
    by = f" over {rendering.by}" if rendering.by else ""
    tiles = f" in {rendering.tiles} tiles" if rendering.tiles > 1 else ""
    if rendering.overlap > MUCH:
        tiles += f" ({rendering.overlap:.1f} times the encoder's work; more --max-memory spares it)"
    note = f" (not the kernel: {rendering.note})" if rendering.note else ""
    encoder = ", native convolutions" if rendering.convolutions == "native" else ""
    return f"{rendering.path} renderer{by}{kind}{note}{tiles}{share}{encoder}"
