"""What may be enlarged to what: the checks that every way into a model shares."""

import math

import torch
from torch import Tensor

from lmf.core.errors import InputError


def check_image(image: Tensor) -> tuple[int, int]:
    """(h, w) of a usable image batch; InputError says what is wrong with any other."""
    if not isinstance(image, Tensor) or not image.is_floating_point():
        kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
        raise InputError(f"image is {kind}: pass a float tensor with values in [0, 1]")
    if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0:
        raise InputError(f"image has shape {tuple(image.shape)}: pass (B, 3, h, w), none of them 0")
    if not image.is_meta and not torch.isfinite(image).all():  # a meta tensor has no values
        raise InputError("image holds NaN or infinite values: clean it first")
    return image.shape[-2], image.shape[-1]


def target_size(
    lr_size: tuple[int, int], size: tuple[int, int] | None, scale: float | None
) -> tuple[int, int]:
    """(H, W) from exactly one of `size` and `scale`; InputError where they make no sense."""
    if (size is None) == (scale is None):
        raise InputError("give either size=(H, W) or scale=s, not both and not neither")
    if scale is not None:
        if not math.isfinite(scale) or scale < 1:
            raise InputError(f"scale is {scale}: use a finite number of at least 1")
        size = (round(lr_size[0] * scale), round(lr_size[1] * scale))
    assert size is not None
    if len(size) != 2 or any(not isinstance(n, int) or n < 1 for n in size):
        raise InputError(f"size is {size}: use two whole numbers (H, W) of at least 1")
    return size
