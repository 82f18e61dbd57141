"""PSNR and SSIM under a named protocol, in double precision on the CPU."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from lmf.core.errors import InputError
from lmf.metrics.protocol import Protocol, protocol_named

Picture = Tensor | NDArray[np.generic]
"""(3, H, W) or (1, 3, H, W) tensor, or (H, W, 3) array; floats in [0, 1], uint8 or uint16."""

Planes = NDArray[np.float64]
"""(channels, H, W) in [0, 1]."""

LUMA = (65.738 / 256, 129.057 / 256, 25.064 / 256)
"""Weights of R, G, B in Y of BT.601, studio range, as MATLAB's rgb2ycbcr and LIIF's evaluation."""

_TAPS = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
_TAPS /= _TAPS.sum()


@dataclass(frozen=True)
class Scores:
    """What an evaluation records of one picture: PSNR (dB), SSIM, and PSNR after rounding to 8 bits."""

    psnr: float
    ssim: float
    psnr_8bit: float


def scores(sr: Picture, hr: Picture, protocol: str, scale: float | None) -> Scores:
    """All scores of one picture at once. Arguments and errors as for `psnr` and `ssim`."""
    rule = protocol_named(protocol)
    pair = _inside(sr, hr, rule, scale)
    x, y = (_channels(rgb, rule, eight_bit=False) for rgb in pair)
    rounded = (_channels(rgb, rule, eight_bit=True) for rgb in pair)
    return Scores(_psnr(x, y), _ssim(x, y), _psnr(*rounded))


def psnr(
    sr: Picture,
    hr: Picture,
    protocol: str = "benchmark_y",
    scale: float | None = None,
    *,
    eight_bit: bool = False,
) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(1 / MSE); inf for equal pictures.

    sr, hr: see `Picture`; values are clamped to [0, 1]. eight_bit: round them to 1/255 as well.
    scale: decides the border; needed by every protocol that shaves one.

    Raises:
        InputError: pictures of unequal or other shapes, of other types, or smaller than the border.
        ConfigError: no such protocol.
    """
    return _psnr(*_prepare(sr, hr, protocol_named(protocol), scale, eight_bit))


def ssim(
    sr: Picture,
    hr: Picture,
    protocol: str = "benchmark_y",
    scale: float | None = None,
    *,
    eight_bit: bool = False,
) -> float:
    """Structural similarity (Wang et al. 2004), mean over channels; 1 for equal pictures.

    11 x 11 Gaussian window with sigma 1.5, population covariance, K = (0.01, 0.03), data range 1,
    windows inside the picture only. Arguments as for `psnr`; pictures of at least 11 x 11 pixels.
    """
    return _ssim(*_prepare(sr, hr, protocol_named(protocol), scale, eight_bit))


def luma(rgb: Planes) -> Planes:
    """Y of BT.601: (3, H, W) in [0, 1] -> (1, H, W) in [16/255, 235/255]."""
    red, green, blue = (weight * plane for weight, plane in zip(LUMA, rgb, strict=True))
    return (16 / 255 + red + green + blue)[None]


def _psnr(x: Planes, y: Planes) -> float:
    error = np.square(x - y).mean()
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def _ssim(x: Planes, y: Planes) -> float:
    if min(x.shape[-2:]) < 11:
        raise InputError(f"SSIM needs 11 x 11 pixels inside the border, got {x.shape[-2:]}")
    return float(np.mean([_similarity(a, b) for a, b in zip(x, y, strict=True)]))


def _similarity(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """SSIM of one channel (H, W); only the sum of both variances is needed, so four means do."""
    mean_x, mean_y = _blur(x), _blur(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = _blur(x * y) - product
    variances = _blur(x * x + y * y) - squares
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * product + c1) * (2 * covariance + c2)) / ((squares + c1) * (variances + c2))
    return float(similarity.mean())


def _prepare(
    sr: Picture, hr: Picture, protocol: Protocol, scale: float | None, eight_bit: bool
) -> Iterator[Planes]:
    """Both pictures in the protocol's channel and border."""
    pair = _inside(sr, hr, protocol, scale)
    return (_channels(rgb, protocol, eight_bit) for rgb in pair)


def _inside(
    sr: Picture, hr: Picture, protocol: Protocol, scale: float | None
) -> tuple[Planes, Planes]:
    """Both pictures as RGB clamped to [0, 1], without the protocol's border."""
    prediction, target = _rgb(sr), _rgb(hr)
    if prediction.shape != target.shape:
        sizes = [f"{one.shape[2]}x{one.shape[1]}" for one in (prediction, target)]
        raise InputError(f"the pictures are {sizes[0]} and {sizes[1]}: pass two of one size")
    if target.max() > 2:  # clamped, it would be white and like any other such picture
        raise InputError(f"hr holds floats up to {target.max():g}: divide by the peak value first")
    height, width = target.shape[1:]
    border = protocol.border(scale)
    if min(height, width) <= 2 * border:
        raise InputError(f"a {width}x{height} picture has no pixel inside a border of {border}")
    inside = np.s_[:, border : height - border, border : width - border]
    return prediction[inside].clip(0, 1), target[inside].clip(0, 1)


def _channels(rgb: Planes, protocol: Protocol, eight_bit: bool) -> Planes:
    rgb = np.round(rgb * 255) / 255 if eight_bit else rgb
    return luma(rgb) if protocol.channel == "y" else rgb


def _rgb(picture: Picture) -> Planes:
    """A picture as (3, H, W), integers divided by their peak."""
    rgb = np.moveaxis(picture, -1, 0) if isinstance(picture, np.ndarray) else _array(picture)
    if rgb.ndim == 4 and len(rgb) == 1:
        rgb = rgb[0]
    if rgb.ndim != 3 or rgb.shape[0] != 3 or rgb.size == 0:
        shape = tuple(picture.shape)
        raise InputError(f"picture has shape {shape}: pass a (3, H, W) tensor or (H, W, 3) array")
    peak = {"uint8": 255, "uint16": 65535}.get(rgb.dtype.name, 1)
    if peak == 1 and rgb.dtype.kind != "f":
        raise InputError(f"picture holds {picture.dtype}: pass uint8, uint16 or floats in [0, 1]")
    return rgb.astype(np.float64) / peak


def _array(tensor: Tensor) -> NDArray[np.generic]:
    values = tensor.detach().cpu()
    return np.asarray(values.float() if values.dtype == torch.bfloat16 else values)


def _blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """11 x 11 Gaussian mean of (H, W), inside the picture only."""
    rows = ndimage.correlate1d(x, _TAPS, axis=0)[5:-5]
    return ndimage.correlate1d(rows, _TAPS, axis=1)[:, 5:-5]
