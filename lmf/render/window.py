"""Evaluate the windows of some cells: what each of them says about the HR pixels around it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from lmf.core.bundle import Bundle, Cells, Modulation
from lmf.heads.basis import Basis
from lmf.nets.modulated_mlp import ModulatedMlp

CHUNK = 1 << 18
"""Floats of hidden activations, or of folded layers, at a time: 1 MB, near a CPU, yet enough a call."""

PLAIN_CHUNK = 1 << 20
"""The same for one large MLP, whose matrix products are cut to the cache by themselves."""

GPU_CHUNKS = 64
"""Chunks are so many times as large there, 64 MB and 256 MB: else starting kernels takes the time."""

LANES = 16
"""Positions are evaluated in multiples of this many floats, a register of a CPU: no odd rest."""

B = TypeVar("B", bound=Bundle)


@dataclass(frozen=True)
class Windows:
    """Some cells, and where their windows are: (Ky, Kx) grids of relative coordinates around them.

    cells: leading dimensions (N,). y: (N, Ky) and x: (N, Kx), or (1, K) where all cells have the
    same. cell: (N, 2), extent of an HR pixel in half LR pixels.
    """

    cells: Cells
    y: Tensor
    x: Tensor
    cell: Tensor

    @property
    def grid(self) -> tuple[int, int]:
        """(Ky, Kx), the positions of a window."""
        return self.y.shape[1], self.x.shape[1]

    def __len__(self) -> int:
        return self.cell.shape[0]

    def some(self, which: Tensor | slice) -> "Windows":
        """Those of some cells: their indices, or a slice of them."""
        y, x = (t if t.shape[0] == 1 else t[which] for t in (self.y, self.x))
        return Windows(self.cells.map(lambda t: t[which]), y, x, self.cell[which])


Painter = Callable[[Windows], Tensor]
"""Colours of the windows of N cells: (N, 3, Ky, Kx)."""


def render_windows(
    windows: Windows,
    basis: Basis,
    mlp: ModulatedMlp,
    *,
    chunk: int | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """RGB at the positions of each window, before the ensemble: (N, 3, Ky, Kx).

    chunk: floats of hidden activations held at a time; it changes nothing else. dtype: of the
    products of modulated layers, for instance bfloat16; by default that of the cells.
    """
    modulation = windows.cells.modulation
    times = 1 if windows.cell.device.type == "cpu" else GPU_CHUNKS
    if modulation is None:
        return _render_plain(windows, basis, mlp, chunk or times * PLAIN_CHUNK)
    return _render_modulated(windows, modulation, basis, mlp, chunk or times * CHUNK, dtype)


def _render_modulated(
    windows: Windows,
    modulation: Modulation,
    basis: Basis,
    mlp: ModulatedMlp,
    chunk: int,
    dtype: torch.dtype | None,
) -> Tensor:
    """A few cells at a time, with all modulation and amplitudes folded into their layers."""
    code, cell, grid = windows.cells.code, windows.cell, windows.grid
    first = basis.absorb(mlp.linears[0], code, cell)
    layers, planes = mlp.fold(modulation, first), basis.planes(code, cell)
    dtype = dtype or layers.floor.dtype
    layers = layers.map(lambda t: t.to(dtype))
    offset = _positions(windows.y, windows.x)
    n, positions = len(windows), offset.shape[-1]
    folded = sum(layer.weight.numel() for layer in mlp.linears[:-1])
    some = max(1, chunk // max(positions * max(first.weight.shape), folded))
    parts = []
    for i in range(0, n, some):
        here = slice(i, i + some)
        at = offset if offset.shape[0] == 1 else offset[here]
        inputs = basis.inputs(planes[here], at).to(dtype)
        parts.append(mlp.forward_cells(inputs, _some(layers, here)))
    return torch.cat(parts)[..., : grid[0] * grid[1]].unflatten(-1, grid)


def _positions(y: Tensor, x: Tensor) -> Tensor:
    """(y, x, 1) of (N or 1, Ky), (N or 1, Kx), row by row, filled up to LANES: (N or 1, 3, P)."""
    n, (ky, kx) = max(y.shape[0], x.shape[0]), (y.shape[1], x.shape[1])
    grid = (n, ky, kx)
    parts = (y[:, :, None].expand(grid), x[:, None].expand(grid), y.new_ones(()).expand(grid))
    return functional.pad(torch.stack(parts, dim=1).flatten(2), (0, -ky * kx % LANES))


def _render_plain(windows: Windows, basis: Basis, mlp: ModulatedMlp, chunk: int) -> Tensor:
    """One MLP for all cells: large matrix products over the pixels of a few cells."""
    width = max(basis.outputs, *(layer.out_features for layer in mlp.linears))
    ky, kx = windows.grid
    some = max(1, chunk // (ky * kx * width))
    parts = []
    for i in range(0, len(windows), some):
        few = windows.some(slice(i, i + some))
        read = basis.window(few.cells.code, few.y, few.x, few.cell)
        parts.append(mlp(read.to(mlp.linears[0].weight.dtype)))  # offsets are float32
    return torch.cat(parts).movedim(-1, 1)


def _some(bundle: B, here: slice) -> B:
    return bundle.map(lambda t: t[here])
