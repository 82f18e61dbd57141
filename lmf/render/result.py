"""An enlarged image and how it was made."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Path = Literal["dense", "gather", "cmsr"]


@dataclass(frozen=True)
class Upscaled:
    """rgb: (B, 3, H, W), not clamped. path: which renderer ran.

    saved: share of the queries, 0 to 1, that were not rendered but interpolated; 0 but for "cmsr".
    tiles: how many pieces the LR image was encoded in.
    """

    rgb: Tensor
    path: Path
    saved: float
    tiles: int
