"""A picture comes back as it went in: same kind, mode, depth and profile, only larger."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from lmf.core.errors import InputError
from lmf.deploy.enhancer import Enhancer, output_mode
from lmf.render.result import Rendering, Rows

ARRAY_KINDS = [np.uint8, np.uint16, np.float16, np.float32, np.float64]


class Resampler(nn.Module):
    """Stands for a model: interpolates, so that at scale 1 every pixel stays as it is."""

    def __init__(self, mode: str = "bilinear") -> None:
        super().__init__()
        self.mode = mode
        self.unused = nn.Parameter(torch.zeros(()))

    def stream(self, image, size, **options):
        rgb = functional.interpolate(image, size, mode=self.mode, align_corners=False)
        return Resampled(rgb)


class Resampled:
    """Rows of an image, five at a time, as a `Stream` has them."""

    rendering = Rendering(path="dense", saved=0.0, tiles=1)

    def __init__(self, rgb):
        self.rgb = rgb

    def __iter__(self):
        first = 0
        for part in self.rgb.split(5, dim=2):
            yield Rows(first, part)
            first += part.shape[2]

    def assemble(self):
        return self.rgb


@pytest.fixture
def enhancer():
    return Enhancer(Resampler(), "cpu")


def random_array(dtype, *shape):
    peak = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    values = np.random.default_rng(0).uniform(1 / 255, 1, shape) * peak
    return values.round().astype(dtype) if peak > 1 else values.astype(dtype)


def with_transparency(mode: str) -> Image.Image:
    picture = Image.fromarray(random_array(np.uint8, 6, 9, 3)).convert(mode)
    picture.info["transparency"] = {"P": 0, "RGB": (1, 2, 3)}.get(mode, 200)
    return picture


@pytest.mark.parametrize("dtype", ARRAY_KINDS)
@pytest.mark.parametrize("channels", [(), (1,), (2,), (3,), (4,)])
def test_arrays_keep_dtype_and_channels(enhancer, dtype, channels):
    array = random_array(dtype, 6, 9, *channels)
    same, larger = enhancer.enhance(array, scale=1), enhancer.enhance(array, size=(13, 20))
    assert same.dtype == larger.dtype == dtype
    assert larger.shape == (13, 20, *channels)
    np.testing.assert_allclose(same, array, atol=1e-6 if same.max() <= 1 else 0, rtol=0)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_pil_modes_come_back_as_they_went_in(enhancer, mode):
    depth = {"I;16": np.uint16}.get(mode, np.uint8)
    channels = {"L": (), "I;16": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}[mode]
    picture = Image.fromarray(random_array(depth, 6, 9, *channels))
    assert picture.mode == mode
    same, larger = enhancer.enhance(picture, scale=1), enhancer.enhance(picture, scale=2.5)
    assert same.mode == larger.mode == mode
    assert larger.size == (22, 15)
    np.testing.assert_array_equal(np.asarray(same), np.asarray(picture))


@pytest.mark.parametrize(
    ("picture", "mode"),
    [
        (Image.fromarray(random_array(np.uint8, 6, 9)).convert("1"), "L"),
        (Image.fromarray(random_array(np.uint8, 6, 9, 3)).convert("P"), "RGB"),
        (Image.frombytes("I;16B", (9, 6), random_array(np.uint16, 6, 9).tobytes()), "I;16"),
        (with_transparency("P"), "RGBA"),
        (with_transparency("L"), "LA"),
        (with_transparency("1"), "LA"),
        (with_transparency("RGB"), "RGBA"),
    ],
    ids=lambda value: getattr(value, "mode", value),
)
def test_other_pil_modes_come_back_in_the_nearest_one(enhancer, picture, mode):
    result = enhancer.enhance(picture, scale=1)
    assert result.mode == output_mode(picture) == mode
    np.testing.assert_array_equal(np.asarray(result), np.asarray(picture.convert(mode)))


def test_rounded_size(enhancer):
    for scale in (1, 1.3, 2.7, math.pi, 8):
        result = enhancer.enhance(Image.new("RGB", (11, 7)), scale=scale)
        assert result.size == (round(11 * scale), round(7 * scale))


def test_a_real_model_gets_values_in_0_to_1(small_model):
    model = small_model("lm-lte")
    array = random_array(np.uint8, 5, 6, 3)
    with torch.no_grad():
        rgb = model(torch.from_numpy(array).permute(2, 0, 1)[None].float() / 255, scale=2.3)
    expected = (rgb[0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(Enhancer(model, "cpu").enhance(array, scale=2.3), expected)


def test_memory_limit_reaches_the_model(small_model):
    enhancer, array = Enhancer(small_model("lm-lte"), "cpu"), random_array(np.float32, 40, 50, 3)
    with pytest.raises(InputError, match="max_memory 1,000 is too small: a 50x40 image"):
        enhancer.enhance(array, scale=2, max_memory=1000)
    limit = enhancer.model.footprint(torch.rand(1, 3, 40, 50), (80, 100)).needed(16)
    tiled = enhancer.enhance(array, scale=2, max_memory=limit)
    np.testing.assert_allclose(tiled, enhancer.enhance(array, scale=2), atol=1e-5)


def test_orientation_is_applied_and_its_tag_gone(enhancer, tmp_path):
    picture = Image.fromarray(random_array(np.uint8, 6, 9, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as turned:
        result = enhancer.enhance(turned, scale=1)
    np.testing.assert_array_equal(np.asarray(result), np.rot90(np.asarray(picture), -1))
    assert 0x0112 not in result.getexif()


def test_colour_profile_is_kept(enhancer):
    picture = Image.new("RGB", (4, 4))
    assert "icc_profile" not in enhancer.enhance(picture, scale=2).info
    picture.info["icc_profile"] = b"profile"
    assert enhancer.enhance(picture, scale=2).info["icc_profile"] == b"profile"


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("opacity", [128, 255])
def test_disc_on_invisible_black_gets_no_dark_fringe(mode, opacity):
    y, x = np.mgrid[:20, :20] - 9.5
    disc = np.zeros((20, 20, 4), np.uint8)
    disc[y**2 + x**2 < 50] = (255, 240, 10, opacity)
    result = Enhancer(Resampler(mode), "cpu").enhance(disc, scale=3.3)
    alpha = result[..., 3]
    assert 0 < (alpha % opacity != 0).sum() < alpha.size  # there is a soft edge
    assert alpha.max() == opacity
    assert np.unique(result[alpha > 0][:, :3], axis=0).tolist() == [[255, 240, 10]]


@pytest.mark.parametrize("opacity", [0, 77, 255])
def test_even_opacity_stays_even(enhancer, opacity):
    array = random_array(np.uint8, 8, 8, 2)
    array[..., 1] = opacity
    assert np.unique(enhancer.enhance(array, scale=2.2)[..., 1]).tolist() == [opacity]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 5, 6), (1, 3, 5, 6), (4, 3, 5, 6)])
def test_tensors_keep_dtype_and_batch_and_are_not_clamped(dtype, shape):
    picture = 3 * torch.rand(*shape, dtype=dtype) - 1
    result = Enhancer(Resampler(), "cpu").enhance(picture, scale=2)
    assert result.dtype == dtype
    assert result.shape == (*shape[:-2], 10, 12)
    assert result.min() < 0
    assert result.max() > 1
    assert not result.is_inference()
