"""Which picture formats hold what; encoding by Pillow."""

import io
import struct
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from lmf.core.errors import InputError
from lmf.data.row_files import png_rows, tiff_rows

LAYOUTS = {"L": (1, 8), "LA": (2, 8), "RGB": (3, 8), "RGBA": (4, 8), "I;16": (1, 16)}
"""Channels and bits per channel of the modes that pictures are returned in."""

ROW_FORMATS = {"PNG": png_rows, "TIFF": tiff_rows}
"""Formats that are written row by row; of the others the picture is made whole first."""

DEEP_FORMATS = ("PNG", "TIFF", "JPEG2000", "PPM")
"""Formats that keep 16-bit grey; Pillow would clip it at 255 for the others."""

UNFIT = {
    "ICO": "holds icons of its own sizes",
    "ICNS": "holds icons of its own sizes",
    "GIF": "holds 256 colours",
}
"""Formats that Pillow writes, without a word of what it leaves out."""

JPEG_QUALITY = 95
"""Of lossy formats; Pillow's default of 75 would undo what the model adds."""


def format_for(mode: str, size: tuple[int, int], target: Path, max_memory: int | None) -> str:
    """Pillow's name of the format of `target`, which is to hold a picture of (H, W) pixels.

    max_memory: bytes for the picture where it is not written row by row.

    Raises:
        InputError: no format has that suffix, or it would leave out depth, colours, transparency
            or pixels: said here, before minutes of work.
    """
    Image.init()
    name = Image.EXTENSION.get(target.suffix.lower())
    if name not in Image.SAVE:
        raise InputError(
            f"{target}: unknown picture format {target.suffix!r}; use .png, .tif, .jpg or .webp"
        )
    if name in UNFIT:
        raise InputError(f"{target}: {name} {UNFIT[name]}; use .png")
    if mode == "I;16" and name not in DEEP_FORMATS:
        raise InputError(f"{target}: {name} cannot hold 16 bits; use .png or .tif")
    for extent in ((1, size[0]), (size[1], 1)):
        encode(Image.new(mode, extent), io.BytesIO(), name, target)
    if mode.endswith("A") and not _keeps_transparency(mode, name, target):
        raise InputError(f"{target}: {name} cannot hold transparency; use .png")
    channels, bits = LAYOUTS[mode]
    held = size[0] * size[1] * channels * bits // 8
    if name not in ROW_FORMATS and max_memory is not None and held > max_memory:
        raise InputError(
            f"{target}: {name} is written from the whole picture, {held:,} bytes, more than "
            f"max_memory {max_memory:,}; use .png or .tif, which are written row by row"
        )
    return name


def encode(picture: Image.Image, file: BinaryIO, name: str, target: Path) -> None:
    """Write `picture` into `file`, which is to become `target`; InputError if the format cannot."""
    try:
        picture.save(file, name, icc_profile=picture.info.get("icc_profile"), quality=JPEG_QUALITY)
    except (OSError, ValueError, OverflowError, RuntimeError, struct.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's refusal, not the format's
        raise InputError(f"{target}: {error}; use .png") from error


def _keeps_transparency(mode: str, name: str, target: Path) -> bool:
    """Whether a transparent picture comes back so; True of what Pillow writes and does not read."""
    if name not in Image.OPEN:
        return True
    file = io.BytesIO()
    encode(Image.new(mode, (16, 16)), file, name, target)
    with Image.open(file) as picture:
        return picture.has_transparency_data
