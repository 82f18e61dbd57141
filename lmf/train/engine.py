"""The training loop, all of it in one place."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor

from lmf.architecture import ModelConfig
from lmf.core.config import plain
from lmf.core.errors import ConfigError
from lmf.data.pairs import Pictures, Queries
from lmf.model import Lmf
from lmf.train.config import TrainConfig
from lmf.train.drawing import Drawn, draw
from lmf.train.fabric import share
from lmf.train.health import Health, describe
from lmf.train.log import Step
from lmf.train.memory import enough_memory
from lmf.train.objective import Target
from lmf.train.observe import Observer, Watch
from lmf.train.parts import Parts, assemble, resume
from lmf.train.recorded import Pass, Recorded, why_not
from lmf.train.schedule import learning_rate, scale_range
from lmf.train.state import Progress

log = logging.getLogger(__name__)

NUMERICS = 2
"""Raised whenever the same recipe comes to learn other weights: a run is not continued across it.

2: in bf16, pictures stay in float32; the seed decides the batches, too.
"""


@dataclass(frozen=True)
class Run:
    """What decides a run's result, and its log: a resume under another one is refused.

    data: digest of the training set. validation: what `Watch.validate` measures, in plain values.
    """

    model: ModelConfig
    train: TrainConfig
    seed: int
    data: str
    validation: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Plain values, which a resumed run must have, too."""
        return {
            "model": plain(self.model),
            "train": plain(self.train),
            "seed": self.seed,
            "data": self.data,
            "validation": dict(self.validation),
            "numerics": NUMERICS,
        }


@dataclass(frozen=True)
class Trained:
    """The averaged model in evaluation mode, all finite; a row per logged step; what went wrong.

    last: the last step, as messages describe it.
    """

    model: Lmf
    rows: list[dict[str, Any]]
    health: Health
    last: str


def train(run: Run, pictures: Pictures, folder: Path, fabric: Fabric, watch: Watch) -> Trained:
    """Train `run`, going on from the state in `folder` if there is one.

    Raises:
        ConfigError: the batch is larger than the data, or does not divide among the processes.
        DivergedError: loss or gradient were not finite too often in a row, or the result is not.
        CheckpointError: `folder` holds the state of another run.
        ResourceError: memory does not suffice, or the disk is full.
    """
    config = run.train
    if config.batch > len(pictures):
        raise ConfigError(
            f"batch {config.batch} is larger than the {len(pictures)} training pictures"
        )
    with enough_memory(config, fabric.device):
        return _loop(run, pictures, folder, fabric, watch)


def _loop(run: Run, pictures: Pictures, folder: Path, fabric: Fabric, watch: Watch) -> Trained:
    config = run.train
    crops = share(fabric, config)
    parts = assemble(run.model, config, run.seed, fabric)
    progress = resume(run.describe(), folder, parts, fabric)
    observer = Observer(config, watch, progress, fabric)
    health = progress.health
    upcoming = draw(config, run.seed, pictures, progress.step, crops)
    compute = _recorded(_passes(parts, config, fabric), parts, upcoming, config, fabric)
    for step in range(progress.step, config.steps):
        drawn = upcoming
        loss = compute(drawn.batch.lr, drawn.target)
        norm = _clip(parts, config, fabric)
        if step + 1 < config.steps:  # drawn while a GPU is still at work on the step before
            upcoming = draw(config, run.seed, pictures, step + 1, crops)
        mean = float(cast(Tensor, fabric.all_reduce(loss)))
        taken = Step(mean, float(norm), learning_rate(config, step), scale_range(config, step))
        done = step + 1
        _update(parts, taken, config)
        names = [pictures.names[index] for index in drawn.batch.images.tolist()]
        health.note(done, taken, names, scaled=config.precision == "fp16")
        observer.saw(done, taken, parts.averaged, drawn.seconds)
        if done % config.save_every == 0 and done < config.steps and fabric.is_global_zero:
            scaler = fabric.strategy.precision.state_dict()
            reached = Progress(done, observer.rows, health, scaler, observer.steepest)
            parts.save(folder, run.describe(), reached)
    last = describe(done, taken, names)
    health.check_result((parts.averaged, parts.model), observer.last_psnr, done, last)
    return Trained(parts.averaged.eval(), observer.rows, health, last)


def _passes(parts: Parts, config: TrainConfig, fabric: Fabric) -> Pass:
    """Computes the mean loss of a batch, part by part, and its gradients."""

    def compute(lr: Tensor, target: Target) -> Tensor:
        losses = []
        for part in range(config.accumulate):
            last = part == config.accumulate - 1
            with fabric.no_backward_sync(cast(Any, parts.objective), enabled=not last):
                cut = partial(_part, part=part, of=config.accumulate)
                some = target.map(cut) if isinstance(target, Queries) else cut(target)
                loss = parts.objective(cut(lr), some) / config.accumulate
                fabric.backward(loss)
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    return compute


def _part(whole: Tensor, part: int, of: int) -> Tensor:
    """One of the equal parts that a batch is computed in."""
    return whole.chunk(of)[part]


def _recorded(
    compute: Pass, parts: Parts, drawn: Drawn, config: TrainConfig, fabric: Fabric
) -> Pass:
    """The same as one piece, where device and options allow it; see `train.recorded`."""
    reason = why_not(config, fabric)
    if reason is None:
        log.info("forward and backward pass are replayed as a CUDA graph")
        return Recorded(compute, parts.model, drawn.batch.lr, drawn.target)
    if fabric.device.type == "cuda":
        log.info("forward and backward pass are started kernel by kernel: %s", reason)
    return compute


def _clip(parts: Parts, config: TrainConfig, fabric: Fabric) -> Tensor:
    """Cut the gradients to the largest norm; returns what it was."""
    norm = fabric.clip_gradients(
        parts.objective, parts.optimizer, max_norm=config.clip, error_if_nonfinite=False
    )
    return cast(Tensor, norm)


def _update(parts: Parts, taken: Step, config: TrainConfig) -> None:
    """Move weights and their average, unless loss or gradient are not finite.

    With fp16 the loss scaler skips such a step by itself, and scales less: it must be asked each time.
    """
    for group in parts.optimizer.param_groups:
        group["lr"] = taken.rate
    if taken.finite or config.precision == "fp16":
        parts.optimizer.step()
    if taken.finite:
        parts.average.follow(parts.model)
    parts.optimizer.zero_grad()
