"""Paint windows by CMSR: cells of one render scale together, so that skipped queries are skipped time."""

from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lmf.core.windows import AxisWindows
from lmf.render.cmsr import CmsrTable, intensity
from lmf.render.window import Painter, Windows


@runtime_checkable
class CoarseLinePainter(Protocol):
    """A painter that interpolates between the nodes of its windows, and blends them along x, itself."""

    @property
    def bands(self) -> int:
        """As `dense.LinePainter`."""

    def __call__(self, windows: Windows) -> Tensor:
        """See `render.window.Painter`."""

    def paint_coarse_lines(
        self, windows: Windows, grid: tuple[int, int, int], axis: AxisWindows, nodes: Tensor
    ) -> Tensor:
        """As `dense.LinePainter`; nodes (N,) int32: per axis of each window, 0 for all its positions."""


@dataclass
class CmsrPainter:
    """Paints windows for `render.dense.render_rows`; counts the queries it was asked for and made.

    paint: paints the windows, or their nodes.
    """

    paint: Painter
    table: CmsrTable
    asked: int = field(default=0, init=False)
    made: int = field(default=0, init=False)

    @property
    def saved(self) -> float:
        """Share of window positions that were interpolated instead of evaluated."""
        return 1 - self.made / self.asked if self.asked else 0.0

    def __call__(self, windows: Windows) -> Tensor:
        """Colours of N windows: (N, 3, Ky, Kx)."""
        colours = windows.cell.new_empty(len(windows), 3, *windows.grid)
        nodes = self.choose(windows)
        for count in nodes.unique().tolist():
            some = (nodes == count).nonzero().squeeze(1)
            part = windows.some(some)
            painted = paint_coarsely(self.paint, part, count) if count else self.paint(part)
            colours.index_copy_(0, some, painted.to(colours.dtype))
        return colours

    def choose(self, windows: Windows) -> Tensor:
        """Nodes per axis that the table allows each window, counted: (N,) int32, 0 for all positions."""
        ky, kx = windows.grid
        m = intensity(windows.cells)
        level = torch.bucketize(m, m.new_tensor([step.threshold for step in self.table.steps]))
        nodes = [step.nodes if step.nodes < max(ky, kx) else 0 for step in self.table.steps]
        nodes.append(0)
        cells = torch.bincount(level, minlength=len(nodes)).tolist()
        for n, count in zip(cells, nodes, strict=True):
            self.asked += n * ky * kx
            self.made += n * min(count or ky, ky) * min(count or kx, kx)
        return torch.tensor(nodes, dtype=torch.int32, device=m.device)[level]


@dataclass
class CmsrLinePainter(CmsrPainter):
    """The same for a painter that needs no groups: it paints a whole grid of cells, each in its way."""

    @property
    def bands(self) -> int:
        """See `render.dense.LinePainter`."""
        assert isinstance(self.paint, CoarseLinePainter)
        return self.paint.bands

    def paint_lines(
        self, windows: Windows, grid: tuple[int, int, int], axis: AxisWindows
    ) -> Tensor:
        """See `render.dense.LinePainter`."""
        assert isinstance(self.paint, CoarseLinePainter)
        return self.paint.paint_coarse_lines(windows, grid, axis, self.choose(windows))


def cmsr_painter(paint: Painter, table: CmsrTable) -> CmsrPainter:
    """Paints by CMSR what `paint` paints fully, in the fastest way that it offers."""
    kind = CmsrLinePainter if isinstance(paint, CoarseLinePainter) else CmsrPainter
    return kind(paint, table)


def paint_coarsely(paint: Painter, windows: Windows, nodes: int) -> Tensor:
    """Evaluate at so many nodes per axis; then W_y coarse W_x^T for each cell and colour."""
    at_y, at_x = _nodes(windows.y, nodes), _nodes(windows.x, nodes)
    coarse = paint(replace(windows, y=at_y, x=at_x)).to(windows.cell.dtype)
    along_x = coarse @ _between(at_x, windows.x).to(coarse.dtype).mT[:, None]
    return _between(at_y, windows.y).to(coarse.dtype)[:, None] @ along_x


def node_ends(offset: Tensor) -> tuple[float, float]:
    """The first and the last node over the windows `offset` (N or 1, K).

    Where windows differ, those of the widest one: from neighbour's centre to neighbour's centre.
    """
    return (float(offset[0, 0]), float(offset[0, -1])) if offset.shape[0] == 1 else (-2.0, 2.0)


def _nodes(offset: Tensor, nodes: int) -> Tensor:
    """(1, nodes) positions over the windows `offset` (N or 1, K), never more than they have."""
    first, last = node_ends(offset)
    count = min(nodes, offset.shape[1])
    return torch.linspace(first, last, count, device=offset.device, dtype=offset.dtype)[None]


def _between(nodes: Tensor, offset: Tensor) -> Tensor:
    """Linear interpolation from nodes (1, R) to positions (N or 1, K): weights (N or 1, K, R)."""
    if nodes.shape[1] == 1:
        return torch.ones_like(offset)[..., None]
    step = (nodes[0, -1] - nodes[0, 0]) / (nodes.shape[1] - 1)
    return (1 - (offset[..., None] - nodes[:, None]).abs() / step).clamp_min(0)
