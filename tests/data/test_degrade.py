"""Both down-samplers are the literature's bicubic."""

import numpy as np
import pytest
import torch
from at_hand import benchmark
from skimage import data

from lmf.data.degrade import downsample_batch, resize_picture
from lmf.data.pictures import as_tensor
from lmf.study.evaluate.pair import make_pair


def downsample(picture, size):
    """The training's down-sampler on one 8-bit picture."""
    small = downsample_batch(as_tensor(picture), size)[0].permute(1, 2, 0)
    return (small * 255).round().numpy().astype(np.uint8)


def share_within_one_level(a, b) -> float:
    return float((np.abs(a.astype(int) - b.astype(int)) <= 1).mean())


@pytest.mark.parametrize("scale", [1.3, 2, 2.7, 3, 3.14159, 4, 6, 8])
@pytest.mark.parametrize("name", ["photo", "noise"])
def test_pillow_and_torch_agree_to_one_grey_level(name, scale):
    noise = np.random.default_rng(0).integers(0, 256, (200, 301, 3), dtype=np.uint8)
    picture = noise if name == "noise" else data.astronaut()
    size = (round(picture.shape[0] / scale), round(picture.shape[1] / scale))
    ours, theirs = downsample(picture, size), resize_picture(picture, size)
    assert ours.shape == theirs.shape == (*size, 3)
    assert share_within_one_level(ours, theirs) >= 0.99


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("size", [(30, 17), (7, 50), (1, 1)])
def test_constant_pictures_stay_constant(level, size):
    picture = np.full((61, 50, 3), level, np.uint8)
    assert np.unique(downsample(picture, size)).tolist() == [level]
    for kernel in ("bicubic", "bilinear"):
        assert np.unique(resize_picture(picture, size, kernel)).tolist() == [level]


@pytest.mark.parametrize("sampler", [downsample, resize_picture])
def test_down_sampling_is_antialiased(sampler):
    """A grating finer than the target's pixels becomes grey, and does not come back as another."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    inside = sampler(stripes, (16, 16))[:, 2:-2].astype(int)
    assert np.abs(inside - 127.5).max() < 2


def test_batch_keeps_its_dtype_and_8_bit_steps():
    small = downsample_batch(torch.rand(2, 3, 20, 30), (7, 9))
    assert small.shape == (2, 3, 7, 9)
    torch.testing.assert_close(small * 255, (small * 255).round(), atol=1e-4, rtol=0)
    assert small.min() >= 0
    assert small.max() <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_published_lr_pictures_are_ours(scale):
    """All but the outermost pixels: MATLAB mirrors the picture there, Pillow shortens the kernel."""
    pictures = benchmark("set5")
    shares = []
    for index in range(len(pictures.hr)):
        pair = make_pair(pictures, index, scale)
        assert pair.lr_source == "published"
        ours = resize_picture(pair.hr, pair.lr.shape[:2])
        inside = (slice(2, -2), slice(2, -2))
        assert share_within_one_level(ours[inside], pair.lr[inside]) >= 0.999, pair.image
        shares.append([share_within_one_level(ours, pair.lr), pair.lr.size])
    share, weight = np.transpose(shares)
    assert np.average(share, weights=weight) >= 0.99
