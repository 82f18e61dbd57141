"""Training batches, cropped, degraded and augmented on the training device.

A batch is a function of (seed, step) alone: nothing about the random streams has to be saved for a
resumed run to see the same data as an uninterrupted one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lmf.core.bundle import Bundle
from lmf.core.coords import pixel_centres
from lmf.core.errors import InputError
from lmf.data.degrade import downsample_batch
from lmf.data.pictures import read_rgb


@dataclass(frozen=True)
class Batch:
    """lr: (B, 3, p, p) in [0, 1]. hr: (B, 3, P, P) in [0, 1]; P / p is the batch's scale.

    images: index of the picture each crop was taken from.
    """

    lr: Tensor
    hr: Tensor
    images: Tensor


@dataclass(frozen=True)
class Queries(Bundle):
    """Pixels of each HR crop: where they are, and their colours.

    coord: (B, Q, 2), pixel centres on [-1, 1]. cell: (B, Q, 2), a pixel's extent. rgb: (B, Q, 3) in
    [0, 1].
    """

    coord: Tensor
    cell: Tensor
    rgb: Tensor


@dataclass(frozen=True)
class Pictures:
    """Training pictures on the training device, one behind the other, so that a crop is four numbers.

    pixels: (N,) uint8, of each picture in turn (3, H, W), row by row. sizes: (H, W) of each.
    """

    names: tuple[str, ...]
    pixels: Tensor
    sizes: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where in `pixels` each picture starts."""
        return tuple(accumulate((3 * h * w for h, w in self.sizes), initial=0))[:-1]


def hold(names: Sequence[str], pictures: list[Tensor], device: torch.device) -> Pictures:
    """Pictures (3, H, W), uint8, laid down on `device`; the list is emptied, so that none is held twice."""
    sizes = tuple((picture.shape[1], picture.shape[2]) for picture in pictures)
    pixels = torch.empty(sum(3 * h * w for h, w in sizes), dtype=torch.uint8, device=device)
    held = Pictures(tuple(names), pixels, sizes)
    for start in held.starts:
        picture = pictures.pop(0)
        pixels[start : start + picture.numel()].copy_(picture.flatten())
    return held


def load_pictures(paths: Sequence[Path], device: torch.device, smallest: int) -> Pictures:
    """Read pictures as RGB; grey ones become three equal channels.

    Raises:
        InputError: a picture smaller than `smallest` pixels on a side, or unreadable.
    """
    pixels = []
    for path in paths:
        picture = read_rgb(path)
        if min(picture.shape[:2]) < smallest:
            h, w = picture.shape[:2]
            raise InputError(
                f"{path}: {w}x{h} is smaller than the {smallest}-pixel training patch at the "
                "largest scale; remove it or lower train.patch"
            )
        pixels.append(torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))))
    return hold([path.name for path in paths], pixels, device)


def step_seed(seed: int, step: int) -> int:
    """What seeds the random numbers of one training step, in 32 bits: PyTorch reads no more on a CPU.

    Seeds are spread by an odd factor near 2^32 over the golden ratio, far from each other's steps.
    """
    return step ^ (seed * 0x9E3779B1 & 0xFFFFFFFF)


def stream(seed: int, step: int) -> torch.Generator:
    """The random stream of one training step."""
    return torch.Generator().manual_seed(step_seed(seed, step))


def draw_batch(
    pictures: Pictures,
    generator: torch.Generator,
    *,
    batch: int,
    patch: int,
    scales: tuple[float, float],
    rows: range | None = None,
) -> Batch:
    """Random crops at one random scale from `scales`, flipped and transposed at random.

    rows: the crops to make of the `batch` that are drawn, for a process that shares it with others;
    by default all.
    """
    low, high = scales
    scale = low + (high - low) * float(torch.rand((), generator=generator))
    side = round(patch * scale)
    chosen = torch.randint(len(pictures), (batch,), generator=generator)
    places = torch.rand(batch, 2, generator=generator).tolist()
    turns = (torch.rand(batch, 3, generator=generator) < 0.5).tolist()
    which = chosen.tolist()
    rows = range(batch) if rows is None else rows
    crops = [_crop(pictures, which[i], side, places[i], turns[i]) for i in rows]
    hr = _cut(pictures.pixels, crops, side).float() / 255
    return Batch(downsample_batch(hr, (patch, patch)), hr, chosen)


class _Crop(NamedTuple):
    """Where in all pictures' pixels a crop lies: its first, and steps to the next plane, row, column."""

    first: int
    plane: int
    row: int
    column: int


def _crop(
    pictures: Pictures, which: int, side: int, place: Sequence[float], turn: Sequence[bool]
) -> _Crop:
    """A square of a picture; place (2,) in [0, 1), turn (3,): flip y, flip x, then transpose."""
    h, w = size = pictures.sizes[which]
    y, x = (int(p * (n - side + 1)) for p, n in zip(place, size, strict=True))
    flip_y, flip_x, transpose = turn
    y, row = (y + side - 1, -w) if flip_y else (y, w)
    x, column = (x + side - 1, -1) if flip_x else (x, 1)
    row, column = (column, row) if transpose else (row, column)
    return _Crop(pictures.starts[which] + y * w + x, h * w, row, column)


def _cut(pixels: Tensor, crops: Sequence[_Crop], side: int) -> Tensor:
    """The crops, (B, 3, side, side), by one look-up: a GPU is told little, and never waited for."""
    numbers = torch.tensor(crops).to(pixels.device, non_blocking=pixels.is_cuda)
    first, plane, row, column = (n[:, None] for n in numbers.unbind(1))
    along = torch.arange(side, device=pixels.device)
    rows, columns = first + row * along, column * along
    planes = plane * torch.arange(3, device=pixels.device)
    at = rows[:, None, :, None] + planes[:, :, None, None] + columns[:, None, None]
    return pixels[at]


def draw_queries(batch: int, pixels: int, count: int, seed: int, device: torch.device) -> Tensor:
    """`count` different ones of `pixels`, at most all, for each crop: (batch, count), on `device`.

    The numbers depend on the device's kind.
    """
    random = torch.Generator(device).manual_seed(seed)
    keys = torch.rand(batch, pixels, generator=random, device=device)
    return keys.topk(min(count, pixels), dim=1, sorted=False).indices


def look_up(hr: Tensor, pixels: Tensor) -> Queries:
    """What the `pixels` (B, Q) of the flattened crops `hr` (B, 3, P, P) are."""
    height, width = hr.shape[-2:]
    coord = pixel_centres(height, width, hr.device)[pixels]
    # Filled, not copied from here to a device, which would have to wait for it.
    extent = coord.new_full((1, 1, 1), 2 / height), coord.new_full((1, 1, 1), 2 / width)
    cell = torch.cat(extent, dim=-1).expand_as(coord)
    rgb = hr.flatten(2).gather(2, pixels[:, None].expand(-1, 3, -1)).transpose(1, 2)
    return Queries(coord, cell, rgb)
