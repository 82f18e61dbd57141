"""The training loop, all of it in one place."""

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor

from lmf.architecture import ModelConfig
from lmf.core.config import plain
from lmf.core.errors import ConfigError, LmfError, ResourceError
from lmf.data.pairs import Batch, Pictures, draw_batch, draw_queries, stream
from lmf.model import Lmf
from lmf.train.config import TrainConfig
from lmf.train.fabric import share
from lmf.train.log import Step
from lmf.train.observe import Observer, Watch
from lmf.train.parts import Parts, assemble, resume
from lmf.train.schedule import learning_rate, scale_range
from lmf.train.state import Progress

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
    """The averaged model in evaluation mode, a row per logged step, and how many were skipped."""

    model: Lmf
    rows: list[dict[str, Any]]
    skipped: int


def train(run: Run, pictures: Pictures, folder: Path, fabric: Fabric, watch: Watch) -> Trained:
    """Train `run`, going on from the state in `folder` if there is one.

    Raises:
        ConfigError: the batch is larger than the data, or does not divide among the processes.
        DivergedError: the loss was not finite three times in a row.
        CheckpointError: `folder` holds the state of another run.
        ResourceError: memory does not suffice, or the disk is full.
    """
    config = run.train
    if config.batch > len(pictures.pixels):
        raise ConfigError(
            f"batch {config.batch} is larger than the {len(pictures.pixels)} training pictures"
        )
    crops = share(fabric, config)
    parts = assemble(run.model, config, run.seed, fabric)
    progress = resume(run.describe(), folder, parts, fabric)
    observer = Observer(config, watch, progress.rows, fabric)
    skipped, in_a_row = progress.skipped, progress.skipped_in_a_row
    upcoming = _draw(run, pictures, progress.step, crops) if progress.step < config.steps else None
    for step in range(progress.step, config.steps):
        drawn = cast(_Drawn, upcoming)
        loss, norm = _forward_backward(parts, drawn, config, fabric)
        if step + 1 < config.steps:  # drawn while a GPU is still at work on the step before
            upcoming = _draw(run, pictures, step + 1, crops)
        mean = float(cast(Tensor, fabric.all_reduce(loss)))
        taken = Step(mean, float(norm), learning_rate(config, step), scale_range(config, step))
        done = step + 1
        if _update(parts, taken, config):
            in_a_row = 0
        else:
            skipped, in_a_row = skipped + 1, in_a_row + 1
            _tolerate(in_a_row, done, taken, drawn.batch)
        observer.saw(done, taken, parts.averaged, drawn.seconds)
        if done % config.save_every == 0 and done < config.steps and fabric.is_global_zero:
            scaler = fabric.strategy.precision.state_dict()
            now = Progress(done, observer.rows, skipped, in_a_row, scaler)
            parts.save(folder, run.describe(), now)
    return Trained(parts.averaged.eval(), observer.rows, skipped)


@dataclass(frozen=True)
class _Drawn:
    """This process's part of a step's batch, and the seconds that drawing it took."""

    batch: Batch
    queries: Tensor | None
    seconds: float


def _draw(run: Run, pictures: Pictures, step: int, rows: range) -> _Drawn:
    """The crops `rows` of a step's batch: a function of seed and step alone."""
    start, config = time.perf_counter(), run.train
    batch = draw_batch(
        pictures,
        stream(run.seed, step),
        batch=config.batch,
        patch=config.patch,
        scales=scale_range(config, step),
        rows=rows,
    )
    pixels = batch.hr.shape[-2] * batch.hr.shape[-1]
    queries = draw_queries(
        config.batch, pixels, config.queries, (run.seed << 32) + step, batch.hr.device
    )
    if queries is not None:
        queries = queries[rows.start : rows.stop]
    return _Drawn(batch, queries, time.perf_counter() - start)


def _forward_backward(
    parts: Parts, drawn: _Drawn, config: TrainConfig, fabric: Fabric
) -> tuple[Tensor, Tensor]:
    """Mean loss of the batch and its gradient's norm, clipped; computed part by part."""
    lr, hr = (image.chunk(config.accumulate) for image in (drawn.batch.lr, drawn.batch.hr))
    queries = drawn.queries.chunk(config.accumulate) if drawn.queries is not None else None
    losses = []
    try:
        for part in range(config.accumulate):
            last = part == config.accumulate - 1
            with fabric.no_backward_sync(cast(Any, parts.objective), enabled=not last):
                chosen = queries[part] if queries is not None else None
                loss = parts.objective(lr[part], hr[part], chosen) / config.accumulate
                fabric.backward(loss)
            losses.append(loss.detach())
    except RuntimeError as error:
        if not _out_of_memory(error):
            raise
        raise ResourceError(
            f"out of memory on {fabric.device}: raise train.accumulate (now {config.accumulate}) "
            f"or lower train.batch (now {config.batch}); train.checkpoint: true saves more"
        ) from error
    norm = fabric.clip_gradients(
        parts.objective, parts.optimizer, max_norm=config.clip, error_if_nonfinite=False
    )
    return torch.stack(losses).sum(), cast(Tensor, norm)


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether a GPU's memory or the computer's ran out; the latter has no exception of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _update(parts: Parts, taken: Step, config: TrainConfig) -> bool:
    """Move weights and their average; False if loss or gradient are not finite: nothing moved.

    With fp16 an infinite gradient is no fault: the loss scaler skips the step and scales less.
    """
    for group in parts.optimizer.param_groups:
        group["lr"] = taken.rate
    finite = math.isfinite(taken.loss) and math.isfinite(taken.norm)
    tolerable = finite or (config.precision == "fp16" and math.isfinite(taken.loss))
    if tolerable:
        parts.optimizer.step()
    if finite:
        parts.average.update_parameters(parts.model)
    parts.optimizer.zero_grad()
    return tolerable


def _tolerate(in_a_row: int, step: int, taken: Step, batch: Batch) -> None:
    """Report a step whose loss or gradient is not finite; end the run at the third in a row."""
    where = (
        f"step {step}: loss {taken.loss}, gradient norm {taken.norm}, "
        f"learning rate {taken.rate:.3g}, pictures {batch.images.tolist()}"
    )
    if in_a_row >= NON_FINITE_LIMIT:
        raise DivergedError(f"{where}; {in_a_row} in a row: lower train.lr or check these pictures")
    log.warning("%s; step skipped", where)
