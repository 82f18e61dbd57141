"""How fast the variants of a profile train here, by a few real steps on noise."""

from collections.abc import Callable, Sequence

import torch

from lmf.data.pairs import Pictures
from lmf.study.plan import Speed
from lmf.study.profile import Profile, model_config
from lmf.study.subject import device_name
from lmf.train.benchmark import measure
from lmf.train.engine import Run
from lmf.train.fabric import make_fabric

STEPS = 3
"""Counted steps per variant, after those that warm up."""


def measure_training(
    profile: Profile,
    variants: Sequence[str],
    device: torch.device,
    steps: int = STEPS,
    on_variant: Callable[[str], None] = lambda variant: None,
) -> dict[str, Speed]:
    """Train each variant for some steps; the weights are forgotten, and no data set is needed.

    Raises what `train.engine.train` raises, such as ResourceError where memory does not suffice.
    """
    config = profile.train
    side = round(config.patch * config.scales[1])
    random = torch.Generator().manual_seed(0)
    noise = tuple(
        torch.randint(256, (3, side, side), generator=random, dtype=torch.uint8).to(device)
        for _ in range(config.batch)
    )
    pictures = Pictures(tuple(map(str, range(config.batch))), noise)
    fabric = make_fabric(device, config.precision)
    speeds = {}
    for variant in variants:
        on_variant(variant)
        run = Run(model_config(profile, variant), config, profile.seed, data="noise")
        found = measure(run, pictures, fabric, steps)
        source = f"measured now, median of {steps} steps, {found.memory_mb:.0f} MB"
        speeds[variant] = Speed(found.steps_per_s, device_name(device), source)
    return speeds
