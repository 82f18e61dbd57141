"""What a measurement rests on: the machine's ceilings, a stopwatch, peak memory. No seconds here."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from lmf.core.errors import LmfError, ResourceError
from lmf.metrics.cost import latency
from lmf.metrics.machine import Ceilings, best, measure_ceilings
from lmf.metrics.memory import peak_memory
from lmf.metrics.stopwatch import Stopwatch

CPU = torch.device("cpu")


def test_stopwatch_adds_up_and_leaves_no_trace():
    owner, watch = SimpleNamespace(), Stopwatch(CPU)
    counter = Counter()
    with watch.around(counter, "step", "steps"):
        assert [counter.step(), counter.step()] == [1, 2]
    assert "step" not in vars(counter)
    with pytest.raises(AttributeError), watch.around(owner, "nothing", "x"):
        pass
    assert list(watch.read()) == ["steps"]
    assert watch.read() == {}


class Counter:
    """Counts its steps."""

    steps = 0

    def step(self) -> int:
        """One more."""
        self.steps += 1
        return self.steps


def test_ceilings_are_the_best_of_both(monkeypatch):
    monkeypatch.setattr("lmf.metrics.machine.CPU_COPIED", 1 << 20)
    monkeypatch.setattr("lmf.metrics.machine.product_side", lambda device: 64)
    found = measure_ceilings(CPU, "bf16")
    assert found.matmul > 0
    assert found.copy > 0
    assert best(Ceilings(1, 5), Ceilings(3, 4)) == Ceilings(3, 5)


def allocate(megabytes: int):
    """A computation that holds so much at its peak, and nothing afterwards."""
    return lambda: torch.ones(megabytes << 18).sum()


def fail():
    """No computation."""
    raise LmfError("no such thing")


@pytest.mark.slow
def test_peak_memory_is_that_of_the_computation():
    hog = torch.ones(64 << 18)  # in this process, which is none of the other's business
    peak = peak_memory(partial(allocate, 64), CPU, 60)
    assert 60e6 < peak < 90e6
    with pytest.raises(LmfError, match="no such thing"):
        peak_memory(fail, CPU, 60)
    with pytest.raises(ResourceError, match="more than 0 s"):
        peak_memory(partial(allocate, 1), CPU, 0)
    assert hog.sum() == hog.numel()


def give_back(megabytes: int):
    """Memory that a first run takes and gives back, before as much is taken again."""
    torch.ones(megabytes << 18)
    return partial(torch.ones, megabytes << 18)


@pytest.mark.slow
def test_what_a_first_run_gave_back_is_counted_when_it_is_taken_again():
    assert 60e6 < peak_memory(partial(give_back, 64), CPU, 60) < 90e6


def test_one_run_has_quartiles():
    timed = latency(lambda image, scale: image, (4, 5), 2, device=CPU, runs=1)
    assert timed.q25_s == timed.median_s == timed.q75_s
