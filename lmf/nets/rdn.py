"""RDN feature extractor (Zhang et al. 2018) without its up-sampler.

Symbols of the paper: D residual dense blocks of C convolutions that each add G channels to the
G0 they start from. Parameter names are the paper's: SFENet shallow features, LFF local and GFF
global feature fusion.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lmf.nets.attention import AttentionKind, create_attention, reach
from lmf.nets.convolution import Convolve, convolve, new_image
from lmf.nets.encoder import Encoder


@dataclass(frozen=True)
class RdnConfig:
    """blocks: D. layers: C. growth: G. growth0: G0, the width between blocks. kernel: odd size.

    attention: of each block's fused features, see `nets.attention`.
    """

    blocks: int
    layers: int
    growth: int
    growth0: int = 64
    kernel: int = 3
    attention: AttentionKind = "none"

    @property
    def out_channels(self) -> int:
        """Of the features."""
        return self.growth0


RDN_PRESETS = {
    "rdn": RdnConfig(blocks=16, layers=8, growth=64),  # RDN-B of the paper
    "rdn-light": RdnConfig(blocks=7, layers=6, growth=32),  # RDN-A's block, 7 of them and not 20
    "rdn-small": RdnConfig(blocks=3, layers=3, growth=16, growth0=32),
}


class DenseLayer(nn.Module):
    """conv and ReLU, whose output is appended to its input (dense connection)."""

    def __init__(self, inputs: int, growth: int, kernel: int) -> None:
        super().__init__()
        self.inputs, self.growth = inputs, growth
        convolution = nn.Conv2d(inputs, growth, kernel, padding=kernel // 2)
        self.conv = nn.Sequential(convolution, nn.ReLU(inplace=True))

    def forward(self, x: Tensor, convolve: Convolve = convolve) -> Tensor:
        """(B, inputs, h, w) -> (B, inputs + growth, h, w)."""
        return torch.cat((x, convolve(self.conv[0], x, relu=True)), dim=1)

    def append(self, image: Tensor, convolve: Convolve) -> None:
        """Write what is made of the first channels of `image` into those after them."""
        inputs, growth = self.inputs, self.growth
        result = image[:, inputs : inputs + growth]
        convolve(self.conv[0], image[:, :inputs], relu=True, out=result)


class ResidualDenseBlock(nn.Module):
    """C dense layers, fused to G0 channels and added to the input (RDN, Fig. 3)."""

    def __init__(self, config: RdnConfig) -> None:
        super().__init__()
        widths = [config.growth0 + i * config.growth for i in range(config.layers + 1)]
        layers = [DenseLayer(width, config.growth, config.kernel) for width in widths[:-1]]
        self.convs = nn.Sequential(*layers)
        self.LFF = nn.Conv2d(widths[-1], config.growth0, 1)
        self.attention = create_attention(config.attention, config.growth0)

    def forward(self, x: Tensor, convolve: Convolve = convolve) -> Tensor:
        """(B, G0, h, w) -> the same shape."""
        inside = x
        if torch.is_grad_enabled():
            for layer in self.convs:
                inside = layer(inside, convolve)
        else:
            inside = self._grown(x, convolve)
        return x + self.attention(self.LFF(inside))

    def _grown(self, x: Tensor, convolve: Convolve) -> Tensor:
        """What the dense layers make of x, each written beside what it reads, to spare its copies."""
        inside = new_image(x, self.LFF.in_channels)
        inside[:, : x.shape[1]] = x
        for layer in self.convs:
            assert isinstance(layer, DenseLayer)
            layer.append(inside, convolve)
        return inside


class Rdn(Encoder):
    """(B, 3, h, w) in [-1, 1] -> (B, growth0, h, w), any h, w >= 1."""

    def __init__(self, config: RdnConfig) -> None:
        super().__init__()
        self.config = config
        self.out_channels = width = config.out_channels
        kernel, padding = config.kernel, config.kernel // 2
        self.SFENet1 = nn.Conv2d(3, width, kernel, padding=padding)
        self.SFENet2 = nn.Conv2d(width, width, kernel, padding=padding)
        self.RDBs = nn.ModuleList(ResidualDenseBlock(config) for _ in range(config.blocks))
        self.GFF = nn.Sequential(
            nn.Conv2d(config.blocks * width, width, 1),
            nn.Conv2d(width, width, kernel, padding=padding),
        )

    @property
    def receptive_field(self) -> int | None:
        """C convolutions a block, with what attention adds, and three around the blocks."""
        config, around = self.config, reach(self.config.attention)
        if around is None:
            return None
        step = config.kernel // 2
        return config.blocks * (config.layers * step + around) + 3 * step

    @property
    def floats(self) -> int:
        """The outputs of all blocks; these once more, side by side, or the last block's layers."""
        config = self.config
        kept = config.blocks * config.growth0
        block = config.growth0 + config.layers * config.growth
        return kept + max(kept, 2 * block) + 6 * config.growth0

    def forward(self, x: Tensor, convolve: Convolve = convolve) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, growth0, h, w)."""
        shallow = convolve(self.SFENet1, x)
        deep = convolve(self.SFENet2, shallow)
        outputs = []
        for block in self.RDBs:
            deep = self._run(block, deep, convolve)
            outputs.append(deep)
        fuse, last = self.GFF
        return convolve(last, fuse(torch.cat(outputs, dim=1)), add=shallow)
