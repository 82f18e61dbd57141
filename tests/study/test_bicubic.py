"""Bicubic interpolation scores what the literature says: only then may a model's score count."""

import numpy as np
import pytest
from at_hand import benchmark
from bicubic import MEASURED, bicubic
from skimage import data

from lmf.data.degrade import resize_picture
from lmf.data.pictures import as_tensor
from lmf.metrics import psnr, ssim
from lmf.study.evaluate.subject import baseline
from lmf.study.literature import read_published


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", MEASURED)
def test_bicubic_on_the_benchmarks_scores_what_is_published(name, scale):
    mean = bicubic(benchmark(name), scale)
    db, similarity = MEASURED[name][scale]
    assert mean.psnr == pytest.approx(db, abs=0.02)
    assert mean.ssim == pytest.approx(similarity, abs=0.001)
    published = read_published().set_index(["method", "set", "scale", "metric"])["value"]
    assert mean.psnr == pytest.approx(published["Bicubic", name, scale, "PSNR"], abs=0.1)


def imresize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """MATLAB's imresize with "bicubic": (H, W, 3) uint8 -> `size`, from its documentation."""
    rows, columns = (_weights(*pair) for pair in zip(picture.shape[:2], size, strict=True))
    resized = np.einsum("hH,wW,HWc->hwc", rows, columns, picture.astype(float), optimize=True)
    return np.clip(np.floor(resized + 0.5), 0, 255).astype(np.uint8)


def _weights(before: int, after: int) -> np.ndarray:
    """(after, before): Keys' cubic, a = -1/2, widened when it shrinks; the picture is mirrored."""
    stretch = max(before / after, 1)
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    taps = np.arange(-int(2 * stretch) - 2, int(2 * stretch) + 4)
    places = np.floor(centres)[:, None].astype(int) + taps
    x = np.abs(places - centres[:, None]) / stretch
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    values = np.where(x < 1, near, np.where(x < 2, far, 0))
    left = np.where(places < 0, -places - 1, places)
    mirrored = np.where(left >= before, 2 * before - 1 - left, left)
    matrix = np.zeros((after, before))
    np.add.at(matrix, (np.arange(after)[:, None], mirrored), values)
    return matrix / matrix.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_bicubic_on_pictures_at_hand_scores_what_matlab_would(name, scale):
    hr = getattr(data, name)()
    hr = hr[: hr.shape[0] // scale * scale, : hr.shape[1] // scale * scale]
    size = (hr.shape[0] // scale, hr.shape[1] // scale)
    sr = imresize(imresize(hr, size), hr.shape[:2])
    ours = baseline("bicubic")(as_tensor(resize_picture(hr, size)), hr.shape[:2])
    assert psnr(ours, hr, scale=scale) == pytest.approx(psnr(sr, hr, scale=scale), abs=0.02)
    assert ssim(ours, hr, scale=scale) == pytest.approx(ssim(sr, hr, scale=scale), abs=0.001)
