"""EDSR feature extractor (Lim et al. 2017) without its up-sampler."""

from dataclasses import dataclass

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
