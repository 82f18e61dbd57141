"""The same local ensemble seen from the LR side: which HR pixels does each LR pixel speak for?

Along one axis, LR pixel i speaks for the HR pixels less than one LR pixel away from its centre
(the border pixels also for all beyond them). That is a window of at most ceil(2 s) + 1 consecutive
HR pixels, so a whole image can be rendered cell by cell, without gathering anything per HR pixel.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class AxisWindows:
    """Windows along one axis of n LR and N HR pixels; K positions per window.

    offset: (n, K) relative coordinate of each window position, see `coords` (positions past the
        window's end are computed and never read).
    low, high: (N,) LR pixels below and above each HR pixel; both sorted; always on the CPU.
    low_slot, high_slot: (N,) position of the HR pixel in those windows, as cell * K + position.
    fraction: (N,) ensemble weight of `high`; that of `low` is 1 - fraction.
    """

    offset: Tensor
    low: Tensor
    high: Tensor
    low_slot: Tensor
    high_slot: Tensor
    fraction: Tensor

    @property
    def positions(self) -> int:
        """K, the number of positions per window."""
        return self.offset.shape[1]


@lru_cache(maxsize=64)
def axis_windows(n: int, size: int, ensemble: bool, device: torch.device) -> AxisWindows:
    """Windows of `n` LR pixels over `size` HR pixels along one axis."""
    position = (torch.arange(size, dtype=torch.float64) + 0.5) * n / size - 0.5
    floor = torch.floor(position)
    fraction = position - floor
    if not ensemble:
        fraction = (fraction > 0.5).to(fraction.dtype)
    low = floor.clamp(0, n - 1).long()
    high = (floor + 1).clamp(0, n - 1).long()
    hr = torch.arange(size)
    cells = torch.arange(n)
    # `high` and `low` are sorted: the window of cell i starts where `high` reaches i
    # and ends where `low` leaves it.
    start = torch.searchsorted(high, cells)
    end = torch.searchsorted(low, cells, right=True)
    k = max(int((end - start).max()), 1)
    window = start[:, None] + torch.arange(k)
    offset = 2 * ((window + 0.5) * n / size - 0.5 - cells[:, None])
    return AxisWindows(
        offset=offset.to(torch.float32).to(device),
        low=low,
        high=high,
        low_slot=(low * k + hr - start[low]).to(device),
        high_slot=(high * k + hr - start[high]).to(device),
        fraction=fraction.to(torch.float32).to(device),
    )
