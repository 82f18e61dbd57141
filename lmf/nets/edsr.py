"""EDSR feature extractor (Lim et al. 2017) without its up-sampler."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lmf.nets.attention import AttentionKind, create_attention, reach
from lmf.nets.convolution import Convolve, convolve
from lmf.nets.encoder import Encoder


@dataclass(frozen=True)
class EdsrConfig:
    """blocks: residual blocks. channels: width. residual_scale: factor on each block's residual.

    attention: of each residual, see `nets.attention`.
    """

    blocks: int
    channels: int
    residual_scale: float = 1.0
    attention: AttentionKind = "none"

    @property
    def out_channels(self) -> int:
        """Of the features."""
        return self.channels


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

    def __init__(self, config: EdsrConfig) -> None:
        super().__init__()
        channels = config.channels
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.attention = create_attention(config.attention, channels)
        self.residual_scale = config.residual_scale

    def forward(self, x: Tensor, convolve: Convolve = convolve) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        first, _, second = self.body
        inside = convolve(first, x, relu=True)
        if isinstance(self.attention, nn.Identity):
            return convolve(second, inside, add=x, scale=self.residual_scale)
        residual = self.attention(convolve(second, inside))
        return torch.add(x, residual, alpha=self.residual_scale)


class Edsr(Encoder):
    """(B, 3, h, w) in [-1, 1] -> (B, channels, h, w), any h, w >= 1."""

    def __init__(self, config: EdsrConfig) -> None:
        super().__init__()
        self.config = config
        self.out_channels = channels = config.out_channels
        self.sub_mean, self.add_mean = MeanShift(-1), MeanShift(1)
        self.head = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1))
        blocks = [ResidualBlock(config) for _ in range(config.blocks)]
        self.body = nn.Sequential(*blocks, nn.Conv2d(channels, channels, 3, padding=1))

    @property
    def receptive_field(self) -> int | None:
        """Two 3x3 convolutions a block, with what attention adds, and one before and after."""
        around = reach(self.config.attention)
        return None if around is None else self.config.blocks * (2 + around) + 2

    @property
    def floats(self) -> int:
        """Input, shallow features; a block's input, inside and output; a copy."""
        return 6 * self.config.channels

    def forward(self, x: Tensor, convolve: Convolve = convolve) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, channels, h, w)."""
        *blocks, last = self.body
        shallow = convolve(self.head[0], x)
        deep = shallow
        for block in blocks:
            deep = self._run(block, deep, convolve)
        return convolve(last, deep, add=shallow)
