"""`lmf upscale` from file to file: the enhancer's picture, in the format asked for."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lmf.checkpoint import load_model, save_model
from lmf.core.errors import InputError, ResourceError
from lmf.data.pictures import open_picture
from lmf.deploy.enhancer import Enhancer
from lmf.metrics.memory import peak_memory
from lmf.model import create_model
from lmf.render import options as render_options
from lmf.study.upscaling import upscale_file

ORIENTATION = 0x0112


@pytest.fixture
def weights(tmp_path, small_model) -> Path:
    path = tmp_path / "weights.safetensors"
    save_model(small_model("lm-lte"), path, {})
    return path


@pytest.fixture
def source(tmp_path):
    """A function that writes a random 14 x 9 picture of a mode and returns its path."""

    def write(mode: str = "RGB", name: str = "in.png", **options) -> Path:
        colours = np.random.default_rng(0).integers(0, 256, (9, 14, 4), dtype=np.uint8)
        deep = colours[..., 0].astype(np.uint16) * 257
        picture = (
            Image.fromarray(deep) if mode == "I;16" else Image.fromarray(colours).convert(mode)
        )
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def test_a_picture_does_not_take_its_own_place(source, weights, tmp_path):
    picture = source()
    before = picture.read_bytes()
    (tmp_path / "link.png").symlink_to(picture)
    for target in (picture, tmp_path / "link.png"):
        with pytest.raises(InputError, match="is the picture itself: name another file to write"):
            upscale_file(picture, target, 2, None, weights, "cpu")
    assert picture.read_bytes() == before


def test_small_memory_that_costs_much_work_is_said(weights, tmp_path):
    Image.effect_noise((90, 60), 99).convert("RGB").save(tmp_path / "in.png")
    plan = load_model(weights).footprint(torch.rand(1, 3, 60, 90), (60, 90), streamed=True)
    lines = [
        upscale_file(
            tmp_path / "in.png", tmp_path / "out.png", 1, None, weights, "cpu", max_memory=memory
        )
        for memory in (plan.needed(16), None)
    ]
    assert re.search(r" in 24 tiles \([2-9]\.\d times the encoder's work; more --max-mem", lines[0])
    assert "tiles" not in lines[1]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("scale", [1, 2.7])
def test_file_holds_what_the_enhancer_returns(source, weights, tmp_path, mode, scale):
    target = tmp_path / "new" / "out.png"
    line = upscale_file(source(mode), target, scale, None, weights, "cpu")
    expected = Enhancer(load_model(weights), "cpu").enhance(open_picture(source(mode)), scale=scale)
    result = open_picture(target)
    assert result.mode == mode
    np.testing.assert_array_equal(np.asarray(result), np.asarray(expected))
    assert f"14x9 -> {target} {result.width}x{result.height} with {weights.name} on cpu" in line
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("RGBA", "out.webp"),
        ("I;16", "out.TIF"),
        ("RGB", "out.jpg"),
        ("P", "out.webp"),
        ("RGB", "out.bmp"),
    ],
)
def test_other_formats(source, weights, tmp_path, mode, name):
    upscale_file(source(mode), tmp_path / name, None, (10, 21), weights, "cpu")
    result = open_picture(tmp_path / name)
    assert (result.mode, result.size) == ("RGBA" if mode == "P" else mode, (21, 10))


def test_picture_is_turned_upright_before_its_size_is_taken(source, weights, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = source(name="in.jpg", exif=exif, icc_profile=b"profile")
    target = tmp_path / "out.jpg"
    assert "9x14 -> " in upscale_file(turned, target, 2, None, weights, "cpu")
    with Image.open(target) as result:
        assert result.size == (18, 28)
        assert result.getexif().get(ORIENTATION, 1) == 1
        assert result.info["icc_profile"] == b"profile"


@pytest.mark.parametrize("name", ["out.png", "out.tif"])
def test_colour_profile_is_kept_in_files_written_row_by_row(source, weights, tmp_path, name):
    upscale_file(source(icc_profile=b"profile"), tmp_path / name, 2, None, weights, "cpu")
    with Image.open(tmp_path / name) as result:
        assert result.info["icc_profile"] == b"profile"


def test_limit_on_pixels_can_be_raised(source, weights, tmp_path):
    arguments = (source(), tmp_path / "out.png", 2, None, weights, "cpu")
    with pytest.raises(InputError, match=r"28x18 is more than 500 pixels: .* \(--max-pixels\)"):
        upscale_file(*arguments, max_pixels=500)
    assert "28x18" in upscale_file(*arguments, max_pixels=504)


def test_format_that_needs_the_whole_picture_keeps_to_the_memory(source, weights, tmp_path):
    with pytest.raises(InputError, match=r"JPEG is written from the whole picture, 13,608 bytes"):
        upscale_file(source(), tmp_path / "out.jpg", 6, None, weights, "cpu", max_memory=12_000)


def test_line_says_what_ran_in_what_precision_and_why(source, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(
        render_options, "why_not", lambda kernel, basis, mlp, device, dtype: f"not on {device}"
    )
    arguments = (source(), tmp_path / "out.png", 2, None, weights, "cpu")
    line = upscale_file(*arguments, dtype=torch.bfloat16, kernel="triton")
    assert line.endswith("dense renderer in bfloat16 (not the kernel: not on cpu)")


SIDE, SCALE = 120, 30


def enlarge_far(folder):
    """For a process of its own: warm up, then write a picture whose floats are larger than allowed."""
    options = {"fourier": 16, "hidden": [16], "depth": 1, "width": 4}
    torch.manual_seed(0)
    save_model(
        create_model("lm-lte", encoder="edsr-small", options=options), folder / "w.safetensors", {}
    )
    for side in (8, SIDE):
        Image.effect_noise((side, side), 50).convert("RGB").save(folder / f"{side}.png")
    arguments = (SCALE, None, folder / "w.safetensors", "cpu")
    upscale_file(folder / "8.png", folder / "out.png", *arguments)
    return partial(upscale_file, folder / f"{SIDE}.png", folder / "out.png", *arguments)


@pytest.mark.slow
def test_large_file_is_written_in_bounded_memory(tmp_path):
    output = 3 * (SIDE * SCALE) ** 2 * 4
    peak = peak_memory(partial(enlarge_far, tmp_path), torch.device("cpu"), 100)
    assert peak < output / 2
    with Image.open(tmp_path / "out.png") as result:
        assert result.size == (SIDE * SCALE, SIDE * SCALE)


def test_full_disk_leaves_the_old_file(source, weights, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    target = tmp_path / "out.png"
    target.write_text("old")
    before = [source(), *tmp_path.iterdir()]
    monkeypatch.setattr("lmf.core.files.flush", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        upscale_file(source(), target, 2, None, weights, "cpu")
    assert target.read_text() == "old"
    assert set(tmp_path.iterdir()) == set(before)


def test_what_a_format_cannot_hold_is_refused_before_any_work(source, tmp_path):
    for mode, name, said in [
        ("RGBA", "out.jpg", "cannot write mode RGBA as JPEG; use .png"),
        ("I;16", "out.webp", "WEBP cannot hold 16 bits"),
        ("RGB", "out.psd", "unknown picture format '.psd'"),
        ("RGB", "out.ico", "ICO holds icons of its own sizes; use .png"),
        ("RGB", "out.gif", "GIF holds 256 colours; use .png"),
        ("RGBA", "out.ppm", "PPM cannot hold transparency; use .png"),
        ("P", "out.bmp", "BMP cannot hold transparency; use .png"),  # one of its colours is none
    ]:
        with pytest.raises(InputError, match=said):
            upscale_file(source(mode), tmp_path / name, 2, None, tmp_path / "no.safetensors", "cpu")


@pytest.mark.parametrize("name", ["out.webp", "out.sgi", "out.avif"])
def test_sizes_that_a_format_cannot_hold_are_refused_before_any_work(source, tmp_path, name):
    picture = source()
    for size in ((9, 70000), (70000, 14)):
        with pytest.raises(InputError, match=r"out\..*: .*; use \.png"):
            upscale_file(picture, tmp_path / name, None, size, tmp_path / "no.safetensors", "cpu")
