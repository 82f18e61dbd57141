"""Latent modulated functions for arbitrary-scale super-resolution: a reproducible study.

    model = lmf.create_model("lm-lte", encoder="edsr-baseline")
    model = lmf.load_model("lm-lte-edsr-baseline")
    with torch.no_grad():                  # else every step is kept for gradients
        rgb = model(image, scale=3.7)      # (B, 3, h, w) in [0, 1] -> (B, 3, H, W)
    out = lmf.Enhancer(model).enhance(picture, scale=4)

Names are imported when first used, so that `lmf --help` does not wait for torch.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmf import metrics
    from lmf.architecture import ModelConfig
    from lmf.checkpoint import load_model
    from lmf.core.errors import LmfError
    from lmf.deploy.enhancer import Enhancer
    from lmf.model import Lmf, create_model

__all__ = ["Enhancer", "Lmf", "LmfError", "ModelConfig", "create_model", "load_model", "metrics"]

_HOME = {
    "Enhancer": "lmf.deploy.enhancer",
    "Lmf": "lmf.model",
    "LmfError": "lmf.core.errors",
    "ModelConfig": "lmf.architecture",
    "create_model": "lmf.model",
    "load_model": "lmf.checkpoint",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("lmf")
    if name == "metrics":
        return importlib.import_module("lmf.metrics")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'lmf' has no attribute {name!r}")
