"""CiaoSR head: neighbours are weighed by attention, and may know of the whole image.

What runs where, for h w LR pixels, H W HR pixels and k = local_size^2 neighbours:

                        ciaosr              lm-ciaosr
prenet                  -                   h w, once per image
K, V and attention      k H W               k h w, once per scale
decoder / latent MLP    H W                 h w, once per scale
render MLP (16 wide)    -                   4 H W

The latent-modulated form asks the attention at the centres of the LR pixels. Its answer there is
what the latent MLP reads; HR pixels then cost no more than those of LM-LIIF (He & Jin 2024).
"""

from torch import Tensor

from lmf.core.bundle import Code, ContextCode, FeatureCode
from lmf.heads.basis import FeatureBasis
from lmf.heads.head import Head, pixel_features
from lmf.heads.local_attention import ALL, LocalAttention
from lmf.nets.convolution import Convolve, convolve
from lmf.nets.mlp import Mlp


class CiaoSrHead(Head[ContextCode]):
    """Cao et al., CVPR 2023 (CiaoSR); compressed to 2 `compressed` numbers for LM-CiaoSR.

    channels: encoder width. compressed: half the render code's length, 0 for the original decoder.
    hidden: widths of the attention's MLPs; the prenet's as well, whose last one is the length of
    its result. non_local: whether values read the feature after cross-scale attention, too.
    unfold: concatenate the 3x3 neighbourhood of features. local_size, softmax_scale: see
    `LocalAttention`. position: the decoder's or render MLP's knowledge of the offset.
    """

    lr_skip = True
    basis: LocalAttention

    def __init__(
        self,
        channels: int,
        compressed: int,
        hidden: tuple[int, ...],
        *,
        non_local: bool,
        local_size: int,
        softmax_scale: float,
        cell: bool,
        position: bool,
        unfold: bool,
    ) -> None:
        super().__init__()
        self.unfold, self.non_local = unfold, non_local
        feature = channels * (9 if unfold else 1)
        self.prenet = Mlp(feature, hidden, hidden[-1]) if compressed else None
        self.basis = LocalAttention(
            hidden[-1] if compressed else feature,
            channels * non_local,
            hidden,
            side=local_size,
            softmax_scale=softmax_scale,
            cell=cell,
            position=position or compressed > 0,
        )
        self.latent_inputs = self.basis.outputs
        self.render_code = 2 * compressed
        self.reach = local_size
        self.held = self.basis.outputs
        self.made = 2 * (channels + feature + self.held)
        if compressed:  # K and V have read the cell; the render MLP needs it no more
            self.render_basis = FeatureBasis(2 * compressed, cell=False, position=position)
        else:  # a second name, not a second child: its parameters must not be saved twice
            object.__setattr__(self, "render_basis", self.basis)

    def code(self, feature: Tensor, context: Tensor, convolve: Convolve = convolve) -> ContextCode:
        """Local features, compressed by the prenet in the latent-modulated form; and non-local ones."""
        local = pixel_features(feature, self.unfold)
        return ContextCode(
            local if self.prenet is None else self.prenet(local),
            pixel_features(context, unfold=False) if self.non_local else None,
        )

    def latent_input(self, code: ContextCode, cell: Tensor, rows: slice = ALL) -> Tensor:
        """What the attention answers at the centre of each LR pixel."""
        grid = code.map(lambda t: t[:, rows]).grid
        return self.basis.on_grid(code, cell[:, None, None].expand(*grid, 2), rows=rows)

    def to_render_code(self, code: ContextCode, raw: Tensor) -> Code:
        """`raw` is the render code as it stands."""
        return FeatureCode(raw) if self.render_code else code
