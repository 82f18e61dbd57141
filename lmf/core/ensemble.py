"""Local ensemble: which LR pixels speak for a query, from how far, and with what weight.

LIIF (Chen et al. 2021, Eq. 4) weighs the four nearest LR pixels by the area of the rectangle
between the query and the diagonally opposite centre. Inside the image these are the bilinear
weights. At the border both neighbours of an axis are the same pixel, which then has weight 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Neighbours:
    """The 4 (or, without ensemble, 1) LR pixels around each query.

    index: (B, Q, k) int64 into the flattened LR grid. weight: (B, Q, k), sums to 1.
    offset: (B, Q, k, 2) relative coordinate (y, x) of the query from each pixel, see `coords`.
    """

    index: Tensor
    offset: Tensor
    weight: Tensor


@dataclass(frozen=True)
class _Axis:
    index: Tensor
    offset: Tensor
    weight: Tensor


def neighbours(coord: Tensor, lr_size: tuple[int, int], ensemble: bool = True) -> Neighbours:
    """Neighbours of queries `coord` (B, Q, 2) in [-1, 1] on an LR grid of `lr_size` (h, w)."""
    h, w = lr_size
    y, x = _axis(coord[..., 0], h, ensemble), _axis(coord[..., 1], w, ensemble)
    shape = (*coord.shape[:2], -1)
    index = y.index[..., :, None] * w + x.index[..., None, :]
    weight = y.weight[..., :, None] * x.weight[..., None, :]
    offset_y, offset_x = torch.broadcast_tensors(y.offset[..., :, None], x.offset[..., None, :])
    offset = torch.stack((offset_y, offset_x), dim=-1)
    return Neighbours(index.reshape(shape), offset.reshape(*shape, 2), weight.reshape(shape))


def _axis(coord: Tensor, n: int, ensemble: bool) -> _Axis:
    position = (coord + 1) * (n / 2) - 0.5  # in LR pixels; pixel i is centred at i
    low = torch.floor(position)
    fraction = position - low
    if ensemble:
        corner = torch.stack((low, low + 1), dim=-1)
        weight = torch.stack((1 - fraction, fraction), dim=-1)
    else:
        corner = torch.where(fraction > 0.5, low + 1, low)[..., None]
        weight = torch.ones_like(corner)
    corner = corner.clamp(0, n - 1)
    return _Axis(corner.long(), 2 * (position[..., None] - corner), weight)
