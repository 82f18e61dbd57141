"""The dense renderer's rows as one image."""

from torch import Tensor

from lmf.render.dense import render_rows
from lmf.render.result import assemble


def render_image(cells, basis, mlp, size, cell, **options) -> Tensor:
    """See `render_rows`; (B, 3, H, W), without the LR image."""
    return assemble(render_rows(cells, basis, mlp, size, cell, **options), size[0])
