"""What all kernels ask of a model, and how they are given its tensors."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmf.core.bundle import FeatureCode, FourierCode
from lmf.core.errors import ConfigError
from lmf.heads.basis import Basis, FeatureBasis, FourierBasis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.window import Windows

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


def code_and_slope(
    basis: FourierBasis | FeatureBasis, first: nn.Linear, windows: Windows
) -> tuple[Tensor, Tensor]:
    """What a kernel reads of each cell, or of all, before the layers: (N, WIDTH), (N or 1, *, 2).

    Of LTE the amplitudes and the frequencies of its waves; of LIIF what the `first` layer makes of
    feature and cell, and its weights of the offset.

    Raises:
        ConfigError: gradients are wanted, which no kernel records.
    """
    code = windows.cells.code
    if isinstance(basis, FourierBasis):
        assert isinstance(code, FourierCode)
        bias, slope = code.coef, code.freq if basis.position else torch.zeros_like(code.freq)
    else:
        assert isinstance(code, FeatureCode)
        layer = basis.absorb(first, code.map(lambda t: t.float()), windows.cell.float())
        bias, slope = layer.bias, functional.pad(layer.weight, (0, 2 - layer.weight.shape[1]))[None]
    if torch.is_grad_enabled() and bias.requires_grad:
        raise ConfigError("a kernel records no gradients; render under torch.no_grad()")
    return bias, slope
