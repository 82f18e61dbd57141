"""Training batches, cropped, degraded and augmented on the training device.

A batch is a function of (seed, step) alone: nothing about the random streams has to be saved for a
resumed run to see the same data as an uninterrupted one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

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
class Pictures:
    """Training pictures held as uint8 (3, H, W) on the training device."""

    names: tuple[str, ...]
    pixels: tuple[Tensor, ...]


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
    return Pictures(tuple(p.name for p in paths), tuple(p.to(device) for p in pixels))


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
    chosen = torch.randint(len(pictures.pixels), (batch,), generator=generator)
    place = torch.rand(batch, 2, generator=generator)
    turn = torch.rand(batch, 3, generator=generator) < 0.5
    rows = range(batch) if rows is None else rows
    crops = [_crop(pictures.pixels[chosen[i]], side, place[i], turn[i]) for i in rows]
    hr = torch.stack(crops).float() / 255
    return Batch(downsample_batch(hr, (patch, patch)), hr, chosen)


def _crop(picture: Tensor, side: int, place: Tensor, turn: Tensor) -> Tensor:
    """A square of (3, H, W); place (2,) in [0, 1), turn (3,): flip y, flip x, transpose."""
    y, x = (int(p * (n - side + 1)) for p, n in zip(place.tolist(), picture.shape[1:], strict=True))
    flip_y, flip_x, transpose = turn.tolist()
    crop = picture[:, y : y + side, x : x + side]
    axes = [axis for axis, flip in ((1, flip_y), (2, flip_x)) if flip]
    crop = crop.flip(axes) if axes else crop
    return crop.transpose(1, 2) if transpose else crop


def draw_queries(
    batch: int, pixels: int, count: int | None, seed: int, device: torch.device
) -> Tensor | None:
    """`count` different ones of `pixels`, at most all, for each crop: (batch, count), on `device`.

    None stays None: every pixel, to be rendered densely. The numbers depend on the device's kind.
    """
    if count is None:
        return None
    random = torch.Generator(device).manual_seed(seed)
    keys = torch.rand(batch, pixels, generator=random, device=device)
    return keys.topk(min(count, pixels), dim=1, sorted=False).indices
