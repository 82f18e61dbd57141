"""Local ensemble: which LR pixels speak for a query, from how far, and with what weight.

LIIF (Chen et al. 2021, Eq. 4) weighs the four nearest LR pixels by the area of the rectangle
between the query and the diagonally opposite centre. Inside the image these are the bilinear
weights. At the border both neighbours of an axis are the same pixel, which then has weight 1.

Attention finds its own weights: it asks for the `nearest` pixels only, in any number.
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
class Nearest:
    """The k LR pixels nearest to each query; index and offset as in `Neighbours`."""

    index: Tensor
    offset: Tensor


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


TIE = 1e-4
"""In LR pixels: queries this close to being equally far from two pixels count as equally far."""


def past_middle(fraction: Tensor) -> Tensor:
    """Without ensemble: whether the pixel after a query is the nearer one, which speaks for it.

    fraction: of an LR pixel, from the pixel before. A query equally far from both, as every third one
    is at x1.5, has the one before, whatever the rounding: float32 errs by `TIE` beyond 1,000 pixels.
    """
    return fraction > 0.5 + TIE


def nearest(coord: Tensor, lr_size: tuple[int, int], side: int) -> Nearest:
    """The `side` x `side` LR pixels nearest to queries `coord` (B, Q, 2); k = side^2.

    Beyond the border the border pixel stands in. A query on a pixel's centre has, for an even side,
    one more pixel after it than before it, whatever the rounding of its coordinate; for an odd side,
    one equally far from two has the one after it in the middle.
    """
    position = [(coord[..., axis] + 1) * (n / 2) - 0.5 for axis, n in enumerate(lr_size)]
    return around(torch.stack(position, dim=-1), lr_size, side)


def around(point: Tensor, lr_size: tuple[int, int], side: int) -> Nearest:
    """See `nearest`; point: (B, Q, 2), in LR pixels of which pixel i is centred at i.

    Centres are whole numbers here, and exact; as coordinates of 2,700 pixels and more they are not.
    """
    position = point.unbind(-1)
    steps = torch.arange(side, device=point.device)
    first = [torch.floor(p + (TIE - side / 2)) + 1 for p in position]
    y, x = ((f[..., None] + steps).clamp(0, n - 1) for f, n in zip(first, lr_size, strict=True))
    shape = (*point.shape[:2], side, side)
    offset_y = (2 * (position[0][..., None] - y))[..., :, None].expand(shape)
    offset_x = (2 * (position[1][..., None] - x))[..., None, :].expand(shape)
    index = y.long()[..., :, None] * lr_size[1] + x.long()[..., None, :]
    return Nearest(index.flatten(2), torch.stack((offset_y, offset_x), dim=-1).flatten(2, 3))


def pick(pixels: Tensor, index: Tensor, lr_size: tuple[int, int]) -> Tensor:
    """Pixels (B * h * w, ...) of all images, index (B, Q, k) within each image -> (B, Q, k, ...)."""
    batch = torch.arange(index.shape[0], device=index.device)
    everywhere = index + batch[:, None, None] * (lr_size[0] * lr_size[1])
    return pixels.index_select(0, everywhere.flatten()).unflatten(0, index.shape)


def _axis(coord: Tensor, n: int, ensemble: bool) -> _Axis:
    position = (coord + 1) * (n / 2) - 0.5  # in LR pixels; pixel i is centred at i
    low = torch.floor(position)
    fraction = position - low
    if ensemble:
        corner = torch.stack((low, low + 1), dim=-1)
        weight = torch.stack((1 - fraction, fraction), dim=-1)
    else:
        corner = torch.where(past_middle(fraction), low + 1, low)[..., None]
        weight = torch.ones_like(corner)
    corner = corner.clamp(0, n - 1)
    return _Axis(corner.long(), 2 * (position[..., None] - corner), weight)
