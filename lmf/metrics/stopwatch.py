"""Seconds that the stages of a computation take, on a CPU or on a device that works on its own."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lmf.metrics.machine import synchronise

Mark = float | torch.cuda.Event


class Stopwatch:
    """Adds up the time spent under each name.

    On CUDA a moment is an event in the device's own queue, so that taking it stops nothing.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spans: dict[str, list[tuple[Mark, Mark]]] = defaultdict(list)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Count what is done inside."""
        start = self._now()
        yield
        self._spans[name].append((start, self._now()))

    @contextmanager
    def around(self, owner: Any, method: str, name: str) -> Iterator[None]:
        """Count every call of the method, inside this context."""
        original: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.span(name):
                return original(*args, **kwargs)

        setattr(owner, method, timed)  # on the object itself, where it hides the class's
        try:
            yield
        finally:
            delattr(owner, method)

    def read(self) -> dict[str, float]:
        """Seconds by name since the last reading; waits for the device."""
        synchronise(self._device)
        spans, self._spans = self._spans, defaultdict(list)
        return {name: sum(_between(*pair) for pair in pairs) for name, pairs in spans.items()}

    def _now(self) -> Mark:
        if self._device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self._device))
            return event
        synchronise(self._device)
        return time.perf_counter()


def _between(start: Mark, stop: Mark) -> float:
    if isinstance(start, float) or isinstance(stop, float):
        return float(stop) - float(start)  # type: ignore[arg-type]
    return start.elapsed_time(stop) / 1000  # of milliseconds
