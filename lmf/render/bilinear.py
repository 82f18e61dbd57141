"""Bilinear enlargement of some rows of an image, as they would be in the whole."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lmf.core.windows import axis_windows, counted_from
from lmf.render.result import Rows


def enlarge_rows(image: Tensor, size: tuple[int, int], rows: range) -> Tensor:
    """Some rows of `image` (B, C, h, w) at `size` (H, W), border pixels extended: (B, C, rows, W).

    They are what `functional.interpolate(image, size, mode="bilinear")` gives there, up to rounding,
    and the same to the bit however an image is cut into rows.
    """
    y = axis_windows(image.shape[-2], size[0], True, image.device)
    x = axis_windows(image.shape[-1], size[1], True, image.device)
    read, here = y.reads(rows), slice(rows.start, rows.stop)
    near = image[:, :, read.start : read.stop]
    near = near.to(torch.promote_types(image.dtype, x.fraction.dtype))
    low, high = near.index_select(3, x.low), near.index_select(3, x.high)
    lines = torch.lerp(low, high, x.fraction.to(near.dtype))
    low = lines.index_select(2, counted_from(read.start, y.low[here]))
    high = lines.index_select(2, counted_from(read.start, y.high[here]))
    return torch.lerp(low, high, y.fraction[here, None].to(near.dtype))


def add_skip(residuals: Iterator[Rows], image: Tensor, size: tuple[int, int]) -> Iterator[Rows]:
    """Half of what was rendered, added to the enlarged LR `image` (B, 3, h, w)."""
    for part in residuals:
        enlarged = enlarge_rows(image, size, range(part.first, part.stop))
        yield Rows(part.first, enlarged.add_(part.rgb, alpha=0.5).to(image.dtype))
