"""A training of seconds, for tests of the engine."""

from pathlib import Path

import torch
from lightning.fabric import Fabric

from lmf.architecture import MODELS, with_options
from lmf.data.pairs import Pictures, hold
from lmf.train.config import TrainConfig
from lmf.train.engine import Run, train
from lmf.train.fabric import make_fabric
from lmf.train.observe import Watch

CONFIG = TrainConfig(
    steps=9,
    batch=2,
    patch=6,
    queries=20,
    scales=(1.0, 4.0),
    lr=1e-3,
    lr_min=1e-5,
    warmup=2,
    ema=0.9,
    clip=1.0,
    precision="fp32",
    log_every=2,
    validate_every=4,
    save_every=3,
)
MODEL = with_options(
    MODELS["lm-lte"], {"encoder": "edsr-small", "fourier": 8, "hidden": [8]}, "test"
)


class Killed(BaseException):
    """Stands for a process that ends between two steps."""


def noise(count: int, device: str = "cpu") -> Pictures:
    random = torch.Generator().manual_seed(3)
    pixels = [
        torch.randint(0, 256, (3, 40, 50), generator=random, dtype=torch.uint8)
        for _ in range(count)
    ]
    return hold([f"{i}.png" for i in range(count)], pixels, torch.device(device))


def run_training(
    folder: Path,
    pictures: Pictures,
    config=CONFIG,
    die_at: int | None = None,
    fabric: Fabric | None = None,
    model=MODEL,
):
    def on_step(step: int, loss: float) -> None:
        if step == die_at:
            raise Killed

    def validate(model, step: int) -> float:
        return float(sum(p.detach().sum() for p in model.parameters()))

    fabric = fabric or make_fabric(pictures.pixels.device, config.precision)
    run = Run(model, config, seed=5, data="digest")
    return train(run, pictures, folder, fabric, Watch(validate, on_step))
