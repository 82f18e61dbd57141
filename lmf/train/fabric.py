"""Devices, processes and precision of a training, by Lightning Fabric."""

import os
from collections.abc import Mapping
from typing import Any, Literal

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy

from lmf.core.errors import ConfigError, ResourceError
from lmf.train.config import TrainConfig

PRECISION: Mapping[str, Literal["bf16-mixed", "16-mixed"]] = {
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


class _Mixed(MixedPrecision):
    """Products in half precision, but pictures as they are: in bfloat16 they lose half a grey level."""

    def convert_input(self, data: Any) -> Any:
        return data


def make_fabric(device: torch.device, precision: str) -> Fabric:
    """Fabric for `device`; under torchrun or Slurm, this process's part of all of them.

    Raises:
        ConfigError: fp16 on another device than CUDA: its range needs a loss scaler, which only
            CUDA has; Slurm does not say how many processes a machine has; one device for several
            processes. ResourceError: a machine has fewer GPUs than processes.
    """
    if precision == "fp16" and device.type != "cuda":
        raise ConfigError(f"precision fp16 needs a CUDA device, this is {device}; use bf16 or fp32")
    plugins: list[Any] = []
    if precision in PRECISION:
        plugins.append(_Mixed(PRECISION[precision], device.type))
    processes = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_STEP_NUM_TASKS", "1")))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("SLURM_NTASKS_PER_NODE", "1")))
    if processes == 1:
        one = 1 if device.type == "cpu" else [device.index or 0]
        # By itself Fabric would take a Slurm job of several tasks for a step of so many processes.
        plugins.append(LightningEnvironment())
        return Fabric(accelerator=device.type, devices=one, plugins=plugins)
    if "LOCAL_WORLD_SIZE" not in os.environ and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise ConfigError(f"{processes} processes: say srun --ntasks-per-node, or use torchrun")
    if device.type == "cuda" and here > torch.cuda.device_count():
        raise ResourceError(
            f"{here} processes on a machine with {torch.cuda.device_count()} GPUs: start one for each"
        )
    if str(device) != device.type:
        raise ConfigError(f"{processes} processes share the devices: say cuda, not {device}")
    fabric = Fabric(
        accelerator=device.type,
        devices=here,
        num_nodes=processes // here,
        strategy=DDPStrategy(broadcast_buffers=False),  # all of them are constants
        plugins=plugins,
    )
    fabric.launch()
    return fabric


def share(fabric: Fabric, config: TrainConfig) -> range:
    """The crops of a batch that are this process's; every process has equally many.

    Raises:
        ConfigError: the batch does not divide into as many equal parts as there are.
    """
    parts = fabric.world_size * config.accumulate
    if config.batch % parts:
        raise ConfigError(
            f"batch {config.batch} does not divide by {fabric.world_size} processes "
            f"x accumulate {config.accumulate}"
        )
    each = config.batch // fabric.world_size
    return range(fabric.global_rank * each, (fabric.global_rank + 1) * each)
