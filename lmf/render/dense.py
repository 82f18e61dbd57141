"""Render whole images cell by cell, without gathering a single modulation.

Every LR cell speaks for a small window of HR pixels (`core.windows`). All of them share the cell's
modulation, so it is folded into the layers once (`ModulatedMlp.forward_cells`) and the window is a
small matrix product. The overlapping windows are then blended, first along y, then along x.
Attention reads a pixel's neighbours together, so no cell has anything to share: such images are
rendered pixel by pixel.
"""

import torch
from torch import Tensor

from lmf.core.bundle import Cells
from lmf.core.windows import AxisWindows, axis_windows
from lmf.heads.basis import Basis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.gather import render_pixels

CHUNK = 1 << 20
"""Floats of hidden activations held at a time: 4 MB, which a CPU's caches still help with."""


def render_image(
    cells: Cells,
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    size: tuple[int, int],
    cell: Tensor,
    *,
    ensemble: bool,
    chunk: int | None = None,
) -> Tensor:
    """The whole (H, W) image, without the LR image; equals `gather` at all pixel centres.

    cells: leading dimensions (B, h, w). cell: (B, 2) in half LR pixels. chunk: floats of hidden
    activations held at a time, by default what suits the basis; it bounds memory and changes nothing
    else. Returns (B, 3, H, W).
    """
    if isinstance(basis, LocalAttention):
        return render_pixels(cells, basis, mlp, size, cell, chunk=chunk)
    chunk = chunk or CHUNK
    batch, h, w = cells.code.grid
    device = cell.device
    y = axis_windows(h, size[0], ensemble, device)
    x = axis_windows(w, size[1], ensemble, device)
    width = max(mlp.linears[0].out_features, basis.outputs)
    rows = max(1, chunk // (batch * w * y.positions * x.positions * width))
    image = cell.new_zeros(batch, size[0], size[1], 3)
    for start in range(0, h, rows):
        stop = min(start + rows, h)
        windows = _render_rows(cells, basis, mlp, cell, y.offset[start:stop], x.offset, start)
        _blend_rows(image, windows, y, x, start, stop)
    return image.permute(0, 3, 1, 2)


def _render_rows(
    cells: Cells,
    basis: Basis,
    mlp: ModulatedMlp,
    cell: Tensor,
    offset_y: Tensor,
    offset_x: Tensor,
    start: int,
) -> Tensor:
    """Windows of some LR rows: (B, rows, Ky, w, Kx, 3)."""
    (rows, ky), (w, kx) = offset_y.shape, offset_x.shape
    batch = cell.shape[0]
    grid = (batch, rows, w)
    some = cells.map(lambda t: t[:, start : start + rows].flatten(0, 2))
    y = offset_y[None, :, None].expand(*grid, ky).flatten(0, 2)
    x = offset_x[None, None].expand(*grid, kx).flatten(0, 2)
    inputs = basis.window(some.code, y, x, cell[:, None, None].expand(*grid, 2).flatten(0, 2))
    rgb = mlp.forward_cells(inputs.flatten(1, 2), some.modulation)
    return rgb.view(*grid, ky, kx, 3).transpose(2, 3)


def _blend_rows(
    image: Tensor, windows: Tensor, y: AxisWindows, x: AxisWindows, start: int, stop: int
) -> None:
    """Add the windows of LR rows start..stop to `image` (B, H, W, 3) with their ensemble weights."""
    batch, _, ky, w, kx, _ = windows.shape
    by_x = windows.reshape(batch, -1, w * kx, 3).to(x.fraction.dtype)  # half under autocast
    fraction = x.fraction[:, None]
    lines = torch.lerp(by_x[:, :, x.low_slot], by_x[:, :, x.high_slot], fraction)
    for cell, slot, weight in (
        (y.low, y.low_slot, 1 - y.fraction),
        (y.high, y.high_slot, y.fraction),
    ):
        first = int(torch.searchsorted(cell, start))
        last = int(torch.searchsorted(cell, stop))
        picked = lines[:, slot[first:last] - start * ky]
        part = picked * weight[first:last, None, None]
        image[:, first:last] += part
