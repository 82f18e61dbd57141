"""What a training promises holds on a GPU as on a CPU, in each precision that the device has."""

import dataclasses

import pytest
import torch
from small_runs import CONFIG, Killed, noise, run_training

from lmf.architecture import MODELS, with_options
from lmf.train import engine

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
    there = noise(3, device)
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
        else:  # in half precision those of a gradient are rough, and Adam makes each step alike
            torch.testing.assert_close(found, expected, atol=4e-3, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("name", "encoder", "compiled"),
    [
        ("lm-lte", "edsr-small", False),
        ("lm-lte", "edsr-small", True),
        ("lm-lte", "rdn-small", False),
        ("lm-lte", "swinir-small", False),
        ("lm-liif", "edsr-small", False),
        ("lm-ciaosr", "edsr-small", False),
        ("lte", "edsr-small", False),
        ("ciaosr", "edsr-small", False),
    ],
)
def test_recorded_as_a_graph_is_as_kernel_by_kernel(
    tmp_path, monkeypatch, caplog, precision, name, encoder, compiled
):
    """The same losses and gradients, step by step, until rounding has spread."""
    caplog.set_level("INFO", "lmf.train")
    there = noise(3, "cuda")
    options = {"encoder": encoder, "cross_scale": {}, "hidden": [8]}
    options |= {"fourier": 8} if "lte" in name else {}
    model = with_options(MODELS[name], options, "test")
    config = dataclasses.replace(CONFIG, precision=precision, patch=8, lr=1e-4, log_every=1)
    config = dataclasses.replace(config, compile=compiled)
    recorded = run_training(tmp_path / "recorded", there, config, model=model)
    assert "replayed as a CUDA graph" in caplog.text
    monkeypatch.setattr(engine, "why_not", lambda config, fabric: "this is a test")
    plain = run_training(tmp_path / "plain", there, config, model=model)
    assert "this is a test" in caplog.text
    for name in ("loss", "grad_norm"):
        found, wanted = ([row[name] for row in t.rows] for t in (recorded, plain))
        assert len(set(wanted)) > 1
        assert found == pytest.approx(wanted, rel=0.02)
