"""From HR to LR: antialiased bicubic down-sampling, the degradation of the whole literature.

The kernel is Keys' cubic with a = -0.5, widened by the scale, as MATLAB's imresize uses it. Pillow
implements the same on 8-bit images, torch on float batches; both are rounded to 8 bits here, since
LR images are stored so. Only the two outermost LR pixels differ visibly: there Pillow and torch
shorten the kernel, where MATLAB mirrors the picture.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

KERNEL = "pillow-bicubic"
"""Name of the evaluation's down-sampler as it stands in every result row."""


def resize_picture(
    picture: NDArray[np.uint8], size: tuple[int, int], kernel: str = "bicubic"
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 -> `size` (h, w) by Pillow's antialiased "bicubic" or "bilinear"."""
    method = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[kernel]
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), method))


def downsample_batch(batch: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> (B, 3, h, w) in 1/255 steps, on the batch's own device."""
    small = functional.interpolate(batch, size, mode="bicubic", antialias=True, align_corners=False)
    return torch.round(small.clamp(0, 1) * 255) / 255
