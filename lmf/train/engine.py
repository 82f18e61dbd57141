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

from lmf.core.config import plain
from lmf.core.coords import pixel_centres
from lmf.core.errors import LmfError
from lmf.data.pairs import Batch, Pictures, draw_batch, stream
from lmf.model import Lmf, ModelConfig
from lmf.train.config import TrainConfig
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
    torch.manual_seed(run.seed)
    model = initial_model(run.model)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
    averaged = cast(Lmf, average.module)
    average.to(fabric.device)
    wrapped, optimizer = fabric.setup(model, torch.optim.Adam(model.parameters(), config.lr))
    wrapped.mark_forward_method("encode")
    wrapped.mark_forward_method("render")
    wrapped.mark_forward_method("query")
    progress = Progress(0, [])
    state = folder / "state.safetensors"
    if state.exists():
        progress = load_state(state, run.describe(), model, average, optimizer)
        log.info("resumed at step %d of %d from %s", progress.step, config.steps, state)
    rows, skipped = progress.rows, 0
    for step in range(progress.step, config.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        random = stream(run.seed, step)
        batch = draw_batch(
            pictures, random, batch=config.batch, patch=config.patch, scales=config.scales
        )
        loss = _loss(cast(Lmf, wrapped), batch, config.queries, random)
        fabric.backward(loss)
        clipped = fabric.clip_gradients(
            wrapped, optimizer, max_norm=config.clip, error_if_nonfinite=False
        )
        norm, value = float(cast(Tensor, clipped)), loss.item()
        if math.isfinite(value) and math.isfinite(norm):
            optimizer.step()
            average.update_parameters(model)
            skipped = 0
        else:
            skipped += 1
            _tolerate(skipped, step, value, optimizer.param_groups[0]["lr"], batch)
        optimizer.zero_grad()
        done = step + 1
        on_step(done, value)
        if done % config.log_every == 0 or done == config.steps:
            due = done % config.validate_every == 0 or done == config.steps
            psnr = validate(averaged.eval()) if due else None
            rows.append(_row(done, value, optimizer.param_groups[0]["lr"], norm, psnr))
        if done % config.save_every == 0 and done < config.steps:
            save_state(state, run.describe(), Progress(done, rows), model, average, optimizer)
    return Trained(averaged.eval(), rows)


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


def _loss(model: Lmf, batch: Batch, queries: int | None, random: torch.Generator) -> Tensor:
    """Mean absolute error over all HR pixels, or over `queries` random ones of each crop."""
    latents = model.encode(batch.lr.contiguous(memory_format=torch.channels_last))
    side = batch.hr.shape[-1]
    if queries is None or queries >= side * side:
        return (model.render(latents, (side, side)) - batch.hr).abs().mean()
    chosen = torch.stack(
        [torch.randperm(side * side, generator=random)[:queries] for _ in batch.hr]
    ).to(batch.hr.device)
    coord = pixel_centres(side, side, batch.hr.device)[chosen]
    target = batch.hr.flatten(2).gather(2, chosen[:, None].expand(-1, 3, -1)).transpose(1, 2)
    return (model.query(latents, coord, torch.full_like(coord, 2 / side)) - target).abs().mean()


def _row(step: int, loss: float, lr: float, norm: float, psnr: float | None) -> dict[str, Any]:
    return {
        "step": step,
        "loss": round(loss, 6),
        "lr": round(lr, 8),
        "grad_norm": round(norm, 4),
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
