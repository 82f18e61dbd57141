"""Learning rate as a function of the step alone, so that resuming needs no scheduler state."""

import math

from lmf.train.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then cosine annealing from `lr` to `lr_min` (Loshchilov & Hutter 2017, Eq. 5)."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(config.steps - config.warmup, 1)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return config.lr_min + (config.lr - config.lr_min) * cosine
