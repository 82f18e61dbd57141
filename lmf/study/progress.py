"""Progress for people: bars on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from lmf.data.progress import ProgressSink

console = Console(stderr=True)


@contextmanager
def counter(
    label: str, total: int, every: int, shown: bool = True
) -> Iterator[Callable[[int, float], None]]:
    """Yield a function of (steps done, loss): a bar, or a line every `every` steps, if `shown`."""
    first: list[tuple[int, float]] = []  # step and time of the first call: start-up does not count

    def line(done: int, loss: float) -> None:
        if not first:
            first.append((done, time.perf_counter()))
        elif done % every == 0 or done == total:
            rate = (done - first[0][0]) / (time.perf_counter() - first[0][1])
            left = (total - done) / rate
            console.print(
                f"{label}: {done}/{total}  loss {loss:.4f}  {rate:.1f} steps/s  {left:.0f} s left",
                highlight=False,
            )

    if not shown or not console.is_terminal:
        yield line if shown else lambda done, loss: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        task = bars.add_task(label, total=total)
        yield lambda done, loss: bars.update(
            task, completed=done, description=f"{label}  loss {loss:.4f}"
        )


@contextmanager
def rows_counter(label: str, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Yield a function of (rows done, of how many): a bar, or a line every ten seconds."""
    last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 10:
            last = time.monotonic()
            console.print(f"{label}: {done}/{total} pictures", highlight=False)

    if not shown or not console.is_terminal:
        yield line if shown else lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class _Lines:
    """A line every ten seconds: how much is done, how fast, and how long it will take."""

    def __init__(self) -> None:
        self._label, self._total, self._done, self._unit = "", 0, 0, "B"
        self._start, self._since, self._last = 0, 0.0, 0.0

    def begin(
        self, label: str, total: int | None, unit: Literal["B", "images"], done: int = 0
    ) -> None:
        self._label, self._total, self._done, self._unit = label, total or 0, done, unit
        self._start, self._since = done, time.monotonic()
        self._last = self._since

    def advance(self, count: int) -> None:
        self._done += count
        if (now := time.monotonic()) - self._last > 10:
            self._last = now
            rate = (self._done - self._start) / (now - self._since)
            of = f" of {self._amount(self._total)}" if self._total else ""
            left = f", {(self._total - self._done) / rate:.0f} s left" if self._total else ""
            self.note(
                f"{self._label}: {self._amount(self._done)}{of}, {self._amount(rate)}/s{left}"
            )

    def _amount(self, count: float) -> str:
        return f"{count / 1e6:.1f} MB" if self._unit == "B" else f"{count:.0f} {self._unit}"

    def end(self) -> None:
        """Nothing to close."""

    def note(self, text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)


class _Bars:
    """A rich bar for the current step."""

    def __init__(self, images: Progress, transfer: Progress) -> None:
        self._kinds = {"B": transfer, "images": images}
        self._current = images
        self._task: TaskID | None = None

    def begin(
        self, label: str, total: int | None, unit: Literal["B", "images"], done: int = 0
    ) -> None:
        self._current = self._kinds[unit]
        self._current.start()
        self._task = self._current.add_task(label, total=total, completed=done)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._current.advance(self._task, count)

    def end(self) -> None:
        self._current.stop()
        if self._task is not None:
            self._current.remove_task(self._task)
        self._task = None

    def note(self, text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def fetch_progress() -> Iterator[ProgressSink]:
    """Progress of downloads, checks and extraction."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    text = TextColumn("{task.description}")
    images = Progress(text, BarColumn(), MofNCompleteColumn(), console=console)
    transfer = Progress(
        text, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=console,
    )  # fmt: skip
    yield _Bars(images, transfer)
