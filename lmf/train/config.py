"""What a training run is."""

from dataclasses import dataclass
from typing import Literal

from lmf.core.config import Config


@dataclass(frozen=True)
class TrainConfig(Config):
    """Budget and recipe of a run; with the model, the data and the seed it decides every weight.

    steps: optimiser steps. batch: crops per step. patch: LR side of a crop in pixels.
    queries: random HR pixels per crop, as in the papers; None = all of them, rendered densely.
    scales: (low, high) of the uniform distribution that each step's scale is drawn from.
    lr, lr_min: peak and last learning rate; warmup: steps of linear rise before the cosine.
    ema: decay of the averaged weights that are kept. clip: largest gradient norm.
    precision: "fp32", or "bf16" for autocast. log_every, validate_every, save_every: in steps.
    """

    steps: int
    batch: int
    patch: int
    queries: int | None
    scales: tuple[float, float]
    lr: float
    lr_min: float
    warmup: int
    ema: float
    clip: float
    precision: Literal["fp32", "bf16"]
    log_every: int
    validate_every: int
    save_every: int
