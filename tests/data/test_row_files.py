"""Picture files written row by row hold what was written, as other programs read them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from lmf.data import row_files
from lmf.data.row_files import png_rows, tiff_rows

FORMATS = {".png": png_rows, ".tif": tiff_rows}


def picture(channels, depth, size=(37, 29)):
    shape = size if channels == 1 else (*size, channels)
    values = np.random.default_rng(0).integers(0, 2**depth, shape)
    values[5:20] = np.linspace(0, 2**depth - 1, size[1]).reshape(-1, *[1] * (len(shape) - 2))
    return values.astype(f"uint{depth}")


def written(path, pixels, depth, rows, profile=None):
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    with FORMATS[path.suffix](path, pixels.shape[:2], channels, depth, profile) as write:
        for i in range(0, len(pixels), rows):
            write(pixels[i : i + rows])
    return path


@pytest.mark.parametrize("rows", [1, 10, 37])
@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (2, 8), (3, 8), (4, 8), (1, 16)])
@pytest.mark.parametrize("suffix", FORMATS)
def test_pillow_reads_what_was_written(tmp_path, suffix, channels, depth, rows):
    pixels = picture(channels, depth)
    path = written(tmp_path / f"x{suffix}", pixels, depth, rows, b"profile")
    with Image.open(path) as found:
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
        assert found.mode == ("I;16" if depth == 16 else mode)
        assert found.info["icc_profile"] == b"profile"
        np.testing.assert_array_equal(np.asarray(found), pixels)


def test_png_is_as_small_as_pillows(tmp_path):
    import skimage.data

    cat = Image.fromarray(skimage.data.chelsea()).resize((900, 600), Image.Resampling.BICUBIC)
    ours = written(tmp_path / "ours.png", np.asarray(cat), 8, 16)
    cat.save(tmp_path / "pillow.png")
    assert ours.stat().st_size < 1.05 * (tmp_path / "pillow.png").stat().st_size


def test_large_tiff_has_64_bit_offsets_and_strips(tmp_path, monkeypatch):
    monkeypatch.setattr(row_files, "CLASSIC_TIFF", 1000)
    monkeypatch.setattr(row_files, "STRIP", 500)
    pixels = picture(3, 8)
    path = written(tmp_path / "x.tif", pixels, 8, 4)
    with tifffile.TiffFile(path) as found:
        assert found.is_bigtiff
        assert found.pages[0].rowsperstrip == 5
        np.testing.assert_array_equal(found.asarray(), pixels)
