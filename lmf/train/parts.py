"""What a training trains, assembled on its device, and set to where an interrupted one stood."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import distributed

from lmf.architecture import ModelConfig
from lmf.core.errors import CheckpointError
from lmf.model import Lmf
from lmf.train.average import Average
from lmf.train.config import TrainConfig
from lmf.train.objective import Objective
from lmf.train.start import initial_model
from lmf.train.state import Progress, latest, load_state, save_state, step_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What is trained. objective: as Fabric runs it (device, precision). average: `model`'s EMA."""

    model: Lmf
    objective: Objective
    average: Average
    optimizer: torch.optim.Optimizer

    @property
    def averaged(self) -> Lmf:
        """The averaged weights as a model."""
        return self.average.module

    def save(self, folder: Path, run: Mapping[str, Any], progress: Progress) -> None:
        """Write the state of the run that `run` describes; see `train.state`."""
        save_state(folder, run, progress, self.model, self.average, self.optimizer)


def assemble(described: ModelConfig, config: TrainConfig, seed: int, fabric: Fabric) -> Parts:
    """An untrained model with its average, loss and optimiser."""
    torch.manual_seed(seed)
    model = initial_model(described)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Average(model, config.ema, fabric.device)
    model.encoder.checkpointing = config.checkpoint
    if config.compile:
        model.encoder.compile()
    trainable = [p for p in model.parameters() if p.requires_grad]
    # One kernel for all weights; fp16's scaler needs to see the gradients before it.
    fused = fabric.device.type == "cuda" and config.precision != "fp16"
    optimizer = torch.optim.Adam(trainable, config.lr, fused=fused or None)
    objective, optimizer = fabric.setup(Objective(model, config), optimizer)
    return Parts(model, cast(Objective, objective), average, optimizer)


def resume(run: Mapping[str, Any], folder: Path, parts: Parts, fabric: Fabric) -> Progress:
    """Where the run that `run` describes stands, after restoring `parts` from `folder`.

    Raises:
        CheckpointError: see `train.state.load_state`; or the processes have found states of different
            steps, as on machines that do not share `folder`.
    """
    state = latest(folder)
    _agree(0 if state is None else step_of(state), folder, fabric)
    if state is None:
        return Progress(0, [])
    progress = load_state(state, run, parts.model, parts.average, parts.optimizer)
    if progress.scaler:
        fabric.strategy.precision.load_state_dict(dict(progress.scaler))
    log.info("resumed at step %d of %d from %s", progress.step, run["train"]["steps"], state)
    return progress


def _agree(step: int, folder: Path, fabric: Fabric) -> None:
    """CheckpointError, in every process, unless all of them go on from the same step."""
    if fabric.world_size == 1:
        return
    found = [step] * fabric.world_size
    distributed.all_gather_object(found, step)
    if len(set(found)) > 1:
        at = ", ".join(f"process {process} at {step}" for process, step in enumerate(found))
        raise CheckpointError(
            f"{folder}: the processes would go on from different steps ({at}): let all machines share "
            "this folder, or copy the newest state to each"
        )
