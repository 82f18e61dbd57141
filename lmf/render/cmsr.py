"""Controllable multi-scale rendering (LMF, Sec. 3.4): smooth cells are rendered coarsely.

What a cell says about the pixels around it is the smoother, the smaller its shift modulations are:
where they vanish, all ReLUs of a layer bend at the same places for every cell. So the mean |shift|
of a cell, its intensity m, picks the smallest render scale r that a table allows for it:

    r(m) = min {r : m <= threshold_r},   the target scale s where there is none

A window is then evaluated at 2 r + 1 positions per axis, its nodes, spread evenly over it, and
interpolated linearly along each axis to its own positions. `cmsr_painter` renders so, `cmsr_meter`
measures what it costs.
"""

from dataclasses import dataclass

from torch import Tensor

from lmf.core.bundle import Cells
from lmf.core.config import Config
from lmf.core.errors import ConfigError

CANDIDATES = (1, 2, 3, 4, 6, 8, 12, 16)
"""Render scales that a table may hold, where they are at most half its target scale."""


@dataclass(frozen=True)
class CmsrStep(Config):
    """Cells of at most this intensity may be rendered at `render_scale`."""

    render_scale: int
    threshold: float

    @property
    def nodes(self) -> int:
        """Positions per axis at which a window is evaluated."""
        return nodes_at(self.render_scale)


@dataclass(frozen=True)
class CmsrTable(Config):
    """Which cells may be rendered how coarsely at one target scale.

    steps: from coarse to fine, thresholds not falling. mse: largest mean squared error, in [0, 1]^2,
    of cells of like intensity, see `cmsr_meter.fit_steps`. set, images, seed: the pictures that it
    was measured on.
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


def nodes_at(render_scale: int) -> int:
    """Positions per axis at which a window is evaluated at a render scale, where it has so many."""
    return 2 * render_scale + 1


def candidates(scale: float) -> tuple[int, ...]:
    """Render scales worth trying at a target scale."""
    return tuple(r for r in CANDIDATES if r <= scale / 2)


NO_SHIFT = "this model has no shift modulation, which CMSR reads; render without it"


def intensity(cells: Cells) -> Tensor:
    """m: mean |shift| of each cell, (N,). Raises ConfigError if the model has no shift modulation."""
    if cells.modulation is None or cells.modulation.shift is None:
        raise ConfigError(NO_SHIFT)
    return cells.modulation.shift.abs().mean((-2, -1))
