"""What training minimises: the mean absolute error, as in LIIF, LTE and LMF."""

import torch
from torch import Tensor, nn

from lmf.core.coords import pixel_centres
from lmf.model import Lmf


class Objective(nn.Module):
    """The loss as one module: precision and data parallelism apply to what `forward` computes."""

    def __init__(self, model: Lmf) -> None:
        super().__init__()
        self.model = model

    def forward(self, lr: Tensor, hr: Tensor, queries: Tensor | None) -> Tensor:
        """Mean absolute error.

        lr (B, 3, p, p) and hr (B, 3, P, P) in [0, 1]; queries (B, Q): pixels of each flattened HR
        crop, or None for all of them, which are then rendered densely.
        """
        latents = self.model.encode(lr.contiguous(memory_format=torch.channels_last))
        height, width = hr.shape[-2:]
        if queries is None:
            return (self.model.render(latents, (height, width)) - hr).abs().mean()
        coord = pixel_centres(height, width, hr.device)[queries]
        cell = coord.new_tensor([2 / height, 2 / width]).expand_as(coord)
        target = hr.flatten(2).gather(2, queries[:, None].expand(-1, 3, -1)).transpose(1, 2)
        return (self.model.query(latents, coord, cell) - target).abs().mean()


def draw_queries(hr: Tensor, count: int | None, random: torch.Generator) -> Tensor | None:
    """`count` different pixels of each crop of hr (B, 3, P, P) -> (B, count), at most all of them.

    None stays None: all of them, to be rendered densely.
    """
    if count is None:
        return None
    pixels = hr.shape[-2] * hr.shape[-1]
    chosen = [torch.randperm(pixels, generator=random)[:count] for _ in hr]
    return torch.stack(chosen).to(hr.device)
