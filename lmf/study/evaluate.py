"""Evaluation: models x sets x scales -> one row per picture, each with protocol and provenance."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmf.core.errors import DataError, InputError
from lmf.data.degrade import KERNEL, resize_picture
from lmf.data.fetch import ImageSet
from lmf.data.pictures import read_rgb
from lmf.metrics.quality import scores
from lmf.study.journal import Facts, Journal, Key, Row
from lmf.study.rows import COLUMNS
from lmf.study.saved import NOTHING, Saved
from lmf.study.team import ALONE, Team

SMALLEST_LR = 8
"""LR pixels a side below which a picture is not scored: the border would be all of it."""

Upscaler = Callable[[Tensor, tuple[int, int]], Tensor]
"""(1, 3, h, w) in [0, 1] and a size (H, W) -> (1, 3, H, W)."""

OnRow = Callable[[int, int], None]
"""Called with (rows done, of how many) by this process."""


@dataclass(frozen=True)
class Task:
    """A test set, the scales at which it is scored, and by which protocol."""

    pictures: ImageSet
    scales: tuple[float, ...]
    protocol: str


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


def evaluate(
    upscale: Upscaler,
    facts: Facts,
    tasks: Sequence[Task],
    *,
    journal: Journal,
    saved: Saved = NOTHING,
    device: torch.device | None = None,
    team: Team = ALONE,
    on_row: OnRow = lambda done, total: None,
) -> pd.DataFrame | None:
    """Score every picture of every task at every scale; the frame has one row each, with `facts`.

    journal: rows are appended there as they come, so that an interrupted evaluation goes on where
    it stopped; close it once the rows are written. saved: which SR pictures to keep. team: the
    processes that share the work; all but the first get None.
    """
    done = journal.open(facts, _files(tasks), team.rank)
    rows: list[Row] = []
    shares = _shares(tasks, team)
    for task, scale, index in shares:
        pictures = task.pictures
        key = Key(pictures.name, pictures.hr[index].stem, scale, task.protocol)
        row = done.get(key)
        if row is None or saved.wants(key):
            pair = make_pair(pictures, index, scale)
            sr = _upscale(upscale, pair, device)
            row = _score(sr, pair, task.protocol)
            saved.save(key, sr)
            journal.append(row)
        rows.append(row)
        on_row(len(rows), len(shares))
    everything = team.gather(rows)
    if everything is None:
        return None
    frame = pd.DataFrame([asdict(row) | asdict(facts) for row in everything])
    return frame[list(COLUMNS)]


def _files(tasks: Sequence[Task]) -> str:
    """A digest of all files by place, size and time of change: other pictures have another one."""
    sets = [task.pictures for task in tasks]
    paths = [path for one in sets for path in (*one.hr, *chain(*one.lr.values()))]
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return sha256(repr(stats).encode()).hexdigest()


def _shares(tasks: Sequence[Task], team: Team) -> list[tuple[Task, float, int]]:
    """The pictures and scales of this process: every `team.size`-th."""
    all_ = [
        (task, scale, index)
        for task in tasks
        for scale in task.scales
        for index in range(len(task.pictures.hr))
    ]
    return all_[team.rank :: team.size]


def baseline(kernel: str) -> Upscaler:
    """Pillow's "bicubic" or "bilinear" on the 8-bit LR picture."""

    def upscale(image: Tensor, size: tuple[int, int]) -> Tensor:
        lr = (image[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        return as_tensor(resize_picture(lr, size, kernel))

    return upscale


def as_tensor(picture: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    # By NumPy: torch's threads cost more than such a small job when the cores are busy.
    return torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)[None]


def _upscale(upscale: Upscaler, pair: Pair, device: torch.device | None) -> Tensor:
    height, width = pair.hr.shape[:2]
    with torch.no_grad():
        sr = upscale(as_tensor(pair.lr).to(device), (height, width)).cpu().numpy()
    if not np.isfinite(sr).all():
        raise DataError(f"{pair.set}/{pair.image} x{pair.scale:g}: the prediction is not finite")
    return torch.from_numpy(sr.clip(0, 1))


def _score(sr: Tensor, pair: Pair, protocol: str) -> Row:
    found = scores(sr, pair.hr, protocol, pair.scale)
    place = (pair.set, pair.image, pair.scale)
    return Row(*place, found.psnr, found.ssim, found.psnr_8bit, protocol, pair.lr_source)
