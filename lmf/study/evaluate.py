"""Evaluation: models x sets x scales -> one row per picture, each with protocol and provenance."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lmf.core.errors import DataError, InputError
from lmf.core.files import atomic_write
from lmf.data.degrade import KERNEL, resize_picture
from lmf.data.fetch import ImageSet
from lmf.data.pictures import read_rgb
from lmf.metrics.quality import psnr, ssim
from lmf.study.profile import Crop
from lmf.study.rows import COLUMNS

SMALLEST_LR = 8
"""LR pixels a side below which a picture is not scored: the border would be all of it."""

Upscaler = Callable[[Tensor, tuple[int, int]], Tensor]
"""(1, 3, h, w) in [0, 1] and a size (H, W) -> (1, 3, H, W)."""


@dataclass(frozen=True)
class Facts:
    """Provenance that stands in every row; None where it makes no sense, as for bicubic."""

    model: str
    profile: str
    protocol: str
    seed: int | None
    steps: int | None
    weights_sha256: str | None
    params: int | None
    macs_g: float | None
    device: str
    torch: str
    lmf: str


@dataclass(frozen=True)
class Row:
    """One picture at one scale: dB, structural similarity, dB after rounding to 8 bits."""

    set: str
    image: str
    scale: float
    psnr: float
    ssim: float
    psnr_8bit: float
    lr_source: str


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

    Raises:
        InputError: the picture is too small for the scale, or the published LR does not fit it.
    """
    path = pictures.hr[index]
    hr = read_rgb(path)
    published = pictures.lr.get(int(scale)) if float(scale).is_integer() else None
    if published:
        lr = read_rgb(published[index])
        h, w = lr.shape[:2]
    else:
        h, w = int(hr.shape[0] / scale), int(hr.shape[1] / scale)
    size = round(h * scale), round(w * scale)
    if min(h, w) < SMALLEST_LR:
        raise InputError(
            f"{path}: {hr.shape[1]}x{hr.shape[0]} leaves less than {SMALLEST_LR} pixels a side at "
            f"x{scale:g}; remove the picture from the set, or the scale from the profile"
        )
    if size[0] > hr.shape[0] or size[1] > hr.shape[1]:
        raise InputError(f"{path}: smaller than its published x{scale:g} LR; fetch the set again")
    hr = hr[: size[0], : size[1]]
    if not published:
        lr = resize_picture(hr, (h, w))
    source = "published" if published else KERNEL
    return Pair(pictures.name, path.stem, scale, lr, hr, source)


def evaluate(
    upscale: Upscaler,
    facts: Facts,
    sets: Sequence[ImageSet],
    scales: Sequence[float],
    *,
    journal: Path,
    crops: Sequence[Crop] = (),
    crop_folder: Path | None = None,
    device: torch.device | None = None,
    on_row: Callable[[Row], None] = lambda row: None,
) -> pd.DataFrame:
    """Score every picture of `sets` at every scale; the frame has one row each, with the facts.

    journal: rows are appended there as they come, so that an interrupted evaluation goes on where
    it stopped; it is started afresh if it belongs to other facts. crops are cut into crop_folder.
    """
    done = _read_journal(journal, facts)
    rows = []
    for pictures in sets:
        for scale in scales:
            for index, path in enumerate(pictures.hr):
                wanted = [
                    c
                    for c in crops
                    if (c.set, c.image, c.scale) == (pictures.name, path.stem, scale)
                ]
                row = done.get((pictures.name, path.stem, scale))
                if row is None or wanted:
                    pair = make_pair(pictures, index, scale)
                    sr = _upscale(upscale, pair, device)
                    row = _score(sr, pair, facts.protocol)
                    for crop in wanted:
                        _save_crop(sr, crop, crop_folder)
                    _append(journal, asdict(row))
                rows.append(row)
                on_row(row)
    frame = pd.DataFrame([asdict(row) | asdict(facts) for row in rows])
    return frame[list(COLUMNS)]


def baseline(kernel: str) -> Upscaler:
    """Pillow's "bicubic" or "bilinear" on the 8-bit LR picture."""

    def upscale(image: Tensor, size: tuple[int, int]) -> Tensor:
        lr = (image[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        return as_tensor(resize_picture(lr, size, kernel))

    return upscale


def as_tensor(picture: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def _upscale(upscale: Upscaler, pair: Pair, device: torch.device | None) -> Tensor:
    with torch.no_grad():
        sr = upscale(as_tensor(pair.lr).to(device), pair.hr.shape[:2]).cpu()
    if not torch.isfinite(sr).all():
        raise DataError(f"{pair.set}/{pair.image} x{pair.scale:g}: the prediction is not finite")
    return sr.clamp(0, 1)


def _score(sr: Tensor, pair: Pair, protocol: str) -> Row:
    hr = as_tensor(pair.hr)
    return Row(
        pair.set,
        pair.image,
        pair.scale,
        psnr(sr, hr, protocol, pair.scale),
        ssim(sr, hr, protocol, pair.scale),
        psnr(sr, hr, protocol, pair.scale, eight_bit=True),
        pair.lr_source,
    )


def _save_crop(picture: Tensor, crop: Crop, folder: Path | None) -> None:
    """Cut the crop's box out of (1, 3, H, W) and write it as PNG."""
    if folder is None:
        return
    top, left, height, width = crop.box
    part = picture[0, :, top : top + height, left : left + width].permute(1, 2, 0)
    pixels = (part.numpy() * 255).round().astype(np.uint8)
    with atomic_write(folder / f"{crop.set}-{crop.image}-x{crop.scale:g}.png") as temporary:
        Image.fromarray(pixels).save(temporary)


def save_reference_crops(sets: Sequence[ImageSet], crops: Sequence[Crop], folder: Path) -> None:
    """Crops of the original (`hr`) and of the LR picture enlarged pixel by pixel (`lr`)."""
    for pictures, index, crop in _find(sets, crops):
        pair = make_pair(pictures, index, crop.scale)
        size = (pair.hr.shape[1], pair.hr.shape[0])
        lr = Image.fromarray(pair.lr).resize(size, Image.Resampling.NEAREST)
        _save_crop(as_tensor(pair.hr), crop, folder / "hr")
        _save_crop(as_tensor(np.asarray(lr)), crop, folder / "lr")


def _find(sets: Sequence[ImageSet], crops: Sequence[Crop]) -> Iterator[tuple[ImageSet, int, Crop]]:
    for crop in crops:
        for pictures in sets:
            for index, path in enumerate(pictures.hr):
                if (pictures.name, path.stem) == (crop.set, crop.image):
                    yield pictures, index, crop


def _read_journal(path: Path, facts: Facts) -> dict[tuple[str, str, float], Row]:
    """Rows of an interrupted evaluation by the same facts; an unfinished last line is dropped."""
    head = json.dumps(asdict(facts), sort_keys=True)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    if not lines or lines[0] != head + "\n":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + "\n", encoding="utf-8")
        return {}
    names = {field.name for field in fields(Row)}
    raw = [json.loads(line) for line in lines[1:] if line.endswith("\n")]
    rows = [Row(**{k: v for k, v in one.items() if k in names}) for one in raw]
    return {(row.set, row.image, row.scale): row for row in rows}


def _append(path: Path, row: dict[str, object]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
