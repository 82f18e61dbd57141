"""Render MLP whose hidden layers are scaled and shifted by latent modulations (LMF, Eq. 4).

    h_i = ReLU((1 + scale_i) * (W_i h_{i-1} + b_i) + shift_i)

paper     here               shape
gamma     modulation.scale   (*, depth, width)   zero-centred, hence the 1 +
beta      modulation.shift   (*, depth, width)

Two forms that agree: `forward` modulates activations (every query has its own modulation),
`forward_cells` folds the modulation into one small matrix per LR cell, W' = (1 + scale) W and
b' = (1 + scale) b + shift, and pays for it once for all pixels of the cell.
"""

import torch
from torch import Tensor

from lmf.core.bundle import Modulation
from lmf.nets.mlp import Mlp


class ModulatedMlp(Mlp):
    """Hidden layers of equal width where modulated; a modulation of None leaves a plain MLP."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int = 3) -> None:
        super().__init__(inputs, hidden, outputs)

    def forward(self, x: Tensor, modulation: Modulation | None = None) -> Tensor:
        """(*, inputs), modulation (*, depth, width) -> (*, outputs)."""
        if modulation is None:
            return super().forward(x)
        *hidden, last = self.linears
        # Views of all layers at once: their gradients are stacked once, not summed layer by layer.
        scales = None if modulation.scale is None else modulation.scale.unbind(-2)
        shifts = None if modulation.shift is None else modulation.shift.unbind(-2)
        for i, layer in enumerate(hidden):
            x = layer(x)
            if scales is not None:
                x = torch.addcmul(x, x, scales[i])
            if shifts is not None:
                x = x + shifts[i]
            x = x.relu_()
        return last(x)

    def forward_cells(self, x: Tensor, modulation: Modulation | None = None) -> Tensor:
        """Pixels grouped by cell: (N, P, inputs), modulation (N, depth, width) -> (N, P, outputs)."""
        if modulation is None:
            return super().forward(x)
        *hidden, last = self.linears
        for i, layer in enumerate(hidden):
            weight, bias = _fold(layer.weight, layer.bias, modulation, i)
            x = torch.baddbmm(bias, x, weight).relu_()
        return last(x)


def _fold(weight: Tensor, bias: Tensor, modulation: Modulation, i: int) -> tuple[Tensor, Tensor]:
    """(out, in), (out,) -> per-cell (N, in, out) matrix and (N, 1, out) bias of hidden layer i."""
    scale, shift = modulation.scale, modulation.shift
    cells = shift.shape[0] if shift is not None else scale.shape[0]  # type: ignore[union-attr]
    if scale is None:
        folded, offset = weight.T.expand(cells, -1, -1), bias.expand(cells, -1)
    else:
        gain = 1 + scale[:, i]
        folded, offset = weight.T * gain[:, None, :], bias * gain
    if shift is not None:
        offset = offset + shift[:, i]
    return folded, offset[:, None, :]
