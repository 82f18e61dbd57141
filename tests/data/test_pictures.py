"""Pictures as they are opened: what is announced, what is refused, and how bright they are."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lmf.core.errors import InputError
from lmf.data.pictures import open_picture, read_rgb


def png(width: int, height: int, depth: int, pixels: bytes) -> bytes:
    """An RGB PNG file, whole or not."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def test_16_bit_colour_is_announced_as_8_bit(tmp_path, caplog):
    (tmp_path / "deep.png").write_bytes(png(2, 1, 16, bytes(13)))
    assert open_picture(tmp_path / "deep.png").mode == "RGB"
    assert "16-bit colour is read as 8-bit" in caplog.text


@pytest.mark.parametrize("name", ["pages.tif", "moves.gif", "moves.png"])
def test_pictures_behind_the_first_are_announced(tmp_path, caplog, name):
    first, second = (Image.new("RGB", (9, 7), colour) for colour in ("red", "blue"))
    first.save(tmp_path / name)
    assert open_picture(tmp_path / name).size == (9, 7)
    assert not caplog.text
    first.save(tmp_path / name, save_all=True, append_images=[second])
    assert open_picture(tmp_path / name).convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert f"{name}: holds several pictures; only the first is read" in caplog.text


def test_picture_too_large_to_decode_is_refused(tmp_path):
    (tmp_path / "huge.png").write_bytes(png(50_000, 50_000, 8, b""))
    with pytest.raises(InputError, match=r"huge.png has more than 178,956,970 pixels, the most"):
        open_picture(tmp_path / "huge.png")


def test_pictures_of_a_set_keep_their_brightness_whatever_their_depth(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (9, 14), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("grey.png", "deep.png"):
        rgb = read_rgb(tmp_path / name)
        assert (rgb.shape, rgb.dtype) == ((9, 14, 3), np.uint8)
        np.testing.assert_array_equal(rgb, np.stack([grey] * 3, -1))
    Image.fromarray(grey).convert("F").save(tmp_path / "in.tif")
    with pytest.raises(InputError, match="32 bits per pixel"):
        read_rgb(tmp_path / "in.tif")
