"""Devices, processes and precision of a training, by Lightning Fabric."""

import os
from collections.abc import Mapping
from typing import Literal

import torch
from lightning.fabric import Fabric

from lmf.core.errors import ConfigError
from lmf.train.config import TrainConfig

PRECISION: Mapping[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def make_fabric(device: torch.device, precision: str) -> Fabric:
    """Fabric for `device`; under torchrun or Slurm, this process's part of all of them.

    Raises:
        ConfigError: fp16 on another device than CUDA: its range needs a loss scaler, which only
            CUDA has; Slurm does not say how many processes a machine has.
    """
    if precision == "fp16" and device.type != "cuda":
        raise ConfigError(f"precision fp16 needs a CUDA device, this is {device}; use bf16 or fp32")
    processes = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("SLURM_NTASKS_PER_NODE", "1")))
    if processes == 1:
        one = 1 if device.type == "cpu" else [device.index or 0]
        return Fabric(accelerator=device.type, devices=one, precision=PRECISION[precision])
    if "LOCAL_WORLD_SIZE" not in os.environ and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise ConfigError(f"{processes} processes: say srun --ntasks-per-node, or use torchrun")
    fabric = Fabric(
        accelerator=device.type,
        devices=here,
        num_nodes=processes // here,
        strategy="ddp",
        precision=PRECISION[precision],
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
