"""The same local ensemble seen from the LR side: which HR pixels does each LR pixel speak for?

Along one axis, LR pixel i speaks for the HR pixels less than one LR pixel away from its centre
(the border pixels also for all beyond them). That is a window of at most ceil(2 s) consecutive HR
pixels, so a whole image can be rendered cell by cell, without gathering anything per HR pixel.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

_EXACT = 2.0**-30
"""In LR pixels: HR pixels this close to an LR pixel's centre lie on it, whatever the rounding."""


@dataclass(frozen=True)
class AxisWindows:
    """Windows along one axis of n LR and N HR pixels; K positions per window.

    offset: (n, K) relative coordinate of each window position, see `coords`. Positions outside the
        image, or past the window's end, are computed and never read.
    low, high: (N,) LR pixels below and above each HR pixel; both sorted; always on the CPU.
    low_slot, high_slot: (N,) position of the HR pixel in those windows, as cell * K + position.
    fraction: (N,) ensemble weight of `high`; that of `low` is 1 - fraction.
    alike: all windows have the same offsets, as they do at integer scales.
    """

    offset: Tensor
    low: Tensor
    high: Tensor
    low_slot: Tensor
    high_slot: Tensor
    fraction: Tensor
    alike: bool

    @property
    def positions(self) -> int:
        """K, the number of positions per window."""
        return self.offset.shape[1]


@lru_cache(maxsize=64)
def axis_windows(n: int, size: int, ensemble: bool, device: torch.device) -> AxisWindows:
    """Windows of `n` LR pixels over `size` HR pixels along one axis."""
    position = (torch.arange(size, dtype=torch.float64) + 0.5) * n / size - 0.5
    nearest = position.round()
    position = torch.where((position - nearest).abs() < _EXACT, nearest, position)
    floor = torch.floor(position)
    fraction = position - floor
    if not ensemble:
        fraction = (fraction > 0.5).to(fraction.dtype)
    low = floor + (fraction == 1)
    high = floor + (fraction > 0)
    low, high = low.clamp(0, n - 1).long(), high.clamp(0, n - 1).long()
    start = _starts(n, size, 1.0 if ensemble else 0.5)
    hr = torch.arange(size)
    low_at, high_at = hr - start[low], hr - start[high]
    k = int(torch.maximum(low_at, high_at).max()) + 1
    window = start[:, None].double() + torch.arange(k)
    offset = 2 * ((window + 0.5) * n / size - 0.5 - torch.arange(n)[:, None])
    alike = bool(((offset - offset[:1]).abs() < _EXACT).all())
    return AxisWindows(
        offset=offset.to(torch.float32).to(device),
        low=low,
        high=high,
        low_slot=(low * k + low_at).to(device),
        high_slot=(high * k + high_at).to(device),
        fraction=fraction.to(torch.float32).to(device),
        alike=alike,
    )


def _starts(n: int, size: int, reach: float) -> Tensor:
    """(n,) first HR pixel, maybe left of the image, less than `reach` LR pixels from each centre."""
    edge = (torch.arange(n, dtype=torch.float64) - reach + 0.5) * (size / n) - 0.5
    return torch.floor(edge + _EXACT).long() + 1
