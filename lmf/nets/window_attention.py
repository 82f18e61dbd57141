"""Self-attention inside windows (Liu et al. 2021), the core of SwinIR.

An image of H x W pixels is cut into n windows of side x side pixels. Shapes below: B images,
n windows each, N = side^2 pixels per window, C channels, d = C / heads.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

FORBIDDEN = -100.0  # added to the logit of a pair that must not attend; the value of Swin


def to_windows(x: Tensor, side: int) -> Tensor:
    """(B, H, W, C) with H, W multiples of `side` -> (B, n, N, C), windows in row-major order."""
    batch, height, width, channels = x.shape
    grid = x.reshape(batch, height // side, side, width // side, side, channels)
    return grid.transpose(2, 3).reshape(batch, -1, side * side, channels)


def from_windows(windows: Tensor, side: int, height: int, width: int) -> Tensor:
    """Inverse of `to_windows`: (B, n, N, C) -> (B, height, width, C)."""
    batch, channels = windows.shape[0], windows.shape[-1]
    grid = windows.reshape(batch, height // side, width // side, side, side, channels)
    return grid.transpose(2, 3).reshape(batch, height, width, channels)


def relative_position_index(side: int) -> Tensor:
    """(N, N) integers: which of the (2 side - 1)^2 offsets leads from pixel column to pixel row."""
    position = torch.arange(side)
    y, x = position.repeat_interleave(side), position.repeat(side)
    offset_y = y[:, None] - y[None, :] + side - 1
    offset_x = x[:, None] - x[None, :] + side - 1
    return offset_y * (2 * side - 1) + offset_x


def shift_masks(side: int, shift: int) -> Tensor:
    """(4, N, N): 0, or `FORBIDDEN` between pixels that only the cyclic shift made neighbours.

    An image that is rolled by -`shift` holds pixels of opposite borders in its last row and last
    column of windows; of whatever size it is, there are four kinds of windows, see `window_kinds`.
    """
    wrapped = (torch.arange(side) >= side - shift).int()
    region = torch.stack(
        [2 * row * wrapped[:, None] + column * wrapped for row in (0, 1) for column in (0, 1)]
    ).flatten(1)
    apart = region[:, :, None] != region[:, None, :]
    return apart.float() * FORBIDDEN


def window_kinds(rows: int, columns: int, device: torch.device) -> Tensor:
    """(rows * columns,): 2 in the last row of windows plus 1 in the last column."""
    row = torch.arange(rows, device=device) == rows - 1
    column = torch.arange(columns, device=device) == columns - 1
    return (2 * row[:, None].long() + column.long()).flatten()


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v: (..., N, d) three times, bias that broadcasts to (..., N, N).

    torch's fused kernels give a bias no gradient, and what takes their place then computes in fp32
    whatever was asked for; the formula itself is twice as fast in training.
    """
    if not torch.is_grad_enabled():
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1) + bias
    return logits.softmax(-1).to(value.dtype) @ value


class WindowAttention(nn.Module):
    """Multi-head attention among the pixels of a window, with a learnt bias per relative position.

    softmax(q k^T / sqrt(d) + bias + mask) v   (Liu et al. 2021, Eq. 4)
    """

    relative_position_index: Tensor

    def __init__(self, channels: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * side - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        index = relative_position_index(side)
        self.register_buffer("relative_position_index", index, persistent=False)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """windows (B, n, N, C), mask (n, N, N) or None -> (B, n, N, C)."""
        batch, count, pixels, channels = windows.shape
        tokens = self.qkv(windows).view(batch * count, pixels, 3, self.heads, -1)
        query, key, value = tokens.permute(2, 0, 3, 1, 4).unbind(0)  # each (B n, heads, N, d)
        bias = self._bias()
        if mask is not None:
            bias = (bias + mask[:, None]).expand(batch, -1, -1, -1, -1).flatten(0, 1)
        found = attend(query, key, value, bias.to(query.dtype))
        return self.proj(found.transpose(1, 2).reshape(batch, count, pixels, channels))

    def _bias(self) -> Tensor:
        """(1, heads, N, N), contiguous: otherwise its sum with a mask would be copied, which is large."""
        index, table = self.relative_position_index, self.relative_position_bias_table
        return functional.embedding(index, table).permute(2, 0, 1).contiguous()[None]
