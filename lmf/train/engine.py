"""The training loop, all of it in one place."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lmf.architecture import ModelConfig
from lmf.core.config import plain
from lmf.core.errors import LmfError
from lmf.data.pairs import Batch, Pictures, draw_batch, stream
from lmf.model import Lmf
from lmf.train.config import TrainConfig
from lmf.train.objective import Objective, draw_queries
from lmf.train.schedule import learning_rate
from lmf.train.state import Progress, load_state, save_state

log = logging.getLogger(__name__)

NON_FINITE_LIMIT = 3
"""This many skipped steps in a row end a run: it has diverged, or its data are broken."""


class DivergedError(LmfError):
    """The loss stayed non-finite."""


@dataclass(frozen=True)
class Run:
    """What decides a run's result. data: digest of the training set, so that a resume notices."""

    model: ModelConfig
    train: TrainConfig
    seed: int
    data: str

    def describe(self) -> dict[str, Any]:
        """Plain values, for the resume check and the card."""
        return {
            "model": plain(self.model),
            "train": plain(self.train),
            "seed": self.seed,
            "data": self.data,
        }


@dataclass(frozen=True)
class Trained:
    """The averaged model in evaluation mode, and one row per logged step."""

    model: Lmf
    rows: list[dict[str, Any]]


def train(
    run: Run,
    pictures: Pictures,
    folder: Path,
    *,
    fabric: Fabric,
    validate: Callable[[Lmf], float],
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> Trained:
    """Train `run`, going on from the state in `folder` if there is one.

    validate: PSNR of a model on validation images. on_step: called with (steps done, loss).

    Raises:
        DivergedError: the loss was not finite three times in a row.
        CheckpointError: `folder` holds the state of another run.
    """
    config = run.train
    parts = _assemble(run, fabric)
    state = folder / "state.safetensors"
    progress = Progress(0, [])
    if state.exists():
        progress = load_state(state, run.describe(), parts.model, parts.average, parts.optimizer)
        log.info("resumed at step %d of %d from %s", progress.step, config.steps, state)
    rows, skipped = progress.rows, 0
    for step in range(progress.step, config.steps):
        random = stream(run.seed, step)
        batch = draw_batch(
            pictures, random, batch=config.batch, patch=config.patch, scales=config.scales
        )
        rate = learning_rate(config, step)
        taken = _step(parts, batch, config, rate, random, fabric)
        skipped = 0 if taken.finite else skipped + 1
        if skipped:
            _tolerate(skipped, step, taken.loss, rate, batch)
        done = step + 1
        on_step(done, taken.loss)
        if done % config.log_every == 0 or done == config.steps:
            due = done % config.validate_every == 0 or done == config.steps
            psnr = validate(parts.averaged.eval()) if due else None
            rows.append(_row(done, taken, rate, psnr))
        if done % config.save_every == 0 and done < config.steps:
            now = Progress(done, rows)
            save_state(state, run.describe(), now, parts.model, parts.average, parts.optimizer)
    return Trained(parts.averaged.eval(), rows)


@dataclass(frozen=True)
class _Parts:
    """What is trained. objective: as Fabric runs it (device, precision). average: `model`'s EMA."""

    model: Lmf
    objective: Objective
    average: AveragedModel
    optimizer: torch.optim.Optimizer

    @property
    def averaged(self) -> Lmf:
        """The averaged weights as a model."""
        return cast(Lmf, self.average.module)


@dataclass(frozen=True)
class _Step:
    """One optimiser step; it was skipped unless loss and gradient norm are finite."""

    loss: float
    norm: float

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.norm)


def _assemble(run: Run, fabric: Fabric) -> _Parts:
    torch.manual_seed(run.seed)
    model = initial_model(run.model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(run.train.ema))
    average.to(fabric.device)
    trainable = [p for p in model.parameters() if p.requires_grad]
    objective = Objective(model)
    wrapped, optimizer = fabric.setup(objective, torch.optim.Adam(trainable, run.train.lr))
    return _Parts(model, cast(Objective, wrapped), average, optimizer)


def _step(
    parts: _Parts,
    batch: Batch,
    config: TrainConfig,
    rate: float,
    random: torch.Generator,
    fabric: Fabric,
) -> _Step:
    """Forward, backward, clip and, if everything is finite, update weights and their average."""
    for group in parts.optimizer.param_groups:
        group["lr"] = rate
    loss = parts.objective(batch.lr, batch.hr, draw_queries(batch.hr, config.queries, random))
    fabric.backward(loss)
    norm = fabric.clip_gradients(
        parts.objective, parts.optimizer, max_norm=config.clip, error_if_nonfinite=False
    )
    taken = _Step(loss.item(), float(cast(Tensor, norm)))
    if taken.finite:
        parts.optimizer.step()
        parts.average.update_parameters(parts.model)
    parts.optimizer.zero_grad()
    return taken


def initial_model(config: ModelConfig) -> Lmf:
    """An untrained model that can be trained with any of its parts switched off.

    The output layer is zero: with the LR skip the model starts as bilinear interpolation. The hidden
    layers of the render MLP keep the variance of their input (He et al. 2015); with torch's default
    it shrinks eight times in a row, and without modulation nothing would reach the output.
    """
    model = Lmf(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    *hidden, output = model.render_mlp.linears
    for layer in hidden:
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(output.weight)
    torch.nn.init.zeros_(output.bias)
    return model


def _row(step: int, taken: _Step, lr: float, psnr: float | None) -> dict[str, Any]:
    return {
        "step": step,
        "loss": round(taken.loss, 6),
        "lr": round(lr, 8),
        "grad_norm": round(taken.norm, 4),
        "psnr_val": None if psnr is None else round(psnr, 4),
    }


def _tolerate(skipped: int, step: int, loss: float, lr: float, batch: Batch) -> None:
    """Report a step whose loss or gradient is not finite; end the run at the third in a row."""
    where = (
        f"step {step + 1}: loss {loss}, learning rate {lr:.3g}, pictures {batch.images.tolist()}"
    )
    if skipped >= NON_FINITE_LIMIT:
        raise DivergedError(f"{where}; {skipped} in a row: lower train.lr or check these pictures")
    log.warning("%s; step skipped", where)
