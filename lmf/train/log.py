"""The two logs of a training: what it learnt, equal on every run, and how fast, different on each."""

import csv
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from lmf.core.errors import ResourceError
from lmf.core.files import atomic_write, write_text
from lmf.metrics.memory import high_water


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


def learning_row(step: int, taken: Step, norm: float, psnr: float | None) -> dict[str, Any]:
    """A row of the learning log.

    norm: the largest of a gradient since the row before. psnr: of validation, None where it was not due.
    """
    return {
        "step": step,
        "loss": round(taken.loss, 6),
        "lr": round(taken.rate, 8),
        "scale_low": round(taken.scales[0], 4),
        "scale_high": round(taken.scales[1], 4),
        "grad_norm": round(norm, 4),
        "psnr_val": None if psnr is None else round(psnr, 4),
    }


def write_learning(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The learning log as CSV, whole or not at all."""
    with atomic_write(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")


@dataclass(frozen=True)
class Speed:
    """A row of the speed log: means since the row before, and the largest memory so far."""

    step: int
    seconds: float
    steps_per_s: float
    data_share: float
    memory_mb: float


COLUMNS = tuple(field.name for field in fields(Speed))
"""Of the speed log."""


def read_speed(path: Path) -> list[Speed]:
    """The rows of a speed log in order of steps, without those that a full disk or a kill cut short."""
    rows: list[Speed] = []
    for cells in csv.reader(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        try:
            step, *numbers = cells
            row = Speed(int(step), *map(float, numbers))
        except (ValueError, TypeError):  # the header, or half a row
            continue
        if not rows or row.step > rows[-1].step:
            rows.append(row)
    return rows


def _line(cells: Iterable[object]) -> str:
    return ",".join(map(str, cells)) + "\n"


class StepClock:
    """Measures a training between two rows of its log.

    path: file that the rows are appended to. done: steps that the run has behind it. Later rows of
    the file, of steps that are now taken again, are dropped, and so are damaged ones.
    """

    def __init__(self, path: Path | None, device: torch.device, done: int = 0) -> None:
        self.path, self.device = path, device
        if path is not None and path.exists():
            kept = [row for row in read_speed(path) if row.step <= done]
            write_text(path, "".join(map(_line, (COLUMNS, *map(astuple, kept)))))
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
            round(memory_so_far(self.device) / 1e6, 1),
        )
        self._append(row)
        self.restart()
        return row

    def _append(self, row: Speed) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", newline="", encoding="utf-8") as file:
                if file.tell() == 0:
                    file.write(_line(COLUMNS))
                file.write(_line(astuple(row)))
        except OSError as error:
            raise ResourceError(
                f"{self.path}: writing failed ({error.strerror}); free some space, then run this again"
            ) from error

    def restart(self) -> None:
        """Leave out what happened since the last row, such as a validation."""
        self._since, self._steps, self._drawing = time.perf_counter(), 0, 0.0


def memory_so_far(device: torch.device) -> int:
    """Largest memory so far in bytes: what torch allocated on a GPU, `high_water` elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return high_water()
