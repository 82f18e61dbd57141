"""The windows of a latent-modulated model's cells in one GPU kernel, written in Triton, and their blend.

A program of the kernel is one LR cell and a block of its window's positions. It reads the cell's
modulation where the latent MLP has left it, keeps weights and activations on chip, and writes RGB:

    h = coef * [cos(pi z), sin(pi z)],  z = <freq, offset> + phase            LTE's basis
    h = ReLU((1 + scale_i) (W_i h + b_i) + shift_i),  i = 1 .. depth
    rgb = W h + b

Hidden layers are 16 wide, which is one tile of a GPU's matrix units. LIIF's basis is linear in the
offset, so that its first layer needs no product: what it makes of feature and cell is one bias a cell.

Matrix units know no float32. Its 24 bits are three bfloat16 of 8 each, whose products are exact and
whose sums are float32, so that six products of tiles give what float32 gives.

A second kernel blends the windows along x, reading each once. `render.window` and `render.dense` compute
the same with PyTorch, on any device; they are the fallback, and the test.
"""

import math
import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from subprocess import SubprocessError
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmf.core.bundle import Modulation
from lmf.core.errors import ConfigError
from lmf.core.windows import AxisWindows
from lmf.heads.basis import Basis, FeatureBasis, FourierBasis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.kernels.fit import WIDTH, code_and_slope, misfit, packed, step
from lmf.render.kernels.snapshot import snapshot
from lmf.render.window import Windows

BLOCKS = (16, 64)
"""Fewest and most positions of a window that a program, one warp, computes; x4 has 64 in all."""

LINE = 256
"""Columns of a line that a program blends."""

CAPABILITY = (8, 0)
"""Of the first GPUs whose matrix units take bfloat16."""

DTYPES = (torch.float32, torch.bfloat16)
"""Of the factors of products."""


