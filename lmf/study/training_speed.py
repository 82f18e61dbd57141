"""`lmf train --benchmark`: how fast a variant would train here."""

import dataclasses

import torch

from lmf.metrics.cost import device_name
from lmf.metrics.machine import product_side
from lmf.study.sets import read_known
from lmf.study.settings.profile import Profile, of_variant
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.train import training_pictures, training_run, with_vgg
from lmf.train.benchmark import TrainingSpeed, measure
from lmf.train.fabric import make_fabric
from lmf.train.memory import enough_memory


def speed_of(
    profile: Profile, variant: str, place: Workspace, device: torch.device, steps: int
) -> str:
    """Times `steps` steps in fp32 and in bf16. Raises what `train_variant` raises."""
    profile = of_variant(profile, variant)
    with enough_memory(profile.train, device):
        pictures = training_pictures(profile, place, device)
    profile = with_vgg(profile, place, make_fabric(device, "fp32"))
    run = training_run(profile, variant, read_known(place, profile.train_set))
    lines = [
        f"{variant}, profile {place.profile}, batch {run.train.batch}, patch {run.train.patch}, "
        f"queries {run.train.queries}, on {device_name(device)}, {torch.get_num_threads()} threads"
    ]
    for precision in ("fp32", "bf16"):
        config = dataclasses.replace(run.train, precision=precision)
        fabric = make_fabric(device, precision)
        speed = measure(dataclasses.replace(run, train=config), pictures, fabric, steps)
        lines.append(f"{precision}: {_line(speed, product_side(device))}")
    return "\n".join(lines)


def _line(speed: TrainingSpeed, side: int) -> str:
    busy = "" if speed.busy is None else f"the GPU computes in {100 * speed.busy:.0f} % of it, "
    if speed.busy is not None:
        reason = speed.by_kernel
        busy += f"kernel by kernel: {reason}; " if reason else "its passes replayed as a graph; "
    return (
        f"{speed.steps_per_s:.2f} steps/s, {1 / speed.steps_per_s:.4f} s a step, median of "
        f"{speed.steps}; {100 * speed.data_share:.1f} % of it draws the batch; {busy}"
        f"{speed.memory_mb:.0f} MB at most; {speed.flops / 1e9:.0f} GFLOP a step, "
        f"{100 * speed.share_of_peak:.0f} % of the {speed.peak / 1e9:.0f} GFLOP/s "
        f"of a {side}x{side} matrix product"
    )
