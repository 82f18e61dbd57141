"""What may be asked of upscaling beside the size, and which painter of windows answers it."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from lmf.core.errors import ConfigError, InputError
from lmf.heads.basis import Basis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.cmsr import NO_SHIFT, CmsrTable
from lmf.render.cmsr_painter import CmsrPainter, cmsr_painter
from lmf.render.dense import dense_painter
from lmf.render.kernels import best_kernel, kernel_painter, why_not
from lmf.render.memory import MAX_PIXELS
from lmf.render.result import Path
from lmf.render.window import Painter

Kernel = Literal["auto", "dense", "native", "triton"]
"""Who paints: PyTorch ("dense"), the kernel for CPUs or the one for GPUs, or the best that can."""

DTYPES = (torch.bfloat16, torch.float32)
"""Of the products of modulated layers."""


@dataclass(frozen=True)
class Options:
    """See `Lmf.upscale`."""

    max_memory: int | None = None
    max_pixels: int = MAX_PIXELS
    cmsr: CmsrTable | None = None
    dtype: torch.dtype | None = None
    kernel: Kernel = "auto"

    def __post_init__(self) -> None:
        for name in ("max_memory", "max_pixels"):
            limit = getattr(self, name)
            if limit is not None and not math.isfinite(limit):
                raise InputError(f"{name} is {limit}: use a finite number")
        if self.kernel not in get_args(Kernel):
            valid = ", ".join(get_args(Kernel))
            raise ConfigError(f"kernel {self.kernel!r} is unknown; choose one of: {valid}")
        if self.dtype is not None and self.dtype not in DTYPES:
            valid = ", ".join(str(dtype).removeprefix("torch.") for dtype in DTYPES)
            raise ConfigError(f"products of {self.dtype} are not offered; choose one of: {valid}")


@dataclass(frozen=True)
class Choice:
    """Who paints. painter: None for a model that is rendered pixel by pixel, "gather".

    path, by: see `render.result.Rendering`. note: why not the kernel that was asked for, or that the
    device could have.
    """

    painter: Painter | None
    path: Path
    note: str | None
    by: Path | None = None

    @property
    def saved(self) -> float:
        """Share of the queries so far that were interpolated."""
        return self.painter.saved if isinstance(self.painter, CmsrPainter) else 0.0


def choose_painter(
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    modulated: bool,
    device: torch.device,
    options: Options,
) -> Choice:
    """The painter for a model on a device. modulated: whether cells modulate the layers of `mlp`.

    Raises:
        ConfigError: a CMSR table for a model without shift modulation; a dtype for one without any.
    """
    if options.dtype is not None and not modulated:
        raise ConfigError(
            "dtype is that of modulated layers, and this model has none; leave it out"
        )
    full = _choose_full(basis, mlp, modulated, device, options)
    if options.cmsr is None:
        return full
    if full.painter is None:
        raise ConfigError(NO_SHIFT)
    return Choice(cmsr_painter(full.painter, options.cmsr), "cmsr", full.note, by=full.path)


def _choose_full(
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    modulated: bool,
    device: torch.device,
    options: Options,
) -> Choice:
    """Who paints whole windows."""
    asked = (best_kernel(device) or "dense") if options.kernel == "auto" else options.kernel
    note = None
    if asked != "dense":
        dtype = options.dtype
        if dtype is None and torch.is_autocast_enabled(device.type):
            dtype = torch.get_autocast_dtype(device.type)
        if modulated:
            note = why_not(asked, basis, mlp, device, dtype)
        else:
            note = "no layer of the render MLP is modulated"
        if note is None:
            return Choice(kernel_painter(asked, basis, mlp, dtype), asked, None)
    if isinstance(basis, LocalAttention):
        return Choice(None, "gather", note)
    return Choice(dense_painter(basis, mlp, dtype=options.dtype), "dense", note)
