"""The renderer of a model: from cells to the rows of an image."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from lmf.core.bundle import CellSource
from lmf.heads.basis import Basis
from lmf.heads.local_attention import LocalAttention
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.bilinear import add_skip
from lmf.render.dense import render_rows
from lmf.render.options import Choice, Options, choose_painter
from lmf.render.result import Rows
from lmf.render.window import Painter


@dataclass(frozen=True)
class Renderer:
    """What a model has to render with.

    basis, mlp: of the render MLP. modulated: whether cells modulate its layers. ensemble: whether
    neighbouring cells are blended. lr_skip: whether the result is added to the enlarged LR image.
    """

    basis: Basis | LocalAttention
    mlp: ModulatedMlp
    modulated: bool
    ensemble: bool
    lr_skip: bool

    def choose(self, options: Options) -> Choice:
        """Who paints the windows of cells on the model's device; see `choose_painter`."""
        device = self.mlp.linears[0].weight.device
        return choose_painter(self.basis, self.mlp, self.modulated, device, options)

    def rows(
        self,
        cells: CellSource,
        image: Tensor,
        size: tuple[int, int],
        cell: Tensor,
        *,
        paint: Painter | None = None,
        first: int = 0,
    ) -> Iterator[Rows]:
        """Rows of an (H, W) image from row `first` on, as they are finished; not clamped.

        image: LR, (B, 3, h, w). cell: (B, 2) extent of an HR pixel, in half LR pixels. paint: by
        default the dense renderer's, or pixel by pixel where attention asks for that.
        """
        rendered = render_rows(
            cells,
            self.basis,
            self.mlp,
            size,
            cell,
            ensemble=self.ensemble,
            paint=paint,
            first=first,
        )
        if self.lr_skip:
            return add_skip(rendered, image, size)
        return (Rows(part.first, part.rgb.mul_(0.5).add_(0.5)) for part in rendered)
