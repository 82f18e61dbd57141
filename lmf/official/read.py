"""The tensors of an official checkpoint in a model of ours."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmf.architecture import ModelConfig, least_parameters
from lmf.core.errors import CheckpointError, ConfigError
from lmf.core.unpickle import read_pth
from lmf.core.weights import check_finite, check_room, check_tensors
from lmf.model import Lmf
from lmf.nets.swinir import SwinBlock
from lmf.nets.window_attention import shift_masks, window_kinds
from lmf.official.arguments import official_config

PREFIXES = {
    "encoder.": "encoder.",
    "head.basis.phase.": "phase.",
    "head.render_basis.phase.": "imphase.",
    "head.": "",
    "latent_mlp.": "hypernet.",
    "render_mlp.": "imnet.",
}
"""How our names begin -> how the official ones do; the first that fits. The rest is equal."""

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64)
"""Of parameters and, the last one, of indices."""

TRAINING_SIZE = 48
"""Side of the LR crops, in pixels, for which official SwinIR files store their attention masks."""


def read_official(path: str | os.PathLike[str]) -> Lmf:
    """The model of an official .pth file, in evaluation mode, on the CPU; nothing in it is executed.

    Raises:
        CheckpointError: the file is missing, damaged, holds pickled code, is of a family, encoder or
            option that this package lacks, or holds other tensors than its arguments ask for, or NaN.
    """
    path = Path(path)
    name, args, tensors = _entries(read_pth(path), str(path))
    try:
        config = official_config(name, args)
        check_room(least_parameters(config), tensors, str(path))
        model = Lmf(config)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    check_tensors(tensors, official_state(model), str(path))
    for key, value in _constants(model).items():
        if not torch.equal(tensors[key].to(value), value):
            raise CheckpointError(
                f"{path}: buffer {key} is not what its architecture gives; altered"
            )
    model.load_state_dict({key: tensors[official_name(key)] for key in model.state_dict()})
    check_finite({official_name(key): t for key, t in model.state_dict().items()}, str(path))
    return model.eval()


def official_name(name: str) -> str:
    """The official name of one of our parameters."""
    ours = next(prefix for prefix in PREFIXES if name.startswith(prefix))
    return PREFIXES[ours] + name.removeprefix(ours)


def official_state(model: Lmf) -> dict[str, Tensor]:
    """What an official file of `model` holds: parameters, unused ones and buffers, by official name."""
    state = {official_name(name): tensor for name, tensor in model.state_dict().items()}
    return state | _unused(model.config) | _constants(model)


def _unused(config: ModelConfig) -> dict[str, Tensor]:
    """LM-LTE's phases, which its files hold even where no cell is decoded."""
    if config.head != "lte" or config.cell:
        return {}
    phases = {"phase.weight": torch.zeros(config.fourier // 2, 2)}
    if config.mod_input:
        phases["imphase.weight"] = torch.zeros(config.width // 2, 2)
    return phases


def _constants(model: Lmf) -> dict[str, Tensor]:
    """SwinIR's buffers, which follow from its architecture."""
    found = {}
    for name, block in model.encoder.named_modules(prefix="encoder"):
        if isinstance(block, SwinBlock):
            found[f"{name}.attn.relative_position_index"] = block.attn.relative_position_index
            if block.shift:
                count = TRAINING_SIZE // block.window
                kinds = window_kinds(count, count, torch.device("cpu"))
                found[f"{name}.attn_mask"] = shift_masks(block.window, block.shift)[kinds]
    return found


def _entries(content: Any, where: str) -> tuple[str, Mapping[str, Any], Mapping[str, Tensor]]:
    """Name, arguments and tensors of the file's content, each of the right kind."""
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or {*model} != {"name", "args", "sd"}:
        raise CheckpointError(
            f"{where}: no official checkpoint, which holds a model's name, args, sd"
        )
    name, args, tensors = model["name"], model["args"], model["sd"]
    for key, kind in (("name", str), ("args", dict), ("sd", dict)):
        if not isinstance(model[key], kind):
            found = type(model[key]).__name__
            raise CheckpointError(f"{where}: its {key} is of type {found}; no official checkpoint")
    for key, value in tensors.items():
        if not isinstance(key, str) or not _usable(value):
            raise CheckpointError(
                f"{where}: sd entry {key!r} is no tensor of numbers; file damaged"
            )
    return name, args, tensors


def _usable(value: Any) -> bool:
    dense = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
    return dense and value.dtype in DTYPES
