"""What an LR pixel carries: frozen bundles of tensors with names instead of channel slices.

Leading dimensions `*c` are shared by all tensors of a bundle: (B, h, w) for a whole LR grid,
(B, Q, 4) once gathered for queries, (N,) once flattened to a list of cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol, Self, TypeVar

import torch
from torch import Tensor


class Bundle:
    """Base of frozen dataclasses whose fields are tensors, bundles or None."""

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same bundle with `function` applied to every tensor in it."""
        values: dict[str, Bundle | Tensor | None] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Bundle):
                value = value.map(function)
            elif value is not None:
                value = function(value)
            values[field.name] = value
        return type(self)(**values)


B = TypeVar("B", bound=Bundle)


def join(parts: Sequence[B], dim: int) -> B:
    """Bundles of one kind, concatenated tensor by tensor along a leading dimension."""
    values: dict[str, Bundle | Tensor | None] = {}
    for field in fields(parts[0]):  # type: ignore[arg-type]
        same = [getattr(part, field.name) for part in parts]
        if isinstance(same[0], Bundle):
            values[field.name] = join(same, dim)
        else:
            values[field.name] = None if same[0] is None else torch.cat(same, dim)
    return type(parts[0])(**values)


@dataclass(frozen=True)
class FourierCode(Bundle):
    """Local texture as n/2 plane waves (LTE, Lee & Jin 2022, Eq. 4-6).

    coef: (*c, n) amplitudes of the n/2 cosines, then of the n/2 sines.
    freq: (*c, n/2, 2) frequencies along y and x, in half-cycles per half LR pixel.
    """

    coef: Tensor
    freq: Tensor

    @property
    def grid(self) -> torch.Size:
        """The leading dimensions."""
        return self.coef.shape[:-1]


@dataclass(frozen=True)
class FeatureCode(Bundle):
    """A plain feature vector (LIIF, Chen et al. 2021). feature: (*c, n)."""

    feature: Tensor

    @property
    def grid(self) -> torch.Size:
        """The leading dimensions."""
        return self.feature.shape[:-1]


@dataclass(frozen=True)
class ContextCode(Bundle):
    """A feature vector and what the rest of the image adds to it (CiaoSR, Cao et al. 2023).

    feature: (*c, n) local. context: (*c, m) non-local, None where the model has none.
    """

    feature: Tensor
    context: Tensor | None

    @property
    def grid(self) -> torch.Size:
        """The leading dimensions."""
        return self.feature.shape[:-1]


Code = FourierCode | FeatureCode | ContextCode


@dataclass(frozen=True)
class Latents(Bundle):
    """An encoded image, independent of scale: the LR image (B, 3, h, w) and the head's code."""

    image: Tensor
    code: Code


@dataclass(frozen=True)
class Modulation(Bundle):
    """What the latent MLP says to each hidden layer of the render MLP (LMF, Eq. 4).

    scale, shift: (*c, depth, width), zero-centred: zero leaves the plain MLP. None = switched off.
    """

    scale: Tensor | None
    shift: Tensor | None


@dataclass(frozen=True)
class Cells(Bundle):
    """All that rendering reads from the LR grid at one target scale; leading dimensions (B, h, w).

    modulation: None for the original decoders (one MLP for all cells).
    """

    code: Code
    modulation: Modulation | None

    @property
    def lr_size(self) -> tuple[int, int]:
        """(h, w) of a whole LR grid."""
        return self.code.grid[1], self.code.grid[2]

    def rows(self, start: int, stop: int) -> "Cells":
        """The cells of some LR rows."""
        return self.map(lambda t: t[:, start:stop])


class CellSource(Protocol):
    """Anything that can say, band by band, what the cells of an LR grid are.

    `Cells` is one; another computes a band's cells only when they are read, so that the modulations
    of a whole image never exist at once.
    """

    @property
    def lr_size(self) -> tuple[int, int]:
        """(h, w) of the LR grid."""

    def rows(self, start: int, stop: int) -> Cells:
        """The cells of LR rows `start` to `stop`: leading dimensions (B, stop - start, w)."""


@dataclass(frozen=True)
class LazyCells:
    """A `CellSource` of an image that was encoded in one piece.

    lr_size: (h, w). compute: the cells of LR rows `start` to `stop`, made when they are read.
    """

    lr_size: tuple[int, int]
    compute: Callable[[int, int], Cells]
    tiles: ClassVar[int] = 1

    def rows(self, start: int, stop: int) -> Cells:
        """The cells of LR rows `start` to `stop`."""
        return self.compute(start, stop)