def why_not(
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> str | None:
    """See `lmf.render.kernels.why_not`."""
    if reason := misfit(basis, mlp):
        return reason
    dtype = dtype or mlp.linears[0].weight.dtype
    if dtype not in DTYPES:
        return f"it has no products of {str(dtype).removeprefix('torch.')}"
    if find_spec("triton") is None:
        return "Triton is not installed"
    if _interpreted():
        return None
    if device.type != "cuda" or torch.version.hip is not None:
        return f"the device is {device.type}, not an NVIDIA GPU"
    if torch.cuda.get_device_capability(device) < CAPABILITY:
        return f"{torch.cuda.get_device_name(device)} multiplies no bfloat16"
    return _no_start()


def painter(
    basis: Basis | LocalAttention, mlp: ModulatedMlp, dtype: torch.dtype | None = None
) -> "TritonPainter":
    """A painter of windows, for `render.dense`, with the weights as they are now.

    dtype: of the factors of products, one of `DTYPES`, by default the weights' own. Sums are float32,
    and so is all that is no product of matrices.

    Raises:
        ConfigError: the kernel cannot run where the weights are, see `why_not`; another dtype.
    """
    first, *rest, last = mlp.linears
    reason = why_not(basis, mlp, first.weight.device, dtype)
    dtype = dtype or first.weight.dtype
    if reason is not None or not isinstance(basis, FourierBasis | FeatureBasis):
        raise ConfigError(f"no GPU kernel: {reason}; use the dense renderer")
    with torch.no_grad():
        waves = isinstance(basis, FourierBasis)
        layers = [first, *rest] if waves else rest
        missing = WIDTH - last.out_features
        weight = [*(one.weight for one in layers), functional.pad(last.weight, (0, 0, 0, missing))]
        bias = [*(one.bias for one in layers), functional.pad(last.bias, (0, missing))]
        return TritonPainter(
            basis,
            len(rest) + 1,
            snapshot(first).float(),
            _phase(basis, first.weight),
            _factors(torch.stack(weight).float().mT, dtype),
            torch.stack(bias).float(),
        )


def _phase(basis: FourierBasis | FeatureBasis, like: Tensor) -> Tensor:
    """(WIDTH / 2, 2): what turns a cell into the phases of waves; zeros where there are none."""
    if isinstance(basis, FourierBasis) and basis.phase is not None:
        return basis.phase.weight.detach().float().clone()
    return like.new_zeros(WIDTH // 2, 2, dtype=torch.float32)


def _factors(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Factors of that type as the kernel reads them: (*) or, for float32, its pieces (3, *)."""
    if dtype != torch.float32:
        return weight.to(dtype).contiguous()
    high = _top(weight)
    middle = _top(weight - high)
    return torch.stack((high, middle, weight - high - middle)).bfloat16()


def _top(x: Tensor) -> Tensor:
    """The first 8 bits of each significand."""
    return (x.contiguous().view(torch.int32) & -65536).view(torch.float32)


@dataclass(frozen=True)
class TritonPainter:
    """Paints as `render.window.render_windows` does, always in float32; records no gradients.

    depth: hidden layers. first: LIIF's first layer, which is not among the products. phase: of the
    waves. weight: (layers, inputs, outputs) of all others, the last one filled up to WIDTH outputs;
    three of these for float32. bias: (layers, outputs).
    """

    basis: FourierBasis | FeatureBasis
    depth: int
    first: nn.Linear
    phase: Tensor
    weight: Tensor
    bias: Tensor
    bands: ClassVar[int] = 1

    def __call__(self, windows: Windows) -> Tensor:
        """Colours of N windows: (N, 3, Ky, Kx).

        Raises:
            ConfigError: gradients of the cells are asked for.
        """
        device = windows.cell.device
        with torch.autocast(device.type, enabled=False), torch.cuda.device_of(windows.cell):
            return self._paint(windows)

    def paint_lines(
        self, windows: Windows, grid: tuple[int, int, int], axis: AxisWindows
    ) -> Tensor:
        """See `render.dense.LinePainter`; raises as calling does."""
        painted = self(windows)
        (batch, rows, width), (ky, kx) = grid, windows.grid
        columns = len(axis.fraction)
        out = painted.new_empty(batch, painted.shape[1], rows * ky, columns)
        blocks = math.ceil(columns / LINE)
        with torch.cuda.device_of(painted):
            _kernels().blend[(out[..., 0].numel() * blocks,)](
                painted, axis.low_slot, axis.high_slot, axis.fraction, out,
                rows, width, ky, kx, columns, blocks, BLOCK=LINE,
            )  # fmt: skip
        return out

    def _paint(self, windows: Windows) -> Tensor:
        code, slope = map(packed, code_and_slope(self.basis, self.first, windows))
        y, x, cell = packed(windows.y), packed(windows.x), windows.cell.float().contiguous()
        modulation = windows.cells.modulation or Modulation(None, None)
        # Where there is none, the kernel reads none, whatever it is given.
        scale = code if modulation.scale is None else packed(modulation.scale)
        shift = code if modulation.shift is None else packed(modulation.shift)
        n, (ky, kx) = len(windows), windows.grid
        block = min(max(BLOCKS[0], 1 << (ky * kx - 1).bit_length()), BLOCKS[1])
        blocks = math.ceil(ky * kx / block)
        out = cell.new_empty(n, 3, ky, kx)
        _kernels().paint[(n * blocks,)](
            code, slope, self.phase, cell, scale, shift,
            self.weight, self.bias, y, x, out,
            *(step(t) for t in (code, slope, scale, shift, y, x)), ky, kx, blocks,
            DEPTH=self.depth, WIDTH=WIDTH, BLOCK=block,
            WAVES=isinstance(self.basis, FourierBasis), SPLIT=self.weight.ndim == 4,
            SCALED=modulation.scale is not None, SHIFTED=modulation.shift is not None,
            WIDENED=_interpreted(), num_warps=1,
        )  # fmt: skip
        return out


def _kernels() -> Any:
    """Their module, which imports Triton."""
    return import_module("lmf.render.kernels.triton_kernel")


@cache
def _no_start() -> str | None:
    """Why Triton cannot start: it needs the driver, and a C compiler the first time. None if it can."""
    try:
        import_module("triton").runtime.driver.active.get_current_target()
    except (AssertionError, ImportError, OSError, RuntimeError, SubprocessError) as error:
        return f"Triton cannot start ({' '.join(str(error).split())})"
    return None


def _interpreted() -> bool:
    """Whether Triton runs its kernels in Python (TRITON_INTERPRET=1), which any device can."""
    return os.environ.get("TRITON_INTERPRET") == "1"
