"""SwinIR feature extractor (Liang et al. 2021) with patch size 1, without its up-sampler.

Images are padded by reflection at the bottom and the right to whole windows and cropped again.
Stochastic depth is left out: it acts in the official training alone and has no parameters.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lmf.core.errors import ConfigError
from lmf.nets.convolution import Convolve, convolve
from lmf.nets.encoder import Encoder
from lmf.nets.window_attention import (
    WindowAttention,
    from_windows,
    shift_masks,
    to_windows,
    window_kinds,
)


@dataclass(frozen=True)
class SwinIrConfig:
    """embed: width. depths: Swin blocks of each residual group. heads: attention heads, all blocks.

    window: side in pixels. mlp_ratio: hidden / embed of a block's MLP.

    Raises:
        ConfigError: `embed` cannot be shared among `heads`.
    """

    embed: int
    depths: tuple[int, ...]
    heads: int
    window: int = 8
    mlp_ratio: int = 2
    out_channels: int = 64

    def __post_init__(self) -> None:
        if self.embed % self.heads:
            raise ConfigError(
                f"SwinIR: embed {self.embed} is not a multiple of heads {self.heads}; change one"
            )


SWINIR_PRESETS = {
    "swinir": SwinIrConfig(embed=180, depths=(6,) * 6, heads=6),  # SwinIR of the paper
    "swinir-study": SwinIrConfig(embed=96, depths=(6,) * 4, heads=6),
    "swinir-small": SwinIrConfig(embed=32, depths=(2, 2), heads=2, out_channels=32),
}


class SwinBlock(nn.Module):
    """Window attention, then an MLP, each normalised before and added to its input (pre-norm)."""

    def __init__(self, config: SwinIrConfig, shift: int) -> None:
        super().__init__()
        width, hidden = config.embed, config.embed * config.mlp_ratio
        self.window, self.shift = config.window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, config.heads, config.window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(fc1=nn.Linear(width, hidden), act=nn.GELU(), fc2=nn.Linear(hidden, width))
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, H, W, C), mask (n, N, N) of the shifted windows -> (B, H, W, C)."""
        x = x + self._attend(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        shift, window = self.shift, self.window
        if not shift:
            return from_windows(self.attn(to_windows(x, window)), window, height, width)
        windows = to_windows(x.roll((-shift, -shift), dims=(1, 2)), window)
        found = from_windows(self.attn(windows, mask), window, height, width)
        return found.roll((shift, shift), dims=(1, 2))


class SwinGroup(nn.Module):
    """Swin blocks; the windows of every second one are shifted by half a window."""

    def __init__(self, config: SwinIrConfig, depth: int) -> None:
        super().__init__()
        shifts = [config.window // 2 * (i % 2) for i in range(depth)]
        self.blocks = nn.ModuleList(SwinBlock(config, shift) for shift in shifts)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, H, W, C), mask (n, N, N) -> (B, H, W, C)."""
        for block in self.blocks:
            x = block(x, mask)
        return x


class ResidualSwinGroup(nn.Module):
    """Swin blocks and a convolution, added to the input (RSTB; SwinIR, Fig. 2a)."""

    def __init__(self, config: SwinIrConfig, depth: int) -> None:
        super().__init__()
        self.residual_group = SwinGroup(config, depth)
        self.conv = nn.Conv2d(config.embed, config.embed, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor, convolve: Convolve = convolve) -> Tensor:
        """x (B, H, W, C), mask (n, N, N) -> (B, H, W, C)."""
        inside = _channels_first(self.residual_group(x, mask))
        return _channels_last(convolve(self.conv, inside, add=_channels_first(x)))


class SwinIr(Encoder):
    """(B, 3, h, w) in [-1, 1] -> (B, out_channels, h, w), any h, w >= 1."""

    masks: Tensor

    def __init__(self, config: SwinIrConfig) -> None:
        super().__init__()
        self.config = config
        self.out_channels, self.alignment = config.out_channels, config.window
        width = config.embed
        self.conv_first = nn.Conv2d(3, width, 3, padding=1)
        self.patch_embed = nn.Sequential(OrderedDict(norm=nn.LayerNorm(width)))
        self.layers = nn.ModuleList(ResidualSwinGroup(config, depth) for depth in config.depths)
        self.norm = nn.LayerNorm(width)
        self.conv_after_body = nn.Conv2d(width, width, 3, padding=1)
        self.conv_before_upsample = nn.Sequential(
            nn.Conv2d(width, config.out_channels, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        masks = shift_masks(config.window, config.window // 2)
        self.register_buffer("masks", masks, persistent=False)
        self.apply(_initialise)

    @property
    def receptive_field(self) -> int:
        """Attention in windows that move by half their side spreads so far with every block.

        A first window reaches side - 1 pixels; a block of the other kind half a side more on each
        side; a 3x3 convolution one pixel, and with the next block up to the end of its window.
        """
        half = self.config.window // 2
        blocks = sum(self.config.depths)
        return half * (blocks + 2 * len(self.config.depths)) + 4

    @property
    def overlap(self) -> int:
        """Two windows: tiles of 32 pixels then come within 93 dB of the whole, whatever the weights.

        Those were formula's and fresh ones of 24 blocks; with trained ones the difference vanishes.
        """
        return 2 * self.config.window

    @property
    def floats(self) -> int:
        """A block's tokens, q, k, v and MLP; the biases of all pairs of a window's pixels."""
        config = self.config
        return 11 * config.embed + 3 * config.heads * config.window**2

    def forward(self, x: Tensor, convolve: Convolve = convolve) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, out_channels, h, w)."""
        h, w = x.shape[-2:]
        shallow = convolve(self.conv_first, pad_to_windows(x, self.config.window))
        deep = convolve(self.conv_after_body, self._body(shallow, convolve), add=shallow)
        height, width = deep.shape[-2:]
        last, leaky = self.conv_before_upsample
        # a crop as negative padding gives a new tensor, whose strides torch.export can follow
        return functional.pad(leaky(convolve(last, deep)), (0, w - width, 0, h - height))

    def _body(self, shallow: Tensor, convolve: Convolve) -> Tensor:
        window = self.config.window
        height, width = shallow.shape[-2:]
        mask = self.masks[window_kinds(height // window, width // window, shallow.device)]
        x = self.patch_embed(_channels_last(shallow))
        for layer in self.layers:
            x = self._run(layer, x, mask, convolve)
        return _channels_first(self.norm(x))


def pad_to_windows(x: Tensor, window: int) -> Tensor:
    """(B, C, h, w) -> (B, C, H, W), mirrored about its last row and column to whole windows.

    Equal to reflect padding, and defined where that is not: a small image is mirrored repeatedly
    and a single row or column is repeated.
    """
    rows, columns = (_mirrored(size, window, x.device) for size in x.shape[-2:])
    return x.index_select(-2, rows).index_select(-1, columns)


def _mirrored(size: int, window: int, device: torch.device) -> Tensor:
    """Source index of each pixel of an axis padded from `size` to a multiple of `window`."""
    period = 2 * (size - 1) + 1 // size  # 1 // size: a single row is its own mirror image
    step = torch.arange((size + window - 1) // window * window, device=device) % period
    return torch.minimum(step, period - step)


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _initialise(module: nn.Module) -> None:
    """The official initialisation: linear layers as in vision transformers, the rest as torch."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
