"""What a training promises holds on a GPU as on a CPU, in each precision that the device has."""

import dataclasses

import pytest
import torch
from small_runs import CONFIG, Killed, noise, run_training

from lmf.data.pairs import Pictures

GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CASES = [
    ("cpu", "fp32"),
    ("cpu", "bf16"),
    *(pytest.param(("cuda", precision), marks=GPU) for precision in ("fp32", "bf16", "fp16")),
]


@pytest.fixture(params=CASES, ids="-".join)
def run(request):
    """Trains on a device in a precision: (folder, die_at=None) -> what was trained."""
    device, precision = request.param
    pictures = noise(3)
    there = Pictures(pictures.names, tuple(t.to(device) for t in pictures.pixels))
    config = dataclasses.replace(CONFIG, precision=precision)

    def training(folder, die_at=None):
        return run_training(folder, there, config, die_at)

    return training


def test_learns(run, tmp_path):
    """The model moves, all of it is finite, and every logged loss is."""
    trained = run(tmp_path)
    assert trained.health.skipped == 0
    assert all(torch.isfinite(p).all() for p in trained.model.parameters())
    losses = [row["loss"] for row in trained.rows]
    assert len(set(losses)) == len(losses)
    assert all(0 < loss < 10 for loss in losses)


def test_resumed_is_as_uninterrupted(run, tmp_path):
    """To the bit on a CPU; on a GPU sums may be added in another order."""
    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "cut", die_at=8)
    resumed = run(tmp_path / "cut")
    assert [row["step"] for row in resumed.rows] == [row["step"] for row in whole.rows]
    pairs = zip(resumed.model.parameters(), whole.model.parameters(), strict=True)
    for found, expected in pairs:
        if found.device.type == "cpu":
            assert torch.equal(found, expected)
        else:
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
