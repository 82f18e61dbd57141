"""Official checkpoints as their training writes them, with weights that a formula gives."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmf.model import Lmf
from lmf.official.arguments import official_config
from lmf.official.read import official_state

ORIGINAL = {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [256, 256, 256]}}
DEEPER = {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [256, 256, 256, 256]}}
LATENT_LTE = {"name": "mlp", "args": {"out_dim": 288, "hidden_list": [288]}}
LATENT_LIIF = {"name": "mlp", "args": {"out_dim": 208, "hidden_list": [208]}}
SWITCHES = {"local_ensemble": True, "cell_decode": True, "mod_input": True}


def render(depth: int) -> dict[str, Any]:
    sizes = {"out_dim": 3, "hidden_dim": 16, "hidden_depth": depth}
    return {"name": "lmmlp", "args": sizes | {"mod_scale": True, "mod_shift": True}}


ARGS: dict[str, dict[str, Any]] = {
    "liif": {"imnet_spec": DEEPER},
    "lte": {"imnet_spec": ORIGINAL, "hidden_dim": 256},
    "lmliif": {"imnet_spec": render(6), "hypernet_spec": LATENT_LIIF, "feat_unfold": True}
    | SWITCHES,
    "lmlte": {"imnet_spec": render(8), "hypernet_spec": LATENT_LTE, "hidden_dim": 128} | SWITCHES,
}


def args_of(family: str, encoder: str = "edsr-baseline", **changes: Any) -> dict[str, Any]:
    """What the official configuration of a family says."""
    spec = {"name": encoder, "args": {"no_upsampling": True}}
    return {"encoder_spec": spec} | ARGS[family] | changes


def weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """float32 values that depend on the official name and the shape alone."""
    random = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    value = random.standard_normal(shape).astype(np.float32)
    if len(shape) > 1:
        value *= np.float32(0.8 / np.sqrt(np.prod(shape[1:])))
    else:
        value *= np.float32(0.05)
        value += name.endswith(("norm.weight", "norm1.weight", "norm2.weight"))
    return torch.from_numpy(value)


def picture(h: int, w: int) -> Tensor:
    """(1, 3, h, w) in [0, 1]: smooth ramps with noise."""
    y, x = np.mgrid[:h, :w].astype(np.float32)
    ramps = np.stack([np.sin(x / 3 + c) * np.cos(y / 4 - c) for c in range(3)]) * 0.35 + 0.5
    noise = np.random.Generator(np.random.PCG64(7)).standard_normal((3, h, w)).astype(np.float32)
    return torch.from_numpy(np.clip(ramps + 0.05 * noise, 0, 1).astype(np.float32))[None]


def content(family: str, encoder: str = "edsr-baseline", **changes: Any) -> dict[str, Any]:
    """The "model" entry of an official file, whose weights are by formula."""
    args = args_of(family, encoder, **changes)
    state = official_state(Lmf(official_config(family, args)))
    buffers = (".relative_position_index", ".attn_mask")
    sd = {n: t if n.endswith(buffers) else weight(n, tuple(t.shape)) for n, t in state.items()}
    return {"name": family, "args": args, "sd": sd}


def write(path: Path, model: object) -> Path:
    """Save `model` as the official training does, with its optimiser beside it."""
    optimizer = {"name": "adam", "args": {"lr": 1e-4}, "sd": {"state": {}, "param_groups": []}}
    torch.save({"model": model, "optimizer": optimizer, "epoch": 1000}, path)
    return path
