"""LM-LTE and LM-LIIF in plain loops over pixels and neighbours, to be checked by eye.

He & Jin, "Latent Modulated Function for Computational Optimal Continuous Image Representation",
CVPR 2024 (arXiv 2404.16451). Everything fast in this package is tested against this file, which
imports nothing from it. Arrays are NumPy; images are (3, h, w) with values in [0, 1].

    1  an encoder turns the LR image into features                     (not here: given)
    2  the latent MLP, once per LR pixel: code -> modulations + compressed code
    3  the render MLP, once per HR pixel and neighbouring LR pixel: 16 numbers wide
    4  the four predictions are blended by the area of the opposite rectangle
    5  LM-LTE: added to the bilinear LR image
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Layers = Sequence[tuple[Array, Array]]
"""(weight (out, in), bias (out,)) of each linear layer."""


@dataclass(frozen=True)
class LatentModulated:
    """The parameters of a trained decoder.

    latent: layers of the latent MLP. render: layers of the render MLP, `depth` hidden ones.
    phase, render_phase: (n/2, 2) matrices that turn a cell into phases (LM-LTE only).
    """

    latent: Layers
    render: Layers
    phase: Array | None = None
    render_phase: Array | None = None
    max_scale: float = 4.0


def mlp(layers: Layers, x: Array) -> Array:
    """Linear layers with ReLU between them."""
    for weight, bias in layers[:-1]:
        x = np.maximum(weight @ x + bias, 0)
    weight, bias = layers[-1]
    return weight @ x + bias


def modulated_mlp(layers: Layers, x: Array, scale: Array, shift: Array) -> Array:
    """Eq. 4: h_i = ReLU((1 + scale_i) (W_i h_{i-1} + b_i) + shift_i); scale, shift: (depth, width)."""
    for (weight, bias), gamma, beta in zip(layers[:-1], scale, shift, strict=True):
        x = np.maximum((1 + gamma) * (weight @ x + bias) + beta, 0)
    weight, bias = layers[-1]
    return weight @ x + bias


def fourier(coef: Array, freq: Array, phase: Array, offset: tuple[float, float]) -> Array:
    """LTE's plane waves: coef * [cos(pi z), sin(pi z)], z_k = fy_k dy + fx_k dx + phase_k."""
    z = freq[0::2] * offset[0] + freq[1::2] * offset[1] + phase
    return coef * np.concatenate((np.cos(math.pi * z), np.sin(math.pi * z)))


def relative_cell(size: int, n: int, max_scale: float) -> float:
    """Size of an HR pixel in half LR pixels, 2 / scale, held where training's scales end."""
    return 2 / min(size / n, max_scale)


def neighbours(pixel: int, size: int, n: int) -> list[tuple[int, float, float]]:
    """The two LR pixels beside HR pixel `pixel` on one axis: (index, offset, weight).

    offset: distance from the LR pixel's centre in half LR pixels. weight: share of the area of the
    opposite rectangle; at the border both neighbours are the border pixel.
    """
    position = (pixel + 0.5) * n / size - 0.5
    low = math.floor(position)
    found = []
    for corner, weight in ((low, 1 - (position - low)), (low + 1, position - low)):
        index = min(max(corner, 0), n - 1)
        found.append((index, 2 * (position - index), weight))
    return found


def modulations(raw: Array, depth: int, width: int) -> tuple[Array, Array, Array]:
    """The latent MLP's output: scale (depth, width), shift (depth, width), compressed code."""
    count = depth * width
    scale, shift = raw[:count].reshape(depth, width), raw[count : 2 * count].reshape(depth, width)
    return scale, shift, raw[2 * count :]


def render_lm_lte(
    model: LatentModulated, image: Array, coef: Array, freq: Array, size: tuple[int, int]
) -> Array:
    """LM-LTE: image (3, h, w), coef and freq (n, h, w) from the encoder -> (3, H, W)."""
    assert model.phase is not None
    assert model.render_phase is not None
    (height, width), (_, h, w) = size, image.shape
    cell = np.array(
        [relative_cell(height, h, model.max_scale), relative_cell(width, w, model.max_scale)]
    )
    depth, hidden = len(model.render) - 1, model.render[0][0].shape[0]
    codes = {}
    for i in range(h):
        for j in range(w):  # the latent MLP: once per LR pixel, however large the output
            wave = fourier(coef[:, i, j], freq[:, i, j], model.phase @ cell, (1, 1))
            codes[i, j] = modulations(mlp(model.latent, wave), depth, hidden)
    result = bilinear(image, size)
    for y in range(height):
        for x in range(width):
            for i, dy, weight_y in neighbours(y, height, h):
                for j, dx, weight_x in neighbours(x, width, w):
                    scale, shift, code = codes[i, j]
                    amplitude, frequency = np.split(code, 2)
                    phase = model.render_phase @ cell
                    wave = fourier(amplitude, frequency, phase, (dy, dx))
                    rgb = modulated_mlp(model.render, wave, scale, shift)
                    result[:, y, x] += weight_y * weight_x * 0.5 * rgb
    return result


def render_lm_liif(model: LatentModulated, feature: Array, size: tuple[int, int]) -> Array:
    """LM-LIIF: feature (C, h, w) from the encoder -> (3, H, W); no LR image is added."""
    (height, width), (_, h, w) = size, feature.shape
    cell = np.array(
        [relative_cell(height, h, model.max_scale), relative_cell(width, w, model.max_scale)]
    )
    depth, hidden = len(model.render) - 1, model.render[0][0].shape[0]
    codes = {}
    for i in range(h):
        for j in range(w):
            rich = np.concatenate((unfold(feature, i, j), cell))
            codes[i, j] = modulations(mlp(model.latent, rich), depth, hidden)
    result = np.full((3, height, width), 0.5)
    for y in range(height):
        for x in range(width):
            for i, dy, weight_y in neighbours(y, height, h):
                for j, dx, weight_x in neighbours(x, width, w):
                    scale, shift, code = codes[i, j]
                    rgb = modulated_mlp(
                        model.render, np.concatenate((code, (dy, dx), cell)), scale, shift
                    )
                    result[:, y, x] += weight_y * weight_x * 0.5 * rgb
    return result


def unfold(feature: Array, i: int, j: int) -> Array:
    """The 3x3 neighbourhood of a feature, zero outside: (9 C,), channel by channel."""
    padded = np.pad(feature, ((0, 0), (1, 1), (1, 1)))
    return padded[:, i : i + 3, j : j + 3].reshape(-1)


def bilinear(image: Array, size: tuple[int, int]) -> Array:
    """(3, h, w) -> (3, H, W), border pixels extended."""
    (height, width), (_, h, w) = size, image.shape
    result = np.zeros((3, height, width))
    for y in range(height):
        for x in range(width):
            for i, _, weight_y in neighbours(y, height, h):
                for j, _, weight_x in neighbours(x, width, w):
                    result[:, y, x] += weight_y * weight_x * image[:, i, j]
    return result
