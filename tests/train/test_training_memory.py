"""Out of memory in any part of a training is one line with the settings that help."""

import pytest
import torch
from lightning.fabric import Fabric
from small_runs import noise, run_training
from small_studies import small_study, train_small

from lmf.core.errors import ResourceError
from lmf.study.stages import train as stage
from lmf.study.stages.validate import Validator
from lmf.train import drawing, parts
from lmf.train.objective import Objective

MESSAGE = (
    r"^out of memory on cpu: raise train\.accumulate \(now 1\) or lower train\.batch \(now 2\)"
)


def full(*arguments, **options):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (stage, "load_pictures"),
        (stage, "Validator"),
        (parts, "initial_model"),
        (parts, "Average"),
        (Fabric, "setup"),
        (drawing, "draw_batch"),
        (Objective, "forward"),
        (Fabric, "backward"),
        (Fabric, "clip_gradients"),
        (torch.optim.Adam, "step"),
        (Validator, "__call__"),
    ],
)
def test_wherever_it_happens(tmp_path, monkeypatch, where, name):
    monkeypatch.setattr(where, name, full)
    with pytest.raises(ResourceError, match=MESSAGE):
        train_small(small_study(tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    ],
)
def test_however_it_is_called(tmp_path, monkeypatch, error):
    def fails(*arguments, **options):
        raise error

    monkeypatch.setattr(drawing, "draw_queries", fails)
    with pytest.raises(ResourceError, match=MESSAGE):
        run_training(tmp_path, noise(2))
