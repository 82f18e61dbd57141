"""The two logs of a training: what it learnt, equal on every run, and how fast, different on each."""

import csv
import math
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Step:
    """One optimiser step. norm: of the gradient, before clipping. scales: drawn from."""

    loss: float
    norm: float
    rate: float
    scales: tuple[float, float]

    @property
    def finite(self) -> bool:
        """Whether both loss and gradient are."""
        return math.isfinite(self.loss) and math.isfinite(self.norm)


def learning_row(step: int, taken: Step, psnr: float | None) -> dict[str, Any]:
    """A row of the learning log; psnr: of validation, None where it was not due."""
    return {
        "step": step,
        "loss": round(taken.loss, 6),
        "lr": round(taken.rate, 8),
        "scale_low": round(taken.scales[0], 4),
        "scale_high": round(taken.scales[1], 4),
        "grad_norm": round(taken.norm, 4),
        "psnr_val": None if psnr is None else round(psnr, 4),
    }


@dataclass(frozen=True)
class Speed:
    """A row of the speed log: means since the row before, and the largest memory so far."""

    step: int
    seconds: float
    steps_per_s: float
    data_share: float
    memory_mb: float


class Stopwatch:
    """Measures a training between two rows of its log."""

    def __init__(self, path: Path | None, device: torch.device) -> None:
        self.path, self.device = path, device
        self.rows: list[Speed] = []
        self._since, self._steps, self._drawing = time.perf_counter(), 0, 0.0

    def drew(self, seconds: float) -> None:
        """Count one step, which spent `seconds` on drawing its batch."""
        self._steps += 1
        self._drawing += seconds

    def lap(self, step: int) -> Speed:
        """Close a row at `step`; it is appended to the file, if there is one."""
        seconds = time.perf_counter() - self._since
        row = Speed(
            step,
            round(seconds, 3),
            round(self._steps / seconds, 3),
            round(self._drawing / seconds, 4),
            round(peak_memory(self.device) / 1e6, 1),
        )
        self.rows.append(row)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(asdict(row)), lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerow(asdict(row))
        self.restart()
        return row

    def restart(self) -> None:
        """Leave out what happened since the last row, such as a validation."""
        self._since, self._steps, self._drawing = time.perf_counter(), 0, 0.0


def peak_memory(device: torch.device) -> int:
    """Largest memory so far in bytes: what torch allocated on a GPU, the process's own elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts kibibytes but on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit if os.name == "posix" else 0
