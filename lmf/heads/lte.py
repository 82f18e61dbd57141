"""LTE head: local texture as plane waves with estimated amplitude, frequency and phase."""

import torch
from torch import Tensor, nn

from lmf.core.bundle import FourierCode
from lmf.heads.basis import FourierBasis
from lmf.heads.head import Head
from lmf.heads.local_attention import ALL
from lmf.nets.convolution import Convolve, convolve


class LteHead(Head[FourierCode]):
    """Lee & Jin, CVPR 2022 (LTE); compressed to `compressed` amplitudes for LM-LTE (He & Jin 2024).

    channels: encoder width. fourier: code length n. compressed: render code length, 0 for none.
    """

    lr_skip = True

    def __init__(
        self, channels: int, fourier: int, compressed: int, *, cell: bool, position: bool
    ) -> None:
        super().__init__()
        self.coef = nn.Conv2d(channels, fourier, 3, padding=1)
        self.freq = nn.Conv2d(channels, fourier, 3, padding=1)
        # The latent MLP always sees the waves; `position` concerns rendering only.
        self.basis = FourierBasis(fourier, cell, position or compressed > 0)
        self.latent_inputs = fourier
        self.render_code = 2 * compressed
        self.held, self.made = 2 * fourier, channels + 3 * fourier
        if compressed:
            self.render_basis = FourierBasis(compressed, cell, position)
        else:  # a second name, not a second child: its phase must not be saved twice
            object.__setattr__(self, "render_basis", self.basis)

    def code(self, feature: Tensor, context: Tensor, convolve: Convolve = convolve) -> FourierCode:
        """Amplitudes and frequencies by one 3x3 convolution each."""
        coef = convolve(self.coef, context).permute(0, 2, 3, 1)
        freq = convolve(self.freq, context).permute(0, 2, 3, 1)
        return FourierCode(coef, freq.unflatten(-1, (-1, 2)))

    def latent_input(self, code: FourierCode, cell: Tensor, rows: slice = ALL) -> Tensor:
        """The waves at offset (1, 1), the pixel's lower right corner.

        The paper's latent MLP has no coordinate; the official code sums both frequency components,
        which is the value at that corner.
        """
        code = code.map(lambda t: t[:, rows])
        cell = cell[:, None, None].expand(*code.grid, 2)
        return self.basis(code, torch.ones_like(cell), cell)

    def to_render_code(self, code: FourierCode, raw: Tensor) -> FourierCode:
        """The first half of `raw` is amplitudes, the second interleaved (y, x) frequencies."""
        if not self.render_code:
            return code
        coef, freq = raw.chunk(2, dim=-1)
        return FourierCode(coef, freq.unflatten(-1, (-1, 2)))
