"""EDSR feature extractor (Lim et al. 2017) without its up-sampler."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True)
class EdsrConfig:
    """blocks: residual blocks. channels: width. residual_scale: factor on each block's residual."""

    blocks: int
    channels: int
    residual_scale: float = 1.0
    checkpointing: bool = False


EDSR_PRESETS = {
    "edsr-baseline": EdsrConfig(blocks=16, channels=64),
    "edsr": EdsrConfig(blocks=32, channels=256, residual_scale=0.1),
    "edsr-small": EdsrConfig(blocks=4, channels=32),
}


DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean red, green and blue of DIV2K's training pictures, in [0, 1]."""


class MeanShift(nn.Module):
    """Frozen 1x1 convolution that adds `sign` times the mean colour; kept, but never applied.

    EDSR's authors centred their images with it. LIIF and all that followed normalise by 0.5 instead
    and skip it, yet every official file holds its 12 numbers and every official count includes them.
    """

    def __init__(self, sign: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3)[:, :, None, None], requires_grad=False)
        self.bias = nn.Parameter(sign * torch.tensor(DIV2K_MEAN), requires_grad=False)


class ResidualBlock(nn.Module):
    """conv, ReLU, conv, scaled and added to the input; no normalisation (EDSR, Fig. 2)."""

    def __init__(self, channels: int, residual_scale: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.residual_scale = residual_scale

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        return x + self.body(x) * self.residual_scale


class Edsr(nn.Module):
    """(B, 3, h, w) in [-1, 1] -> (B, channels, h, w), any h, w >= 1."""

    def __init__(self, config: EdsrConfig) -> None:
        super().__init__()
        self.config = config
        self.out_channels = config.channels
        channels = config.channels
        self.sub_mean, self.add_mean = MeanShift(-1), MeanShift(1)
        self.head = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1))
        blocks = [ResidualBlock(channels, config.residual_scale) for _ in range(config.blocks)]
        self.body = nn.Sequential(*blocks, nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, channels, h, w)."""
        shallow = self.head(x)
        deep = shallow
        for layer in self.body:
            if self.config.checkpointing and self.training:
                deep = checkpoint(layer, deep, use_reentrant=False)
            else:
                deep = layer(deep)
        return shallow + deep
