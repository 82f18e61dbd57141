"""The basis of a code at a relative coordinate: what the render MLP (or the original MLP) reads.

Both bases come in three equal forms: `forward` for scattered queries, each with its own code;
`window` for whole cells, whose pixels form a (Ky, Kx) grid of relative coordinates; and `inputs` with
`absorb`, which leave to the pixels of a cell only what differs between them:

    W basis(code, offset, cell) + b  =  W' inputs(planes(code, cell), offset) + b'
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmf.core.bundle import FeatureCode, FourierCode
from lmf.nets.modulated_mlp import Affine


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
            z = code.freq[..., 0] * offset[..., :1] + code.freq[..., 1] * offset[..., 1:]
        if self.phase is not None:
            z = z + self.phase(cell)
        return code.coef * torch.cat((torch.cos(math.pi * z), torch.sin(math.pi * z)), dim=-1)

    def planes(self, code: FourierCode, cell: Tensor) -> Tensor:
        """The waves' arguments pi z = a y + b x + c: code (N, n), cell (N, 2) -> (N, n / 2, 3)."""
        freq = code.freq * self.position
        phase = torch.zeros_like(freq[..., 0]) if self.phase is None else self.phase(cell)
        return math.pi * torch.cat((freq, phase[..., None]), dim=-1)

    def inputs(self, planes: Tensor, offset: Tensor) -> Tensor:
        """[cos(pi z), sin(pi z)]: `planes` (N, n / 2, 3), offset (N or 1, 3, P) -> (N, n, P)."""
        kind = torch.promote_types(planes.dtype, offset.dtype)  # offsets are no bfloat16
        planes, offset = planes.to(kind), offset.to(kind)
        with _no_autocast(planes.device):  # of a bfloat16 the sine is noise
            if offset.shape[0] == 1:
                z = (planes.flatten(0, 1) @ offset[0]).unflatten(0, planes.shape[:2])
            else:
                z = planes @ offset
        if torch.is_grad_enabled():
            return torch.cat((torch.cos(z), torch.sin(z)), dim=1)
        waves = z.new_empty(z.shape[0], 2 * z.shape[1], z.shape[2])
        cosine, sine = waves.chunk(2, dim=1)
        torch.cos(z, out=cosine)
        torch.sin(z, out=sine)
        return waves

    def absorb(self, layer: nn.Linear, code: FourierCode, cell: Tensor) -> Affine:
        """The amplitudes become part of the first layer."""
        return Affine(layer.weight, code.coef, layer.bias.expand(code.coef.shape[0], -1))

    def window(self, code: FourierCode, y: Tensor, x: Tensor, cell: Tensor) -> Tensor:
        """Code (N, n), y (N or 1, Ky), x (N or 1, Kx), cell (N, 2) -> (N, Ky, Kx, n).

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


def _no_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Products in the type of their factors; devices without values, as meta, have no autocast."""
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


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

    def planes(self, code: FeatureCode, cell: Tensor) -> Tensor:
        """The offset itself, y and x, as linear forms like those of waves: (N, 2 or 0, 3)."""
        return torch.eye(2 * self.position, 3, device=cell.device).expand(cell.shape[0], -1, -1)

    def inputs(self, planes: Tensor, offset: Tensor) -> Tensor:
        """Only the offset differs: `planes` (N, 2 or 0, 3), offset (N or 1, 3, P) -> (N, 2 or 0, P)."""
        return offset[:, : planes.shape[1]].expand(planes.shape[0], -1, -1)

    def absorb(self, layer: nn.Linear, code: FeatureCode, cell: Tensor) -> Affine:
        """What the first layer makes of the feature and the cell becomes part of its bias."""
        n = code.feature.shape[-1]
        of_feature, of_offset, of_cell = layer.weight.split(
            [n, 2 * self.position, 2 * self.cell], dim=1
        )
        bias = functional.linear(code.feature, of_feature, layer.bias)
        if self.cell:
            bias = bias + functional.linear(cell, of_cell)
        return Affine(of_offset, None, bias)

    def window(self, code: FeatureCode, y: Tensor, x: Tensor, cell: Tensor) -> Tensor:
        """Code (N, n), y (N or 1, Ky), x (N or 1, Kx), cell (N, 2) -> (N, Ky, Kx, n + 2 [+ 2])."""
        grid = (code.feature.shape[0], y.shape[1], x.shape[1])
        offset = torch.stack((y[:, :, None].expand(grid), x[:, None, :].expand(grid)), dim=-1)
        feature = FeatureCode(code.feature[:, None, None].expand(*grid, -1))
        return self(feature, offset, cell[:, None, None].expand(*grid, 2))


class Basis(Protocol):
    """What the renderers ask of either: the form for scattered queries and the one for whole cells."""

    outputs: int

    def __call__(self, code: Any, offset: Tensor, cell: Tensor) -> Tensor:
        """Code (*, ...), offset (*, 2), cell (*, 2) -> (*, outputs)."""

    def window(self, code: Any, y: Tensor, x: Tensor, cell: Tensor) -> Tensor:
        """Code (N, ...), y (N or 1, Ky), x (N or 1, Kx), cell (N, 2) -> (N, Ky, Kx, outputs)."""

    def planes(self, code: Any, cell: Tensor) -> Tensor:
        """Code (N, ...), cell (N, 2) -> linear forms in (y, x, 1) that `inputs` reads: (N, *, 3)."""

    def inputs(self, planes: Tensor, offset: Tensor) -> Tensor:
        """Planes (N, *, 3), offset (y, x, 1): (N or 1, 3, P) -> (N, inputs, P)."""

    def absorb(self, layer: nn.Linear, code: Any, cell: Tensor) -> Affine:
        """`layer`, which reads the basis, as one of each cell that reads `inputs`."""
