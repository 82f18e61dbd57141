"""What a training run is."""

import re
from dataclasses import dataclass
from typing import Literal

from lmf.core.config import Config, require
from lmf.core.errors import ConfigError

VGG_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
"""Where torchvision's weights are published; the name ends in the start of the file's SHA-256."""

VGG_SIDE = 16
"""Pixels that the last block of VGG-19 needs: four times it is halved before."""


@dataclass(frozen=True)
class PerceptualConfig(Config):
    """A perceptual term, the L1 distance of VGG-19 features, beside the pixels' L1.

    weight: its share of the loss, such as 0.1. weights: torchvision's VGG-19
    (`vgg19-dcbb9e9d.pth`, or safetensors with the same names), a file or an address to download it
    from. sha256: what the file must have, whole or its first 8 digits or more; by default those that
    the name of a .pth ends in. layers: convolutions whose activated output is compared, counted from
    1 to 16.
    """

    weight: float
    weights: str = "data/vgg19-dcbb9e9d.pth"
    layers: tuple[int, ...] = (2, 4, 8, 12, 16)
    sha256: str | None = None

    def __post_init__(self) -> None:
        require(self.weight > 0, "weight", self.weight, "more than 0")
        require(
            self.weights != "",
            "weights",
            repr(self.weights),
            "a file of VGG-19's weights, or its URL",
        )
        known = self.sha256 is None or re.fullmatch("[0-9a-f]{8,64}", self.sha256) is not None
        require(known, "sha256", self.sha256, "8 to 64 hexadecimal digits, in small letters")
        usable = bool(self.layers) and all(1 <= layer <= 16 for layer in self.layers)
        require(usable, "layers", list(self.layers), "some of 1 to 16")


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
    channels_last: memory layout of the convolutions; a CPU has it in any case. compile: the
    encoder, by torch.compile.
    perceptual: a second term of the loss. log_every, validate_every, save_every: in
    steps, independent of each other.
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
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        queries, last = self.queries, self.steps - 1
        require(queries is None or queries >= 1, "queries", queries, "at least 1, or null for all")
        require(self.lr > 0, "lr", self.lr, "more than 0")
        require(0 <= self.lr_min <= self.lr, "lr_min", self.lr_min, f"0 to lr ({self.lr:g})")
        require(0 <= self.warmup <= last, "warmup", self.warmup, f"0 to steps - 1 ({last})")
        require(0 <= self.ema < 1, "ema", self.ema, "0 to less than 1")
        require(self.clip > 0, "clip", self.clip, "more than 0")
        steps = f"0 to steps ({self.steps})"
        require(0 <= self.progressive <= self.steps, "progressive", self.progressive, steps)
        stones = self.milestones
        rising = all(a < b for a, b in zip((0, *stones), (*stones, self.steps), strict=True))
        valid = f"rising steps from 1 to {last}"
        require(not stones or rising, "milestones", list(stones), valid)
        if not 1 <= self.scales[0] <= self.scales[1]:
            raise ConfigError(f"scales are {list(self.scales)}: use 1 <= low <= high")
        if self.batch % self.accumulate:
            raise ConfigError(f"accumulate {self.accumulate} does not divide batch {self.batch}")
        if self.perceptual:
            self._check_perceptual()

    def _check_perceptual(self) -> None:
        if self.queries is not None:
            raise ConfigError("perceptual compares whole crops: set queries to null")
        smallest = round(self.patch * self.scales[0])
        valid = f"at least {VGG_SIDE} / {self.scales[0]:g} with a perceptual term, or VGG-19 sees nothing"
        require(smallest >= VGG_SIDE, "patch", self.patch, valid)
