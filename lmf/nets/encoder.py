"""What every encoder is: LR image in, features of the same height and width out."""

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lmf.nets.convolution import Convolve, convolve


class Encoder(nn.Module):
    """(B, 3, h, w) in [-1, 1] -> (B, out_channels, h, w), any h, w >= 1; dtype and device follow.

    alignment: a tile of the image starts at a multiple of so many pixels, or its features differ.
    checkpointing: in training, recompute each block in the backward pass instead of keeping its
        activations. Values, gradients and parameters are the same; set it at any time.
    """

    out_channels: int
    alignment: int = 1
    checkpointing: bool = False

    @property
    @abstractmethod
    def receptive_field(self) -> int | None:
        """How many pixels away, on either axis, may still influence a feature; None if any number."""

    @property
    def overlap(self) -> int | None:
        """How many pixels around it a tile of the image takes along; None if it cannot be tiled."""
        return self.receptive_field

    @property
    @abstractmethod
    def floats(self) -> int:
        """Held per LR pixel at the widest point of a forward pass without gradients.

        A count of the activations that are alive together, with the copies that convolutions make. What
        a process holds resident, with what its libraries keep, may be more.
        """

    @abstractmethod
    def forward(self, x: Tensor, convolve: Convolve = convolve) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, out_channels, h, w).

        convolve: computes the 3x3 convolutions and what follows them.
        """

    def _run(self, block: nn.Module, *inputs: Any) -> Tensor:
        """`block(*inputs)`, with the encoder's promise about checkpointing."""
        if self.checkpointing and self.training:
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)
