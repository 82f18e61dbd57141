"""What training minimises: the mean absolute error, as in LIIF, LTE and LMF, and what is added."""

import torch
from torch import Tensor, nn

from lmf.data.pairs import Queries
from lmf.model import Lmf
from lmf.train.config import TrainConfig
from lmf.train.perceptual import PerceptualLoss, perceptual_loss

Target = Queries | Tensor
"""What a model is to meet: some pixels of each HR crop, or the crops (B, 3, P, P) themselves."""


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

    def forward(self, lr: Tensor, target: Target) -> Tensor:
        """Mean absolute error, plus the weighted perceptual term where there is one.

        lr (B, 3, p, p) in [0, 1]; target: crops as a whole are rendered densely.
        """
        latents = self.model.encode(lr.contiguous(memory_format=self.layout))
        if isinstance(target, Queries):
            return (self.model.query(latents, target.coord, target.cell) - target.rgb).abs().mean()
        sr = self.model.render(latents, (target.shape[-2], target.shape[-1]))
        loss = (sr - target).abs().mean()
        return loss if self.perceptual is None else loss + self.weight * self.perceptual(sr, target)
