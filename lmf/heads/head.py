"""What a head is: all that differs between LIIF, LTE, CiaoSR and their latent-modulated forms."""

from abc import abstractmethod
from typing import Generic, TypeVar

from torch import Tensor, nn
from torch.nn import functional

from lmf.core.bundle import Code
from lmf.heads.basis import Basis
from lmf.heads.local_attention import ALL, LocalAttention
from lmf.nets.convolution import Convolve, convolve

C = TypeVar("C", bound=Code)


class Head(nn.Module, Generic[C]):
    """Turns encoder features into codes, and codes into the input of an MLP.

    lr_skip: whether the prediction is added to the bilinearly enlarged LR image.
    basis: reads the head's own code; the original decoders stop here. A `Basis` reads neighbours one
        by one and the local ensemble blends the results; a `LocalAttention` reads them together.
    latent_inputs: length of what the latent MLP reads per LR pixel.
    render_basis: reads the render code that the latent MLP writes (`basis` where nothing is
        compressed). render_code: length of that raw code in the latent MLP's output, 0 if none.
    reach: LR pixels around one that its latent input reads.
    held: floats of an LR pixel's code. made: floats per LR pixel while codes are made.
    """

    lr_skip: bool
    basis: Basis | LocalAttention
    render_basis: Basis | LocalAttention
    latent_inputs: int
    render_code: int
    reach: int = 0
    held: int
    made: int

    @abstractmethod
    def code(self, feature: Tensor, context: Tensor, convolve: Convolve = convolve) -> C:
        """Encoder features (B, C, h, w) -> code with leading dimensions (B, h, w).

        context: the features after cross-scale attention, or `feature` itself where there is none.
        convolve: computes 3x3 convolutions, if there are any.
        """

    @abstractmethod
    def latent_input(self, code: C, cell: Tensor, rows: slice = ALL) -> Tensor:
        """Code (B, h, w, ...), cell (B, 2) -> (B, len(rows), w, latent_inputs) of some LR rows."""

    @abstractmethod
    def to_render_code(self, code: C, raw: Tensor) -> Code:
        """Render code from the latent MLP's raw output (*, render_code)."""


def pixel_features(feature: Tensor, unfold: bool) -> Tensor:
    """(B, C, h, w) -> (B, h, w, C), or (B, h, w, 9 C) with the 3x3 neighbourhood (LIIF, Eq. 3)."""
    if unfold:
        size = feature.shape[-2:]
        feature = functional.unfold(feature, 3, padding=1).unflatten(-1, size)
    return feature.permute(0, 2, 3, 1)
