"""LIIF head: the (unfolded) feature vector itself is the code."""

import torch
from torch import Tensor

from lmf.core.bundle import FeatureCode
from lmf.heads.basis import FeatureBasis
from lmf.heads.head import Head, pixel_features
from lmf.heads.local_attention import ALL
from lmf.nets.convolution import Convolve, convolve


class LiifHead(Head[FeatureCode]):
    """Chen et al., CVPR 2021 (LIIF); compressed to `compressed` numbers for LM-LIIF (He & Jin 2024).

    channels: encoder width. unfold: concatenate the 3x3 neighbourhood of features (LIIF, Eq. 3).
    compressed: render code length, 0 for none.
    """

    lr_skip = False

    def __init__(
        self, channels: int, compressed: int, *, cell: bool, position: bool, unfold: bool
    ) -> None:
        super().__init__()
        self.unfold, self.cell = unfold, cell
        code = channels * (9 if unfold else 1)
        self.basis = FeatureBasis(code, cell, position)
        self.latent_inputs = code + 2 * cell
        self.render_code = compressed
        self.held, self.made = code, channels + 2 * code
        self.render_basis = FeatureBasis(compressed, cell, position) if compressed else self.basis

    def code(self, feature: Tensor, context: Tensor, convolve: Convolve = convolve) -> FeatureCode:
        """(B, C, h, w) -> (B, h, w, C or 9 C)."""
        return FeatureCode(pixel_features(context, self.unfold))

    def latent_input(self, code: FeatureCode, cell: Tensor, rows: slice = ALL) -> Tensor:
        """Feature and cell; the latent MLP has no coordinate."""
        code = code.map(lambda t: t[:, rows])
        if not self.cell:
            return code.feature
        return torch.cat((code.feature, cell[:, None, None].expand(*code.grid, 2)), dim=-1)

    def to_render_code(self, code: FeatureCode, raw: Tensor) -> FeatureCode:
        """`raw` is the render code as it stands."""
        return FeatureCode(raw) if self.render_code else code
