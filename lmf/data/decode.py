"""Find out whether a picture is whole, by decoding all of it."""

import io
import struct

from PIL import Image, UnidentifiedImageError

from lmf.core.errors import DataError
from lmf.data.pictures import UNREADABLE

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the colour type of a PNG
_LAST_FILTER = 4  # Paeth
_WHOLE = ((0, 1, 0, 1),)  # first column, column step, first row, row step of each pass
_ADAM7 = (
    (0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2),
)  # fmt: skip


def check_picture(name: str, content: bytes) -> None:
    """Decode a picture once, as far as that can fail.

    Of a PNG all checksums are compared and all pixels inflated; of a JPEG all entropy-coded data
    are decoded, at an eighth of the size. What is left out, undoing a PNG's filters and
    transforming a JPEG's blocks in full, is arithmetic that takes any input, and most of the time.

    Raises:
        DataError: it is damaged or no picture; the message starts with `name`.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            if picture.format == "PNG":
                picture.verify()  # the checksums of all chunks
                _inflate(content)
            elif picture.format in ("JPEG", "MPO"):
                _decode_jpeg(content, picture.mode)
            else:
                picture.load()
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is not a readable picture (of no known format)") from error
    except UNREADABLE as error:
        raise DataError(f"{name} is not a readable picture ({error})") from error


def _decode_jpeg(jpeg: bytes, mode: str) -> None:
    """Decode a JPEG strictly: Pillow passes over data that end before their end marker."""
    import simplejpeg  # only fetching needs it

    colours = "CMYK" if mode == "CMYK" else "GRAY"
    simplejpeg.decode_jpeg(jpeg, colours, min_height=1, min_width=1, min_factor=8, strict=True)


def _inflate(png: bytes) -> None:
    """Inflate the pixels of a PNG and look at their checksum, number and filters.

    Source: Portable Network Graphics (third edition), W3C 2025, sections 8 to 11.
    """
    from isal import isal_zlib  # two to three times as fast as zlib; only fetching needs it

    passes = _passes(png)
    size = sum(rows * row for rows, row in passes)
    stream = isal_zlib.decompressobj()
    try:
        pixels = stream.decompress(_pixel_stream(png), size + 1)
    except isal_zlib.error as error:  # type: ignore[misc]  # a class, though its stub says not
        raise ValueError(str(error)) from error
    if not stream.eof or len(pixels) != size:
        raise ValueError(f"its pixels are not the {size} bytes that its header announces")
    at = 0
    for rows, row in passes:
        if max(pixels[at : at + rows * row : row]) > _LAST_FILTER:
            raise ValueError("its pixels are filtered in an unknown way")
        at += rows * row


def _passes(png: bytes) -> list[tuple[int, int]]:
    """Rows, and bytes of each with its filter, of the passes in which a PNG holds its pixels."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", png, 16)
    bits = depth * _SAMPLES[colour]
    passes = []
    for x, dx, y, dy in _ADAM7 if interlaced else _WHOLE:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            passes.append((rows, 1 + (columns * bits + 7) // 8))
    return passes


def _pixel_stream(png: bytes) -> bytes:
    parts, at = [], 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IDAT":
            parts.append(png[at + 8 : at + 8 + length])
        at += 12 + length
    return b"".join(parts)
