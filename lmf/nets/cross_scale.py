"""Cross-scale attention: every LR pixel looks for its like in smaller versions of the feature map.

    q = W_q X(p),  k_s = W_k X_s(p'),  v_s = W_v X_s(p')
    Y(p) = X(p) + W_o sum_s softmax(lambda q k_s^T / sqrt(d)) v_s

X_s is X averaged over s x s pixels, so similar structures at another size meet. Global attention
is exact up to `window` x `window` pixels; larger maps are cut into windows whose queries see the
keys of the window and a margin of half a window, so memory and time stay linear in pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmf.core.config import Config
from lmf.core.errors import ConfigError


@dataclass(frozen=True)
class CrossScaleConfig(Config):
    """scales: down-sampling factors s. channels: d, of queries, keys and values.

    window: in LR pixels, a multiple of all 2 s. softmax_scale: lambda, the attention's sharpness.
    """

    scales: tuple[int, ...] = (2,)
    channels: int = 32
    window: int = 48
    softmax_scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scales or min(self.scales) < 1 or self.channels < 1 or self.window < 1:
            raise ConfigError("cross-scale scales, channels and window must be at least 1")
        for scale in self.scales:
            if self.window % (2 * scale):
                raise ConfigError(f"cross-scale window {self.window} is no multiple of 2 x {scale}")


class CrossScaleAttention(nn.Module):
    """(B, C, h, w) -> the same shape. W_o starts at zero: the untrained module changes nothing."""

    def __init__(self, channels: int, config: CrossScaleConfig) -> None:
        super().__init__()
        self.config = config
        self.query = nn.Conv2d(channels, config.channels, 1)
        self.key = nn.Conv2d(channels, config.channels, 1)
        self.value = nn.Conv2d(channels, config.channels, 1)
        self.out = nn.Conv2d(config.channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        query = self.query(feature) * self.config.softmax_scale
        found = torch.zeros_like(query)
        for scale in self.config.scales:
            small = functional.avg_pool2d(feature, scale, ceil_mode=True, count_include_pad=False)
            found = found + self._attend(query, self.key(small), self.value(small), scale)
        return feature + self.out(found)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, scale: int) -> Tensor:
        h, w = query.shape[-2:]
        window = self.config.window
        if h <= window and w <= window:
            found = _attention(_tokens(query), _tokens(key), _tokens(value))
            return found.transpose(1, 2).unflatten(-1, (h, w))
        return self._attend_windows(query, key, value, scale)

    def _attend_windows(self, query: Tensor, key: Tensor, value: Tensor, scale: int) -> Tensor:
        h, w = query.shape[-2:]
        side = self.config.window
        rows, columns = -(-h // side), -(-w // side)
        stride, margin = side // scale, side // scale // 2
        bottom, right = rows * side - h, columns * side - w
        query = functional.pad(query, (0, right, 0, bottom))
        tokens = _windows(query, side, side)  # (B * windows, side^2, d)
        short = (rows * stride - key.shape[-2], columns * stride - key.shape[-1])
        margins = (margin, margin + short[1], margin, margin + short[0])
        size = stride + 2 * margin
        keys = _windows(functional.pad(key, margins), size, stride)
        values = _windows(functional.pad(value, margins), size, stride)
        inside = functional.pad(torch.ones_like(key[:, :1]), margins)
        mask = _windows(inside, size, stride).squeeze(-1)[:, None, :] > 0
        found = _attention(tokens, keys, values, mask)
        batch = query.shape[0]
        grid = found.view(batch, rows, columns, side, side, -1).permute(0, 5, 1, 3, 2, 4)
        return grid.reshape(batch, -1, rows * side, columns * side)[..., :h, :w]


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """(N, Lq, d), (N, Lk, d), (N, Lk, d), mask (N, 1, Lk) -> (N, Lq, d); one head, fused by torch."""
    found = functional.scaled_dot_product_attention(
        query[:, None],
        key[:, None],
        value[:, None],
        attn_mask=None if mask is None else mask[:, None],
    )
    return found[:, 0]


def _tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h * w, C)."""
    return x.flatten(2).transpose(1, 2)


def _windows(x: Tensor, size: int, stride: int) -> Tensor:
    """(B, C, H, W) -> (B * windows, size^2, C), windows in row-major order."""
    patches = x.unfold(2, size, stride).unfold(3, size, stride)  # (B, C, rows, columns, s, s)
    return patches.permute(0, 2, 3, 4, 5, 1).reshape(-1, size * size, x.shape[1])
