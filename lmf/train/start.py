"""Where training begins."""

import math

import torch

from lmf.architecture import ModelConfig
from lmf.model import Lmf


def initial_model(config: ModelConfig) -> Lmf:
    """An untrained model that can be trained with any of its parts switched off.

    The output layer is zero: with the LR skip the model starts as bilinear interpolation. The hidden
    layers of the render MLP keep the variance of their input (He et al. 2015); with torch's default
    it shrinks eight times in a row, and without modulation nothing would reach the output. Without
    modulation these narrow layers are the same everywhere, and orthogonal matrices (Saxe et al.
    2014) keep all of their input's directions, too.
    """
    model = Lmf(config)
    *hidden, output = model.render_mlp.linears
    plain = not (config.mod_scale or config.mod_shift)
    for layer in hidden:
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if plain:
            torch.nn.init.orthogonal_(layer.weight, math.sqrt(2))
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(output.weight)
    torch.nn.init.zeros_(output.bias)
    return model
