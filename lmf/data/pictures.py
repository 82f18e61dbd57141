"""Pictures: read, as tensors, and written."""

import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from lmf.core.errors import InputError
from lmf.core.files import atomic_write

_log = logging.getLogger(__name__)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
UNREADABLE = (  # what Pillow's decoders raise
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip


def open_picture(path: Path) -> Image.Image:
    """A picture in the mode of its file, fully decoded, upright by its EXIF orientation.

    Raises:
        InputError: the file is missing, damaged, no picture, or of more than twice Pillow's
            MAX_IMAGE_PIXELS.
    """
    try:
        with Image.open(path) as picture:
            deep = any(";16" in str(tile.args) for tile in picture.tile)
            several = getattr(picture, "is_animated", False) and picture.format != "MPO"
            upright = ImageOps.exif_transpose(picture)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; name a picture in it") from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise InputError(
            f"{path} has more than {most:,} pixels, the most that are read; cut it into parts"
        ) from error
    except UNREADABLE as error:
        raise InputError(f"{path}: not a readable picture ({error})") from error
    if deep and not upright.mode.startswith("I"):
        _log.warning("%s: 16-bit colour is read as 8-bit; only grey keeps 16", path)
    if several:  # not of MPO, a camera's picture with a small one or a depth map behind it
        _log.warning("%s: holds several pictures; only the first is read", path)
    return upright


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, upright; grey becomes three equal channels, 16 bits 8, alpha is dropped.

    Raises:
        InputError: see `open_picture`; or its mode has no RGB equivalent.
    """
    picture = open_picture(path)
    if picture.mode.startswith("I;16"):  # Pillow would clip it at 255
        grey = np.round(np.asarray(picture) / 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise InputError(f"{path}: 32 bits per pixel have no peak value; convert to 8 or 16 bits")
    try:
        return np.array(picture.convert("RGB"))
    except ValueError as error:
        raise InputError(f"{path}: mode {picture.mode} cannot become RGB; convert it") from error


def as_tensor(picture: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    # By NumPy: torch's threads cost more than such a small job when the cores are busy.
    return torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)[None]


def write_png(picture: Tensor, path: Path) -> None:
    """Write (1, 3, H, W) in [0, 1] with 8 bits per channel, atomically."""
    pixels = (picture[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    with atomic_write(path) as temporary:
        Image.fromarray(pixels).save(temporary)
