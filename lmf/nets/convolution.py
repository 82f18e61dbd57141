"""Convolutions of an encoder with what follows them, so that one call can do it all."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Convolve(Protocol):
    """How an encoder's convolutions are computed: by PyTorch, as `convolve`, or by `nets.winograd`."""

    def __call__(
        self,
        layer: nn.Module,
        x: Tensor,
        *,
        relu: bool = False,
        add: Tensor | None = None,
        scale: float = 1.0,
        out: Tensor | None = None,
    ) -> Tensor:
        """A convolution, x (B, C, h, w) -> add + scale * layer(x), or ReLU(layer(x)) in its place.

        out: what the result is written to, where no gradients are recorded: a `new_image`, or some
        of the channels of one.
        """


def convolve(
    layer: nn.Module,
    x: Tensor,
    *,
    relu: bool = False,
    add: Tensor | None = None,
    scale: float = 1.0,
    out: Tensor | None = None,
) -> Tensor:
    """See `Convolve`. Works on every device and in every precision, and gradients go through."""
    y: Tensor = layer(x)
    if relu:
        y = y.relu_()
    if add is not None:
        y = torch.add(add, y, alpha=scale)
    return y if out is None else out.copy_(y)


def new_image(like: Tensor, channels: int) -> Tensor:
    """An empty (B, channels, h, w) for an image `like` (B, C, h, w); a pixel's channels lie together."""
    batch, _, height, width = like.shape
    shape = (batch, height, width, channels)
    plain = like.device.type == "cpu" and like.dtype == torch.float32
    if plain and not torch.compiler.is_compiling():
        # NumPy asks Linux for large pages, PyTorch does not: touching new memory in small pages takes
        # time that a convolution has not to spare.
        return torch.from_numpy(np.empty(shape, np.float32)).permute(0, 3, 1, 2)
    return like.new_empty(shape).permute(0, 3, 1, 2)
