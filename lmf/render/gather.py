"""Render scattered queries by the definition: gather each query's neighbours, evaluate, blend.

Serves training's random queries, and the tests of the dense renderer.
"""

import torch
from torch import Tensor

from lmf.core.bundle import Cells
from lmf.core.ensemble import Neighbours, neighbours
from lmf.heads.basis import Basis
from lmf.nets.modulated_mlp import ModulatedMlp


def render_queries(
    cells: Cells,
    basis: Basis,
    mlp: ModulatedMlp,
    lr_size: tuple[int, int],
    coord: Tensor,
    cell: Tensor,
    *,
    ensemble: bool,
    chunk: int | None = None,
) -> Tensor:
    """RGB of scattered queries, without the LR image (LIIF, Eq. 4; LMF, Eq. 3).

    coord: (B, Q, 2) in [-1, 1]. cell: (B, Q, 2) in half LR pixels. chunk: queries evaluated at a
    time, to bound memory; it changes nothing else. Returns (B, Q, 3).
    """
    flat = cells.map(lambda t: t.flatten(0, 2))
    parts = [
        _render_chunk(flat, basis, mlp, neighbours(c, lr_size, ensemble), s, lr_size)
        for c, s in zip(
            coord.split(chunk or coord.shape[1], dim=1),
            cell.split(chunk or coord.shape[1], dim=1),
            strict=True,
        )
    ]
    return torch.cat(parts, dim=1)


def _render_chunk(
    cells: Cells,
    basis: Basis,
    mlp: ModulatedMlp,
    near: Neighbours,
    cell: Tensor,
    lr_size: tuple[int, int],
) -> Tensor:
    index = _flat_index(near.index, lr_size)
    picked = cells.map(lambda t: t.index_select(0, index).unflatten(0, near.index.shape))
    x = basis(picked.code, near.offset, cell[:, :, None].expand_as(near.offset))
    rgb = mlp(x, picked.modulation)  # (B, Q, k, 3)
    return (rgb * near.weight[..., None]).sum(2)


def sample_bilinear(image: Tensor, coord: Tensor) -> Tensor:
    """Bilinear interpolation of (B, C, h, w) at (B, Q, 2), border pixels extended -> (B, Q, C)."""
    lr_size = (image.shape[-2], image.shape[-1])
    near = neighbours(coord, lr_size)
    pixels = image.permute(0, 2, 3, 1).flatten(0, 2)
    picked = pixels.index_select(0, _flat_index(near.index, lr_size))
    return (picked.unflatten(0, near.index.shape) * near.weight[..., None]).sum(2)


def _flat_index(index: Tensor, lr_size: tuple[int, int]) -> Tensor:
    """(B, Q, k) indices within each image -> (B * Q * k,) indices into all images' pixels."""
    batch = torch.arange(index.shape[0], device=index.device)
    return (index + batch[:, None, None] * (lr_size[0] * lr_size[1])).flatten()
