"""The exponential moving average of a model's weights (EMA)."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lmf.model import Lmf


class Average(nn.Module):
    """A copy of `model` on a device, whose weights follow its own: old * decay + new * (1 - decay).

    It begins with the weights of the first step. As `torch.optim.swa_utils.AveragedModel`, but a GPU
    is not waited for: whether it has begun stands in the processor's memory.
    """

    begun: Tensor

    def __init__(self, model: Lmf, decay: float, device: torch.device) -> None:
        super().__init__()
        self.module = deepcopy(model).to(device)
        self._blend = get_ema_multi_avg_fn(decay)
        self.register_buffer("begun", torch.tensor(False))

    @torch.no_grad()
    def follow(self, model: Lmf) -> None:
        """Take the weights of one more step into account."""
        ours, theirs = list(self.module.parameters()), list(model.parameters())
        if self.begun:
            self._blend(ours, theirs, self.begun)  # of the count, the blend makes nothing
        else:
            for mine, its in zip(ours, theirs, strict=True):
                mine.copy_(its)
            self.begun.fill_(True)
