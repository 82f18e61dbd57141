"""PSNR and SSIM are the published definitions, under protocols that cannot be confused."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from lmf.core.errors import ConfigError, InputError
from lmf.metrics import PROTOCOLS, psnr, ssim


@pytest.fixture
def pictures():
    """A random picture and a noisy copy that leaves [0, 1] here and there."""
    hr = torch.rand(3, 41, 52)
    return hr + 0.05 * torch.randn(3, 41, 52), hr


def published_psnr(sr, hr, shave: int, luma: bool) -> float:
    """The literature's definition, pixel by pixel: 10 log10(1 / MSE) of Y or RGB inside a border."""
    squares = []
    for y in range(shave, hr.shape[1] - shave):
        for x in range(shave, hr.shape[2] - shave):
            difference = [min(max(float(sr[c, y, x]), 0), 1) - float(hr[c, y, x]) for c in range(3)]
            if luma:
                r, g, b = difference
                difference = [(65.738 * r + 129.057 * g + 25.064 * b) / 256]
            squares += [d * d for d in difference]
    return 10 * math.log10(1 / (sum(squares) / len(squares)))


@pytest.mark.parametrize(
    ("protocol", "scale", "shave", "luma"),
    [
        ("benchmark_y", 4, 4, True),
        ("benchmark_y", 2.7, 3, True),
        ("div2k_rgb", 3, 9, False),
        ("raw_rgb", None, 0, False),
    ],
)
def test_psnr_is_the_published_definition(pictures, protocol, scale, shave, luma):
    expected = published_psnr(*pictures, shave, luma)
    assert psnr(*pictures, protocol, scale) == pytest.approx(expected, abs=1e-6)
    for other in ((shave + 1, luma), (abs(shave - 1), luma), (shave, not luma)):
        assert abs(published_psnr(*pictures, *other) - expected) > 1e-4


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ssim_is_that_of_scikit_image(pictures, protocol):
    sr, hr = (p.clamp(0, 1).double().permute(1, 2, 0).numpy() for p in pictures)
    border = PROTOCOLS[protocol].border(3)
    inside = slice(border, -border or None)
    sr, hr = sr[inside, inside], hr[inside, inside]
    if protocol == "benchmark_y":
        sr, hr = (p @ np.array([65.738, 129.057, 25.064]) / 256 + 16 / 255 for p in (sr, hr))
    expected = structural_similarity(
        sr,
        hr,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=None if sr.ndim == 2 else -1,
    )
    assert ssim(*pictures, protocol, 3) == pytest.approx(expected, abs=1e-6)


def test_ssim_golden_value():
    """A ramp and its square: fixed numbers, so that no change of the definition goes unnoticed."""
    ramp = torch.linspace(0, 1, 24).expand(3, 24, 24)
    assert ssim(ramp**2, ramp, "raw_rgb") == pytest.approx(0.728202, abs=1e-6)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equal_pictures_are_infinitely_alike(pictures, protocol):
    hr = pictures[1]
    assert psnr(hr, hr, protocol, 2) == math.inf
    assert ssim(hr, hr, protocol, 2) == pytest.approx(1, abs=1e-12)


def test_prediction_is_clamped(pictures):
    sr, hr = pictures
    assert psnr(sr, hr, "raw_rgb") == psnr(sr.clamp(0, 1), hr, "raw_rgb")
    assert psnr(sr.clamp(0, 1), hr, "raw_rgb") > 10 * math.log10(1 / (sr - hr).square().mean())


def test_eight_bit_scores_what_an_8_bit_file_would_hold(pictures):
    sr, hr = pictures
    stored = [torch.round(p.clamp(0, 1).double() * 255) / 255 for p in (sr, hr)]
    for measure in (psnr, ssim):
        rounded = measure(sr, hr, scale=3, eight_bit=True)
        assert rounded == pytest.approx(measure(*stored, scale=3), abs=1e-9)
        assert rounded != measure(sr, hr, scale=3)


def test_grey_differs_from_rgb_by_the_range_of_y(pictures):
    """Y spans (65.738 + 129.057 + 25.064) / 256 of the range, so grey gains 1.32 dB by it."""
    sr, hr = (p.clamp(0, 1).mean(0, keepdim=True).expand(3, -1, -1) for p in pictures)
    gain = psnr(sr[:, 2:-2, 2:-2], hr[:, 2:-2, 2:-2], "raw_rgb") - psnr(sr, hr, scale=2)
    assert gain == pytest.approx(20 * math.log10(219.859 / 256), abs=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_and_tensors_score_alike(dtype):
    rng = np.random.default_rng(0)
    peak = np.iinfo(dtype).max
    sr, hr = rng.integers(0, peak, (2, 30, 40, 3), dtype=dtype, endpoint=True)
    tensors = [torch.from_numpy(p / peak).movedim(-1, 0) for p in (sr, hr)]
    for measure in (psnr, ssim):
        expected = measure(*tensors, scale=2)
        assert measure(sr, hr, scale=2) == expected
        assert measure(sr / peak, tensors[1][None], scale=2) == expected


@pytest.mark.parametrize(
    ("sr", "hr", "said"),
    [
        (torch.rand(3, 20, 20), torch.rand(3, 20, 21), "20x20 and 21x20"),
        (torch.rand(1, 20, 20), torch.rand(1, 20, 20), r"shape \(1, 20, 20\)"),
        (torch.rand(2, 3, 20, 20), torch.rand(2, 3, 20, 20), r"shape \(2, 3, 20, 20\)"),
        (np.zeros((3, 20, 20)), np.zeros((3, 20, 20)), r"shape \(3, 20, 20\)"),
        (torch.zeros(3, 20, 20).int(), torch.zeros(3, 20, 20).int(), "int32"),
        (torch.zeros(3, 20, 20).bool(), torch.rand(3, 20, 20), "bool"),
        (torch.rand(3, 20, 20), 255 * torch.ones(3, 20, 20), "up to 255"),
        (torch.rand(3, 4, 9), torch.rand(3, 4, 9), "no pixel inside a border of 2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_pictures_are_refused(sr, hr, said):
    for measure in (psnr, ssim):
        with pytest.raises(InputError, match=said):
            measure(sr, hr, scale=2)


def test_ssim_needs_a_whole_window(pictures):
    with pytest.raises(InputError, match="11 x 11"):
        ssim(*(p[:, :14] for p in pictures), scale=2)


@pytest.mark.parametrize("scale", [None, 0.5, math.nan, math.inf])
def test_a_protocol_that_shaves_needs_the_scale(pictures, scale):
    with pytest.raises(InputError, match="benchmark_y shaves by the scale"):
        psnr(*pictures, scale=scale)


def test_unknown_protocol_lists_the_valid_ones(pictures):
    with pytest.raises(ConfigError, match="unknown protocol 'benchmark', did you mean benchmark_y"):
        psnr(*pictures, "benchmark", 2)
