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


def stream(seed: int, step: int) -> torch.Generator:
    """The random stream of one training step."""
    return torch.Generator().manual_seed((seed << 32) + step)


def draw_batch(
    pictures: Pictures,
    generator: torch.Generator,
    *,
    batch: int,
    patch: int,
    scales: tuple[float, float],
) -> Batch:
    """Random crops at one random scale from `scales`, flipped and transposed at random."""
    low, high = scales
    scale = low + (high - low) * float(torch.rand((), generator=generator))
    side = round(patch * scale)
    chosen = torch.randint(len(pictures.pixels), (batch,), generator=generator)
    crops = [_random_crop(pictures.pixels[i], side, generator) for i in chosen.tolist()]
    hr = torch.stack(crops).float() / 255
    return Batch(downsample_batch(hr, (patch, patch)), hr, chosen)


def _random_crop(picture: Tensor, side: int, generator: torch.Generator) -> Tensor:
    _, height, width = picture.shape
    y = int(torch.randint(height - side + 1, (), generator=generator))
    x = int(torch.randint(width - side + 1, (), generator=generator))
    crop = picture[:, y : y + side, x : x + side]
    flip_y, flip_x, transpose = (torch.rand(3, generator=generator) < 0.5).tolist()
    axes = [axis for axis, flip in ((1, flip_y), (2, flip_x)) if flip]
    crop = crop.flip(axes) if axes else crop
    return crop.transpose(1, 2) if transpose else crop
