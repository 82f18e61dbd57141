"""How much faster training patches are made than a training step consumes them, on the CPU.

    python benchmarks/patches.py [PROFILE ...]

Both are timed in one run, with the profile's batch, patch and queries, on noise of the size of
BSDS500's pictures: cropping, flipping, degrading and drawing queries against forward, backward and
update of the profile's base variant.
"""

import sys

import torch

from lmf.data.pairs import hold
from lmf.study.settings.profile import model_config, read_profile
from lmf.train.benchmark import measure
from lmf.train.engine import Run
from lmf.train.fabric import make_fabric

STEPS = 7


def compare(name: str) -> str:
    """Times one profile; a line with both rates and their ratio."""
    profile = read_profile(name)
    random = torch.Generator().manual_seed(0)
    noise = [
        torch.randint(256, (3, 321, 481), generator=random, dtype=torch.uint8) for _ in range(32)
    ]
    pictures = hold([str(i) for i in range(len(noise))], noise, torch.device("cpu"))
    run = Run(model_config(profile, profile.base), profile.train, profile.seed, "noise")
    fabric = make_fabric(torch.device("cpu"), profile.train.precision)
    speed = measure(run, pictures, fabric, STEPS)
    step = 1 / speed.steps_per_s
    drawing = speed.data_share * step
    batch = profile.train.batch
    return (
        f"{name}: {batch / drawing:.0f} patches/s made, {batch / (step - drawing):.1f} patches/s "
        f"consumed: {(step - drawing) / drawing:.1f} times as fast (medians of {STEPS} steps, "
        f"{torch.get_num_threads()} threads)"
    )


if __name__ == "__main__":
    for profile in sys.argv[1:] or ["quick", "study"]:
        sys.stdout.write(compare(profile) + "\n")
        sys.stdout.flush()
