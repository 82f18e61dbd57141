"""What all kernels ask of a model, and how they are given its tensors."""

import torch
from torch import Tensor

from lmf.heads.basis import Basis, FeatureBasis, FourierBasis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp

WIDTH = 16
"""Of the render MLP's hidden layers, and of LTE's basis: one tile of a GPU's matrix units."""


def misfit(basis: Basis | LocalAttention, mlp: ModulatedMlp) -> str | None:
    """One line that says why such a model has no kernel; None if it may have one."""
    if not isinstance(basis, FourierBasis | FeatureBasis):
        return "attention reads the neighbours of a pixel together, a cell has nothing to share"
    if any(layer.out_features != WIDTH for layer in mlp.linears[:-1]):
        return f"the hidden layers of the render MLP are not {WIDTH} wide"
    if isinstance(basis, FourierBasis) and basis.outputs != WIDTH:
        return f"the render MLP reads {basis.outputs} waves, not {WIDTH}"
    return None


def packed(rows: Tensor) -> Tensor:
    """(N, *) whose rows each lie in one piece, as they do in what the latent MLP writes."""
    return rows if rows[:1].is_contiguous() else rows.contiguous()


def step(rows: Tensor) -> int:
    """Numbers from one cell's row to the next; 0 where all share one."""
    return rows.stride(0) if rows.shape[0] > 1 else 0


def refuses_gradients(code: Tensor) -> bool:
    """Whether gradients are wanted that a kernel would not record."""
    return torch.is_grad_enabled() and code.requires_grad
