"""Enlarge pictures as people have them: PIL images, integer and float arrays, tensors.

Images and arrays are enlarged row by row and become what they were, band after band, so that the
model's floats for the whole picture never exist.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from lmf.core.errors import ConfigError, InputError
from lmf.core.inputs import check_image, target_size
from lmf.deploy.device import choose_device
from lmf.model import Lmf
from lmf.render.bilinear import enlarge_rows
from lmf.render.cmsr import CmsrTable
from lmf.render.memory import MAX_PIXELS
from lmf.render.options import Kernel, Options
from lmf.render.result import Rendering
from lmf.render.upscale import Stream

Picture = TypeVar("Picture", Image.Image, NDArray[np.generic], Tensor)

MODES = {
    "1": "L", "L": "L", "LA": "LA", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA",
    "I;16": "I;16", "I;16B": "I;16",
}  # fmt: skip
"""PIL modes that are read, and the mode each is enlarged and returned in."""

DEFAULTS = Options()

_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}


@dataclass(frozen=True)
class _Planes:
    """colour: (1, 3, h, w) and alpha: (1, 1, h, w) or None, in [0, 1]."""

    colour: Tensor
    alpha: Tensor | None


Tell = Callable[[Rendering], None]
"""Is told how a picture was made."""


@dataclass(frozen=True)
class _Wanted:
    """What the caller asked for."""

    scale: float | None
    size: tuple[int, int] | None
    options: Options
    tell: Tell

    def of(self, lr_size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) for a picture of `lr_size` (h, w)."""
        return target_size(lr_size, self.size, self.scale)


