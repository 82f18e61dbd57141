"""The same local ensemble seen from the LR side: which HR pixels does each LR pixel speak for?

Along one axis, LR pixel i speaks for the HR pixels less than one LR pixel away from its centre
(the border pixels also for all beyond them). That is a window of at most ceil(2 s) consecutive HR
pixels, so a whole image can be rendered cell by cell, without gathering anything per HR pixel.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lmf.core.ensemble import past_middle

_EXACT = 2.0**-30
"""In LR pixels: HR pixels this close to an LR pixel's centre lie on it, whatever the rounding."""


@dataclass(frozen=True)
class AxisWindows:
    """Windows along one axis of n LR and N HR pixels; K positions per window.

    offset: (n, K) relative coordinate of each window position, see `coords`. Positions outside the
        image, or past the window's end, are computed and never read.
    low, high: (N,) LR pixels below and above each HR pixel; both sorted.
    low_start, high_start: (n + 1) first HR pixel whose `low` or `high` is LR pixel i or above. Plain
        numbers, so that who cuts a device's tensors into bands need not wait for the device.
    low_slot, high_slot: (N,) position of the HR pixel in those windows, as cell * K + position.
    fraction: (N,) ensemble weight of `high`; that of `low` is 1 - fraction.
    start: (n,) HR pixel of each window's first position, maybe left of the image.
    share: (n, K) ensemble weight of each position; zero for those that are never read.
    alike: all windows have the same offsets, as they do at integer scales.
    """

    offset: Tensor
    low: Tensor
    high: Tensor
    low_start: tuple[int, ...]
    high_start: tuple[int, ...]
    low_slot: Tensor
    high_slot: Tensor
    fraction: Tensor
    start: Tensor
    share: Tensor
    alike: bool

    @property
    def positions(self) -> int:
        """K, the number of positions per window."""
        return self.offset.shape[1]

    def reads(self, hr: range) -> range:
        """LR pixels from the `low` of the first to the `high` of the last of some HR pixels."""
        first = bisect_right(self.low_start, hr.start) - 1
        return range(first, bisect_right(self.high_start, hr.stop - 1))


def counted_from(first: int, index: Tensor) -> Tensor:
    """Indices into what begins at `first`; a GPU is not asked to subtract nothing."""
    return index - first if first else index


@lru_cache(maxsize=64)
def axis_windows(n: int, size: int, ensemble: bool, device: torch.device) -> AxisWindows:
    """Windows of `n` LR pixels over `size` HR pixels along one axis; computed on the CPU, and kept."""
    # Whoever asks first, they serve all: tensors of inference mode could not be trained with.
    with torch.inference_mode(False), torch.device("cpu"):
        return _axis_windows(n, size, ensemble, device)


def _axis_windows(n: int, size: int, ensemble: bool, device: torch.device) -> AxisWindows:
    position = (torch.arange(size, dtype=torch.float64) + 0.5) * n / size - 0.5
    nearest = position.round()
    position = torch.where((position - nearest).abs() < _EXACT, nearest, position)
    floor = torch.floor(position)
    fraction = position - floor
    if not ensemble:
        fraction = past_middle(fraction).to(fraction.dtype)
    low = floor + (fraction == 1)
    high = floor + (fraction > 0)
    low, high = low.clamp(0, n - 1).long(), high.clamp(0, n - 1).long()
    start = _starts(n, size, 1.0 if ensemble else 0.5)
    hr = torch.arange(size)
    low_at, high_at = hr - start[low], hr - start[high]
    k = int(torch.maximum(low_at, high_at).max()) + 1
    window = start[:, None].double() + torch.arange(k)
    offset = 2 * ((window + 0.5) * n / size - 0.5 - torch.arange(n)[:, None])
    share = torch.zeros(n * k, dtype=torch.float64)
    share.index_add_(0, low * k + low_at, 1 - fraction)
    share.index_add_(0, high * k + high_at, fraction)
    alike = bool(((offset - offset[:1]).abs() < _EXACT).all())

    def there(made: Tensor) -> Tensor:
        # A training has new windows at every step, for which CUDA need not wait: it keeps what it copies.
        return made.to(device, non_blocking=device.type == "cuda")

    return AxisWindows(
        offset=there(offset.float()),
        low=there(low),
        high=there(high),
        low_start=_starts_of(low, n),
        high_start=_starts_of(high, n),
        low_slot=there(low * k + low_at),
        high_slot=there(high * k + high_at),
        fraction=there(fraction.float()),
        start=there(start.int()),
        share=there(share.view(n, k).float()),
        alike=alike,
    )


def _starts(n: int, size: int, reach: float) -> Tensor:
    """(n,) first HR pixel, maybe left of the image, less than `reach` LR pixels from each centre."""
    edge = (torch.arange(n, dtype=torch.float64) - reach + 0.5) * (size / n) - 0.5
    return torch.floor(edge + _EXACT).long() + 1


def _starts_of(cell: Tensor, n: int) -> tuple[int, ...]:
    """For each of n LR pixels, and the end, how many of the sorted `cell` (N,) come before it."""
    return tuple(torch.searchsorted(cell, torch.arange(n + 1)).tolist())
