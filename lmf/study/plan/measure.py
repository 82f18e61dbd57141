"""How fast the variants of a profile train here, by a few real steps on noise."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from lmf.data.pairs import Pictures, hold
from lmf.metrics.cost import device_name
from lmf.study.plan.needs import Speed
from lmf.study.settings.profile import Profile, model_config, train_config
from lmf.train.benchmark import measure
from lmf.train.config import TrainConfig
from lmf.train.engine import Run
from lmf.train.fabric import make_fabric
from lmf.train.vgg import bring_weights, place_of

STEPS = 3
"""Counted steps per variant, after those that warm up."""


def measure_training(
    profile: Profile,
    variants: Sequence[str],
    device: torch.device,
    folder: Path,
    steps: int = STEPS,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Speed]:
    """Train each variant for some steps; the weights are forgotten, and no data set is needed.

    A variant whose loss needs VGG-19's weights is left out if they are not in `folder`; `say` is
    told. Raises what `train.engine.train` raises, such as ResourceError where memory does not
    suffice.
    """
    pictures, speeds = _noise(profile.train, device), {}
    for variant in variants:
        config = train_config(profile, variant)
        if config.perceptual:
            if not place_of(config.perceptual, folder).is_file():
                say(f"{variant} is not timed: VGG-19's weights are not there yet")
                continue
            config = replace(config, perceptual=bring_weights(config.perceptual, folder))
        say(f"timing {variant}")
        run = Run(model_config(profile, variant), config, profile.seed, data="noise")
        found = measure(run, pictures, make_fabric(device, config.precision), steps)
        source = f"measured now, median of {steps} steps, {found.memory_mb:.0f} MB"
        speeds[variant] = Speed(found.steps_per_s, device_name(device), source)
    return speeds


def _noise(config: TrainConfig, device: torch.device) -> Pictures:
    """A batch of pictures just large enough."""
    side = round(config.patch * config.scales[1])
    random = torch.Generator().manual_seed(0)
    noise = [
        torch.randint(256, (3, side, side), generator=random, dtype=torch.uint8)
        for _ in range(config.batch)
    ]
    return hold([str(i) for i in range(config.batch)], noise, device)
