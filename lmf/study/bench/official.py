"""The original algorithm in the steps of the released LMF code, for the benchmark to compare with.

`render.gather` is the same algorithm in an order that suits caches: 30,000 queries at a time,
and all modulations of a neighbour picked as one row of memory. The released code (He & Jin,
HeZongyao/LMF, models/lmlte.py and models/lmmlp.py; what it does, in our own words)

    - lays codes and modulations out as maps, channels first;
    - takes up to half the pixels of a 4K image in one pass, all four neighbours of each together;
    - reads maps by grid sampling, nearest neighbour; those of a hidden layer, scale and shift apart,
      when the layer is reached.

Neighbours and their weights come from `core.ensemble`, and the LR image is not added.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lmf.core.bundle import Cells, Code, Modulation
from lmf.core.coords import pixel_centres
from lmf.core.ensemble import neighbours, pick
from lmf.core.errors import ResourceError
from lmf.heads.basis import Basis
from lmf.nets.modulated_mlp import ModulatedMlp

PASS = 3840 * 2160 // 2
"""Queries of one pass."""


@dataclass(frozen=True)
class Maps:
    """All that rendering reads from the LR grid (h, w), channels first: (B, *, h, w)."""

    lr_size: tuple[int, int]
    code: Code
    modulation: Modulation


def to_maps(cells: Cells) -> Maps:
    """The same numbers laid out as maps; ResourceError for cells without a modulation."""
    maps = cells.map(lambda t: t.movedim((1, 2), (-2, -1)).contiguous())
    if maps.modulation is None:
        raise ResourceError("the official way is that of latent-modulated models")
    return Maps(cells.lr_size, maps.code, maps.modulation)


def render_maps(
    maps: Maps, basis: Basis, mlp: ModulatedMlp, coord: Tensor, cell: Tensor, chunk: int = PASS
) -> Tensor:
    """What `render.gather.render_queries` gives of the same cells, up to rounding.

    coord: (B, Q, 2) in [-1, 1]. cell: (B, Q, 2) in half LR pixels. chunk: queries of one pass.
    Returns (B, Q, 3).
    """
    pairs = zip(coord.split(chunk, dim=1), cell.split(chunk, dim=1), strict=True)
    return torch.cat([_pass(maps, basis, mlp, c, s) for c, s in pairs], dim=1)


def _pass(maps: Maps, basis: Basis, mlp: ModulatedMlp, coord: Tensor, cell: Tensor) -> Tensor:
    near = neighbours(coord, maps.lr_size)
    queries = coord.shape[1]
    offset = near.offset.transpose(1, 2).flatten(1, 2)  # one neighbour of all queries, the next ...
    pixels = pixel_centres(*maps.lr_size, coord.device).repeat(len(coord), 1)
    centres = pick(pixels, near.index.mT, maps.lr_size)  # (B, 4, Q, 2)
    grid = centres.flatten(1, 2).flip(-1)[:, None]  # (B, 1, 4 Q, 2), as (x, y)

    x = basis(maps.code.map(lambda t: _read(t, grid)), offset, cell.repeat(1, 4, 1))
    *hidden, last = mlp.linears
    scale, shift = maps.modulation.scale, maps.modulation.shift
    for i, layer in enumerate(hidden):
        x = layer(x)
        if scale is not None:
            x *= _read(scale[:, i], grid).contiguous() + 1
        if shift is not None:
            x += _read(shift[:, i], grid).contiguous()
        x = x.relu_()
    rgb = last(x).unflatten(1, (4, queries))
    return (rgb * near.weight.mT[..., None]).sum(1)


def _read(image: Tensor, grid: Tensor) -> Tensor:
    """A map (B, *, h, w) at the nearest pixels of a grid (B, 1, Q, 2) -> (B, Q, *)."""
    read = functional.grid_sample(image.flatten(1, -3), grid, mode="nearest", align_corners=False)
    return read[:, :, 0].mT.unflatten(-1, image.shape[1:-2])
