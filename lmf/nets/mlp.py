"""Multi-layer perceptron: linear layers with ReLU between them."""

from itertools import pairwise

from torch import Tensor, nn


class Mlp(nn.Module):
    """ReLU perceptron; `layers` alternates Linear and ReLU, as the official files number them."""

    def __init__(self, inputs: int, hidden: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        widths = (inputs, *hidden, outputs)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers[:-1])

    @property
    def linears(self) -> list[nn.Linear]:
        """The linear layers, input side first; the last one is the output layer."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, x: Tensor) -> Tensor:
        """(*, inputs) -> (*, outputs)."""
        return self.layers(x)
