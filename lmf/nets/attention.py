"""Attention inside the residual blocks of a CNN: which channels matter, and which pixels.

channel   x * sigmoid(W2 ReLU(W1 mean_p x))             squeeze-and-excitation (Hu et al. 2018)
spatial   x * sigmoid(conv 7x7 [mean_c x, max_c x])     spatial half of CBAM (Woo et al. 2018)

p runs over pixels, c over channels. Where both are asked for, channels come first, as in CBAM.
Channel attention reads the whole image at once, so an encoder that has it cannot be tiled.
"""

from typing import Literal

import torch
from torch import Tensor, nn

AttentionKind = Literal["none", "channel", "spatial", "channel+spatial"]

SPATIAL_KERNEL = 7
"""Side of spatial attention's convolution, in pixels (Woo et al., table 5)."""


class ChannelAttention(nn.Module):
    """Weighs channels by what the whole image holds; (B, C, h, w) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = hidden_units(channels)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        return x * self.weigh(x)


class SpatialAttention(nn.Module):
    """Weighs pixels by what their neighbourhood holds; (B, C, h, w) -> the same shape."""

    def __init__(self) -> None:
        super().__init__()
        padding = SPATIAL_KERNEL // 2
        self.conv = nn.Conv2d(2, 1, SPATIAL_KERNEL, padding=padding, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        summary = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), dim=1)
        return x * self.conv(summary).sigmoid()


def hidden_units(channels: int) -> int:
    """Of channel attention: reduced 16 times, as by Hu et al., but not to fewer than 4."""
    return max(4, channels // 16)


def create_attention(kind: AttentionKind, channels: int) -> nn.Module:
    """The attention of one residual block; the identity, without parameters, for "none"."""
    parts: list[nn.Module] = []
    if "channel" in kind:
        parts.append(ChannelAttention(channels))
    if "spatial" in kind:
        parts.append(SpatialAttention())
    return nn.Sequential(*parts) if parts else nn.Identity()


def reach(kind: AttentionKind) -> int | None:
    """How many pixels the attention of one block looks around; None if at the whole image."""
    if "channel" in kind:
        return None
    return SPATIAL_KERNEL // 2 if "spatial" in kind else 0
