"""The cells of a latent-modulated model rendered in one pass on a CPU, written in C.

PyTorch takes a step per layer, and each reads and writes the activations of many cells; `cell.c`
keeps those of a few positions in registers and cache from the offset to RGB, and `native.c` blends
them, or interpolates between them. They are compiled when they are first needed, for the very
processor. `render.window` and `render.cmsr_painter` compute the same with PyTorch; they are the
fallback, and the test.
"""

import ctypes
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lmf.core import compiled
from lmf.core.bundle import Modulation
from lmf.core.errors import ConfigError, ResourceError
from lmf.core.windows import AxisWindows
from lmf.heads.basis import Basis, FeatureBasis, FourierBasis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.cmsr_painter import node_ends
from lmf.render.kernels.fit import WIDTH, code_and_slope, misfit, packed, step
from lmf.render.kernels.snapshot import snapshot
from lmf.render.window import Windows

SOURCES = ("lmf.render.kernels", "cell.c", "native.c")
"""The last one is compiled, and includes the others; see `core.compiled`."""

COLOURS = 3

SHARE = 64
"""Cells that are worth a thread of their own."""

TURNS = 4
"""Shares of a thread, about: cells may differ in work, and who is done with one takes the next."""

_POINTER, _LONG = ctypes.c_void_p, ctypes.c_long


class _Rows(ctypes.Structure):
    _fields_ = [("first", _POINTER), ("step", _LONG)]


class _Ends(ctypes.Structure):
    _fields_ = [("first", ctypes.c_float), ("last", ctypes.c_float)]


class _Job(ctypes.Structure):
    """`job` of cell.c."""

    _fields_ = [
        *((name, _LONG) for name in ("waves", "depth", "ky", "kx")),
        *((name, _Rows) for name in ("y", "x", "code", "slope", "phase", "scale", "shift")),
        *((name, _POINTER) for name in ("weight", "bias", "last", "last_bias", "nodes")),
        *((name, _Ends) for name in ("nodes_y", "nodes_x")),
        *((name, _LONG) for name in ("rows", "width", "columns")),
        *((name, _POINTER) for name in ("start", "share", "out")),
    ]


def renderer() -> ctypes.CDLL:
    """The library; CompilationError if there is none."""
    return compiled.library(*SOURCES)


def why_not(
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> str | None:
    """See `lmf.render.kernels.why_not`."""
    if reason := misfit(basis, mlp):
        return reason
    own = mlp.linears[0].weight.dtype
    return compiled.why_not(device, (dtype or own, own), *SOURCES)


def painter(
    basis: Basis | LocalAttention, mlp: ModulatedMlp, dtype: torch.dtype | None = None
) -> "NativePainter":
    """A painter of windows, for `render.dense`, with the weights as they are now.

    Raises:
        ConfigError: C cannot render such a model here, see `why_not`.
    """
    reason = why_not(basis, mlp, mlp.linears[0].weight.device, dtype)
    if reason is not None or not isinstance(basis, FourierBasis | FeatureBasis):
        raise ConfigError(f"no native renderer: {reason}; use the dense one")
    first, *rest, last = mlp.linears
    with torch.no_grad():
        # What LIIF's first layer does is not a product of this width; its place is not read.
        square = first.weight.new_zeros(WIDTH, WIDTH)
        begin = first.weight.T if isinstance(basis, FourierBasis) else square
        return NativePainter(
            snapshot(basis),
            snapshot(first),
            torch.stack([begin, *(layer.weight.T for layer in rest)]),
            torch.stack([first.bias, *(layer.bias for layer in rest)]),
            last.weight.detach().clone(),
            last.bias.detach().clone(),
        )


@dataclass(frozen=True)
class NativePainter:
    """Paints as `render.window.render_windows` does, in float32; records no gradients.

    first: LIIF's first layer. weight: (depth, inputs, outputs) and bias: (depth, outputs) of the hidden
    layers. last: (3, WIDTH). last_bias: (3,).
    """

    basis: FourierBasis | FeatureBasis
    first: nn.Linear
    weight: Tensor
    bias: Tensor
    last: Tensor
    last_bias: Tensor
    # It keeps no windows: large bands cost little memory, and what is done once a band is done less often.
    bands: ClassVar[int] = 4

    def __call__(self, windows: Windows) -> Tensor:
        """Colours of N windows: (N, 3, Ky, Kx).

        Raises:
            ConfigError: gradients of the cells are asked for. ResourceError: there is no memory.
        """
        share = torch.ones_like(windows.x[:1])
        start = torch.zeros_like(share[:, 0], dtype=torch.int32)
        return self._paint(windows, (len(windows), 1, 1), start, share, windows.grid[1])

    def paint_lines(
        self, windows: Windows, grid: tuple[int, int, int], axis: AxisWindows
    ) -> Tensor:
        """See `render.dense.LinePainter`; raises as calling does."""
        return self._paint(windows, grid, axis.start, axis.share, len(axis.fraction))

    def paint_coarse_lines(
        self, windows: Windows, grid: tuple[int, int, int], axis: AxisWindows, nodes: Tensor
    ) -> Tensor:
        """See `render.cmsr_painter.CoarseLinePainter`; raises as calling does."""
        return self._paint(windows, grid, axis.start, axis.share, len(axis.fraction), nodes)

    def _paint(
        self,
        windows: Windows,
        grid: tuple[int, int, int],
        start: Tensor,
        share: Tensor,
        columns: int,
        nodes: Tensor | None = None,
    ) -> Tensor:
        read = (*code_and_slope(self.basis, self.first, windows), self._phase(windows.cell))
        modulation = windows.cells.modulation or Modulation(None, None)
        none = torch.zeros_like(self.bias)
        given = [
            packed(none[None] if part is None else part.float())
            for part in (windows.y, windows.x, *read, modulation.scale, modulation.shift)
        ]
        (batch, rows, width), (ky, kx) = grid, windows.grid
        out = none.new_zeros(
            batch, COLOURS, rows * ky, columns
        )  # as the weights: float32, on a CPU
        job = _Job(
            isinstance(self.basis, FourierBasis), self.weight.shape[0], ky, kx,
            *(_Rows(part.data_ptr(), step(part)) for part in given),
            *(part.data_ptr() for part in (self.weight, self.bias, self.last, self.last_bias)),
            None if nodes is None else nodes.data_ptr(),
            _Ends(*node_ends(windows.y)), _Ends(*node_ends(windows.x)),
            rows, width, columns,
            *(part.data_ptr() for part in (start, share, out)),
        )  # fmt: skip
        _run(job, batch * rows, width)
        return out

    def _phase(self, cell: Tensor) -> Tensor:
        """Of the waves, (N or 1, WIDTH / 2); zeros where they have none, or there are no waves."""
        if isinstance(self.basis, FourierBasis) and self.basis.phase is not None:
            return self.basis.phase(cell)
        return self.bias.new_zeros(1, WIDTH // 2)


def _run(job: _Job, rows: int, width: int) -> None:
    """Paint rows of cells on as many threads as PyTorch would take."""
    threads = max(1, min(torch.get_num_threads(), rows, rows * width // SHARE))
    parts = 1 if threads == 1 else min(rows, TURNS * threads)
    if renderer().lmf_paint(ctypes.byref(job), _LONG(rows), _LONG(parts), threads):
        raise ResourceError("out of memory for a window; free some, or use the dense renderer")
