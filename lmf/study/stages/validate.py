"""Validation of a training: how good the model is by now, beside bicubic interpolation."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lmf.core.errors import DataError
from lmf.core.files import atomic_write
from lmf.data.degrade import resize_picture
from lmf.data.pictures import read_rgb
from lmf.metrics.quality import psnr
from lmf.model import Lmf
from lmf.study.sets import open_fetched
from lmf.study.settings.profile import Profile
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
            side = profile.validation.side(*picture.shape[:2])
            top, left = ((n - side) // 2 for n in picture.shape[:2])
            hr = picture[top : top + side, left : left + side]
            lr = resize_picture(hr, (round(side / self.scale),) * 2)
            self.pairs.append((_tensor(lr, device), _tensor(hr, device)))
            cubic.append((_tensor(resize_picture(lr, hr.shape[:2]), device), self.pairs[-1][1]))
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
        picture = (found[0][0][0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        with atomic_write(self.folder / f"{step:07d}.png") as temporary:
            Image.fromarray(picture).save(temporary)
        mean = self._mean(found)
        if not mean >= self.bicubic:  # NaN is not
            log.warning(
                "validation at step %d: %.2f dB, below bicubic's %.2f", step, mean, self.bicubic
            )
        return mean

    def _mean(self, found: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> float:
        return float(np.mean([psnr(sr, hr, self.protocol, self.scale) for sr, hr in found]))


def _tensor(picture: np.ndarray, device: torch.device) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(picture.copy()).to(device).permute(2, 0, 1)[None].float() / 255
