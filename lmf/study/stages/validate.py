"""Validation of a training: how good the model is by now, beside bicubic interpolation."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lmf.core.errors import DataError
from lmf.data.degrade import resize_picture
from lmf.data.pictures import as_tensor, read_rgb, write_png
from lmf.metrics.quality import psnr
from lmf.model import Lmf
from lmf.study.sets import open_fetched
from lmf.study.settings.profile import Profile, Validation
from lmf.study.settings.workspace import Workspace

log = logging.getLogger(__name__)


class Validator:
    """PSNR of a model on central crops of the validation set, for watching a training.

    folder: the first crop, as enlarged at each validation, is kept there as <step>.png.
    bicubic: the PSNR of bicubic interpolation on the same crops; a validation below it says so.

    Raises:
        DataError: the set was not fetched, or bicubic leaves nothing to be better at.
    """

    def __init__(
        self, profile: Profile, place: Workspace, device: torch.device, folder: Path
    ) -> None:
        self.protocol, self.scale = profile.protocol, profile.validation.scale
        self.folder = folder
        self.pairs, cubic = [], []
        for path in open_fetched(profile.validation.set, place).hr:
            picture = read_rgb(path)
            side = _side(profile.validation, *picture.shape[:2])
            top, left = ((n - side) // 2 for n in picture.shape[:2])
            hr = picture[top : top + side, left : left + side]
            lr = resize_picture(hr, (round(side / self.scale),) * 2)
            self.pairs.append((as_tensor(lr).to(device), as_tensor(hr).to(device)))
            cubic.append((as_tensor(resize_picture(lr, hr.shape[:2])), as_tensor(hr)))
        self.bicubic = self._mean(cubic)
        if not math.isfinite(self.bicubic):
            raise DataError(
                f"validation set {profile.validation.set}: bicubic is exact on its crops, which shows "
                "nothing; choose pictures with some detail in the middle, or a larger crop"
            )

    def __call__(self, model: Lmf, step: int) -> float:
        """Mean PSNR in dB."""
        with torch.no_grad():
            found = [(model(lr, size=hr.shape[-2:]), hr) for lr, hr in self.pairs]
        write_png(found[0][0].cpu().clamp(0, 1), self.folder / f"{step:07d}.png")
        mean = self._mean(found)
        if not mean >= self.bicubic:  # NaN is not
            log.warning(
                "validation at step %d: %.2f dB, below bicubic's %.2f", step, mean, self.bicubic
            )
        return mean

    def _mean(self, found: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> float:
        return float(np.mean([psnr(sr, hr, self.protocol, self.scale) for sr, hr in found]))


def _side(wanted: Validation, height: int, width: int) -> int:
    """Of the crop of a picture, a multiple of the scale where that is whole."""
    return round(round(min(wanted.crop, height, width) / wanted.scale) * wanted.scale)
