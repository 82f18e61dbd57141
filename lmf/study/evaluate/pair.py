"""LR and HR of one picture of a set at one scale."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmf.core.errors import InputError
from lmf.data.degrade import KERNEL, resize_picture
from lmf.data.pictures import read_rgb
from lmf.data.sets import ImageSet

SMALLEST_LR = 8
"""LR pixels a side below which a picture is not scored: the border would be all of it."""


@dataclass(frozen=True)
class Pair:
    """A picture of a set at one scale, cropped so that HR = round(scale * LR)."""

    set: str
    image: str
    scale: float
    lr: NDArray[np.uint8]
    hr: NDArray[np.uint8]
    lr_source: str


def make_pair(pictures: ImageSet, index: int, scale: float) -> Pair:
    """LR and HR of one picture; the published LR file where there is one, ours elsewhere.

    HR keeps its upper left corner: floor(H / scale) LR rows need round(scale * that) HR rows.

    Raises:
        InputError: the picture is too small for the scale, or not as large as its published LR says.
    """
    path = pictures.hr[index]
    hr = read_rgb(path)
    published = pictures.lr.get(int(scale)) if float(scale).is_integer() else None
    if published:
        lr = read_rgb(published[index])
        h, w = lr.shape[:2]
    else:  # 81 / 2.7 is 29.99... in floating point: hence the hair that is added
        h, w = (math.floor(side / scale + 1e-9) for side in hr.shape[:2])
    size = round(h * scale), round(w * scale)
    if min(h, w) < SMALLEST_LR:
        raise InputError(
            f"{path}: {hr.shape[1]}x{hr.shape[0]} leaves less than {SMALLEST_LR} pixels a side at "
            f"x{scale:g}; leave out the picture or the scale"
        )
    if published:
        _check_fit(path, hr, published[index], lr, scale)
    hr = hr[: size[0], : size[1]]
    if not published:
        lr = resize_picture(hr, (h, w))
    source = "published" if published else KERNEL
    return Pair(pictures.name, path.stem, scale, lr, hr, source)


def _check_fit(
    hr_path: Path, hr: NDArray[np.uint8], lr_path: Path, lr: NDArray[np.uint8], scale: float
) -> None:
    """InputError unless LR is HR at 1 / scale, less a part of an LR pixel where that leaves a rest."""
    for large, small in zip(hr.shape[:2], lr.shape[:2], strict=True):
        if not large - scale < small * scale <= large:
            sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in (lr, hr)]
            raise InputError(
                f"{lr_path}: {sizes[0]} is not the {sizes[1]} of {hr_path} at x{scale:g}; put the LR "
                "picture of that file there, or fetch the set again"
            )
