"""How fast a training is on this machine, and how fast the machine could be."""

import csv
import dataclasses
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lmf.data.pairs import Pictures
from lmf.metrics.machine import matmul_rate, synchronise
from lmf.train.engine import Run, train
from lmf.train.observe import Watch
from lmf.train.recorded import WARM_UP as UNCOUNTED_PASSES
from lmf.train.recorded import why_not

WARM_UP = 2
"""Steps that are not counted: memory is taken and kernels are chosen in them."""

SLOW = 1e-7
"""Learning rate of the measured steps, at most."""


@dataclass(frozen=True)
class TrainingSpeed:
    """Median over `steps` steps, and what the machine would be able to do.

    data_share: of a step, in which Python drew its batch. busy: of a step, in which a GPU computes; None on
    a CPU. flops: of a step's products and convolutions, forward and backward; drawing has none.
    peak: those per second of one large matrix product in the same precision. by_kernel: why the passes
    are not replayed as a CUDA graph; None if they are.
    """

    steps: int
    steps_per_s: float
    data_share: float
    busy: float | None
    memory_mb: float
    flops: int
    peak: float
    by_kernel: str | None

    @property
    def share_of_peak(self) -> float:
        """Of the machine's matrix-product rate."""
        return self.flops * self.steps_per_s / self.peak


def measure(run: Run, pictures: Pictures, fabric: Fabric, steps: int) -> TrainingSpeed:
    """Train for `steps` steps and forget the result. Raises what `train` raises."""
    watch = Watch(validate=lambda model, step: 0.0)
    by_kernel = why_not(run.train, fabric)
    with tempfile.TemporaryDirectory() as folder:
        with FlopCounterMode(display=False) as counter:
            train(_only(run, 1), pictures, Path(folder), fabric, watch)
        log = Path(folder) / "speed.csv"
        timed = dataclasses.replace(watch, speed=log)
        train(_only(run, WARM_UP + steps), pictures, Path(folder), fabric, timed)
        text = fabric.broadcast(log.read_text(encoding="utf-8") if fabric.is_global_zero else "")
        rows = list(csv.DictReader(text.splitlines()))[WARM_UP:]
        steps_per_s = statistics.median(float(row["steps_per_s"]) for row in rows)
        busy = None
        if fabric.device.type == "cuda":
            kernels = _Kernels(WARM_UP, WARM_UP + steps, fabric.device)
            watch = dataclasses.replace(watch, on_step=kernels.on_step)
            train(_only(run, WARM_UP + steps), pictures, Path(folder), fabric, watch)
            busy = kernels.seconds / steps * steps_per_s
    return TrainingSpeed(
        steps,
        steps_per_s,
        statistics.median(float(row["data_share"]) for row in rows),
        busy,
        max(float(row["memory_mb"]) for row in rows),
        counter.get_total_flops() // (1 if by_kernel else UNCOUNTED_PASSES + 1),
        matmul_rate(fabric.device, run.train.precision),
        by_kernel,
    )


class _Kernels:
    """Seconds that a GPU's kernels and copies take in the steps after `first` up to `last`."""

    def __init__(self, first: int, last: int, device: torch.device) -> None:
        self._first, self._last, self._device = first, last, device
        self._profile = profile(activities=[ProfilerActivity.CUDA], acc_events=True)
        self.seconds = 0.0

    def on_step(self, done: int, loss: float) -> None:
        """Begins and ends the measurement; the profiler slows Python down, and no kernel."""
        if done == self._first:
            synchronise(self._device)
            self._profile.start()
        elif done == self._last:
            synchronise(self._device)
            self._profile.stop()
            found = self._profile.events() or ()
            kernels = (
                event.time_range.elapsed_us()
                for event in found
                if event.device_type.name == "CUDA" and not event.is_user_annotation
            )
            self.seconds = sum(kernels) / 1e6


def _only(run: Run, steps: int) -> Run:
    """The run, that many steps long, each of them logged; its schedules would be longer.

    Without the slow start that training wants, it learns next to nothing, or it would diverge.
    """
    never, rate = steps + 1, min(run.train.lr, SLOW)
    config = dataclasses.replace(
        run.train,
        steps=steps,
        log_every=1,
        validate_every=never,
        save_every=never,
        lr=rate,
        lr_min=rate,
        warmup=0,
        milestones=(),
        progressive=0,
    )
    return dataclasses.replace(run, train=config)
