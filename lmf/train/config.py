"""What a training run is."""

from dataclasses import dataclass
from typing import Literal

from lmf.core.config import Config
from lmf.core.errors import ConfigError


@dataclass(frozen=True)
class PerceptualConfig(Config):
    """A perceptual term, the L1 distance of VGG-19 features, beside the pixels' L1.

    weight: its share of the loss; the seed document has 0.1. weights: file of torchvision's VGG-19
    (`vgg19-dcbb9e9d.pth`, or safetensors with the same names). layers: convolutions whose activated
    output is compared, counted from 1 to 16.
    """

    weight: float
    weights: str = "data/vgg19-dcbb9e9d.pth"
    layers: tuple[int, ...] = (2, 4, 8, 12, 16)


@dataclass(frozen=True)
class TrainConfig(Config):
    """Budget and recipe of a run; with the model, the data and the seed it decides every weight.

    steps: optimiser steps. batch: crops per step, over all devices. patch: LR side of a crop in
    pixels. queries: random HR pixels per crop, as in the papers; None = all, rendered densely.
    scales: (low, high) of the uniform distribution that each step's scale is drawn from.
    progressive: steps over which the drawn scales widen from `low` alone to the whole range; 0 = at
    once. lr, lr_min: peak and last learning rate; warmup: steps of linear rise before it falls, by
    a cosine, or by half at each of `milestones` (in steps) where there are any.
    ema: decay of the averaged weights that are kept. clip: largest gradient norm.
    precision: "fp32", or autocast to "bf16" or, with a loss scaler and on a GPU, "fp16".
    accumulate: parts that a batch is computed in, one after the other: less memory, same result.
    checkpoint: recompute the encoder's activations in the backward pass: less memory, more time.
    channels_last: memory layout of the convolutions. compile: the encoder, by torch.compile.
    perceptual: a second term of the loss. log_every, validate_every, save_every: in steps.
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
    precision: Literal["fp32", "bf16", "fp16"]
    log_every: int
    validate_every: int
    save_every: int
    progressive: int = 0
    milestones: tuple[int, ...] = ()
    accumulate: int = 1
    checkpoint: bool = False
    channels_last: bool = True
    compile: bool = False
    perceptual: PerceptualConfig | None = None

    def __post_init__(self) -> None:
        counts = (
            "steps",
            "batch",
            "patch",
            "accumulate",
            "log_every",
            "validate_every",
            "save_every",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: use at least 1")
        if not 1 <= self.scales[0] <= self.scales[1]:
            raise ConfigError(f"scales are {list(self.scales)}: use 1 <= low <= high")
        if self.batch % self.accumulate:
            raise ConfigError(f"accumulate {self.accumulate} does not divide batch {self.batch}")
        if self.perceptual and self.queries is not None:
            raise ConfigError("perceptual compares whole crops: set queries to null")
