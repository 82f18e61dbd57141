"""Multiply-adds of the networks, by formula: products, convolutions and attention of one image.

Additions, activations, normalisation, pooling and interpolation count nothing, as in torch's own
counter and in the papers. h, w: LR pixels. A convolution with a k x k kernel from A to B channels
costs k^2 A B per pixel, a linear layer A B per row.
"""

from itertools import pairwise
from math import ceil

from lmf.nets.attention import SPATIAL_KERNEL, AttentionKind, hidden_units
from lmf.nets.cross_scale import CrossScaleConfig
from lmf.nets.edsr import EdsrConfig
from lmf.nets.encoders import EncoderConfig
from lmf.nets.rdn import RdnConfig
from lmf.nets.swinir import SwinIrConfig


def mlp_macs(*widths: int) -> int:
    """Of one row through linear layers from `widths[0]` inputs to `widths[-1]` outputs."""
    return sum(before * after for before, after in pairwise(widths))


def encoder_macs(config: EncoderConfig, h: int, w: int) -> int:
    """Of an encoder for an LR image of h x w pixels."""
    match config:
        case EdsrConfig():
            return _edsr(config, h, w)
        case RdnConfig():
            return _rdn(config, h, w)
        case SwinIrConfig():
            return _swinir(config, h, w)


def cross_scale_macs(config: CrossScaleConfig, channels: int, h: int, w: int) -> int:
    """Per pixel query and output; per pixel of each smaller map key and value; attention.

    d numbers per query and key cost d for the logit and d for the value: 2 d per pair.
    """
    d, side = config.channels, config.window
    total = 2 * h * w * channels * d
    for scale in config.scales:
        keys = ceil(h / scale) * ceil(w / scale)
        total += 2 * keys * channels * d
        if h <= side and w <= side:
            pairs = h * w * keys
        else:  # a window's queries see it and a margin of half a window
            stride = side // scale
            seen = (stride + 2 * (stride // 2)) ** 2
            pairs = ceil(h / side) * ceil(w / side) * side**2 * seen
        total += 2 * d * pairs
    return total


def _edsr(config: EdsrConfig, h: int, w: int) -> int:
    """h w (9 3 C + 9 C^2 (2 D + 1)) and the attention of D blocks."""
    c, d = config.channels, config.blocks
    return h * w * 9 * c * (3 + c * (2 * d + 1)) + d * _attention(config.attention, c, h * w)


def _rdn(config: RdnConfig, h: int, w: int) -> int:
    """Layer c of a block goes from G0 + (c - 1) G to G channels; fusions are 1 x 1."""
    k, g0, g, c, d = (
        config.kernel**2, config.growth0, config.growth, config.layers, config.blocks
    )  # fmt: skip
    layers = k * g * sum(g0 + i * g for i in range(c))
    block = layers + (g0 + c * g) * g0
    around = k * 3 * g0 + k * g0 * g0 + d * g0 * g0 + k * g0 * g0  # SFENet1, SFENet2, GFF
    return h * w * (d * block + around) + d * _attention(config.attention, g0, h * w)


def _swinir(config: SwinIrConfig, h: int, w: int) -> int:
    """Of the image padded to whole windows of N pixels, with E channels; per pixel and block:

    3 E^2 (q, k, v) + E^2 (projection) + 2 N E (attention) + 2 r E^2 (MLP).
    """
    e, side = config.embed, config.window
    pixels = ceil(h / side) * ceil(w / side) * side**2
    block = (4 + 2 * config.mlp_ratio) * e * e + 2 * side**2 * e
    convolutions = 9 * e * (3 + e * (len(config.depths) + 1) + config.out_channels)
    return pixels * (sum(config.depths) * block + convolutions)


def _attention(kind: AttentionKind, channels: int, pixels: int) -> int:
    """Of one residual block: two layers for the image, one map from two per pixel."""
    channel = 2 * channels * hidden_units(channels) if "channel" in kind else 0
    return channel + (2 * SPATIAL_KERNEL**2 * pixels if "spatial" in kind else 0)
