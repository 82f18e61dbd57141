"""How fast a training is on this machine, and how fast the machine could be."""

import csv
import dataclasses
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lightning.fabric import Fabric
from torch.utils.flop_counter import FlopCounterMode

from lmf.data.pairs import Pictures
from lmf.metrics.machine import matmul_rate
from lmf.train.engine import Run, train
from lmf.train.observe import Watch

WARM_UP = 2
"""Steps that are not counted: memory is taken and kernels are chosen in them."""


@dataclass(frozen=True)
class TrainingSpeed:
    """Median over `steps` steps, and what the machine would be able to do.

    data_share: of a step, spent on drawing its batch. flops: of a step's products and convolutions,
    forward and backward. peak: those per second of one large matrix product in the same precision.
    """

    steps: int
    steps_per_s: float
    data_share: float
    memory_mb: float
    flops: int
    peak: float

    @property
    def share_of_peak(self) -> float:
        """Of the machine's matrix-product rate."""
        return self.flops * self.steps_per_s / self.peak


def measure(run: Run, pictures: Pictures, fabric: Fabric, steps: int) -> TrainingSpeed:
    """Train for `steps` steps and forget the result. Raises what `train` raises."""
    watch = Watch(validate=lambda model, step: 0.0)
    with tempfile.TemporaryDirectory() as folder:
        with FlopCounterMode(display=False) as counter:
            train(_only(run, 1), pictures, Path(folder), fabric, watch)
        log = Path(folder) / "speed.csv"
        watch = dataclasses.replace(watch, speed=log)
        train(_only(run, WARM_UP + steps), pictures, Path(folder), fabric, watch)
        text = fabric.broadcast(log.read_text(encoding="utf-8") if fabric.is_global_zero else "")
        rows = list(csv.DictReader(text.splitlines()))[WARM_UP:]
    return TrainingSpeed(
        steps,
        statistics.median(float(row["steps_per_s"]) for row in rows),
        statistics.median(float(row["data_share"]) for row in rows),
        max(float(row["memory_mb"]) for row in rows),
        counter.get_total_flops(),
        matmul_rate(fabric.device, run.train.precision),
    )


def _only(run: Run, steps: int) -> Run:
    """The run, that many steps long, each of them logged; its schedules would be longer."""
    never = steps + 1
    config = dataclasses.replace(
        run.train,
        steps=steps,
        log_every=1,
        validate_every=never,
        save_every=never,
        warmup=0,
        milestones=(),
        progressive=0,
    )
    return dataclasses.replace(run, train=config)
