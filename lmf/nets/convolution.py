"""Convolutions of an encoder with what follows them, so that one call can do it all."""

from typing import Protocol

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
    ) -> Tensor:
        """A convolution, x (B, C, h, w) -> add + scale * layer(x), or ReLU(layer(x)) in its place."""


def convolve(
    layer: nn.Module,
    x: Tensor,
    *,
    relu: bool = False,
    add: Tensor | None = None,
    scale: float = 1.0,
) -> Tensor:
    """See `Convolve`. Works on every device and in every precision, and gradients go through."""
    y: Tensor = layer(x)
    if relu:
        y = y.relu_()
    return y if add is None else torch.add(add, y, alpha=scale)
