"""What may be enlarged to what: the checks that every way into a model shares."""

import math
from numbers import Integral, Real

import torch
from torch import Tensor

from lmf.core.errors import InputError


def check_image(image: Tensor, *, values: bool = True) -> tuple[int, int]:
    """(h, w) of a usable image batch; InputError says what is wrong with any other.

    values: whether to look at them, too, for which a GPU is waited for.
    """
    if not isinstance(image, Tensor) or not image.is_floating_point():
        kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
        raise InputError(f"image is {kind}: pass a float tensor with values in [0, 1]")
    if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0:
        raise InputError(f"image has shape {tuple(image.shape)}: pass (B, 3, h, w), none of them 0")
    if values and _has_values(image) and not torch.isfinite(image).all():
        raise InputError("image holds NaN or infinite values: clean it first")
    return image.shape[-2], image.shape[-1]


def _has_values(given: Tensor) -> bool:
    """Whether they can be looked at: there are any yet, and no graph is being recorded of them."""
    if given.is_meta or torch.compiler.is_compiling():
        return False
    return not (given.is_cuda and torch.cuda.is_current_stream_capturing())


def check_kind(image: Tensor, parameter: Tensor) -> None:
    """InputError if an image has not the type and device of a model's `parameter`."""
    if image.device != parameter.device:
        where = parameter.device
        raise InputError(f"image is on {image.device} and the model on {where}: move one of them")
    if image.dtype != parameter.dtype and not torch.is_autocast_enabled(image.device.type):
        kind = parameter.dtype
        raise InputError(f"image is {image.dtype} and the model {kind}: convert one of them")


def check_queries(image: Tensor, coord: Tensor, cell: Tensor, *, one_cell: bool) -> None:
    """InputError if `coord` and `cell` are no queries, (B, Q, 2) each, of the LR `image` (B, 3, h, w).

    Both are float32, or float64 as the image is: in half precision, points miss their pixels.
    one_cell: whether the cells of an image must be equal. Values are not looked at where gradients
    are wanted: in training they are sound, and a GPU would have to be waited for.
    """
    batch = image.shape[0]
    shape = tuple(coord.shape)
    if len(shape) != 3 or shape[0] != batch or shape[2] != 2 or shape[1] == 0:
        raise InputError(f"coord has shape {shape}: pass ({batch}, Q, 2) of (y, x) on [-1, 1]")
    if cell.shape != coord.shape:
        raise InputError(f"cell has shape {tuple(cell.shape)}: pass {shape}, as coord has")
    kind, device = torch.promote_types(image.dtype, torch.float32), image.device
    for name, given in (("coord", coord), ("cell", cell)):
        if given.device != device or given.dtype != kind:
            raise InputError(f"{name} is {given.dtype} on {given.device}: pass {kind} on {device}")
    if torch.is_grad_enabled() or not _has_values(coord):
        return
    for name, given in (("coord", coord), ("cell", cell)):
        if not torch.isfinite(given).all():
            raise InputError(f"{name} holds NaN or infinite values: ask for points of the image")
    if one_cell and (cell != cell[:, :1]).any():
        raise InputError(
            "cell differs among the queries of an image: query for each cell by itself"
        )


def check_chunk(chunk: object) -> None:
    """InputError if so many queries or floats at a time are none."""
    if chunk is not None and not (isinstance(chunk, Integral) and int(chunk) >= 1):
        raise InputError(f"chunk is {chunk}: use a whole number of at least 1")


def target_size(
    lr_size: tuple[int, int], size: tuple[int, int] | None, scale: float | None
) -> tuple[int, int]:
    """(H, W) from exactly one of `size` and `scale`; InputError where they make no sense."""
    if (size is None) == (scale is None):
        raise InputError("give either size=(H, W) or scale=s, not both and not neither")
    if scale is not None:
        if not _usable_scale(scale):
            raise InputError(f"scale is {scale}: use a finite number of at least 1")
        height, width = (n * float(scale) for n in lr_size)
        if not math.isfinite(height * width):
            raise InputError(f"scale is {scale}: there is no picture of so many pixels")
        size = (round(height), round(width))
    assert size is not None
    if not _usable_size(size):
        raise InputError(f"size is {size}: use two whole numbers (H, W) of at least 1")
    return int(size[0]), int(size[1])


def _usable_scale(scale: object) -> bool:
    return isinstance(scale, Real) and math.isfinite(scale) and float(scale) >= 1


def _usable_size(size: object) -> bool:
    if not isinstance(size, tuple | list) or len(size) != 2:
        return False
    return all(isinstance(n, Integral) and int(n) >= 1 for n in size)
