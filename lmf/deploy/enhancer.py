"""Enlarge pictures as people have them: PIL images, integer and float arrays, tensors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from lmf.core.errors import InputError
from lmf.core.inputs import check_image, target_size
from lmf.deploy.device import choose_device
from lmf.model import Lmf
from lmf.render.cmsr import CmsrTable
from lmf.render.result import Upscaled

Picture = TypeVar("Picture", Image.Image, NDArray[np.generic], Tensor)

MODES = {
    "1": "L", "L": "L", "LA": "LA", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA",
    "I;16": "I;16", "I;16B": "I;16",
}  # fmt: skip
"""PIL modes that are read, and the mode each is enlarged and returned in."""

_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}


@dataclass(frozen=True)
class _Planes:
    """colour: (1, 3, h, w) and alpha: (1, 1, h, w) or None, in [0, 1]."""

    colour: Tensor
    alpha: Tensor | None


@dataclass(frozen=True)
class _Wanted:
    """What the caller asked for."""

    scale: float | None
    size: tuple[int, int] | None
    max_memory: int | None
    cmsr: CmsrTable | None
    tell: Callable[[Upscaled], None]

    def of(self, lr_size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) for a picture of `lr_size` (h, w)."""
        return target_size(lr_size, self.size, self.scale)


class Enhancer:
    """Enlarges pictures with one model on one device.

    device: "auto", "cpu", "cuda", "cuda:N" or "mps"; `self.device` says which it is.
    """

    def __init__(self, model: Lmf, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.model = model.eval().to(self.device)
        self._dtype = next(model.parameters()).dtype

    def enhance(
        self,
        picture: Picture,
        scale: float | None = None,
        size: tuple[int, int] | None = None,
        *,
        max_memory: int | None = None,
        cmsr: CmsrTable | None = None,
        tell: Callable[[Upscaled], None] = lambda upscaled: None,
    ) -> Picture:
        """The picture `scale` times as large, or at `size` (H, W); the same kind out as in.

        picture: a PIL image (see MODES; orientation applied, colour profile kept); an array
        (h, w[, 1, 2, 3 or 4]) of uint8, uint16 or floats in [0, 1]; or a float tensor (3, h, w)
        or (B, 3, h, w) in [0, 1], not clamped. Alpha is enlarged bilinearly.
        max_memory: bytes above the weights that the model may take; cmsr: how coarsely smooth parts
        may be rendered, see `Lmf.upscale`. tell: is told how the picture was made.

        Raises:
            ConfigError: a CMSR table that does not fit the scale or the model.
            InputError: any other picture, a scale below 1, both or neither of scale and size, too
                large an output, too small a `max_memory`.
            ResourceError: the device's memory does not suffice.
        """
        wanted = _Wanted(scale, size, max_memory, cmsr, tell)
        if isinstance(picture, Tensor):
            return self._enhance_tensor(picture, wanted)
        if isinstance(picture, Image.Image):
            return self._enhance_pil(picture, wanted)
        if isinstance(picture, np.ndarray):
            return self._enhance_array(picture, wanted)
        kind = type(picture).__name__
        raise InputError(f"a {kind} is no picture: pass a PIL image, array or tensor")

    def _enhance_tensor(self, picture: Tensor, wanted: _Wanted) -> Tensor:
        batch = picture if picture.ndim == 4 else picture[None]
        result = self._enlarge(batch, wanted.of(check_image(batch)), wanted)
        return result.reshape(*picture.shape[:-2], *result.shape[-2:])

    def _enhance_pil(self, picture: Image.Image, wanted: _Wanted) -> Image.Image:
        mode = output_mode(picture)
        upright = ImageOps.exif_transpose(picture)
        pixels = np.asarray(upright if upright.mode == mode else upright.convert(mode))
        result = Image.fromarray(self._enhance_array(pixels, wanted))
        if "icc_profile" in picture.info:
            result.info["icc_profile"] = picture.info["icc_profile"]
        return result

    def _enhance_array(self, picture: NDArray[np.generic], wanted: _Wanted) -> NDArray[np.generic]:
        planes = _split(picture)
        target = wanted.of((planes.colour.shape[-2], planes.colour.shape[-1]))
        colour, alpha = planes.colour, planes.alpha
        if alpha is not None:
            colour = _fill_invisible(colour, alpha)
            alpha = functional.interpolate(alpha, target, mode="bilinear", align_corners=False)
        enlarged = self._enlarge(colour, target, wanted).clamp(0, 1)
        return _join(_Planes(enlarged, alpha), picture)

    def _enlarge(self, image: Tensor, target: tuple[int, int], wanted: _Wanted) -> Tensor:
        """(B, 3, h, w) -> (B, 3, *target) on the model's device; back as it came."""
        image_there = image.to(self.device, self._dtype)
        result = self.model.upscale(
            image_there, size=target, max_memory=wanted.max_memory, cmsr=wanted.cmsr
        )
        wanted.tell(result)
        return result.rgb.to(image)


def output_mode(picture: Image.Image) -> str:
    """Mode that `Enhancer.enhance` returns a PIL picture in; InputError if it takes no such one."""
    if picture.mode not in MODES:
        valid = ", ".join(MODES)
        raise InputError(f"picture mode {picture.mode} is not supported; convert to: {valid}")
    mode = MODES[picture.mode]
    if "transparency" not in picture.info or mode in _WITH_ALPHA.values():
        return mode
    if mode not in _WITH_ALPHA:
        raise InputError(f"picture mode {picture.mode} with a transparent grey is not supported")
    return _WITH_ALPHA[mode]


def _fill_invisible(colour: Tensor, alpha: Tensor) -> Tensor:
    """Invisible pixels with the nearest visible one's colour: theirs would bleed into the edge.

    Straight colours stay as they are, so an edge gets no fringe however sharp the model is, which
    cannot be said of premultiplied colours beside an alpha that was enlarged in another way.
    """
    from scipy.ndimage import distance_transform_edt

    invisible = alpha[0, 0].numpy() == 0
    if invisible.all() or not invisible.any():
        return colour
    nearest = distance_transform_edt(invisible, return_distances=False, return_indices=True)
    return colour[:, :, nearest[0], nearest[1]]


def _split(picture: NDArray[np.generic]) -> _Planes:
    """Colour and alpha of an array (h, w[, channels])."""
    pixels = picture[..., None] if picture.ndim == 2 else picture
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4) or pixels.size == 0:
        raise InputError(f"array has shape {picture.shape}: pass (h, w) or (h, w, 1 to 4)")
    if picture.dtype not in (np.uint8, np.uint16) and not np.issubdtype(picture.dtype, np.floating):
        raise InputError(f"array holds {picture.dtype}: pass uint8, uint16 or floats in [0, 1]")
    peak = _peak(picture.dtype)
    planes = torch.from_numpy(pixels.astype(np.float32) / peak).permute(2, 0, 1)[None]
    if not torch.isfinite(planes).all() or planes.min() < 0 or planes.max() > 1:
        raise InputError("array holds values outside [0, 1]: divide by the peak value, or clip")
    has_alpha = pixels.shape[2] in (2, 4)
    colour = planes[:, :-1] if has_alpha else planes
    return _Planes(colour.expand(-1, 3, -1, -1), planes[:, -1:] if has_alpha else None)


def _join(planes: _Planes, like: NDArray[np.generic]) -> NDArray[np.generic]:
    """Planes as an array of the kind of `like`."""
    grey = like.ndim == 2 or like.shape[2] < 3
    colour = planes.colour.mean(1, keepdim=True) if grey else planes.colour
    parts = colour if planes.alpha is None else torch.cat((colour, planes.alpha), dim=1)
    pixels = parts[0].permute(1, 2, 0).numpy()
    if np.issubdtype(like.dtype, np.integer):
        pixels = np.round(pixels * _peak(like.dtype))
    pixels = pixels.astype(like.dtype)
    return pixels[..., 0] if like.ndim == 2 else pixels


def _peak(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1
