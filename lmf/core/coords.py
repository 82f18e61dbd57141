"""The one coordinate convention: pixel centres in [-1, 1], (y, x), as in LIIF.

Pixel i of n has its centre at -1 + (2 i + 1) / n. The *relative coordinate* of a query at y with
respect to LR pixel i of h is (y - centre_i) * h: it runs over [-1, 1] inside the pixel itself and
over [-2, 2] up to the neighbours' centres.
"""

import torch
from torch import Tensor


def axis_centres(n: int, device: torch.device | str = "cpu") -> Tensor:
    """(n,) float32 pixel centres along one axis; computed in float64 to keep them symmetric.

    On the device itself where that has float64: a copy from here would have to wait for it.
    """
    exact = "cpu" if torch.device(device).type == "mps" else device
    index = torch.arange(n, dtype=torch.float64, device=exact)
    return (-1 + (2 * index + 1) / n).to(torch.float32).to(device)


def pixel_centres(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """(height * width, 2) centres (y, x) in row-major order."""
    grid = torch.meshgrid(axis_centres(height, device), axis_centres(width, device), indexing="ij")
    return torch.stack(grid, dim=-1).view(-1, 2)


def cell_of(
    size: tuple[int, int], lr_size: tuple[int, int], max_scale: float
) -> tuple[float, float]:
    """Extent (y, x) of one HR pixel on [-1, 1], clipped as the official evaluation does.

    Beyond the largest scale seen in training, the cell is held at that scale's value
    (multiplied by max(scale / max_scale, 1)), since smaller cells were never seen.
    """
    (height, width), (h, w) = size, lr_size
    return (
        2 / height * max(height / h / max_scale, 1.0),
        2 / width * max(width / w / max_scale, 1.0),
    )
