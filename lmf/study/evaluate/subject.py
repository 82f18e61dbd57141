"""What is evaluated: a baseline, or a model with what is known of its weights."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmf.checkpoint import OFFICIAL, load_model, read_card
from lmf.core.files import sha256
from lmf.data.degrade import resize_picture
from lmf.data.pictures import as_tensor
from lmf.metrics.cost import (
    LR_SIZE,
    SCALE,
    coarse,
    cpu_name,
    device_name,
    multiply_adds,
    parameters,
)
from lmf.model import Lmf
from lmf.study.evaluate.journal import Facts

Upscaler = Callable[[Tensor, tuple[int, int]], Tensor]
"""(1, 3, h, w) in [0, 1] and a size (H, W) -> (1, 3, H, W)."""


@dataclass(frozen=True)
class Subject:
    """How to upscale with it, its facts, and the model itself unless it is a baseline."""

    facts: Facts
    upscale: Upscaler
    model: Lmf | None


def baseline_subject(kernel: str, profile: str) -> Subject:
    """Pillow's "bicubic" or "bilinear", which a processor computes."""
    facts = Facts(
        model=kernel,
        profile=profile,
        seed=None,
        steps=None,
        weights_sha256=None,
        params=None,
        macs_g=None,
        device=cpu_name(),
        torch=torch.__version__,
        lmf=version("lmf"),
    )
    return Subject(facts, baseline(kernel), None)


def model_subject(
    path: Path, device: torch.device, name: str | None = None, profile: str | None = None
) -> Subject:
    """The model in a .safetensors file with its card, or in an official .pth file.

    name, profile: for its rows; by default the file's stem, and the profile that its card names.
    """
    model = load_model(path)
    card: dict[str, Any] = {"sha256": sha256(path)} if path.suffix == OFFICIAL else read_card(path)
    facts = Facts(
        model=name or path.stem,
        profile=str(card.get("profile") or "") if profile is None else profile,
        seed=card.get("seed"),
        steps=card.get("steps"),
        weights_sha256=card["sha256"],
        params=parameters(model),
        macs_g=multiply_adds(model, LR_SIZE, SCALE) / 1e9,
        device=device_name(device) + coarse(device),
        torch=torch.__version__,
        lmf=version("lmf"),
    )
    model = model.to(device)
    return Subject(facts, lambda image, size: model(image, size=size), model)


def baseline(kernel: str) -> Upscaler:
    """Pillow's "bicubic" or "bilinear" on the 8-bit LR picture."""

    def upscale(image: Tensor, size: tuple[int, int]) -> Tensor:
        lr = (image[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        return as_tensor(resize_picture(lr, size, kernel))

    return upscale
