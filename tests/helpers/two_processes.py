"""A worker of `test_two_processes_are_one`: trains under torchrun and writes its log and weights."""

import sys
from pathlib import Path

import torch
from small_runs import CONFIG, MODEL, noise

from lmf.core.weights import write_tensors
from lmf.train.config import TrainConfig
from lmf.train.engine import Run, train
from lmf.train.fabric import make_fabric
from lmf.train.observe import Watch

if __name__ == "__main__":
    folder, batch, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    config = TrainConfig(**(vars(CONFIG) | {"batch": batch, "steps": steps, "log_every": 1}))
    fabric = make_fabric(torch.device("cpu"), "fp32")
    run = Run(MODEL, config, seed=5, data="digest")
    done = train(run, noise(4), folder / "run", fabric, Watch(lambda model, step: 0.0))
    if fabric.is_global_zero:
        losses = torch.tensor([row["loss"] for row in done.rows])
        write_tensors(folder / "done.safetensors", {"losses": losses, **done.model.state_dict()})
