"""The ablations: the full model with one thing changed, in its architecture or in its training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lmf.train.config import VGG_URL


@dataclass(frozen=True)
class Ablation:
    """what: the change in words. model, train: fields of `ModelConfig` and `TrainConfig` it sets."""

    what: str
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)


ABLATIONS: Mapping[str, Ablation] = {
    "no-cross-scale": Ablation("without cross-scale attention", model={"cross_scale": None}),
    "no-modulation": Ablation(
        "no scale and shift: each LR pixel's code alone",
        model={"mod_scale": False, "mod_shift": False},
    ),
    "no-position": Ablation("no position: each LR cell has one colour", model={"position": False}),
    "perceptual": Ablation(
        "trained by L1 + 0.1 × the distance of VGG-19 features, on whole crops",
        train={"queries": None, "perceptual": {"weight": 0.1, "weights": VGG_URL}},
    ),
}
"""Tables are trained by L1 alone, but for `perceptual`. It compares whole crops, so all of a crop's pixels
are queried and not some of them."""
