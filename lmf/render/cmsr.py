"""Controllable multi-scale rendering (LMF, Sec. 3.4): smooth cells are rendered coarsely.

What a cell says about the pixels around it is the smoother, the smaller its shift modulations are:
where they vanish, all ReLUs of a layer bend at the same places for every cell. So the mean |shift|
of a cell, its intensity m, picks the smallest render scale r that a table allows for it:

    r(m) = min {r : m <= threshold_r},   the target scale s where there is none

A window is then evaluated at 2 r + 1 positions per axis, spread evenly over it, and interpolated
linearly along each axis to its own positions. Cells of one render scale are rendered together, so
that skipped queries are skipped time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lmf.core.bundle import Cells
from lmf.core.config import Config
from lmf.core.errors import ConfigError
from lmf.render.window import Painter, Windows

CANDIDATES = (1, 2, 3, 4, 6, 8, 12, 16)
"""Render scales that a table may hold, where they are at most half its target scale."""


@dataclass(frozen=True)
class CmsrStep(Config):
    """Cells of at most this intensity may be rendered at `render_scale`."""

    render_scale: int
    threshold: float


@dataclass(frozen=True)
class CmsrTable(Config):
    """Which cells may be rendered how coarsely at one target scale.

    steps: from coarse to fine, thresholds not falling. mse: largest mean squared error, in [0, 1]^2,
    of cells of like intensity, see `fit_steps`. set, images, seed: the pictures it was measured on.
    """

    scale: float
    mse: float
    steps: tuple[CmsrStep, ...]
    set: str
    images: int
    seed: int

    def __post_init__(self) -> None:
        scales = [step.render_scale for step in self.steps]
        thresholds = [step.threshold for step in self.steps]
        if scales != sorted(set(scales)) or thresholds != sorted(thresholds):
            raise ConfigError("steps must go from coarse to fine, thresholds not falling")
        if scales and not 1 <= scales[0] <= scales[-1] < self.scale:
            raise ConfigError(f"render scales {scales} must be from 1 up and below {self.scale:g}")

    def check(self, lr_size: tuple[int, int], size: tuple[int, int]) -> None:
        """ConfigError if (h, w) -> (H, W) is not the scale that the table was measured at."""
        if size != (round(lr_size[0] * self.scale), round(lr_size[1] * self.scale)):
            raise ConfigError(
                f"the CMSR table is for x{self.scale:g}, not {lr_size[1]}x{lr_size[0]} to "
                f"{size[1]}x{size[0]}; build one with `lmf cmsr build`"
            )


def candidates(scale: float) -> tuple[int, ...]:
    """Render scales worth trying at a target scale."""
    return tuple(r for r in CANDIDATES if r <= scale / 2)


NO_SHIFT = "this model has no shift modulation, which CMSR reads; render without it"


def intensity(cells: Cells) -> Tensor:
    """m: mean |shift| of each cell, (N,). Raises ConfigError if the model has no shift modulation."""
    if cells.modulation is None or cells.modulation.shift is None:
        raise ConfigError(NO_SHIFT)
    return cells.modulation.shift.abs().mean((-2, -1))


@dataclass
class CmsrPainter:
    """Paints windows for `render.dense.render_rows`; counts the queries it was asked for and made.

    paint: paints the windows, or their nodes.
    """

    paint: Painter
    table: CmsrTable
    asked: int = 0
    made: int = 0

    @property
    def saved(self) -> float:
        """Share of window positions that were interpolated instead of evaluated."""
        return 1 - self.made / self.asked if self.asked else 0.0

    def __call__(self, windows: Windows) -> Tensor:
        """Colours of N windows: (N, 3, Ky, Kx)."""
        ky, kx = windows.grid
        colours = windows.cell.new_empty(len(windows), 3, ky, kx)
        for scale, some in self._groups(intensity(windows.cells)):
            part = windows.some(some)
            if scale is None:
                painted = self.paint(part)
                self.made += len(some) * ky * kx
            else:
                painted = paint_coarsely(self.paint, part, scale)
                at_y, at_x = _nodes(windows.y, scale), _nodes(windows.x, scale)
                self.made += len(some) * at_y.shape[1] * at_x.shape[1]
            colours.index_copy_(0, some, painted.to(colours.dtype))
        self.asked += len(windows) * ky * kx
        return colours

    def _groups(self, m: Tensor) -> Iterator[tuple[int | None, Tensor]]:
        """Render scale, None for the target scale itself, and indices of the cells that have it."""
        thresholds = m.new_tensor([step.threshold for step in self.table.steps])
        level = torch.bucketize(m, thresholds)
        scales = [*(step.render_scale for step in self.table.steps), None]
        for i, scale in enumerate(scales):
            some = (level == i).nonzero().squeeze(1)
            if len(some):
                yield scale, some


def paint_coarsely(paint: Painter, windows: Windows, scale: int) -> Tensor:
    """Evaluate at the nodes of a render scale; then W_y coarse W_x^T for each cell and colour."""
    at_y, at_x = _nodes(windows.y, scale), _nodes(windows.x, scale)
    coarse = paint(replace(windows, y=at_y, x=at_x)).to(windows.cell.dtype)
    along_x = coarse @ _between(at_x, windows.x).to(coarse.dtype).mT[:, None]
    return _between(at_y, windows.y).to(coarse.dtype)[:, None] @ along_x


def _nodes(offset: Tensor, scale: int) -> Tensor:
    """(1, 2 r + 1) positions over the windows `offset` (N or 1, K), never more than they have.

    Where windows differ, those of the widest one: from neighbour's centre to neighbour's centre.
    """
    count = min(2 * scale + 1, offset.shape[1])
    first, last = offset[0, [0, -1]].tolist() if offset.shape[0] == 1 else (-2.0, 2.0)
    return torch.linspace(first, last, count, device=offset.device, dtype=offset.dtype)[None]


def _between(nodes: Tensor, offset: Tensor) -> Tensor:
    """Linear interpolation from nodes (1, R) to positions (N or 1, K): weights (N or 1, K, R)."""
    if nodes.shape[1] == 1:
        return torch.ones_like(offset)[..., None]
    step = (nodes[0, -1] - nodes[0, 0]) / (nodes.shape[1] - 1)
    return (1 - (offset[..., None] - nodes[:, None]).abs() / step).clamp_min(0)


@dataclass(frozen=True)
class CmsrMeter:
    """Paints full windows, and notes what each coarser render scale would have made of them.

    m: intensities of the cells painted so far. errors[r]: their squared errors, in [0, 1]^2, at
    render scale r: the mean over positions and colours, weighed as the ensemble weighs them, by the
    hat (1 - |y| / 2) (1 - |x| / 2). The ensemble's weights sum to one, so that, the square being
    convex, the mean over all cells bounds the error of the image.
    """

    paint: Painter
    scales: tuple[int, ...]
    m: list[Tensor] = field(default_factory=list)
    errors: dict[int, list[Tensor]] = field(default_factory=lambda: defaultdict(list))

    def __call__(self, windows: Windows) -> Tensor:
        """As `CmsrPainter`."""
        self.m.append(intensity(windows.cells))
        full = self.paint(windows)
        hat_y, hat_x = ((1 - t.abs() / 2).clamp_min(0) for t in (windows.y, windows.x))
        hat = hat_y[:, None, :, None] * hat_x[:, None, None]
        for scale in self.scales:
            # The render MLP's colours are those of the image in [-1, 1].
            difference = 0.5 * (paint_coarsely(self.paint, windows, scale) - full)
            error = (difference.square() * hat).sum((1, 2, 3)) / (3 * hat.sum((1, 2, 3)))
            self.errors[scale].append(error)
        return full


GROUPS = 100
"""Groups of equally many cells, by intensity, whose mean errors decide on a threshold."""


def fit_steps(m: Tensor, errors: Mapping[int, Tensor], mse: float) -> tuple[CmsrStep, ...]:
    """Thresholds of the render scales from cells of intensity `m` (N,) and their errors (N,).

    threshold_r is the largest intensity such that, of `GROUPS` groups of cells with like intensity,
    each one up to it has a mean error of at most `mse`. So cells of any intensity, smooth sky or
    faint texture, are rendered no worse than that on average, and the image with them; were only the
    mean over all cells held, the many that are flat would pay for visible errors in the others. A
    larger `mse` never lowers a threshold. A render scale that no cell may have is left out.
    """
    order = m.argsort()
    groups = [group for group in order.tensor_split(GROUPS) if len(group)]
    ends = [float(m[group[-1]]) for group in groups]
    steps: list[CmsrStep] = []
    for scale in sorted(errors):
        within = [float(errors[scale][group].double().mean()) <= mse for group in groups]
        passed = within.index(False) if False in within else len(groups)
        threshold = ends[passed - 1] if passed else -1.0
        if threshold > (steps[-1].threshold if steps else -1.0):
            steps.append(CmsrStep(scale, threshold))
    return tuple(steps)
