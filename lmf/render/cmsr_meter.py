"""Measure what CMSR would cost: which cells may be rendered how coarsely for a mean squared error."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from lmf.render.cmsr import CmsrStep, intensity, nodes_at
from lmf.render.cmsr_painter import paint_coarsely
from lmf.render.window import Painter, Windows


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
        """Colours of N windows: (N, 3, Ky, Kx)."""
        self.m.append(intensity(windows.cells))
        full = self.paint(windows)
        hat_y, hat_x = ((1 - t.abs() / 2).clamp_min(0) for t in (windows.y, windows.x))
        hat = hat_y[:, None, :, None] * hat_x[:, None, None]
        for scale in self.scales:
            # The render MLP's colours are those of the image in [-1, 1].
            difference = 0.5 * (paint_coarsely(self.paint, windows, nodes_at(scale)) - full)
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
