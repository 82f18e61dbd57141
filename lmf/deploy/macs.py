"""Multiply-adds of a whole model, by formula, stage by stage.

Two counts of the render stage are given. h, w: LR pixels. H, W: HR pixels. m: multiply-adds of the
render MLP (of the original decoder's MLP) for one input.

executed    our renderer evaluates whole windows of Ky x Kx HR pixels around every LR pixel, some
            positions of which nothing reads, and folds into the layers of a modulated MLP what is
            equal for all of a window:                                     h w Ky Kx m, roughly
by query    the definition, and the papers' count: every HR pixel and each of its four neighbours
            (one without local ensemble):                                  H W 4 m

Both add what an input costs: LTE's phase, CiaoSR's attention. What torch's counter finds in a run is
the executed count.
"""

from dataclasses import dataclass

import torch

from lmf.architecture import ModelConfig
from lmf.core.windows import axis_windows
from lmf.nets.encoders import encoder_config
from lmf.nets.macs import cross_scale_macs, encoder_macs, mlp_macs
from lmf.nets.modulated_mlp import adds_back
from lmf.render.window import LANES


@dataclass(frozen=True)
class Macs:
    """Multiply-adds for one image, batch 1.

    encoder: LR image to features. head: features to codes, cross-scale attention included.
    latent: latent MLP, once per LR pixel; 0 for the original decoders. render: as executed.
    render_by_query: the same stage by the definition.
    """

    encoder: int
    head: int
    latent: int
    render: int
    render_by_query: int

    @property
    def total(self) -> int:
        """As executed."""
        return self.encoder + self.head + self.latent + self.render


def count_macs(config: ModelConfig, lr_size: tuple[int, int], size: tuple[int, int]) -> Macs:
    """Multiply-adds that a model of this architecture needs from `lr_size` (h, w) to `size` (H, W)."""
    h, w = lr_size
    encoder = encoder_config(config.encoder, config.encoder_attention)
    channels = encoder.out_channels
    head = _head(config, channels) * h * w
    if config.cross_scale is not None:
        head += cross_scale_macs(config.cross_scale, channels, h, w)
    return Macs(
        encoder=encoder_macs(encoder, h, w),
        head=head,
        latent=_latent(config, channels) * h * w if config.latent else 0,
        render=_render(config, channels, lr_size, size),
        render_by_query=_render_by_query(config, channels, size),
    )


def _code(config: ModelConfig, channels: int) -> int:
    """Length of a head's code, or of CiaoSR's local feature as its attention reads it."""
    if config.head == "lte":
        return config.fourier
    if config.head == "ciaosr" and config.latent:
        return config.attention[-1]
    return channels * (9 if config.unfold else 1)


def _head(config: ModelConfig, channels: int) -> int:
    """Per LR pixel: LTE's two convolutions; the prenet of LM-CiaoSR; LIIF has none."""
    if config.head == "lte":
        return 2 * 9 * channels * config.fourier
    if config.head == "ciaosr" and config.latent:
        return mlp_macs(
            channels * (9 if config.unfold else 1), *config.attention, config.attention[-1]
        )
    return 0


def _attention(config: ModelConfig, channels: int) -> int:
    """CiaoSR's attention, per query with k neighbours: K, V, k logits of n and k values of n + m."""
    n = _code(config, channels)
    m = channels if config.cross_scale is not None else 0
    extra = 2 * config.cell + 2 * (config.position or config.latent)
    key = mlp_macs(n + extra, *config.attention, n)
    value = mlp_macs(n + m + extra, *config.attention, n + m)
    return config.local_size**2 * (key + value + n + n + m)


def _latent(config: ModelConfig, channels: int) -> int:
    """Per LR pixel: the latent MLP and what makes its input."""
    code, width = _code(config, channels), config.width
    outputs = config.depth * width * (config.mod_scale + config.mod_shift)
    match config.head:
        case "lte":  # the phase: two numbers of a cell to code / 2 phases
            inputs, before = code, code * config.cell
            outputs += 2 * width * config.mod_input
        case "liif":
            inputs, before = code + 2 * config.cell, 0
            outputs += width * config.mod_input
        case "ciaosr":
            inputs = code + channels * (config.cross_scale is not None)
            before = _attention(config, channels)
            outputs += 2 * width
    return before + mlp_macs(inputs, *config.hidden, outputs)


@dataclass(frozen=True)
class _Input:
    """Of the render MLP: its length, and the multiply-adds of making it."""

    length: int
    before: int


def _input(config: ModelConfig, channels: int) -> _Input:
    compressed = config.width if config.latent and config.mod_input else 0
    code = compressed or _code(config, channels)
    if config.head == "lte":
        return _Input(code, code * config.cell)
    if config.head == "liif":
        return _Input(code + 2 * config.position + 2 * config.cell, 0)
    if config.latent:
        return _Input(2 * compressed + 2 * config.position, 0)
    context = channels * (config.cross_scale is not None)
    return _Input(code + context, _attention(config, channels))


def _per_query(config: ModelConfig, length: int) -> int:
    """m: multiply-adds of the MLP that writes the three colours."""
    hidden = (config.width,) * config.depth if config.latent else config.hidden
    return mlp_macs(length, *hidden, 3)


def _render(
    config: ModelConfig, channels: int, lr_size: tuple[int, int], size: tuple[int, int]
) -> int:
    """As executed: whole windows per LR pixel, or, where attention reads neighbours, per HR pixel."""
    if config.head == "ciaosr" and not config.latent:
        return _render_by_query(config, channels, size)
    made = _input(config, channels)
    positions = 1
    for n, N in zip(lr_size, size, strict=True):
        positions *= axis_windows(n, N, config.ensemble, torch.device("cpu")).positions
    cells = lr_size[0] * lr_size[1]
    if config.latent and (config.mod_scale or config.mod_shift):
        return cells * (made.before + _of_modulated_cell(config, made.length, positions))
    return cells * (made.before + positions * _per_query(config, made.length))


def _of_modulated_cell(config: ModelConfig, length: int, positions: int) -> int:
    """Positions in whole `LANES`; what is equal for all of a cell is folded into its layers once.

    Per cell: the folded biases c of the hidden layers after the first, of the colours, and of what
    the first layer makes of LIIF's feature and cell. Per position: the waves' arguments, linear in
    (y, x, 1), or LIIF's offset; and the layers.
    """
    width, depth = config.width, config.depth
    later = sum(width**2 for i in range(1, depth) if not adds_back(i - 1))
    once, varying, waves = later + 3 * width, length, 3 * length // 2
    if config.head != "lte":
        waves, varying = 0, 2 * config.position
        once += width * (length - varying)
    each = waves + mlp_macs(varying, *(width,) * depth, 3)
    return once + (positions + -positions % LANES) * each


def _render_by_query(config: ModelConfig, channels: int, size: tuple[int, int]) -> int:
    """By the definition: per HR pixel and neighbour; CiaoSR's decoder reads all neighbours at once."""
    made = _input(config, channels)
    alone = config.head == "ciaosr" and not config.latent
    neighbours = 1 if alone or not config.ensemble else 4
    one = made.before + _per_query(config, made.length)
    return size[0] * size[1] * neighbours * one
