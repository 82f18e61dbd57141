"""What training minimises: the mean absolute error, as in LIIF, LTE and LMF, and what is added."""

import torch
from torch import Tensor, nn

from lmf.core.coords import pixel_centres
from lmf.model import Lmf
from lmf.train.config import TrainConfig
from lmf.train.perceptual import PerceptualLoss, perceptual_loss


class Objective(nn.Module):
    """The loss as one module: precision and data parallelism apply to what `forward` computes."""

    def __init__(self, model: Lmf, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.weight = config.perceptual.weight if config.perceptual else 0.0
        self.perceptual: PerceptualLoss | None = None
        if config.perceptual:
            self.perceptual = perceptual_loss(config.perceptual)

    def forward(self, lr: Tensor, hr: Tensor, queries: Tensor | None) -> Tensor:
        """Mean absolute error, plus the weighted perceptual term where there is one.

        lr (B, 3, p, p) and hr (B, 3, P, P) in [0, 1]; queries (B, Q): pixels of each flattened HR
        crop, or None for all of them, which are then rendered densely.
        """
        latents = self.model.encode(lr.contiguous(memory_format=self.layout))
        height, width = hr.shape[-2:]
        if queries is None:
            sr = self.model.render(latents, (height, width))
            loss = (sr - hr).abs().mean()
            return loss if self.perceptual is None else loss + self.weight * self.perceptual(sr, hr)
        coord = pixel_centres(height, width, hr.device)[queries]
        cell = coord.new_tensor([2 / height, 2 / width]).expand_as(coord)
        target = hr.flatten(2).gather(2, queries[:, None].expand(-1, 3, -1)).transpose(1, 2)
        return (self.model.query(latents, coord, cell) - target).abs().mean()
