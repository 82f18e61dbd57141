"""Render scattered queries by the definition: gather each query's neighbours, evaluate, blend.

Serves training's random queries, and the tests of the dense renderer. A head that weighs the
neighbours by attention blends before it evaluates; its images are rendered here, too.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lmf.core.bundle import Cells
from lmf.core.coords import axis_centres
from lmf.core.ensemble import Neighbours, neighbours, pick
from lmf.heads.basis import Basis
from lmf.heads.local_attention import CHUNK, LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.result import Rows


def render_queries(
    cells: Cells,
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    lr_size: tuple[int, int],
    coord: Tensor,
    cell: Tensor,
    *,
    ensemble: bool,
    chunk: int | None = None,
) -> Tensor:
    """RGB of scattered queries, without the LR image (LIIF, Eq. 4; LMF, Eq. 3).

    coord: (B, Q, 2) in [-1, 1], never of half precision. cell: (B, Q, 2) in half LR pixels, of the
    cells' type. chunk: queries evaluated at a time, to bound memory; it changes nothing else.
    Returns (B, Q, 3).
    """
    flat = cells.map(lambda t: t.flatten(0, 2))
    code: Any = flat.code  # of the kind that the basis reads
    parts = []
    for c, s in zip(
        coord.split(chunk or coord.shape[1], dim=1),
        cell.split(chunk or coord.shape[1], dim=1),
        strict=True,
    ):
        if isinstance(basis, LocalAttention):
            parts.append(mlp(basis.at(code, lr_size, c, s)))
        else:
            near = neighbours(c, lr_size, ensemble)
            parts.append(_render_chunk(flat, basis, mlp, near, s, lr_size))
    return torch.cat(parts, dim=1)


def pixel_rows(
    cells: Cells,
    attention: LocalAttention,
    mlp: ModulatedMlp,
    size: tuple[int, int],
    cell: Tensor,
    *,
    chunk: int | None = None,
    first: int = 0,
) -> Iterator[Rows]:
    """Rows of an (H, W) image, from row `first` on, by queries at its pixel centres; cell (B, 2).

    chunk: floats of the widest activation held at a time; it changes nothing else.
    """
    batch, h, w = cells.code.grid
    y, x = axis_centres(size[0], cell.device), axis_centres(size[1], cell.device)
    some = max(1, (chunk or CHUNK) // (batch * attention.floats))
    for rows in y[first:].split(max(1, some // size[1])):
        coord = torch.stack(torch.meshgrid(rows, x, indexing="ij"), dim=-1).flatten(0, 1)
        coord = coord.expand(batch, -1, -1)
        here = cell[:, None].expand_as(coord)
        rgb = render_queries(cells, attention, mlp, (h, w), coord, here, ensemble=True, chunk=some)
        yield Rows(first, rgb.transpose(1, 2).unflatten(-1, (len(rows), size[1])))
        first += len(rows)


def _render_chunk(
    cells: Cells,
    basis: Basis,
    mlp: ModulatedMlp,
    near: Neighbours,
    cell: Tensor,
    lr_size: tuple[int, int],
) -> Tensor:
    picked = cells.map(lambda t: pick(t, near.index, lr_size))
    x = basis(picked.code, near.offset, cell[:, :, None].expand_as(near.offset))
    x = x.to(mlp.linears[0].weight.dtype)  # half models find pixels and waves in float32
    rgb = mlp(x, picked.modulation)  # (B, Q, k, 3)
    return (rgb * near.weight[..., None]).sum(2)


def sample_bilinear(image: Tensor, coord: Tensor) -> Tensor:
    """Bilinear interpolation of (B, C, h, w) at (B, Q, 2), border pixels extended -> (B, Q, C)."""
    lr_size = (image.shape[-2], image.shape[-1])
    near = neighbours(coord, lr_size)
    pixels = image.permute(0, 2, 3, 1).flatten(0, 2)
    return (pick(pixels, near.index, lr_size) * near.weight[..., None]).sum(2)
