"""Weights as data: safetensors beside a JSON card. Nothing here unpickles.

<name>.safetensors   the tensors; fp32 or fp16
<name>.json          the card: architecture, data, steps, seed, versions, sha256, licence
"""

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lmf.core.config import parse, plain
from lmf.core.errors import CheckpointError, ConfigError
from lmf.core.files import atomic_write, sha256, write_json
from lmf.model import Lmf, ModelConfig


def save_model(model: Lmf, path: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write `path` (.safetensors) and its card beside it; returns the card.

    facts: what the card says beyond the architecture: name, profile, steps, seed, data and so on.
    """
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary)
    card = dict(facts) | {
        "architecture": plain(model.config),
        "parameters": sum(p.numel() for p in model.parameters()),
        "sha256": sha256(path),
        "torch": torch.__version__,
        "lmf": version("lmf"),
    }
    write_json(path.with_suffix(".json"), card)
    return card


def read_card(path: Path) -> dict[str, Any]:
    """The card beside a .safetensors file. Raises CheckpointError if either is missing or foreign."""
    check_format(path)
    card = path.with_suffix(".json")
    try:
        values = json.loads(card.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{card}: no such card; weights and card belong together, restore it beside {path.name}"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{card}: not a JSON card ({error})") from error
    for name in ("architecture", "sha256"):
        if not isinstance(values, dict) or name not in values:
            raise CheckpointError(f"{card}: the card names no {name}; restore it from its source")
    return values


def load_model(path: str | os.PathLike[str]) -> Lmf:
    """A trained model, in evaluation mode, on the CPU, from a .safetensors path with its card.

    Raises:
        CheckpointError: the file is missing, damaged, altered since its card was written, or holds
            other parameters than its architecture has; nothing is partly loaded.
    """
    path = Path(path)
    card = read_card(path)
    if card["sha256"] != sha256(path):
        raise CheckpointError(f"{path}: differs from the sha256 on its card; restore either file")
    try:
        model = Lmf(parse(ModelConfig, card["architecture"], "its architecture"))
    except ConfigError as error:
        raise CheckpointError(f"{path.with_suffix('.json')}: {error}") from error
    load_strictly(model, read_tensors(path), str(path))
    return model.eval()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file. Raises CheckpointError if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or no safetensors file ({error})") from error


def check_format(path: Path) -> None:
    """CheckpointError if `path` is missing, or plainly something else was saved under its name."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such weights file")
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path}: a Git LFS pointer, not the weights; run `git lfs pull`")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(f"{path}: an HTML page, not weights; download the file itself again")
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: weights come as .safetensors files with a card beside")


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy `tensors` into `model`; CheckpointError names a missing, extra or misshapen one."""
    expected = model.state_dict()
    missing = sorted(expected.keys() - tensors.keys())
    extra = sorted(tensors.keys() - expected.keys())
    wrong = [n for n, t in tensors.items() if n in expected and t.shape != expected[n].shape]
    for problem, names in (("missing", missing), ("unexpected", extra), ("misshapen", wrong)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(
                f"{where}: {problem} parameter {names[0]}{more}; the file belongs to another model"
            )
    model.load_state_dict(dict(tensors))
