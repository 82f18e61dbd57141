"""What one step of a training is given: crops of pictures, and what is asked of them."""

import time
from dataclasses import dataclass

from lmf.data.pairs import (
    Batch,
    Pictures,
    draw_batch,
    draw_queries,
    look_up,
    step_seed,
    stream,
)
from lmf.train.config import TrainConfig
from lmf.train.objective import Target
from lmf.train.schedule import scale_range


@dataclass(frozen=True)
class Drawn:
    """A process's part of a step's batch, what is asked of it, and the seconds that drawing took.

    seconds: of a GPU those in which Python started its kernels; they run while others do.
    """

    batch: Batch
    target: Target
    seconds: float


def draw(config: TrainConfig, seed: int, pictures: Pictures, step: int, rows: range) -> Drawn:
    """The crops `rows` of a step's batch: a function of seed and step alone."""
    start = time.perf_counter()
    batch = draw_batch(
        pictures,
        stream(seed, step),
        batch=config.batch,
        patch=config.patch,
        scales=scale_range(config, step),
        rows=rows,
    )
    target: Target = batch.hr
    if config.queries is not None:
        pixels = batch.hr.shape[-2] * batch.hr.shape[-1]
        device = batch.hr.device
        chosen = draw_queries(config.batch, pixels, config.queries, step_seed(seed, step), device)
        target = look_up(batch.hr, chosen[rows.start : rows.stop])
    return Drawn(batch, target, time.perf_counter() - start)
