"""A picture counts as whole only if all of it can be decoded."""

import io
import zlib

import numpy as np
import pytest
from damaged_pictures import JPEG_END, with_header, with_pixels
from PIL import Image
from small_sets import picture

from lmf.core.errors import DataError
from lmf.data.decode import check_picture

PNG = picture(0)  # 40 rows of 30 pixels
JPEG = picture(0, "JPEG", (300, 300))
ROW = 1 + 3 * 30


def saved(image, suffix, **options):
    file = io.BytesIO()
    image.save(file, suffix, **options)
    return file.getvalue()


def noise(mode, size=(37, 21)):
    pixels = np.random.default_rng(1).integers(0, 256, (*size[::-1], 4), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_whole_pngs_of_every_kind_pass(mode):
    image = noise("L").convert("I").convert(mode) if mode == "I;16" else noise(mode)
    check_picture("a.png", saved(image, "PNG"))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 9), (37, 21)])
def test_whole_interlaced_pngs_pass(size):
    image = noise("RGB", size)
    check_picture("a.png", adam7(image))
    with Image.open(io.BytesIO(adam7(image))) as again:
        assert np.array_equal(np.asarray(again), np.asarray(image)), "the test's own file is wrong"


def adam7(image):
    """An interlaced PNG, which Pillow reads but does not write."""
    pixels = np.asarray(image)
    starts = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)]  # fmt: skip
    rows = [row for y, x, dy, dx in starts for row in pixels[y::dy, x::dx] if row.size]
    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return with_header(with_pixels(saved(image, "PNG"), lambda _: stream), interlace=1)


def test_an_interlaced_png_that_lacks_a_row_is_refused():
    short = with_header(adam7(noise("RGB")), height=22)
    with pytest.raises(DataError, match="that its header announces"):
        check_picture("a.png", short)


def repacked(change):
    return lambda packed: zlib.compress(change(zlib.decompress(packed)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda p: p[:900] + bytes(8) + p[908:], "", id="bytes in the middle"),
        pytest.param(lambda p: p[:-500], "header announces", id="ends early"),
        pytest.param(lambda p: p[:-4], "header announces", id="without its checksum"),
        pytest.param(lambda p: p[:-1] + bytes([p[-1] ^ 1]), "checksum", id="other checksum"),
        pytest.param(repacked(lambda p: p[:-ROW]), "header announces", id="a row too few"),
        pytest.param(repacked(lambda p: p + p[:ROW]), "header announces", id="a row too many"),
        pytest.param(
            repacked(lambda p: p[: 7 * ROW] + b"\x05" + p[7 * ROW + 1 :]), "filtered", id="filter"
        ),
    ],
)
def test_a_png_with_damaged_pixels_is_refused_although_its_chunks_are_right(change, said):
    damaged = with_pixels(PNG, change)
    with Image.open(io.BytesIO(damaged)) as image:
        image.verify()  # no checksum of a chunk shows it
    with pytest.raises(DataError, match=rf"a\.png is not a readable picture \(.*{said}"):
        check_picture("a.png", damaged)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_whole_jpegs_pass_with_whatever_follows_them(mode, options):
    jpeg = saved(noise(mode), "JPEG", **options)
    check_picture("a.jpg", jpeg)
    check_picture("a.jpg", jpeg + b"\0\0")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("end", [b"", JPEG_END], ids=["no end", "end marker"])
def test_a_cut_jpeg_is_refused(share, end):
    with pytest.raises(DataError, match=r"a\.jpg is not a readable picture \("):
        check_picture("a.jpg", JPEG[: int(share * len(JPEG))] + end)


@pytest.mark.parametrize("suffix", ["BMP", "TIFF", "WEBP"])
def test_other_formats_are_decoded_too(suffix):
    content = saved(noise("RGB"), suffix)
    check_picture("a", content)
    with pytest.raises(DataError, match="a is not a readable picture"):
        check_picture("a", content[: len(content) // 2])
