"""What tiling needs to know of a model: how far it looks, and how much it holds."""

from math import lcm

import torch
from torch import Tensor

from lmf.core.windows import axis_windows
from lmf.heads.head import Head
from lmf.heads.local_attention import LocalAttention
from lmf.nets.cross_scale import CrossScaleConfig
from lmf.nets.encoder import Encoder
from lmf.render import dense
from lmf.render.memory import Footprint
from lmf.render.tiles import Reach

RENDERER = 40 << 20
"""Bytes that the dense renderer holds beside image and codes, for a band of the size it aims at."""

ATTENTION_RENDERER = 224 << 20
"""The same where attention reads the neighbours of each HR pixel, or of each LR pixel."""


def reach_of(encoder: Encoder, cross_scale: CrossScaleConfig | None) -> Reach | None:
    """What a tile needs around it; None where every feature depends on the whole image.

    Cross-scale attention sees large maps in windows with a margin of half a window. A tile that
    starts and stops at windows, with one and a half of them around it, cuts them like the image.
    """
    if encoder.overlap is None:
        return None
    own = Reach(encoder.overlap + 1, encoder.alignment)  # + 1: heads read 3x3 features
    if cross_scale is None:
        return own
    window = cross_scale.window
    return Reach(own.overlap + window + window // 2, lcm(own.alignment, window))


def footprint(
    encoder: Encoder,
    cross_scale: CrossScaleConfig | None,
    head: Head,
    image: Tensor,
    size: tuple[int, int],
    *,
    streamed: bool = False,
) -> Footprint:
    """The bytes that enlarging `image` (B, 3, h, w) to `size` takes; streamed: without the output."""
    lr_size = (image.shape[-2], image.shape[-1])
    floats = image.shape[0] * image.element_size()
    making = head.made
    if cross_scale is not None:
        making += 4 * encoder.out_channels + 8 * cross_scale.channels
    images = 6 * lr_size[0] * lr_size[1] + (0 if streamed else 3 * size[0] * size[1])
    attention = isinstance(head.basis, LocalAttention)
    return Footprint(
        lr_size,
        reach_of(encoder, cross_scale),
        fixed=floats * images + (ATTENTION_RENDERER if attention else _band(image, size)),
        held=floats * head.held,
        worked=floats * max(encoder.floats, making),
        whole=isinstance(head.render_basis, LocalAttention),
    )


def _band(image: Tensor, size: tuple[int, int]) -> int:
    """Bytes of the dense renderer: more where one LR row is longer than a band should be."""
    batch, _, *lr_size = image.shape
    floats = 3
    for n, hr in zip(lr_size, size, strict=True):
        floats *= axis_windows(n, hr, True, torch.device("cpu")).positions
    rows = dense.band_rows(batch, lr_size[1], floats, image.device)
    cells = rows * batch * lr_size[1]
    return int(RENDERER * max(1, cells / dense.BAND, cells * floats / dense.WINDOWS))
