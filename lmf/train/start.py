"""Where training begins."""

import math

import torch

from lmf.architecture import ModelConfig
from lmf.model import Lmf


def initial_model(config: ModelConfig) -> Lmf:
    """An untrained model that can be trained with any of its parts switched off.

    The output layer is zero: with the LR skip the model starts as bilinear interpolation. The hidden
    layers of the render MLP are orthogonal (Saxe et al. 2014), with the gain of ReLU (He et al. 2015):
    torch's default shrinks a signal eight times in a row, and random matrices this narrow lose some
    of its directions; without modulation nothing else would bring them back.
    """
    model = Lmf(config)
    *hidden, output = model.render_mlp.linears
    for layer in hidden:
        torch.nn.init.orthogonal_(layer.weight, math.sqrt(2))
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(output.weight)
    torch.nn.init.zeros_(output.bias)
    return model
