"""Render MLP whose hidden layers are scaled and shifted by latent modulations (LMF, Eq. 4).

    h_i = ReLU((1 + scale_i) * (W_i h_{i-1} + b_i) + shift_i)

paper     here               shape
gamma     modulation.scale   (*, depth, width)   zero-centred, hence the 1 +
beta      modulation.shift   (*, depth, width)

Two forms that agree: `forward` modulates activations (every query has its own modulation),
`forward_cells` folds the modulation into the layers of each LR cell, once for all its pixels:

    W'_i = (1 + scale_i) W_i,   b'_i = (1 + scale_i) b_i + shift_i,   h_i = ReLU(W'_i h_{i-1} + b'_i)

and keeps the biases out of the activations, since ReLU(z + c) = max(z, -c) + c:

    y_i = max(W'_i y_{i-1}, -c_i),   c_i = W'_i c_{i-1} + b'_i,   h_i = y_i + c_i

So c is what the layers make of zero without their ReLUs: a few numbers per cell. Per pixel there
remain one small product and one maximum a layer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lmf.core.bundle import Bundle, Modulation
from lmf.nets.mlp import Mlp

SPAN = 4
"""Layers after which c is added back, so that rounding stays that of the activations themselves."""


@dataclass(frozen=True)
class Affine(Bundle):
    """A linear layer per cell, W (amplitude * x) + b.

    weight: (outputs, inputs), of all cells. amplitude: (N, inputs) or None. bias: (N, outputs).
    """

    weight: Tensor
    amplitude: Tensor | None
    bias: Tensor


@dataclass(frozen=True)
class CellLayers(Bundle):
    """The render MLP as N cells have it.

    first, rest: W of the first hidden layer, (N, width, inputs), and of all others, (N, depth - 1,
    width, width) or None; the same memory for all cells. gain: (N, depth, width), 1 + scale, or None,
    and amplitude: (N, inputs) or None, are folded into W a few cells at a time, in the cache.
    floor: (N, depth, width, 1), -c_i. last: (N, outputs, 1), the output layer's c.
    """

    first: Tensor
    rest: Tensor | None
    gain: Tensor | None
    amplitude: Tensor | None
    floor: Tensor
    last: Tensor


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

    def fold(self, modulation: Modulation, first: Affine | None = None) -> CellLayers:
        """The layers of N cells from their modulation (N, depth, width).

        first: the first layer where a basis has folded something into it, too, see `heads.basis`.
        """
        *hidden, last = self.linears
        gain = None if modulation.scale is None else 1 + modulation.scale
        shift = modulation.shift
        c = hidden[0].bias if first is None else first.bias
        floors = []
        for i, layer in enumerate(hidden):
            if i > 0:
                c = (
                    layer.bias
                    if adds_back(i - 1)
                    else functional.linear(c, layer.weight, layer.bias)
                )
            c = c if gain is None else c * gain[:, i]
            c = c if shift is None else c + shift[:, i]
            floors.append(c.neg())
        n = floors[0].shape[0]
        rest = [layer.weight for layer in hidden[1:]]
        return CellLayers(
            (hidden[0] if first is None else first).weight.expand(n, -1, -1),
            torch.stack(rest).expand(n, -1, -1, -1) if rest else None,
            gain,
            None if first is None else first.amplitude,
            torch.stack(floors, dim=1)[..., None],
            functional.linear(c, last.weight, last.bias)[..., None],
        )

    def forward_cells(self, x: Tensor, layers: CellLayers) -> Tensor:
        """Pixels grouped by cell: (N, inputs, P) -> (N, outputs, P), with `layers` from `fold`."""
        weights, floors = _folded(layers), layers.floor.unbind(1)
        for i, (weight, floor) in enumerate(zip(weights, floors, strict=True)):
            x = torch.bmm(weight, x)
            floor = floor.to(x.dtype)  # half under autocast
            x = torch.maximum(x, floor, out=None if torch.is_grad_enabled() else x)
            if adds_back(i) and i < len(weights) - 1:
                x = x.sub_(floor)
        last = self.linears[-1].weight.to(x.dtype)
        return torch.bmm(last.expand(x.shape[0], -1, -1), x).add_(layers.last)


def _folded(layers: CellLayers) -> list[Tensor]:
    """W' of the hidden layers: (N, width, inputs) each."""
    first, rest = layers.first, layers.rest
    if layers.amplitude is not None:
        first = first * layers.amplitude[:, None]
    if layers.gain is not None:
        first = first * layers.gain[:, 0, :, None]
        rest = None if rest is None else rest * layers.gain[:, 1:, :, None]
    return [first] if rest is None else [first, *rest.unbind(1)]


def adds_back(i: int) -> bool:
    """Whether c is added to the activations after hidden layer i."""
    return i % SPAN == SPAN - 1
