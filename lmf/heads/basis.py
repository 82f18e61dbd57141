"""The basis of a code at a relative coordinate: what the render MLP (or the original MLP) reads.

Both bases come in two equal forms: `forward` for scattered queries, each with its own code, and
`window` for whole cells, whose pixels form a (Ky, Kx) grid of relative coordinates.
"""

import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lmf.core.bundle import FeatureCode, FourierCode


class FourierBasis(nn.Module):
    """LTE's basis (Lee & Jin 2022, Eq. 4): coef * [cos(pi z), sin(pi z)], z = <freq, offset> + phase.

    n: length of the code. cell: whether a phase is estimated from the cell (their Eq. 6).
    position: False drops the <freq, offset> term (the study's `no-position` ablation).
    """

    def __init__(self, n: int, cell: bool = True, position: bool = True) -> None:
        super().__init__()
        self.outputs = n
        self.position = position
        self.phase = nn.Linear(2, n // 2, bias=False) if cell else None

    def forward(self, code: FourierCode, offset: Tensor, cell: Tensor) -> Tensor:
        """Code (*, n), offset (*, 2), cell (*, 2) -> (*, n)."""
        z = torch.zeros_like(code.freq[..., 0])
        if self.position:
            z = (code.freq * offset[..., None, :]).sum(-1)
        if self.phase is not None:
            z = z + self.phase(cell)
        return code.coef * torch.cat((torch.cos(math.pi * z), torch.sin(math.pi * z)), dim=-1)

    def window(self, code: FourierCode, y: Tensor, x: Tensor, cell: Tensor) -> Tensor:
        """Code (N, n), y (N, Ky), x (N, Kx), cell (N, 2) -> (N, Ky, Kx, n).

        The wave separates, exp(i pi (fy y + fx x)) = exp(i pi fy y) exp(i pi fx x), so that sines
        and cosines are taken Ky + Kx times per wave and not Ky * Kx times.
        """
        zy = code.freq[:, None, :, 0] * y[..., None]
        zx = code.freq[:, None, :, 1] * x[..., None]
        if not self.position:
            zy, zx = torch.zeros_like(zy), torch.zeros_like(zx)
        if self.phase is not None:
            zy = zy + self.phase(cell)[:, None, :]
        a, b = code.coef.chunk(2, dim=-1)
        cos_y, sin_y = torch.cos(math.pi * zy)[:, :, None], torch.sin(math.pi * zy)[:, :, None]
        cos_x, sin_x = torch.cos(math.pi * zx)[:, None], torch.sin(math.pi * zx)[:, None]
        a, b = a[:, None, None], b[:, None, None]
        cosine = (a * cos_y) * cos_x - (a * sin_y) * sin_x
        sine = (b * sin_y) * cos_x + (b * cos_y) * sin_x
        return torch.cat((cosine, sine), dim=-1)


class FeatureBasis(nn.Module):
    """LIIF's input (Chen et al. 2021, Eq. 1 and 6): the feature, the offset and the cell, side by side."""

    def __init__(self, n: int, cell: bool = True, position: bool = True) -> None:
        super().__init__()
        self.cell, self.position = cell, position
        self.outputs = n + 2 * position + 2 * cell

    def forward(self, code: FeatureCode, offset: Tensor, cell: Tensor) -> Tensor:
        """Code (*, n), offset (*, 2), cell (*, 2) -> (*, n + 2 [+ 2])."""
        parts = [code.feature]
        parts += [offset] if self.position else []
        parts += [cell] if self.cell else []
        return torch.cat(parts, dim=-1)

    def window(self, code: FeatureCode, y: Tensor, x: Tensor, cell: Tensor) -> Tensor:
        """Code (N, n), y (N, Ky), x (N, Kx), cell (N, 2) -> (N, Ky, Kx, n + 2 [+ 2])."""
        grid = (y.shape[0], y.shape[1], x.shape[1])
        offset = torch.stack((y[:, :, None].expand(grid), x[:, None, :].expand(grid)), dim=-1)
        feature = FeatureCode(code.feature[:, None, None].expand(*grid, -1))
        return self(feature, offset, cell[:, None, None].expand(*grid, 2))


class Basis(Protocol):
    """What the renderers ask of either: the form for scattered queries and the one for whole cells."""

    outputs: int

    def __call__(self, code: Any, offset: Tensor, cell: Tensor) -> Tensor:
        """Code (*, ...), offset (*, 2), cell (*, 2) -> (*, outputs)."""

    def window(self, code: Any, y: Tensor, x: Tensor, cell: Tensor) -> Tensor:
        """Code (N, ...), y (N, Ky), x (N, Kx), cell (N, 2) -> (N, Ky, Kx, outputs)."""
