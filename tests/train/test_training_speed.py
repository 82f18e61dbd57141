"""What `lmf train --benchmark` measures."""

import pytest
import torch
from small_runs import CONFIG, MODEL, noise
from torch.utils.flop_counter import FlopCounterMode

from lmf.data.pairs import draw_batch, draw_queries, look_up, stream
from lmf.study.training_speed import _line
from lmf.train.benchmark import measure
from lmf.train.engine import Run
from lmf.train.fabric import make_fabric
from lmf.train.objective import Objective
from lmf.train.start import initial_model


def flops_of_a_step() -> int:
    """Of one forward and one backward pass, counted by themselves."""
    batch = draw_batch(
        noise(3), stream(5, 0), batch=CONFIG.batch, patch=CONFIG.patch, scales=CONFIG.scales
    )
    pixels = draw_queries(
        CONFIG.batch, batch.hr[0, 0].numel(), CONFIG.queries, 0, torch.device("cpu")
    )
    objective = Objective(initial_model(MODEL), CONFIG)
    with FlopCounterMode(display=False) as counter:
        objective(batch.lr, look_up(batch.hr, pixels)).backward()
    return counter.get_total_flops()


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
            ],
        ),
    ],
)
def test_speed_of_a_small_training(device):
    run = Run(MODEL, CONFIG, seed=5, data="digest")
    found = measure(run, noise(3, device), make_fabric(torch.device(device), "fp32"), 3)
    assert found.flops == flops_of_a_step()
    assert 0 < found.data_share < 1
    line = _line(found, 2048)
    if device == "cpu":
        assert found.busy is None
        assert found.by_kernel == "the device is cpu"
        assert "GPU" not in line
    else:
        assert 0 < found.busy < 1.1
        assert found.by_kernel is None
        assert "replayed as a graph" in line
