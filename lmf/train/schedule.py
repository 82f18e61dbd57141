"""Learning rate and scales as functions of the step alone, so that resuming needs no scheduler."""

import math

from lmf.train.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then cosine annealing from `lr` to `lr_min` (Loshchilov & Hutter 2017, Eq. 5).

    With milestones: half of it at each of them instead, as LIIF, LTE and LMF were trained.
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.milestones:
        return config.lr * 0.5 ** sum(step >= milestone for milestone in config.milestones)
    progress = (step - config.warmup) / max(config.steps - config.warmup, 1)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return config.lr_min + (config.lr - config.lr_min) * cosine


def scale_range(config: TrainConfig, step: int) -> tuple[float, float]:
    """(low, high) that this step's scale is drawn from; progressive training widens it linearly."""
    low, high = config.scales
    share = min(1.0, (step + 1) / config.progressive) if config.progressive else 1.0
    return low, low + (high - low) * share
