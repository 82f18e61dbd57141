"""Render whole images cell by cell, without gathering a single modulation.

Every LR cell speaks for a small window of HR pixels (`core.windows`). All of them share the cell's
modulation, so a window is a small matrix product (`render.window`). The image is made in bands of LR
rows: their cells are asked for, their windows rendered and blended, first along x, then along y. HR
rows are finished when no later band speaks for them, and handed on. Attention reads a pixel's
neighbours together, so no cell has anything to share: such images are rendered pixel by pixel.
"""

from collections.abc import Iterator
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lmf.core.bundle import CellSource
from lmf.core.windows import AxisWindows, axis_windows, counted_from
from lmf.heads.basis import Basis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.gather import pixel_rows
from lmf.render.result import Rows
from lmf.render.window import Painter, Windows, render_windows

BAND = 1 << 11
"""Cells whose modulations exist at a time, at least one LR row."""

WINDOWS = 1 << 21
"""Floats of windows that are blended at a time, at least one LR row: 8 MB."""

GPU_BANDS = 32
"""Bands are so many times as large there: launching a kernel costs more than missing a cache."""


@runtime_checkable
class LinePainter(Protocol):
    """A painter that blends its windows along x itself."""

    @property
    def bands(self) -> int:
        """How many times as large as another painter's its bands are."""

    def paint_lines(
        self, windows: Windows, grid: tuple[int, int, int], axis: AxisWindows
    ) -> Tensor:
        """Windows of a grid (B, rows, w) of cells, with those along x -> (B, 3, rows Ky, W)."""


def render_rows(
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
    first: int = 0,
) -> Iterator[Rows]:
    """The rows of an (H, W) image, from row `first` on, as they are finished.

    cell: (B, 2) in half LR pixels. chunk: floats of hidden activations held at a time, by default
    what suits the basis; it bounds memory and changes nothing else.
    dtype: see `render_windows`. paint: another painter of windows.
    """
    if paint is None:
        if isinstance(basis, LocalAttention):
            whole = cells.rows(0, cells.lr_size[0])
            return pixel_rows(whole, basis, mlp, size, cell, chunk=chunk, first=first)
        paint = dense_painter(basis, mlp, chunk=chunk, dtype=dtype)
    return _blend_rows(cells, paint, size, cell, ensemble, first)


def dense_painter(
    basis: Basis,
    mlp: ModulatedMlp,
    *,
    chunk: int | None = None,
    dtype: torch.dtype | None = None,
) -> Painter:
    """Paints with `render_windows`."""
    return partial(render_windows, basis=basis, mlp=mlp, chunk=chunk, dtype=dtype)


def _blend_rows(
    cells: CellSource,
    paint: Painter,
    size: tuple[int, int],
    cell: Tensor,
    ensemble: bool,
    first: int,
) -> Iterator[Rows]:
    """Windows of all cells, blended band by band."""
    batch, (h, w) = cell.shape[0], cells.lr_size
    y = axis_windows(h, size[0], ensemble, cell.device)
    x = axis_windows(w, size[1], ensemble, cell.device)
    rows = band_rows(batch, w, 3 * y.positions * x.positions, cell.device)
    rows *= paint.bands if isinstance(paint, LinePainter) else 1
    rest: Tensor | None = None
    for start in range(y.reads(range(first, first + 1)).start, h, rows):
        stop = min(start + rows, h)
        grid = (batch, stop - start, w)
        band = cells.rows(start, stop).map(lambda t: t.flatten(0, 2))
        extent = cell[:, None, None].expand(*grid, 2).flatten(0, 2)
        windows = Windows(band, *_offsets(y, x, grid, start), extent)
        lines = _paint_lines(paint, windows, grid, x)
        done, rest = _blend_lines(rest, lines, y, start, stop)
        begin = y.high_start[start]
        skipped = max(0, first - begin)
        if done.shape[2] > skipped:
            yield Rows(begin + skipped, done[:, :, skipped:].to(cell.dtype))


def _paint_lines(
    paint: Painter | LinePainter,
    windows: Windows,
    grid: tuple[int, int, int],
    axis: AxisWindows,
) -> Tensor:
    """Windows of a grid (B, rows, w) of cells, blended along x: (B, 3, rows Ky, W)."""
    if isinstance(paint, LinePainter):
        return paint.paint_lines(windows, grid, axis)
    return _blend_columns(paint(windows).unflatten(0, grid), axis)


def band_rows(batch: int, width: int, floats: int, device: torch.device) -> int:
    """LR rows rendered at a time, of `batch` images `width` wide, with `floats` per window."""
    times = 1 if device.type == "cpu" else GPU_BANDS
    return max(1, times * min(BAND, WINDOWS // floats) // (batch * width))


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


def _blend_columns(windows: Tensor, x: AxisWindows) -> Tensor:
    """Windows (B, rows, w, 3, Ky, Kx), blended along x: (B, 3, rows Ky, W)."""
    batch, rows, w, _, ky, kx = windows.shape
    kind = torch.promote_types(windows.dtype, x.fraction.dtype)  # windows may be half
    lines = windows.permute(0, 3, 1, 4, 2, 5).reshape(-1, w * kx).to(kind)
    low, high = lines.index_select(1, x.low_slot), lines.index_select(1, x.high_slot)
    return torch.lerp(low, high, x.fraction.to(kind)).view(batch, 3, rows * ky, -1)


def _blend_lines(
    rest: Tensor | None, lines: Tensor, y: AxisWindows, start: int, stop: int
) -> tuple[Tensor, Tensor]:
    """Lines (B, 3, rows Ky, W) of the windows of LR rows start..stop, blended along y.

    rest: HR rows that earlier LR rows have begun. Returns those finished now, and the new rest.
    """
    kind = lines.dtype
    low = slice(y.low_start[start], y.low_start[stop])
    high = slice(y.high_start[start], y.high_start[stop])
    at = start * y.positions
    rows = lines.index_select(2, counted_from(at, y.low_slot[low]))
    rows *= (1 - y.fraction[low, None]).to(kind)
    if rest is None and low.start > high.start:
        rest = rows.new_zeros(*rows.shape[:2], low.start - high.start, rows.shape[-1])
    if rest is not None:
        rows = torch.cat((rest, rows), dim=2)
    count = high.stop - high.start
    ended = lines.index_select(2, counted_from(at, y.high_slot[high]))
    return rows[:, :, :count].add_(ended * y.fraction[high, None].to(kind)), rows[:, :, count:]
