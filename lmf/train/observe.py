"""Those who look on at a training; none of it changes the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from lmf.model import Lmf
from lmf.train.config import TrainConfig
from lmf.train.log import Step, StepClock, learning_row, write_learning
from lmf.train.state import Progress


@dataclass(frozen=True)
class Watch:
    """What looks on; none of it changes the result.

    validate: PSNR of a model on validation images, at a step. on_step: called with (steps done,
    loss). on_row: called with each row of the learning log. log, speed: files of the two logs, as far
    as the training is.
    """

    validate: Callable[[Lmf, int], float]
    on_step: Callable[[int, float], None] = lambda step, loss: None
    on_row: Callable[[Mapping[str, Any]], None] = lambda row: None
    speed: Path | None = None
    log: Path | None = None


class Observer:
    """Keeps the logs and tells those who watch; only the first process has any."""

    def __init__(
        self, config: TrainConfig, watch: Watch, progress: Progress, fabric: Fabric
    ) -> None:
        self.config, self.watch, self.rows = config, watch, progress.rows
        self.first = fabric.is_global_zero
        self.steepest = progress.steepest
        speed = watch.speed if self.first else None
        self.clock = StepClock(speed, fabric.device, progress.step)

    @property
    def last_psnr(self) -> float | None:
        """Of the newest row; None where it has none, or where there are no rows."""
        return self.rows[-1]["psnr_val"] if self.rows else None

    def saw(self, done: int, taken: Step, averaged: Lmf, drawing: float) -> None:
        """Note the step that makes it `done` steps; `drawing`: seconds for its batch.

        A validation has a row of its own where none was due.
        """
        if not self.first:
            return
        self.clock.drew(drawing)
        if taken.finite:
            self.steepest = max(self.steepest, taken.norm)
        self.watch.on_step(done, taken.loss)
        last = done == self.config.steps
        due = last or done % self.config.validate_every == 0
        if done % self.config.log_every and not due:
            return
        self.clock.lap(done)
        psnr = self.watch.validate(averaged.eval(), done) if due else None
        self.rows.append(learning_row(done, taken, self.steepest, psnr))
        self.steepest = 0.0
        if self.watch.log is not None:
            write_learning(self.watch.log, self.rows)
        self.watch.on_row(self.rows[-1])
        self.clock.restart()  # a validation is no training time
