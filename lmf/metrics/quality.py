"""PSNR and SSIM under a named protocol."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lmf.core.errors import InputError
from lmf.metrics.protocol import Protocol, protocol_named

Picture = Tensor | NDArray[np.generic]
"""(3, H, W) or (1, 3, H, W) tensor, or (H, W, 3) array; floats in [0, 1], uint8 or uint16."""

LUMA = (65.738 / 256, 129.057 / 256, 25.064 / 256)
"""Weights of R, G, B in Y of BT.601, studio range, as MATLAB's rgb2ycbcr and LIIF's evaluation."""


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
    prediction, target = _prepare(sr, hr, protocol_named(protocol), scale, eight_bit)
    error = (prediction - target).square().mean()
    return float(-10 * torch.log10(error))


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
    x, y = _prepare(sr, hr, protocol_named(protocol), scale, eight_bit)
    if min(x.shape[-2:]) < 11:
        raise InputError(f"SSIM needs 11 x 11 pixels inside the border, got {tuple(x.shape[-2:])}")
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return float(similarity.mean())


def luma(rgb: Tensor) -> Tensor:
    """Y of BT.601: (3, H, W) in [0, 1] -> (1, H, W) in [16/255, 235/255]."""
    weights = torch.tensor(LUMA, dtype=rgb.dtype, device=rgb.device)
    return 16 / 255 + torch.einsum("c,chw->hw", weights, rgb)[None]


def _prepare(
    sr: Picture, hr: Picture, protocol: Protocol, scale: float | None, eight_bit: bool
) -> tuple[Tensor, Tensor]:
    """Both pictures as (channels, H, W) double tensors, in the protocol's channel and border."""
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
    pair = []
    for picture in (prediction.clamp(0, 1), target.clamp(0, 1)):
        if eight_bit:
            picture = torch.round(picture * 255) / 255
        picture = luma(picture) if protocol.channel == "y" else picture
        pair.append(picture[:, border : height - border, border : width - border])
    return pair[0], pair[1]


def _rgb(picture: Picture) -> Tensor:
    """A picture as a (3, H, W) double tensor on the CPU, integers divided by their peak."""
    rgb = torch.tensor(picture).movedim(-1, 0) if isinstance(picture, np.ndarray) else picture
    if rgb.ndim == 4 and len(rgb) == 1:
        rgb = rgb[0]
    if rgb.ndim != 3 or rgb.shape[0] != 3 or rgb.numel() == 0:
        shape = tuple(picture.shape)
        raise InputError(f"picture has shape {shape}: pass a (3, H, W) tensor or (H, W, 3) array")
    peak = {torch.uint8: 255, torch.uint16: 65535}.get(rgb.dtype, 1)
    if peak == 1 and not rgb.is_floating_point():
        raise InputError(f"picture holds {picture.dtype}: pass uint8, uint16 or floats in [0, 1]")
    return rgb.detach().cpu().double() / peak


def _blur(x: Tensor) -> Tensor:
    """11 x 11 Gaussian mean of each channel, inside the picture only."""
    taps = torch.arange(-5, 6, dtype=x.dtype, device=x.device)
    window = torch.exp(-(taps**2) / (2 * 1.5**2))
    window = window / window.sum()
    rows = functional.conv2d(x[:, None], window.view(1, 1, 11, 1))
    return functional.conv2d(rows, window.view(1, 1, 1, 11))[:, 0]
