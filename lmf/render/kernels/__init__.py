"""Kernels: painters that do in one pass what PyTorch does in many. `render.window` is their test.

triton   NVIDIA GPUs: `triton_painter` calls `triton_kernel`, written in Triton
native   CPUs: `native` calls `cell.c` and `native.c`, compiled when they are first needed
"""

from typing import Literal

import torch

from lmf.heads.basis import Basis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.kernels import native, triton_painter
from lmf.render.window import Painter

Kernel = Literal["triton", "native"]


def best_kernel(device: torch.device) -> Kernel | None:
    """The kernel that is meant for such a device."""
    return {"cuda": "triton", "cpu": "native"}.get(device.type)  # type: ignore[return-value]


def why_not(
    kernel: Kernel,
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> str | None:
    """One line that says why a kernel cannot render such a model there; None if it can.

    dtype: of the factors of products, by default the weights' own.
    """
    module = triton_painter if kernel == "triton" else native
    return module.why_not(basis, mlp, device, dtype)


def kernel_painter(
    kernel: Kernel,
    basis: Basis | LocalAttention,
    mlp: ModulatedMlp,
    dtype: torch.dtype | None = None,
) -> Painter:
    """A painter with the weights as they are now; ConfigError if it cannot run where they are."""
    module = triton_painter if kernel == "triton" else native
    return module.painter(basis, mlp, dtype)