class Enhancer:
    """Enlarges pictures with one model on one device.

    model: the caller's own, no copy: it is put into evaluation mode and moved to the device.
    device: "auto", "cpu", "cuda", "cuda:N" or "mps"; `self.device` says which it is.

    Raises:
        ConfigError: no such device, or something else than a model. ResourceError: the device is not
            there.
    """

    def __init__(self, model: Lmf, device: str = "auto") -> None:
        if not isinstance(model, torch.nn.Module):
            raise ConfigError(f"a {type(model).__name__} is no model: pass one, see lmf.load_model")
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
        max_pixels: int = MAX_PIXELS,
        cmsr: CmsrTable | None = None,
        dtype: torch.dtype | None = None,
        kernel: Kernel = "auto",
        tell: Tell = lambda rendering: None,
    ) -> Picture:
        """The picture `scale` times as large, or at `size` (H, W); the same kind out as in.

        picture: a PIL image (see MODES; orientation applied, colour profile kept); an array
        (h, w[, 1, 2, 3 or 4]) of uint8, uint16 or floats in [0, 1]; or a float tensor (3, h, w)
        or (B, 3, h, w) in [0, 1], not clamped. Alpha is enlarged bilinearly.
        max_memory: bytes above the weights and the picture that is returned; with the other options
        as in `Lmf.upscale`. tell: is told how the picture was made.

        Raises:
            ConfigError: options that do not fit the scale or the model.
            InputError: any other picture, a scale below 1, both or neither of scale and size, too
                large an output, too small a `max_memory`.
            ResourceError: the device's memory does not suffice.
        """
        options = Options(max_memory, max_pixels, cmsr, dtype, kernel)
        wanted = _Wanted(scale, size, options, tell)
        if isinstance(picture, Tensor):
            return self._enhance_tensor(picture, wanted)
        if isinstance(picture, Image.Image):
            result = Image.fromarray(self._enhance_array(_pixels(picture), wanted))
            if "icc_profile" in picture.info:
                result.info["icc_profile"] = picture.info["icc_profile"]
            return result
        return self._enhance_array(_array(picture, "PIL image, array or tensor"), wanted)

    def stream(
        self,
        picture: Image.Image | NDArray[np.generic],
        scale: float | None = None,
        size: tuple[int, int] | None = None,
        *,
        options: Options = DEFAULTS,
        tell: Tell = lambda rendering: None,
    ) -> Iterator[NDArray[np.generic]]:
        """What `enhance` gives, some rows at a time, from top to bottom: (rows, W[, C]).

        A PIL image's rows are those of an image of mode `output_mode`. tell: is told in the end.
        Raises what `enhance` does.
        """
        if isinstance(picture, Image.Image):
            pixels = _pixels(picture)
        else:
            pixels = _array(picture, "PIL image or array")
        return self._rows_of_array(pixels, _Wanted(scale, size, options, tell))[0]

    def _enhance_tensor(self, picture: Tensor, wanted: _Wanted) -> Tensor:
        batch = picture if picture.ndim == 4 else picture[None]
        target = wanted.of(check_image(batch))
        stream = self._enlarge(batch, target, wanted.options)
        result = stream.assemble().to(batch)
        wanted.tell(stream.rendering)
        return result.reshape(*picture.shape[:-2], *target)

    def _enhance_array(self, picture: NDArray[np.generic], wanted: _Wanted) -> NDArray[np.generic]:
        parts, target = self._rows_of_array(picture, wanted)
        result = np.empty((*target, *picture.shape[2:]), picture.dtype)
        first = 0
        for part in parts:
            result[first : first + len(part)] = part
            first += len(part)
        return result

    def _rows_of_array(
        self, picture: NDArray[np.generic], wanted: _Wanted
    ) -> tuple[Iterator[NDArray[np.generic]], tuple[int, int]]:
        """The rows, and the size (H, W) of them all."""
        planes = _split(picture)
        target = wanted.of((planes.colour.shape[-2], planes.colour.shape[-1]))
        colour, alpha = planes.colour, planes.alpha
        if alpha is not None:
            colour = _fill_invisible(colour, alpha)
        stream = self._enlarge(colour, target, wanted.options)

        def rows() -> Iterator[NDArray[np.generic]]:
            for part in stream:
                here = range(part.first, part.stop)
                beside = None if alpha is None else enlarge_rows(alpha, target, here)
                yield _join(_Planes(part.rgb.to(colour).clamp_(0, 1), beside), picture)
            wanted.tell(stream.rendering)

        return rows(), target

    def _enlarge(self, image: Tensor, target: tuple[int, int], options: Options) -> Stream:
        """(B, 3, h, w) -> rows of (B, 3, *target), on the model's device."""
        return self.model.stream(
            image.to(self.device, self._dtype),
            size=target,
            max_memory=options.max_memory,
            max_pixels=options.max_pixels,
            cmsr=options.cmsr,
            dtype=options.dtype,
            kernel=options.kernel,
        )


def _array(picture: object, valid: str) -> NDArray[np.generic]:
    if not isinstance(picture, np.ndarray):
        raise InputError(f"a {type(picture).__name__} is no picture: pass a {valid}")
    return picture


def _pixels(picture: Image.Image) -> NDArray[np.generic]:
    """An image, upright, as an array of its `output_mode`."""
    mode = output_mode(picture)
    upright = ImageOps.exif_transpose(picture)
    return np.asarray(upright if upright.mode == mode else upright.convert(mode))


def output_mode(picture: Image.Image, subject: str = "this") -> str:
    """Mode that `Enhancer.enhance` returns a PIL picture in; InputError if it takes no such one.

    subject: how the message begins, for instance with the picture's file.
    """
    if picture.mode not in MODES:
        deep = picture.mode in ("I", "F")
        kind, better = ("32-bit", "16-bit grey") if deep else (picture.mode, "RGB")
        raise InputError(f"{subject} is a {kind} picture; save it as {better}")
    mode = MODES[picture.mode]
    if "transparency" not in picture.info or mode in _WITH_ALPHA.values():
        return mode
    if mode not in _WITH_ALPHA:
        raise InputError(
            f"{subject} is a {picture.mode} picture with a transparent grey; save it with 8 bits"
        )
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
