"""What a head is: all that differs between the families LIIF, LTE and their latent-modulated forms."""

from abc import abstractmethod
from typing import Generic, TypeVar

from torch import Tensor, nn

from lmf.core.bundle import Code
from lmf.heads.basis import Basis

C = TypeVar("C", bound=Code)


class Head(nn.Module, Generic[C]):
    """Turns encoder features into codes, and codes into the input of an MLP.

    lr_skip: whether the prediction is added to the bilinearly enlarged LR image.
    basis: reads the head's own code; the original decoders stop here.
    latent_inputs: length of what the latent MLP reads per LR pixel.
    render_basis: reads the render code that the latent MLP writes (`basis` where nothing is
        compressed). render_code: length of that raw code in the latent MLP's output, 0 if none.
    """

    lr_skip: bool
    basis: Basis
    render_basis: Basis
    latent_inputs: int
    render_code: int

    @abstractmethod
    def code(self, feature: Tensor) -> C:
        """(B, C, h, w) encoder features -> code with leading dimensions (B, h, w)."""

    @abstractmethod
    def latent_input(self, code: C, cell: Tensor) -> Tensor:
        """Code (B, h, w, ...) and cell (B, h, w, 2) -> (B, h, w, latent_inputs)."""

    @abstractmethod
    def to_render_code(self, code: C, raw: Tensor) -> C:
        """Render code from the latent MLP's raw output (*, render_code)."""
