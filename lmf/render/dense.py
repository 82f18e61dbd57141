"""Render whole images cell by cell, without gathering a single modulation.

Every LR cell speaks for a small window of HR pixels (`core.windows`). All of them share the cell's
modulation, so a window is a small matrix product (`render.window`). The image is made in bands of LR
rows: their cells are asked for, their windows rendered and blended, first along x, then along y.
Attention reads a pixel's neighbours together, so no cell has anything to share: such images are
rendered pixel by pixel.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lmf.core.bundle import Cells, CellSource
from lmf.core.windows import AxisWindows, axis_windows
from lmf.heads.basis import Basis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.gather import render_pixels
from lmf.render.window import render_windows

BAND = 1 << 11
"""Cells whose modulations exist at a time, at least one LR row."""

WINDOWS = 1 << 21
"""Floats of windows that are blended at a time, at least one LR row: 8 MB."""

Painter = Callable[[Cells, Tensor, Tensor, Tensor], Tensor]
"""Windows of N cells: cells, y (N or 1, Ky), x (N or 1, Kx), cell (N, 2) -> (N, 3, Ky, Kx)."""


def render_image(
    cells: CellSource,
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    size: tuple[int, int],
    cell: Tensor,
    *,
    ensemble: bool,
    chunk: int | None = None,
    dtype: torch.dtype | None = None,
    paint: Painter | None = None,
) -> Tensor:
    """The whole (H, W) image, without the LR image; equals `gather` at all pixel centres.

    cell: (B, 2) in half LR pixels. chunk: floats of hidden activations held at a time, by default
    what suits the basis; it bounds memory and changes nothing else.
    dtype: see `render_windows`. paint: another painter of windows. Returns (B, 3, H, W).
    """
    if paint is None:
        if isinstance(basis, LocalAttention):
            whole = cells.rows(0, cells.lr_size[0])
            return render_pixels(whole, basis, mlp, size, cell, chunk=chunk)
        paint = partial(_paint, basis, mlp, chunk, dtype)
    return _blend_image(cells, paint, size, cell, ensemble)


def _paint(
    basis: Basis,
    mlp: ModulatedMlp,
    chunk: int | None,
    dtype: torch.dtype | None,
    cells: Cells,
    y: Tensor,
    x: Tensor,
    cell: Tensor,
) -> Tensor:
    return render_windows(cells, basis, mlp, y, x, cell, chunk=chunk, dtype=dtype)


def _blend_image(
    cells: CellSource, paint: Painter, size: tuple[int, int], cell: Tensor, ensemble: bool
) -> Tensor:
    """Windows of all cells, blended into a (B, 3, H, W) image band by band."""
    batch, (h, w) = cell.shape[0], cells.lr_size
    y = axis_windows(h, size[0], ensemble, cell.device)
    x = axis_windows(w, size[1], ensemble, cell.device)
    floats = 3 * y.positions * x.positions
    rows = max(1, min(BAND, WINDOWS // floats) // (batch * w))
    image = cell.new_zeros(batch, 3, *size)
    for start in range(0, h, rows):
        stop = min(start + rows, h)
        grid = (batch, stop - start, w)
        windows = paint(
            cells.rows(start, stop).map(lambda t: t.flatten(0, 2)),
            *_offsets(y, x, grid, start),
            cell[:, None, None].expand(*grid, 2).flatten(0, 2),
        )
        _blend_rows(image, windows.unflatten(0, grid), y, x, start, stop)
    return image


def _offsets(
    y: AxisWindows, x: AxisWindows, grid: tuple[int, int, int], start: int
) -> tuple[Tensor, Tensor]:
    """Offsets of the windows of some LR rows: (N, Ky) and (N, Kx), or (1, K) where all are alike."""
    if y.alike and x.alike:
        return y.offset[:1], x.offset[:1]
    rows = grid[1]
    by_row = y.offset[start : start + rows, None].expand(*grid, -1)
    by_column = x.offset.expand(*grid, -1)
    return by_row.flatten(0, 2), by_column.flatten(0, 2)


def _blend_rows(
    image: Tensor, windows: Tensor, y: AxisWindows, x: AxisWindows, start: int, stop: int
) -> None:
    """Add windows (B, rows, w, 3, Ky, Kx) of LR rows start..stop to `image` with their weights."""
    batch, rows, w, _, ky, kx = windows.shape
    kind = torch.promote_types(image.dtype, x.fraction.dtype)  # windows may be half
    lines = windows.permute(0, 3, 1, 4, 2, 5).reshape(-1, w * kx).to(kind)
    low, high = lines.index_select(1, x.low_slot), lines.index_select(1, x.high_slot)
    lines = torch.lerp(low, high, x.fraction.to(kind)).view(batch, 3, rows * ky, -1)
    for cell, slot, weight in (
        (y.low, y.low_slot, 1 - y.fraction),
        (y.high, y.high_slot, y.fraction),
    ):
        first = int(torch.searchsorted(cell, start))
        last = int(torch.searchsorted(cell, stop))
        picked = lines.index_select(2, slot[first:last] - start * ky)
        image[:, :, first:last] += picked * weight[first:last, None]
