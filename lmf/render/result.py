"""An enlarged image, whole or row by row, and how it was made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Path = Literal["dense", "native", "triton", "gather", "cmsr"]


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """How an image was made. path: which renderer ran; note: why not the one that was asked for.

    convolutions: whether PyTorch computed those of encoder and head, or C, see `nets.winograd`.
    by: of "cmsr", which renderer evaluated the queries that were left; None for other paths.
    saved: share of the queries, 0 to 1, that were not rendered but interpolated; 0 but for "cmsr".
    tiles: how many pieces the LR image was encoded in. overlap: times that the encoder read each of
    its pixels on average, for tiles overlap.
    """

    path: Path
    saved: float
    tiles: int
    overlap: float = 1.0
    note: str | None = None
    by: Path | None = None
    convolutions: Literal["torch", "native"] = "torch"


@dataclass(frozen=True, kw_only=True)
class Upscaled(Rendering):
    """rgb: (B, 3, H, W), not clamped."""

    rgb: Tensor


@dataclass(frozen=True)
class Rows:
    """Some rows of an image, from row `first` on: rgb (B, 3, rows, W)."""

    first: int
    rgb: Tensor

    @property
    def stop(self) -> int:
        """The last row + 1."""
        return self.first + self.rgb.shape[-2]


def assemble(parts: Iterator[Rows], height: int) -> Tensor:
    """All rows of an image of that height as one tensor (B, 3, height, W)."""
    first = next(parts)
    if first.stop == height:
        return first.rgb
    image = first.rgb.new_empty((*first.rgb.shape[:2], height, first.rgb.shape[-1]))
    image[:, :, : first.stop] = first.rgb
    del first  # one part at a time
    for part in parts:
        image[:, :, part.first : part.stop] = part.rgb
    return image
