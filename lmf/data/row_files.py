"""Picture files that are written row by row, so that the picture need not fit into memory."""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.generic]
Write = Callable[[Pixels], None]
"""Appends rows (rows, W[, C])."""

CLASSIC_TIFF = 1 << 31
"""Bytes of pixels beyond which a TIFF file has 64-bit offsets; they end at 2^32, pixels and all."""

STRIP = 1 << 18
"""Bytes of a TIFF file's strips, at least one row: what readers hold at a time."""

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's numbers of grey, grey with alpha, RGB and RGBA."""


@contextmanager
def png_rows(
    path: Path, size: tuple[int, int], channels: int, depth: int, profile: bytes | None
) -> Iterator[Write]:
    """A PNG file of (H, W) pixels, `depth` 8 or 16 bits per channel (W3C PNG, 3rd edition).

    channels: 1 grey, 2 with alpha, 3 RGB, 4 RGBA. profile: ICC. All rows have the Paeth filter, which
    suits photographs.
    """
    height, width = size
    kind = _COLOUR_TYPES[channels]
    step = channels * depth // 8
    above = np.zeros((1, width * step + step), np.int16)
    packer = zlib.compressobj()
    with path.open("wb") as file:

        def chunk(name: bytes, data: bytes) -> None:
            file.write(struct.pack(">I", len(data)) + name + data)
            file.write(struct.pack(">I", zlib.crc32(name + data)))

        def write(pixels: Pixels) -> None:
            nonlocal above
            order = pixels.astype(pixels.dtype.newbyteorder(">"), copy=False)
            lines = np.ascontiguousarray(order).reshape(len(pixels), -1).view(np.uint8)
            raw = np.pad(lines.astype(np.int16), ((0, 0), (step, 0)))
            packed = packer.compress(_paeth(np.concatenate((above, raw)), step))
            above = raw[-1:]
            if packed:
                chunk(b"IDAT", packed)

        file.write(b"\x89PNG\r\n\x1a\n")
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
        if profile is not None:
            chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
        yield write
        chunk(b"IDAT", packer.flush())
        chunk(b"IEND", b"")


def _paeth(raw: NDArray[np.int16], step: int) -> bytes:
    """Rows 1 and on of `raw`, filtered by what is left of them, above, and above on the left."""
    left, above, corner = raw[1:, :-step], raw[:-1, step:], raw[:-1, :-step]
    a, b = above - corner, left - corner  # distances of left, above and corner from their plane
    of_left, of_above, of_corner = np.abs(a), np.abs(b), np.abs(a + b)
    nearest = np.where(of_above <= of_corner, above, corner)
    nearest = np.where((of_left <= of_above) & (of_left <= of_corner), left, nearest)
    lines = (raw[1:, step:] - nearest).astype(np.uint8)
    return np.pad(lines, ((0, 0), (1, 0)), constant_values=4).tobytes()


@contextmanager
def tiff_rows(
    path: Path, size: tuple[int, int], channels: int, depth: int, profile: bytes | None
) -> Iterator[Write]:
    """The same as an uncompressed TIFF file."""
    import tifffile

    shape = size if channels == 1 else (*size, channels)
    dtype = np.dtype(f"uint{depth}")
    row_bytes = size[1] * channels * dtype.itemsize
    options: dict[str, Any] = {} if channels % 2 else {"extrasamples": ["unassalpha"]}
    with tifffile.TiffWriter(path, bigtiff=size[0] * row_bytes > CLASSIC_TIFF) as writer:
        place = writer.write(
            shape=shape,
            dtype=dtype,
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            rowsperstrip=max(1, STRIP // row_bytes),
            iccprofile=profile,
            metadata=None,
            software=False,
            returnoffset=True,
            **options,
        )
    assert place is not None
    with path.open("r+b") as file:
        file.seek(place[0])

        def write(pixels: Pixels) -> None:
            file.write(np.ascontiguousarray(pixels, dtype).data)

        yield write
